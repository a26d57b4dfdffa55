"""Replace a file whole or not at all.

A reader of the path sees the old content or the new, never half of it, and a failure leaves the
old file as it was. It imports the standard library only; `model_file.py` and
`aeanom/data/tables.py` write through it.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

__all__ = ["replace_file"]


def replace_file(
    path: str | os.PathLike[str],
    write: Callable[[BinaryIO], None],
    check: Callable[[Path], None] | None = None,
) -> None:
    """Write a new file beside `path`, sync it to the disk, and rename it over `path`.

    Parameters
    ----------
    path : str or path-like
        The file to make or replace. A symbolic link is followed, so the link stays and the file
        that it points to is replaced. The new file gets the permissions that a plain `open` would
        give a new one.
    write : callable
        Called once with the temporary file, open for binary writing.
    check : callable, optional
        Called with the temporary file's path once that is on the disk; what it raises stops the
        replacement.

    Raises
    ------
    FileNotFoundError
        The folder of `path` does not exist.
    IsADirectoryError
        `path` is a folder.
    OSError
        The file cannot be written: no permission, no space, ...
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder to write to", str(path))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "cannot write over a folder", str(path))
    temporary = target.parent / f".aeanom-{os.urandom(8).hex()}.tmp"
    # Not `tempfile`: its files are private to the user (0600), and the renamed file would stay so.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(temporary, flags, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if check is not None:
            check(temporary)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system can (Windows cannot open a folder)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
