"""The `.aeanom` file: a manifest and named arrays, in one safetensors file.

The manifest is canonical JSON (sorted names, no spaces, UTF-8) under the one metadata key
`aeanom`, with two entries of this module's own: `format_version` and `digest`. The digest is the
SHA-256 of the whole file with its own 64 digits read as zeros, so a change of any byte, padding
included, is noticed. It finds damage; it is no signature, and says nothing of who wrote a file.

What the manifest means is `aeanom/model.py`'s business. This module imports NumPy and
`aeanom.errors`, and the safetensors library inside the functions that need it; nothing in a file
is ever executed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from aeanom.errors import MissingDependencyError, ModelFileError
from aeanom.storage.atomic import replace_file
from aeanom.storage.header import DTYPES, Header, read_header, strict_json

__all__ = [
    "FORMAT_VERSION",
    "METADATA_KEY",
    "TensorSpecs",
    "read_manifest",
    "read_model_file",
    "write_model_file",
]

#: The version that this module writes, and the newest that it reads; all before it are read too.
#: 2 came with what is `familiar`, the health of the fit, and thresholds by group.
FORMAT_VERSION = 2

#: The one metadata key of a model file.
METADATA_KEY = "aeanom"

#: Tensor name → (dtype such as "float32", shape); None in a shape stands for any length.
TensorSpecs: TypeAlias = Mapping[str, tuple[str, tuple[int | None, ...]]]

_NO_DIGEST = "0" * 64
_CHUNK = 1 << 20


def write_model_file(
    path: str | os.PathLike[str],
    manifest: Mapping[str, object],
    tensors: Mapping[str, NDArray[Any]],
) -> None:
    """Write a model file, read it back, and only then put it in the place of an old one.

    Parameters
    ----------
    path : str or path-like
        The file to make or replace; its folder must exist.
    manifest : mapping
        What JSON can hold, without NaN and infinities. `format_version` and `digest` are set
        here, so a manifest that was read from a file can be written again.
    tensors : mapping of str to ndarray
        float32, float64, int32, int64, uint8 or bool, of any shape, byte order and memory
        layout.

    Raises
    ------
    ModelFileError
        The manifest or an array cannot be stored, or the file did not read back as it was
        written. An old file is then as it was.
    FileNotFoundError
        The folder does not exist.
    OSError
        The file cannot be written.
    MissingDependencyError
        safetensors is not installed.
    """
    arrays = {name: _storable(name, array, path) for name, array in tensors.items()}
    content = _serialise(arrays, _canonical(manifest, path), path)
    specs = {name: (array.dtype.name, array.shape) for name, array in arrays.items()}

    def check(temporary: Path) -> None:
        _, stored = read_model_file(temporary, lambda _: specs)
        for name, array in arrays.items():
            # As bytes: a NaN equals itself, and -0.0 is not 0.0.
            if stored[name].tobytes() != array.tobytes():
                raise ModelFileError(
                    f"{path} was not written: tensor {name!r} read back differently; "
                    "the disk or the installed safetensors is at fault"
                )

    replace_file(path, lambda file: _write_all(file, content), check)


def read_model_file(
    path: str | os.PathLike[str],
    expected_tensors: Callable[[dict[str, Any]], TensorSpecs],
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read a model file, after checking every byte of it.

    Parameters
    ----------
    path : str or path-like
        The file.
    expected_tensors : callable
        Given the manifest, it returns every tensor that the file must hold, as
        name → (dtype, shape), where None in a shape means any length. It is asked before a
        tensor is allocated, and what it raises becomes a `ModelFileError`.

    Returns
    -------
    manifest : dict
        With `format_version` and `digest`.
    tensors : dict of str to ndarray
        Writable, C-contiguous, in the file's dtypes.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ModelFileError
        It is not a model file, is damaged, was made by a newer version of aeanom, or its tensors
        are not those that `expected_tensors` names.
    MissingDependencyError
        safetensors is not installed.
    """
    with _opened(path) as (file, size):
        header = read_header(file, size, path)
        manifest = _manifest(header, path)
        # Damage is looked for first, so that it is not taken for a model that contradicts itself.
        _check_digest(file, header, manifest, path)
        _check_expected(header, _expected(manifest, expected_tensors, path), path)
        file.seek(0)
        content = file.read()
    return manifest, _deserialise(content, header, path)


