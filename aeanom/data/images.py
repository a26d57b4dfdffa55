"""Images in: the IDX format, and Fashion-MNIST from wherever it already is on this machine.

It imports NumPy, the standard library and `aeanom.errors`. Fashion-MNIST is by Xiao, Rasul and
Vollgraf (2017), arXiv:1708.07747, licensed MIT: https://github.com/zalandoresearch/fashion-mnist.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from aeanom.errors import DatasetNotFoundError, InvalidDataError
from aeanom.storage.atomic import replace_file

__all__ = ["CLASS_NAMES", "FashionMNIST", "fashion_mnist", "read_idx"]

#: The names of Fashion-MNIST's classes 0 to 9.
CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

_IDX_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

_TRAIN_IMAGES = "train-images-idx3-ubyte"
_TRAIN_LABELS = "train-labels-idx1-ubyte"
_TEST_IMAGES = "t10k-images-idx3-ubyte"
_TEST_LABELS = "t10k-labels-idx1-ubyte"

# SHA-256 and size of the four files, unpacked: Debian's copies differ from the originals in the
# gzip header (no name, another time), and torchvision's are unpacked.
_CONTENTS: Mapping[str, tuple[str, int]] = {
    _TRAIN_IMAGES: ("c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888", 47_040_016),
    _TRAIN_LABELS: ("bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", 60_008),
    _TEST_IMAGES: ("5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", 7_840_016),
    _TEST_LABELS: ("0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", 10_008),
}

_MIRRORS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)
_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, eq=False)
class FashionMNIST:
    """Fashion-MNIST: 28 × 28 grey images of clothes in ten classes (`CLASS_NAMES`).

    Attributes
    ----------
    train_images : ndarray of uint8, shape (60000, 28, 28)
    train_labels : ndarray of uint8, shape (60000,)
    test_images : ndarray of uint8, shape (10000, 28, 28)
    test_labels : ndarray of uint8, shape (10000,)
    source : Path
        The folder that they were read from.
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    source: Path


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an IDX file, plain or gzip-compressed.

    Returns
    -------
    ndarray
        In the file's shape and dtype (uint8, int8, int16, int32, float32, float64), native byte
        order, writable.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    InvalidDataError
        It is not an IDX file, or is longer or shorter than it says.

    Notes
    -----
    Two zero bytes, the dtype's code, the number of dimensions, each dimension's length as a
    big-endian uint32, then the elements, big-endian and in C order: http://yann.lecun.com/exdb/mnist.
    """
    content = Path(path).read_bytes()
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise InvalidDataError(f"{path} is damaged: gzip cannot read it ({error})") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX_DTYPES:
        raise InvalidDataError(f"{path} is not an IDX file: it starts with {content[:4]!r}")
    dtype, dimensions = np.dtype(_IDX_DTYPES[content[2]]), content[3]
    start = 4 + 4 * dimensions
    if dimensions == 0 or len(content) < start:
        raise InvalidDataError(f"{path} is not an IDX file: it has no complete header")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    needed = start + math.prod(shape) * dtype.itemsize
    if len(content) != needed:
        raise InvalidDataError(
            f"{path} is damaged: {dtype.name} of shape {shape} needs {needed} bytes, "
            f"and it has {len(content)}"
        )
    elements = np.frombuffer(content, dtype=dtype, offset=start)
    # A copy, as what lies over `bytes` is read-only.
    return elements.astype(dtype.newbyteorder("=")).reshape(shape)


def fashion_mnist(
    folder: str | os.PathLike[str] | None = None, *, download: bool = True
) -> FashionMNIST:
    """Find Fashion-MNIST on this machine, or download it once.

    Looked for, in this order: `$AEANOM_DATA/images`; where Debian's package
    dataset-fashion-mnist puts it; Keras' cache; the folders that torchvision users name; aeanom's
    own cache, which is also where a download goes, after its SHA-256 was compared.

    Parameters
    ----------
    folder : str or path-like, optional
        The folder with the four IDX files, gzip-compressed or not. Only this one is looked at
        then, and nothing is downloaded.
    download : bool
        Whether to download the files (31 MB) when they are nowhere.

    Raises
    ------
    DatasetNotFoundError
        It was not found and not downloaded; the message lists every place and what to do.
    InvalidDataError
        The files that were found are damaged or do not belong together.
    """
    places = [Path(folder)] if folder is not None else _places()
    for place in places:
        files = _files_in(place)
        if files is not None:
            return _read(place, files)
    reason = "downloading was not asked for"
    if folder is not None:
        reason = "nothing is downloaded when a folder is given"
    elif download:
        try:
            _download(_cache())
        except (OSError, InvalidDataError) as error:
            reason = f"downloading failed ({error})"
        else:
            return _read(_cache(), {name: _cache() / f"{name}.gz" for name in _CONTENTS})
    looked = "\n".join(f"  {place}" for place in places)
    raise DatasetNotFoundError(
        f"Fashion-MNIST is in none of these places, and {reason}:\n{looked}\n"
        "Do one of these:\n"
        f"  set AEANOM_DATA to a folder whose images/ holds {', '.join(_CONTENTS)} (.gz or not)\n"
        "  on Debian or Ubuntu: sudo apt install dataset-fashion-mnist\n"
        "  with Keras: keras.datasets.fashion_mnist.load_data(); with torchvision: "
        'datasets.FashionMNIST("data", download=True)\n'
        f"  download the four files from {_MIRRORS[0]} on another machine, and copy them"
    )


def _places() -> list[Path]:
    """Every folder that may hold the files, in the order in which they are tried."""
    # Read at each call, as the environment may change after the import.
    home = Path.home()
    data = os.environ.get("AEANOM_DATA")
    keras = os.environ.get("KERAS_HOME")
    torchvision = [Path("data"), Path("datasets"), home / "data", home / "datasets"]
    return [
        *([Path(data) / "images"] if data else []),
        Path("/usr/share/datasets/fashion-mnist"),
        (Path(keras) if keras else home / ".keras") / "datasets" / "fashion-mnist",
        *(root / "FashionMNIST" / "raw" for root in torchvision),
        _cache(),
    ]


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "aeanom" / "fashion-mnist"


def _files_in(place: Path) -> dict[str, Path] | None:
    """Return the four files, or None if one is missing."""
    files = {}
    for name in _CONTENTS:
        found = [path for path in (place / f"{name}.gz", place / name) if path.is_file()]
        if not found:
            return None
        files[name] = found[0]
    return files


def _read(place: Path, files: Mapping[str, Path]) -> FashionMNIST:
    arrays = {name: read_idx(path) for name, path in files.items()}
    for images_name, labels_name in ((_TRAIN_IMAGES, _TRAIN_LABELS), (_TEST_IMAGES, _TEST_LABELS)):
        images, labels = arrays[images_name], arrays[labels_name]
        if images.shape[1:] != (28, 28) or images.dtype != np.uint8:
            raise InvalidDataError(
                f"{files[images_name]} does not hold 28 × 28 uint8 images, "
                f"but {images.dtype} of shape {images.shape}"
            )
        if labels.shape != images.shape[:1] or labels.max(initial=0) >= len(CLASS_NAMES):
            raise InvalidDataError(
                f"{files[labels_name]} does not hold one label from 0 to 9 for each of the "
                f"{len(images)} images beside it"
            )
    return FashionMNIST(
        arrays[_TRAIN_IMAGES],
        arrays[_TRAIN_LABELS],
        arrays[_TEST_IMAGES],
        arrays[_TEST_LABELS],
        place,
    )


def _download(cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    for name in _CONTENTS:
        packed = _download_file(name)

        def write(file: BinaryIO, packed: bytes = packed) -> None:
            file.write(packed)

        replace_file(cache / f"{name}.gz", write)


def _download_file(name: str) -> bytes:
    """Return the compressed file from the first mirror that gives the right one."""
    import http.client
    import urllib.request

    digest, size = _CONTENTS[name]
    reasons = []
    for mirror in _MIRRORS:
        url = f"{mirror}{name}.gz"
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
                packed: bytes = response.read(size + 4096)  # no server can fill the memory
            with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
                content = file.read(size + 1)
        except (OSError, EOFError, zlib.error, http.client.HTTPException) as error:
            reasons.append(f"{url}: {error}")
            continue
        if hashlib.sha256(content).hexdigest() == digest:
            return packed
        reasons.append(f"{url}: its SHA-256 is not that of {name}")
    raise InvalidDataError("; ".join(reasons))
