"""IDX files, and the search for Fashion-MNIST; nothing here uses the network."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from aeanom.data import CLASS_NAMES, fashion_mnist, images, read_idx
from aeanom.errors import DatasetNotFoundError, InvalidDataError

CODES = {"u1": 8, "i1": 9, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(array):
    array = np.asarray(array)
    code = CODES[array.dtype.str[1:]]
    return (
        bytes([0, 0, code, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.astype(array.dtype.newbyteorder(">")).tobytes()
    )


def small_files(labels=(0, 9, 3)):
    """The four files in miniature: three training images, two test images."""
    rng = np.random.default_rng(0)
    return {
        "train-images-idx3-ubyte": idx(rng.integers(0, 256, (3, 28, 28), dtype=np.uint8)),
        "train-labels-idx1-ubyte": idx(np.array(labels, dtype=np.uint8)),
        "t10k-images-idx3-ubyte": idx(rng.integers(0, 256, (2, 28, 28), dtype=np.uint8)),
        "t10k-labels-idx1-ubyte": idx(np.array([1, 2], dtype=np.uint8)),
    }


def put(folder, *, compressed=True, **keywords):
    folder.mkdir(parents=True)
    for name, content in small_files(**keywords).items():
        if compressed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A home without data and a network that is cut: what is found was put there by the test."""

    def cut(url, timeout):
        raise urllib.error.URLError("no network")

    for name in ("AEANOM_DATA", "KERAS_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(Path, "home", lambda: home)
    monkeypatch.setattr(urllib.request, "urlopen", cut)
    places = images._places
    monkeypatch.setattr(
        images, "_places", lambda: [place for place in places() if place.parts[1] != "usr"]
    )
    return home


# IDX ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("compressed", [False, True])
def test_every_idx_dtype_is_read(tmp_path, dtype, compressed):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    content = idx(array)
    (tmp_path / "x").write_bytes(gzip.compress(content) if compressed else content)
    found = read_idx(tmp_path / "x")
    np.testing.assert_array_equal(found, array, strict=True)
    assert found.dtype.isnative
    assert found.flags.writeable


def test_an_empty_idx_is_read(tmp_path):
    (tmp_path / "x").write_bytes(idx(np.zeros((0, 28, 28), np.uint8)))
    assert read_idx(tmp_path / "x").shape == (0, 28, 28)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an IDX file"),
        (b"a,b\n1,2\n", "is not an IDX file"),
        (b"\0\0\7\1\0\0\0\0", "is not an IDX file"),
        (b"\0\0\x08\0", "no complete header"),
        (b"\0\0\x08\3\0\0\0\1", "no complete header"),
        (idx(np.zeros((2, 3), np.uint8))[:-1], r"uint8 of shape \(2, 3\) needs 18 bytes"),
        (idx(np.zeros((2, 3), np.uint8)) + b"x", "and it has 19"),
        (b"\0\0\x0e\2" + b"\xff" * 8, "is damaged"),
        (gzip.compress(idx(np.zeros(9, np.uint8)), mtime=0)[:-5], "gzip cannot read it"),
    ],
)
def test_what_is_no_idx_file_is_refused(tmp_path, content, message):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InvalidDataError, match=message):
        read_idx(tmp_path / "x")


# The search ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
def test_a_folder_of_ones_own_is_read(tmp_path, compressed):
    folder = put(tmp_path / "mine", compressed=compressed)
    found = fashion_mnist(folder)
    assert found.source == folder
    assert found.train_images.shape == (3, 28, 28)
    assert found.train_labels.tolist() == [0, 9, 3]
    assert found.test_images.shape == (2, 28, 28)
    assert found.test_labels.tolist() == [1, 2]
    assert found.test_images.dtype == np.uint8


@pytest.mark.parametrize(
    "place",
    [
        "home/.keras/datasets/fashion-mnist",
        "work/data/FashionMNIST/raw",
        "home/data/FashionMNIST/raw",
        "home/.cache/aeanom/fashion-mnist",
    ],
)
def test_the_usual_places_are_searched(elsewhere, tmp_path, place):
    put(tmp_path / place)
    assert fashion_mnist().source.resolve() == tmp_path / place


@pytest.mark.parametrize(
    ("variable", "place"),
    [
        ("AEANOM_DATA", "images"),
        ("KERAS_HOME", "datasets/fashion-mnist"),
        ("XDG_CACHE_HOME", "aeanom/fashion-mnist"),
    ],
)
def test_the_environment_points_elsewhere(elsewhere, tmp_path, monkeypatch, variable, place):
    put(tmp_path / "set" / place)
    monkeypatch.setenv(variable, str(tmp_path / "set"))
    assert fashion_mnist().source == tmp_path / "set" / place


def test_the_first_complete_place_wins(elsewhere, tmp_path, monkeypatch):
    (put(tmp_path / "set" / "images") / "t10k-labels-idx1-ubyte.gz").unlink()
    monkeypatch.setenv("AEANOM_DATA", str(tmp_path / "set"))
    put(elsewhere / ".cache/aeanom/fashion-mnist")
    put(elsewhere / ".keras/datasets/fashion-mnist")
    assert fashion_mnist().source == elsewhere / ".keras/datasets/fashion-mnist"


