"""Float32 products in full: torch may be set, by itself or by others, to compute them coarser."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_backends: Any = torch.backends
_SWITCHES: dict[str, tuple[Any, ...]]
if hasattr(_backends.cuda.matmul, "fp32_precision"):
    _ATTRIBUTE: str = "fp32_precision"
    _FULL: tuple[Any, ...] = ("ieee", "none")
    _SWITCHES = {
        "cuda": (_backends.cuda.matmul, _backends.cudnn.conv, _backends.cudnn.rnn),
        "cpu": (_backends.mkldnn.matmul, _backends.mkldnn.conv, _backends.mkldnn.rnn),
    }
else:  # Before torch 2.9.
    _ATTRIBUTE = "allow_tf32"
    _FULL = (False,)
    _SWITCHES = {"cuda": (_backends.cuda.matmul, _backends.cudnn)}


_lock = threading.Lock()
_users: Counter[str] = Counter()
_coarse: dict[str, dict[Any, Any]] = {}


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Compute float32 products in full, and put back what was set.

    On a GPU, torch's own choice for convolutions and recurrent layers is TF32, which keeps 10 of
    the 23 bits. The switches are the whole process's: of several threads, the first one in sets
    them and the last one out puts them back.
    """
    kind = device.type
    with _lock:
        if not _users[kind]:
            _coarse[kind] = {
                switch: value
                for switch in _SWITCHES.get(kind, ())
                if (value := getattr(switch, _ATTRIBUTE)) not in _FULL
            }
            for switch in _coarse[kind]:
                setattr(switch, _ATTRIBUTE, _FULL[0])
        _users[kind] += 1
    try:
        yield
    finally:
        with _lock:
            _users[kind] -= 1
            if not _users[kind]:
                for switch, value in _coarse.pop(kind).items():
                    setattr(switch, _ATTRIBUTE, value)
