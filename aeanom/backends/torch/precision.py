"""Float32 products in full: torch may be set, by itself or by others, to compute them coarser."""

from __future__ import annotations

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


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Compute float32 products in full, and put back what was set.

    On a GPU, torch's own choice for convolutions and recurrent layers is TF32, which keeps 10 of
    the 23 bits.
    """
    coarse = {
        switch: value
        for switch in _SWITCHES.get(device.type, ())
        if (value := getattr(switch, _ATTRIBUTE)) not in _FULL
    }
    for switch in coarse:
        setattr(switch, _ATTRIBUTE, _FULL[0])
    try:
        yield
    finally:
        for switch, value in coarse.items():
            setattr(switch, _ATTRIBUTE, value)
