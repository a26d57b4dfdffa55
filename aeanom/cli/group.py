"""What all commands share: errors in one line, exit statuses, warnings, Ctrl-C, broken pipes.

Exit status 0 is success, 1 an error that is told in one line on standard error, 2 a wrong command
line and 130 Ctrl-C. An error that none of us foresaw keeps its traceback.
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from aeanom.cli import output
from aeanom.errors import AeanomError, AeanomWarning

__all__ = ["CommandGroup"]


class CommandGroup(TyperGroup):
    """A group of commands whose errors end in one line and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        # A framework's start-up log is no part of the answer; who sets it otherwise is heard.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        output.forget_written()
        with _warnings_in_one_line():
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt:
                written = ", ".join(output.written()) or "nothing was"
                output.message(f"interrupted; {written} written", style="yellow")
                raise typer.Exit(130) from None
            except OSError as error:
                if error.errno == errno.EPIPE:
                    _leave_quietly()
                _fail(error)
            except AeanomError as error:
                _fail(error)


def _fail(error: Exception) -> NoReturn:
    output.message(f"error: {_describe(error)}", style="red")
    raise typer.Exit(1) from None


def _describe(error: Exception) -> str:
    if isinstance(error, AeanomError) or not isinstance(error, OSError) or not error.strerror:
        return str(error)
    if error.filename is None:
        return error.strerror
    return f"{os.fsdecode(error.filename)}: {error.strerror}"


def _leave_quietly() -> NoReturn:
    # The reader is gone, and Python would complain when it flushes standard output at the end.
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(1) from None


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    with warnings.catch_warnings():
        show = warnings.showwarning

        def show_ours(message: Any, category: Any, *others: Any) -> None:
            if issubclass(category, AeanomWarning):
                output.message(f"warning: {message}", style="yellow")
            else:
                show(message, category, *others)

        warnings.simplefilter("always", AeanomWarning)
        warnings.showwarning = show_ours  # type: ignore[assignment]
        yield