def read_manifest(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the manifest alone, from the file's header.

    The tensors are not read, so the digest is not checked.

    Returns
    -------
    dict
        The manifest with `format_version` and `digest`.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ModelFileError
        It is not a model file, its header is damaged, or a newer version of aeanom made it.
    """
    with _opened(path) as (file, size):
        return _manifest(read_header(file, size, path), path)


# Writing ------------------------------------------------------------------------------------------


def _storable(name: str, array: NDArray[Any], path: str | os.PathLike[str]) -> NDArray[Any]:
    """Return the array as the file holds it: C-contiguous and little-endian."""
    if not isinstance(name, str) or name in ("", "__metadata__"):
        raise ModelFileError(f"{path} was not written: {name!r} cannot be a tensor's name")
    array = np.asarray(array)
    allowed = [dtype for dtype, _ in DTYPES.values()]
    if array.dtype.name not in allowed:
        raise ModelFileError(
            f"{path} was not written: tensor {name!r} has dtype {array.dtype}; "
            f"a model holds only {', '.join(allowed)}"
        )
    # safetensors copies an array's memory as it lies, whatever the strides. And not
    # `ascontiguousarray`, which turns an array without dimensions into one of length 1.
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _canonical(manifest: Mapping[str, object], path: str | os.PathLike[str]) -> str:
    """Return the manifest's JSON, with the version and 64 zeros where the digest will be."""
    entries = {**manifest, "format_version": FORMAT_VERSION, "digest": _NO_DIGEST}
    try:
        text = json.dumps(
            entries, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False
        )
        text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} was not written: its manifest is not JSON: {error}") from None
    return text


def _serialise(
    arrays: dict[str, NDArray[Any]], manifest: str, path: str | os.PathLike[str]
) -> bytes:
    """Return the whole file: first with zeros for the digest, then with the digest of that."""
    try:
        from safetensors.numpy import save
    except ImportError as error:
        raise _safetensors_missing() from error
    blank = save(arrays, metadata={METADATA_KEY: manifest})
    # Quotation marks inside the manifest are escaped once by the header's JSON, and twice where
    # they stand in a text of the manifest, so this finds only entries called "digest".
    slot = rb"\"digest\":\"%s\"" % _NO_DIGEST.encode()
    if blank.count(slot) != 1:
        raise ModelFileError(f"{path} was not written: there is no one place for its digest")
    digest = hashlib.sha256(blank).hexdigest()
    return blank.replace(slot, slot.replace(_NO_DIGEST.encode(), digest.encode()))


def _write_all(file: BinaryIO, content: bytes) -> None:
    file.write(content)


# Reading ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[BinaryIO, int]]:
    """Open a regular file; give it and its size."""
    # Looked at before it is opened, as opening a named pipe would wait for ever.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ModelFileError(f"{path} is not an aeanom model: it is not a regular file")
    with open(path, "rb") as file:
        yield file, os.fstat(file.fileno()).st_size


def _manifest(header: Header, path: str | os.PathLike[str]) -> dict[str, Any]:
    if METADATA_KEY not in header.metadata:
        raise ModelFileError(
            f"{path} is a safetensors file, but not an aeanom model: "
            f"it has no metadata under {METADATA_KEY!r}"
        )
    try:
        manifest = strict_json(header.metadata[METADATA_KEY])
    except ValueError as error:
        raise ModelFileError(
            f"{path} is damaged: its manifest is not valid JSON ({error})"
        ) from error
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if type(version) is not int or version < 1:
        raise ModelFileError(f"{path} is damaged: its manifest has no valid format version")
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"{path} was made by a newer version of aeanom (format {version}; this one reads up "
            f"to {FORMAT_VERSION}): pip install --upgrade aeanom"
        )
    if len(header.metadata) > 1:
        raise ModelFileError(
            f"{path} is damaged: it has other metadata than {METADATA_KEY!r}: "
            f"{', '.join(sorted(header.metadata.keys() - {METADATA_KEY}))}"
        )
    return dict(manifest)


