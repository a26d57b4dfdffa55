"""A file is replaced whole or not at all."""

from __future__ import annotations

import errno
import os

import pytest

from aeanom.storage import replace_file


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    return path


def assert_untouched(path):
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]


def test_the_new_content_takes_the_place_of_the_old(old):
    replace_file(old, lambda file: file.write(b"new"))
    assert old.read_bytes() == b"new"
    assert os.listdir(old.parent) == [old.name]


def test_the_check_sees_the_new_file_while_the_old_one_stands(old):
    def check(temporary):
        assert temporary.parent == old.parent
        assert temporary.read_bytes() == b"new"
        assert old.read_bytes() == b"old"

    replace_file(old, lambda file: file.write(b"new"), check)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_a_failing_write_leaves_the_old_file(old, error):
    def write(file):
        file.write(b"half")
        raise error

    with pytest.raises(type(error)):
        replace_file(old, write)
    assert_untouched(old)


def test_a_failing_check_leaves_the_old_file(old):
    def check(temporary):
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        replace_file(old, lambda file: file.write(b"new"), check)
    assert_untouched(old)


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_file(old, monkeypatch, function):
    def fail(*arguments):
        raise OSError(errno.EIO, "disk")

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(OSError, match="disk"):
        replace_file(old, lambda file: file.write(b"new"))
    assert_untouched(old)


def test_a_link_stays_a_link(old, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(old)
    replace_file(link, lambda file: file.write(b"new"))
    assert link.is_symlink()
    assert old.read_bytes() == b"new"


def test_a_folder_is_not_written_over(tmp_path):
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path, lambda file: file.write(b"new"))


def test_a_relative_path_is_written_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    replace_file("here", lambda file: file.write(b"new"))
    assert (tmp_path / "here").read_bytes() == b"new"