def test_a_folder_without_the_files_is_not_passed_over(elsewhere, tmp_path):
    put(elsewhere / ".cache/aeanom/fashion-mnist")
    with pytest.raises(DatasetNotFoundError, match="mine"):
        fashion_mnist(tmp_path / "mine")


def test_debians_folder_is_searched():
    assert Path("/usr/share/datasets/fashion-mnist") in images._places()


def test_nowhere_lists_every_place_and_what_to_do(elsewhere):
    with pytest.raises(DatasetNotFoundError) as caught:
        fashion_mnist()
    message = str(caught.value)
    for place in images._places():
        assert str(place) in message
    for hint in ("AEANOM_DATA", "apt install dataset-fashion-mnist", "no network"):
        assert hint in message
    assert isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize(
    ("labels", "message"),
    [((0, 1), "one label from 0 to 9 for each of the 3"), ((0, 1, 10), "one label from 0 to 9")],
)
def test_labels_that_do_not_fit_the_images_are_refused(tmp_path, labels, message):
    with pytest.raises(InvalidDataError, match=message):
        fashion_mnist(put(tmp_path / "mine", labels=labels))


def test_images_of_another_size_are_refused(tmp_path):
    folder = put(tmp_path / "mine", compressed=False)
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(np.zeros((2, 32, 32), np.uint8)))
    with pytest.raises(InvalidDataError, match="28 × 28"):
        fashion_mnist(folder)


# The download -------------------------------------------------------------------------------------


@pytest.fixture
def mirrors(elsewhere, monkeypatch):
    """Mirrors that serve the small files; `broken` names URLs that serve something else."""
    files = small_files()
    contents = {name: (hashlib.sha256(c).hexdigest(), len(c)) for name, c in files.items()}
    monkeypatch.setattr(images, "_CONTENTS", contents)
    asked, broken = [], {}

    def serve(url, timeout):
        assert 0 < timeout <= 60
        asked.append(url)
        answer = broken.get(url.rsplit("/", 1)[0] + "/", files[url.rsplit("/", 1)[1][:-3]])
        if isinstance(answer, Exception):
            raise answer
        return io.BytesIO(gzip.compress(answer))

    monkeypatch.setattr(urllib.request, "urlopen", serve)
    return asked, broken


def test_a_download_goes_to_the_cache_and_is_not_repeated(elsewhere, mirrors):
    asked, _ = mirrors
    first = fashion_mnist()
    assert first.source == elsewhere / ".cache/aeanom/fashion-mnist"
    assert len(asked) == 4
    assert all(url.startswith("https://") for url in asked)
    np.testing.assert_array_equal(fashion_mnist().train_images, first.train_images)
    assert len(asked) == 4


@pytest.mark.parametrize("answer", [b"another file", urllib.error.URLError("down"), TimeoutError()])
def test_the_next_mirror_is_asked_when_one_fails(mirrors, answer):
    asked, broken = mirrors
    broken[images._MIRRORS[0]] = answer
    assert fashion_mnist().train_labels.tolist() == [0, 9, 3]
    assert len(asked) == 8


def test_a_file_with_another_checksum_is_not_kept(elsewhere, mirrors):
    _, broken = mirrors
    broken.update(dict.fromkeys(images._MIRRORS, b"another file"))
    with pytest.raises(DatasetNotFoundError, match="its SHA-256 is not that of train-images"):
        fashion_mnist()
    assert list((elsewhere / ".cache/aeanom/fashion-mnist").iterdir()) == []


def test_nothing_is_downloaded_when_that_is_not_wanted(mirrors, tmp_path):
    asked, _ = mirrors
    with pytest.raises(DatasetNotFoundError, match="downloading was not asked for"):
        fashion_mnist(download=False)
    with pytest.raises(DatasetNotFoundError, match="when a folder is given"):
        fashion_mnist(tmp_path / "mine")
    assert asked == []


# The real files -----------------------------------------------------------------------------------


@pytest.mark.skipif("AEANOM_DATA" not in os.environ, reason="AEANOM_DATA does not name the data")
def test_the_real_files_are_the_originals():
    found = fashion_mnist(download=False)
    assert found.train_images.shape == (60_000, 28, 28)
    assert found.test_images.shape == (10_000, 28, 28)
    assert np.bincount(found.train_labels).tolist() == [6000] * len(CLASS_NAMES)
    assert np.bincount(found.test_labels).tolist() == [1000] * len(CLASS_NAMES)
    # The first training image is an ankle boot, as the paper's figures show.
    assert CLASS_NAMES[found.train_labels[0]] == "Ankle boot"
    for array, name in (
        (found.train_images, "train-images-idx3-ubyte"),
        (found.train_labels, "train-labels-idx1-ubyte"),
        (found.test_images, "t10k-images-idx3-ubyte"),
        (found.test_labels, "t10k-labels-idx1-ubyte"),
    ):
        assert hashlib.sha256(idx(array)).hexdigest() == images._CONTENTS[name][0]
        assert len(idx(array)) == images._CONTENTS[name][1]
