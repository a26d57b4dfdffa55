"""The model file: what goes in comes out bit for bit, and anything else is refused."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aeanom.errors import MissingDependencyError, ModelFileError
from aeanom.storage import FORMAT_VERSION, read_manifest, read_model_file, write_model_file

MANIFEST = {"feature_names": ["größe", 'a"b\\c'], "threshold": 0.1, "layers": [{"units": 3}]}
TENSORS = {
    "encoder.0.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "calibration_scores": np.linspace(0, 1, 7),
    "flags": np.array([True, False, True]),
}


def specs_of(tensors):
    return {name: (array.dtype.name, array.shape) for name, array in tensors.items()}


def write_and_read(path, tensors, manifest=MANIFEST):
    write_model_file(path, manifest, tensors)
    return read_model_file(path, lambda _: specs_of(tensors))


@pytest.fixture
def model_path(tmp_path):
    path = tmp_path / "model.aeanom"
    write_model_file(path, MANIFEST, TENSORS)
    return path


def read(path):
    return read_model_file(path, lambda _: specs_of(TENSORS))


def assemble(header, data=b"", *, sign=True):
    """Build a file by hand; `header` is JSON text or what JSON can hold."""
    text = header if isinstance(header, str) else json.dumps(header)
    encoded = text.encode()
    encoded += b" " * (-len(encoded) % 8)
    content = struct.pack("<Q", len(encoded)) + encoded + data
    if sign:
        content = content.replace(b"0" * 64, hashlib.sha256(content).hexdigest().encode())
    return content


def manifest_text(**entries):
    entries = {"format_version": FORMAT_VERSION, "digest": "0" * 64, **entries}
    return json.dumps(entries, sort_keys=True, separators=(",", ":"))


def header_with(**tensors):
    return {"__metadata__": {"aeanom": manifest_text()}, **tensors}


def entry(start, stop, shape, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


# What goes in comes out ---------------------------------------------------------------------------


def test_manifest_and_tensors_come_back(tmp_path):
    manifest, tensors = write_and_read(tmp_path / "m.aeanom", TENSORS)
    assert manifest == {**MANIFEST, "format_version": FORMAT_VERSION, "digest": manifest["digest"]}
    assert tensors.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], array, strict=True)
        assert tensors[name].flags.writeable
        assert tensors[name].flags.c_contiguous


@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1),
        np.arange(10)[::-2],
        np.broadcast_to(np.float32(2.5), (3, 2)),
        np.zeros((0, 5), dtype=np.float32),
        np.zeros(0, dtype=np.int64),
        np.array(1.5),
        np.array(True),
        np.arange(4, dtype=">f8"),
        np.arange(4, dtype=">i4").reshape(2, 2).T,
        np.array([np.nan, -0.0, np.inf, -np.inf, 5e-324]),
    ],
    ids=[
        "fortran", "transposed", "strided", "broadcast", "no-rows", "empty", "0-d", "0-d bool",
        "big-endian", "big-endian transposed", "special floats",
    ],
)  # fmt: skip
def test_any_memory_layout_comes_back_bit_for_bit(tmp_path, array):
    _, tensors = write_and_read(tmp_path / "m.aeanom", {"x": array})
    native = array.astype(array.dtype.newbyteorder("="))
    assert tensors["x"].shape == array.shape
    assert tensors["x"].dtype == native.dtype
    assert tensors["x"].tobytes() == native.tobytes()


ARRAYS = st.sampled_from(["float32", "float64", "int32", "int64", "uint8", "bool"]).flatmap(
    lambda dtype: hnp.arrays(
        dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
    ).map(lambda array: array.T)
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tensors=st.dictionaries(st.text('aé.0\n"\\', min_size=1, max_size=5), ARRAYS, max_size=4))
def test_every_dtype_and_shape_comes_back(tmp_path, tensors):
    _, found = write_and_read(tmp_path / "m.aeanom", tensors)
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def test_the_library_itself_reads_the_file(model_path):
    for name, array in safetensors.numpy.load_file(model_path).items():
        np.testing.assert_array_equal(array, TENSORS[name], strict=True)


def test_equal_models_give_equal_bytes(tmp_path):
    write_model_file(tmp_path / "a", {"x": 1, "y": 2}, TENSORS)
    write_model_file(tmp_path / "b", {"y": 2, "x": 1}, dict(reversed(TENSORS.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_digest_is_the_sha256_of_the_file_with_zeros_in_its_place(model_path):
    digest = read_manifest(model_path)["digest"].encode()
    blank = model_path.read_bytes().replace(digest, b"0" * 64)
    assert hashlib.sha256(blank).hexdigest().encode() == digest


def test_a_manifest_that_was_read_can_be_written_again(tmp_path, model_path):
    manifest, tensors = read(model_path)
    write_model_file(tmp_path / "again", manifest, tensors)
    assert (tmp_path / "again").read_bytes() == model_path.read_bytes()


def test_texts_that_look_like_the_digest_do_no_harm(tmp_path):
    manifest = {"note": '"digest":"' + "0" * 64 + '"', "name": "0" * 64}
    assert write_and_read(tmp_path / "m", TENSORS, manifest)[0]["note"] == manifest["note"]


def test_the_manifest_can_be_read_alone(model_path):
    assert read_manifest(model_path) == read(model_path)[0]


def test_none_in_an_expected_shape_stands_for_any_length(model_path):
    expected = {**specs_of(TENSORS), "calibration_scores": ("float64", (None,))}
    _, tensors = read_model_file(model_path, lambda _: expected)
    assert tensors["calibration_scores"].shape == (7,)


def test_what_is_expected_may_depend_on_the_manifest(tmp_path):
    write_model_file(tmp_path / "m", {"units": 3}, {"w": np.zeros((3, 2))})
    read_model_file(tmp_path / "m", lambda manifest: {"w": ("float64", (manifest["units"], 2))})


# Damage -------------------------------------------------------------------------------------------


def test_a_flip_of_any_byte_is_noticed(model_path):
    content = model_path.read_bytes()
    # Not the strictest of expectations, so that the file's own checks have to notice.
    loose = {name: (array.dtype.name, (None,) * array.ndim) for name, array in TENSORS.items()}
    random = np.random.default_rng(0)
    for position in range(len(content)):
        damaged = bytearray(content)
        # 0x20 turns a space into 0, and a letter's case; the other is anything.
        damaged[position] ^= 0x20 if position % 2 else int(random.integers(1, 256))
        model_path.write_bytes(damaged)
        with pytest.raises(ModelFileError, match=re.escape(str(model_path))):
            read_model_file(model_path, lambda _: loose)


def test_padding_that_became_another_white_space_is_noticed(model_path):
    content = bytearray(model_path.read_bytes())
    (length,) = struct.unpack("<Q", content[:8])
    end = 8 + length
    assert content[end - 1 : end] == b" "
    content[end - 1 : end] = b"\t"
    model_path.write_bytes(content)
    with pytest.raises(ModelFileError, match="does not match its digest"):
        read(model_path)


def test_every_truncation_is_noticed(model_path):
    content = model_path.read_bytes()
    for length in range(0, len(content), 3):
        model_path.write_bytes(content[:length])
        with pytest.raises(ModelFileError):
            read(model_path)


def test_bytes_after_the_last_tensor_are_noticed(model_path):
    model_path.write_bytes(model_path.read_bytes() + b"x")
    with pytest.raises(ModelFileError, match="bytes after its last tensor"):
        read(model_path)


def test_a_newer_version_asks_for_an_upgrade(tmp_path):
    path = tmp_path / "m.aeanom"
    newer = manifest_text(format_version=FORMAT_VERSION + 1)
    header = {"__metadata__": {"aeanom": newer, "other": "of the newer version"}}
    path.write_bytes(assemble(header))
    for reader in (read_manifest, read):
        with pytest.raises(ModelFileError, match=r"newer version of aeanom.*--upgrade aeanom"):
            reader(path)


@pytest.mark.parametrize("version", range(1, FORMAT_VERSION + 1))
def test_every_version_before_is_read(tmp_path, version):
    path = tmp_path / "m.aeanom"
    path.write_bytes(assemble({"__metadata__": {"aeanom": manifest_text(format_version=version)}}))
    assert read_manifest(path)["format_version"] == version


F = "0" * 64
ATTACKS = {
    "duplicate tensor": (
        json.dumps(header_with(a=entry(0, 4, [1]), b=entry(0, 4, [1]))).replace('"b"', '"a"'),
        bytes(4),
        "'a' stands twice",
    ),
    "duplicate name in an entry": (
        json.dumps(header_with(a=entry(0, 4, [1]))).replace('"shape"', '"shape": [2], "shape"'),
        bytes(4),
        "'shape' stands twice",
    ),
    "duplicate name deep in the manifest": (
        {"__metadata__": {"aeanom": '{"a":[{"b":1,"b":2}],"format_version":1}'}},
        b"",
        "'b' stands twice",
    ),
    "overlap": (
        header_with(a=entry(0, 8, [2]), b=entry(4, 12, [2])),
        bytes(12),
        "overlaps another",
    ),
    "gap": (header_with(a=entry(0, 4, [1]), b=entry(8, 12, [1])), bytes(12), "leaves a gap"),
    "outside the file": (header_with(a=entry(0, 400, [100])), bytes(4), "was cut short"),
    "shape larger than the bytes": (header_with(a=entry(0, 4, [2**40])), bytes(4), "needs"),
    "shape beyond any machine": (header_with(a=entry(0, 0, [0, 2**64])), b"", "no possible shape"),
    "negative shape": (header_with(a=entry(0, 4, [-1])), bytes(4), "no possible shape"),
    "shape of booleans": (header_with(a=entry(0, 4, [True])), bytes(4), "no possible shape"),
    "shape of floats": (header_with(a=entry(0, 4, [1.0])), bytes(4), "no possible shape"),
    "offsets backwards": (header_with(a=entry(4, 0, [1])), bytes(4), "impossible data offsets"),
    "three offsets": (
        header_with(a={**entry(0, 4, [1]), "data_offsets": [0, 4, 8]}),
        bytes(4),
        "impossible data offsets",
    ),
    "unknown dtype": (header_with(a=entry(0, 2, [1], "F16")), bytes(2), "has dtype 'F16'"),
    "dtype that is a list": (header_with(a=entry(0, 2, [1], ["F32"])), bytes(2), "has dtype"),
    "entry with a surplus": (
        header_with(a={**entry(0, 4, [1]), "module": "os"}),
        bytes(4),
        "a dtype, a shape and data offsets",
    ),
    "entry that is a number": (header_with(a=1), b"", "a dtype, a shape and data offsets"),
    "booleans that are 2": (header_with(a=entry(0, 1, [1], "BOOL")), b"\2", "no booleans"),
    "header that is a list": ("[]", b"", "not an object"),
    "header nested too deeply": ('{"a":' + "[" * 100_000, b"", "nests too deeply|not valid JSON"),
    "metadata that is a list": ({"__metadata__": []}, b"", "not a table of texts"),
    "metadata of numbers": ({"__metadata__": {"aeanom": 1}}, b"", "not a table of texts"),
    "other metadata too": (
        {"__metadata__": {"aeanom": manifest_text(), "pickle": "x"}},
        b"",
        "other metadata than 'aeanom': pickle",
    ),
    "manifest with NaN": (
        {"__metadata__": {"aeanom": manifest_text(threshold=float("nan"))}},
        b"",
        "NaN is not allowed",
    ),
    "manifest with an overflow": (
        {"__metadata__": {"aeanom": '{"format_version":1,"t":1e999}'}},
        b"",
        "too large for a float",
    ),
    "manifest that is a list": ({"__metadata__": {"aeanom": "[1]"}}, b"", "no valid format"),
    "manifest that is no JSON": ({"__metadata__": {"aeanom": "cos\nsys"}}, b"", "not valid JSON"),
    "version true": (
        {"__metadata__": {"aeanom": manifest_text(format_version=True)}},
        b"",
        "no valid format version",
    ),
    "version 0": (
        {"__metadata__": {"aeanom": manifest_text(format_version=0)}},
        b"",
        "no valid format version",
    ),
    "no digest": ({"__metadata__": {"aeanom": '{"format_version":1}'}}, b"", "no valid digest"),
    "empty digest": (
        {"__metadata__": {"aeanom": manifest_text(digest="")}},
        b"",
        "no valid digest",
    ),
    "a digest that stands twice": (
        {"__metadata__": {"aeanom": manifest_text(note=F)}},
        b"",
        "no valid digest",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("header", "data", "message"), ATTACKS.values(), ids=ATTACKS.keys())
def test_a_file_made_to_mislead_is_refused(tmp_path, header, data, message):
    path = tmp_path / "m.aeanom"
    path.write_bytes(assemble(header, data))
    # Expects whatever the file has, so that only the file's own checks can refuse it.
    with pytest.raises(ModelFileError, match=message):
        read_model_file(path, lambda _: {"a": ("bool", (None,))} if b"\2" in data else {})


def test_an_empty_tensor_whose_shape_overflows_is_refused(tmp_path):
    path = tmp_path / "m.aeanom"
    path.write_bytes(assemble(header_with(a=entry(0, 0, [2**40, 2**40, 0]))))
    with pytest.raises(ModelFileError, match="safetensors cannot read it"):
        read_model_file(path, lambda _: {"a": ("float32", (None, None, None))})


def test_a_file_built_by_hand_is_read(tmp_path):
    path = tmp_path / "m.aeanom"
    path.write_bytes(assemble(header_with(a=entry(0, 8, [2])), np.float32([1, 2]).tobytes()))
    _, tensors = read_model_file(path, lambda _: {"a": ("float32", (2,))})
    np.testing.assert_array_equal(tensors["a"], [1, 2])


def test_a_header_longer_than_the_bound_is_refused_unread(tmp_path):
    path = tmp_path / "m.aeanom"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 200_000_000))
        file.truncate(300_000_000)  # no bytes on the disk
    with pytest.raises(ModelFileError, match="announce a header of 200000000 bytes"):
        read_manifest(path)


# What the model expects ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"more": ("float32", (1,))}, "tensors are missing: 'more'"),
        ({"flags": None}, "do not belong to its model: 'flags'"),
        ({"flags": ("uint8", (3,))}, r"'flags' is bool \(3,\), and its model needs uint8 \(3\)"),
        ({"encoder.0.weight": ("float32", (4, 3))}, r"needs float32 \(4, 3\)"),
        ({"encoder.0.weight": ("float32", (12,))}, r"needs float32 \(12\)"),
        ({"encoder.0.weight": ("float32", (None, 5))}, r"needs float32 \(any, 5\)"),
    ],
)
def test_tensors_that_the_model_does_not_expect_are_refused(
    model_path, monkeypatch, change, message
):
    expected = {**specs_of(TENSORS), **change}
    expected = {name: spec for name, spec in expected.items() if spec is not None}
    # Refused from the header: the library never sees the bytes.
    monkeypatch.setattr(safetensors.numpy, "load", lambda _: pytest.fail("allocated"))
    with pytest.raises(ModelFileError, match=message):
        read_model_file(model_path, lambda _: expected)


@pytest.mark.parametrize("error", [KeyError("architecture"), TypeError("a list"), ValueError("-1")])
def test_a_manifest_that_describes_no_model_is_refused(model_path, error):
    def expected(manifest):
        raise error

    with pytest.raises(ModelFileError, match="does not describe a model") as caught:
        read_model_file(model_path, expected)
    assert caught.value.__cause__ is error


# What is not a model file -------------------------------------------------------------------------


def test_a_missing_file_is_a_file_not_found_error(tmp_path):
    for reader in (read_manifest, read):
        with pytest.raises(FileNotFoundError):
            reader(tmp_path / "none.aeanom")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"a,b\n", "has only 4 bytes"),
        (b"time,value\n" + b"1,2\n" * 50, "not an aeanom model"),
        (b"\x80\x04\x95" + bytes(100), "not an aeanom model"),
        (safetensors.numpy.save({"w": np.zeros(3)}), "is a safetensors file, but not an aeanom"),
    ],
    ids=["empty", "short", "text", "pickle", "plain safetensors"],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / "m.aeanom"
    path.write_bytes(content)
    for reader in (read_manifest, read):
        with pytest.raises(ModelFileError, match=message):
            reader(path)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match="not a regular file"):
        read(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_named_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelFileError, match="not a regular file"):
        read(tmp_path / "pipe")


# Writing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manifest", "tensors", "message"),
    [
        ({"t": float("nan")}, {}, "manifest is not JSON"),
        ({"t": np.float32(1)}, {}, "float32 is not JSON serializable"),
        ({"t": {1, 2}}, {}, "set is not JSON serializable"),
        ({"t": "\ud800"}, {}, "manifest is not JSON"),
        ({}, {"w": np.zeros(2, np.float16)}, "'w' has dtype float16"),
        ({}, {"w": np.array(["a"])}, "'w' has dtype <U1"),
        ({}, {"w": np.array([None])}, "'w' has dtype object"),
        ({}, {"w": np.zeros(2, complex)}, "'w' has dtype complex128"),
        ({}, {"__metadata__": np.zeros(2)}, "cannot be a tensor's name"),
        ({}, {"": np.zeros(2)}, "cannot be a tensor's name"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_the_old_file_stays(
    model_path, manifest, tensors, message
):
    before = model_path.read_bytes()
    with pytest.raises(ModelFileError, match=message):
        write_model_file(model_path, manifest, tensors)
    assert model_path.read_bytes() == before
    assert os.listdir(model_path.parent) == [model_path.name]


def test_a_library_that_writes_garbage_is_caught_before_the_old_file_goes(model_path, monkeypatch):
    before = model_path.read_bytes()
    save = safetensors.numpy.save

    def garbage(tensors, metadata):
        return save({name: array + 1 for name, array in tensors.items()}, metadata)

    monkeypatch.setattr(safetensors.numpy, "save", garbage)
    with pytest.raises(ModelFileError, match="'w' read back differently"):
        write_model_file(model_path, {}, {"w": np.zeros(3)})
    assert model_path.read_bytes() == before
    assert os.listdir(model_path.parent) == [model_path.name]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such folder.*nowhere"):
        write_model_file(tmp_path / "nowhere" / "m.aeanom", {}, {})


def test_without_safetensors_the_pip_line_is_given(model_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(MissingDependencyError, match="pip install safetensors"):
        read(model_path)
    with pytest.raises(MissingDependencyError, match="pip install safetensors"):
        write_model_file(model_path, {}, {})
    assert read_manifest(model_path)["format_version"] == FORMAT_VERSION


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_the_file_has_the_permissions_of_any_new_file(tmp_path):
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    write_model_file(tmp_path / "m.aeanom", {}, {})
    mode = stat.S_IMODE(Path(tmp_path / "m.aeanom").stat().st_mode)
    assert mode == stat.S_IMODE(plain.stat().st_mode)