def _check_digest(
    file: BinaryIO, header: Header, manifest: dict[str, Any], path: str | os.PathLike[str]
) -> None:
    """Compare the digest with that of the file, read in small parts from the tensor section on."""
    digest = manifest.get("digest")
    if (
        not isinstance(digest, str)
        or len(digest) != 64
        or set(digest) - set("0123456789abcdef")
        or header.raw.count(digest.encode()) != 1
    ):
        raise ModelFileError(f"{path} is damaged: its manifest has no valid digest")
    actual = hashlib.sha256(header.raw.replace(digest.encode(), _NO_DIGEST.encode()))
    while chunk := file.read(_CHUNK):
        actual.update(chunk)
    if actual.hexdigest() != digest:
        raise ModelFileError(
            f"{path} is damaged: its content does not match its digest; "
            "copy it again from where it came, or save the model anew"
        )


def _expected(
    manifest: dict[str, Any],
    expected_tensors: Callable[[dict[str, Any]], TensorSpecs],
    path: str | os.PathLike[str],
) -> TensorSpecs:
    try:
        return expected_tensors(manifest)
    except ModelFileError:
        raise
    # What a manifest that is sound JSON and no model can make the caller's code stumble over.
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(
            f"{path}: its manifest does not describe a model ({type(error).__name__}: {error})"
        ) from error


def _check_expected(header: Header, expected: TensorSpecs, path: str | os.PathLike[str]) -> None:
    missing = sorted(expected.keys() - header.tensors.keys())
    if missing:
        raise ModelFileError(f"{path}: these tensors are missing: {_listed(missing)}")
    surplus = sorted(header.tensors.keys() - expected.keys())
    if surplus:
        raise ModelFileError(
            f"{path}: these tensors do not belong to its model: {_listed(surplus)}"
        )
    for name, (dtype, shape) in expected.items():
        entry = header.tensors[name]
        fits = len(shape) == len(entry.shape) and all(
            length is None or length == found
            for length, found in zip(shape, entry.shape, strict=True)
        )
        if entry.dtype != dtype or not fits:
            wanted = ", ".join("any" if length is None else str(length) for length in shape)
            raise ModelFileError(
                f"{path}: tensor {name!r} is {entry.dtype} {entry.shape}, "
                f"and its model needs {dtype} ({wanted})"
            )


def _deserialise(
    content: bytes, header: Header, path: str | os.PathLike[str]
) -> dict[str, NDArray[Any]]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load
    except ImportError as error:
        raise _safetensors_missing() from error
    try:
        tensors = load(content)
    except (SafetensorError, ValueError, OverflowError) as error:
        raise ModelFileError(f"{path} is damaged: safetensors cannot read it ({error})") from error
    found = {name: (array.dtype.name, array.shape) for name, array in tensors.items()}
    if found != {name: (entry.dtype, entry.shape) for name, entry in header.tensors.items()}:
        raise ModelFileError(f"{path}: safetensors reads other tensors than its header names")
    for name, array in tensors.items():
        # A bool whose byte is neither 0 nor 1 is true in one NumPy function and false in another.
        if array.dtype == np.bool_ and array.view(np.uint8).max(initial=0) > 1:
            raise ModelFileError(f"{path}: tensor {name!r} has bytes that are no booleans")
    return {
        name: array if array.flags.writeable else array.copy() for name, array in tensors.items()
    }


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _safetensors_missing() -> MissingDependencyError:
    return MissingDependencyError(
        "model files need safetensors, which is not installed: pip install safetensors"
    )
