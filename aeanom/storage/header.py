"""Read and check the header of a safetensors file, before anything else trusts it.

The layout is 8 bytes with the header's length (little-endian), the header (a JSON object: tensor
name → dtype, shape, data offsets; and `__metadata__`), then the tensors' bytes. Every promise of
that layout is checked here against the file's real size, so that nothing later can be led outside
the file or into a huge allocation. It imports NumPy's dtypes and `aeanom.errors` only; see
`model_file.py` for what a model file adds.
"""

from __future__ import annotations

import json
import math
import os
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

from aeanom.errors import ModelFileError

__all__ = ["DTYPES", "MAX_HEADER_SIZE", "Header", "TensorEntry", "read_header", "strict_json"]

#: The longest header that is read, in bytes; the safetensors library has the same bound.
MAX_HEADER_SIZE = 100_000_000

#: The dtypes that a model file may hold: safetensors' name → (NumPy's name, bytes an element).
DTYPES = {
    "F32": ("float32", 4),
    "F64": ("float64", 8),
    "I32": ("int32", 4),
    "I64": ("int64", 8),
    "U8": ("uint8", 1),
    "BOOL": ("bool", 1),
}

# An empty array may claim any length in its other dimensions; beyond this NumPy itself overflows.
_MAX_DIMENSION = 2**48
_MAX_DIMENSIONS = 32


@dataclass(frozen=True)
class TensorEntry:
    """What the header says of one tensor; `start` and `stop` count from the tensor section."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True)
class Header:
    """A checked header: its bytes with the length before them, the metadata, the tensors."""

    raw: bytes
    metadata: dict[str, str]
    tensors: dict[str, TensorEntry]


def strict_json(text: str) -> Any:
    """Parse JSON with no duplicate names, NaN, infinities or overflowing numbers.

    Raises
    ------
    ValueError
        The text is not such JSON, or nests too deeply.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_unique_names,
            parse_float=_finite_float,
            parse_constant=_no_constant,
        )
    except RecursionError:
        raise ValueError("it nests too deeply") from None


def read_header(file: BinaryIO, size: int, path: str | os.PathLike[str]) -> Header:
    """Read the header of an open safetensors file and check all that it says.

    Parameters
    ----------
    file : binary file
        Open at its first byte; left at the first byte of the tensor section.
    size : int
        The file's size in bytes.
    path : str or path-like
        For the messages.

    Raises
    ------
    ModelFileError
        The file is not safetensors, was cut short or has bytes too many, or its header
        contradicts itself.
    """
    if size == 0:
        raise ModelFileError(f"{path} is not an aeanom model: the file is empty")
    prefix = file.read(8)
    if len(prefix) < 8:
        raise ModelFileError(f"{path} is not an aeanom model: it has only {size} bytes")
    (length,) = struct.unpack("<Q", prefix)
    if length > MAX_HEADER_SIZE or length > size - 8:
        raise ModelFileError(
            f"{path} is not an aeanom model, or was cut short: its first 8 bytes announce a header "
            f"of {length} bytes, and the file has {size} (at most {MAX_HEADER_SIZE} are allowed)"
        )
    encoded = file.read(length)
    if len(encoded) != length:
        raise ModelFileError(f"{path} was cut short while it was read")
    try:
        if not encoded.startswith(b"{"):
            raise ValueError("it is not an object")
        content = strict_json(encoded.decode("utf-8"))
    except ValueError as error:
        raise ModelFileError(
            f"{path} is not an aeanom model, or is damaged: its header is not valid JSON ({error})"
        ) from error
    metadata = _metadata(content.pop("__metadata__", {}), path)
    tensors = {name: _entry(name, value, path) for name, value in content.items()}
    _check_layout(tensors, size - 8 - length, path)
    return Header(prefix + encoded, metadata, tensors)


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # JSON parsers differ in which of two equal names wins, so two readers could see two models.
    names: dict[str, Any] = {}
    for name, value in pairs:
        if name in names:
            raise ValueError(f"the name {name!r} stands twice in one object")
        names[name] = value
    return names


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large for a float")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not allowed")


def _metadata(value: object, path: str | os.PathLike[str]) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ModelFileError(f"{path} is damaged: its metadata are not a table of texts")
    return value


def _entry(name: str, value: object, path: str | os.PathLike[str]) -> TensorEntry:
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise ModelFileError(
            f"{path} is damaged: tensor {name!r} needs a dtype, a shape and data offsets, no more"
        )
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ModelFileError(
            f"{path}: tensor {name!r} has dtype {dtype!r}; a model holds only {', '.join(DTYPES)}"
        )
    if not _counts(shape) or len(shape) > _MAX_DIMENSIONS or max(shape, default=0) > _MAX_DIMENSION:
        raise ModelFileError(f"{path} is damaged: tensor {name!r} has no possible shape: {shape!r}")
    if not _counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ModelFileError(
            f"{path} is damaged: tensor {name!r} has impossible data offsets: {offsets!r}"
        )
    dtype_name, itemsize = DTYPES[dtype]
    start, stop = offsets
    needed = math.prod(shape) * itemsize
    if stop - start != needed:
        raise ModelFileError(
            f"{path} is damaged: tensor {name!r}, {dtype_name} {tuple(shape)}, needs {needed} "
            f"bytes and has {stop - start}"
        )
    return TensorEntry(dtype_name, tuple(shape), start, stop)


def _counts(value: object) -> bool:
    # `type(...) is int`, as JSON's true and false are ints to Python.
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _check_layout(
    tensors: dict[str, TensorEntry], data_size: int, path: str | os.PathLike[str]
) -> None:
    """Tensors must fill the section from its first byte to its last, without gap or overlap."""
    end = 0
    for name, entry in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].stop)):
        if entry.start != end:
            what = "overlaps another" if entry.start < end else "leaves a gap before it"
            raise ModelFileError(
                f"{path} is damaged: tensor {name!r} {what} (it starts at byte {entry.start} of "
                f"the tensor section, not at {end})"
            )
        end = entry.stop
    if end != data_size:
        what = "was cut short" if end > data_size else "has bytes after its last tensor"
        raise ModelFileError(
            f"{path} {what}: its tensors need {end} bytes and {data_size} are there"
        )
