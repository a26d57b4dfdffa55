"""How the commands print: answers on standard output, everything else on standard error.

Nothing here knows a model; `show.py` does. Widths follow the terminal, 40 columns included.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console

from aeanom.words import percent, plural

if TYPE_CHECKING:
    from aeanom.core.callbacks import Callback, Progress

__all__ = [
    "Printer",
    "forget_written",
    "message",
    "percent",
    "plural",
    "print_json",
    "progress",
    "without_health_warnings",
    "written",
    "wrote",
]

_written: list[str] = []


class Printer:
    """Prints headings, facts, text and tables on standard output."""

    def __init__(self) -> None:
        # Made for each command, as standard output may be another one in the next.
        self.console = Console(highlight=False, markup=False, emoji=False)

    def heading(self, text: str) -> None:
        """Print an empty line and a title."""
        self.console.print()
        self.console.print(text, style="bold")

    def text(self, text: str, style: str = "") -> None:
        """Print text, wrapped to the width and indented under its heading."""
        from rich.padding import Padding
        from rich.text import Text

        self.console.print(Padding(Text(text, style=style), (0, 0, 0, 2), expand=False))

    def line(self, text: str, style: str = "") -> None:
        """Print text as it is; only the terminal may wrap it, so that it can be copied."""
        self.console.print(f"  {text}", style=style, soft_wrap=True)

    def facts(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Print names and values in two columns; the values wrap."""
        from rich.padding import Padding
        from rich.table import Table

        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="dim", max_width=17 if self.console.width >= 60 else 12)
        grid.add_column(overflow="fold")
        for name, value in pairs:
            grid.add_row(name, value)
        self.console.print(Padding(grid, (0, 0, 0, 2), expand=False))

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()
    ) -> None:
        """Print a table; columns whose position is in `right` are aligned to the right."""
        from rich import box
        from rich.padding import Padding
        from rich.table import Table

        padding = (0, 1) if self.console.width >= 60 else (0, 0)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=padding, show_edge=False)
        for index, column in enumerate(columns):
            table.add_column(column, justify="right" if index in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*row)
        self.console.print(Padding(table, (0, 0, 0, 2), expand=False))


def message(text: str, *, style: str = "") -> None:
    """Print a line on standard error."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    console.print(text, style=style, soft_wrap=True)


def print_json(values: Any) -> None:
    """Print values as JSON on standard output."""
    print(json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False))


def wrote(path: str | os.PathLike[str]) -> None:
    """Remember that a file was written, so that Ctrl-C can tell the truth."""
    _written.append(os.fspath(path))


def written() -> tuple[str, ...]:
    """Files that this command has written so far."""
    return tuple(_written)


def forget_written() -> None:
    """Begin another command."""
    _written.clear()


@contextmanager
def without_health_warnings() -> Iterator[None]:
    """Fit without a `HealthWarning`, in commands that print the health of the fit themselves."""
    from aeanom.errors import HealthWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HealthWarning)
        yield


@contextmanager
def progress(title: str = "training") -> Iterator[list[Callback]]:
    """Yield callbacks for a fit: a bar on a terminal, about ten plain lines otherwise."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield [_plain_lines]
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    with Bar(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}"),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task(title, total=None, loss="-")

        def advance(state: Progress) -> None:
            bar.update(task, total=state.epochs, completed=state.epoch, loss=f"{state.loss:.4g}")

        yield [advance]


def _plain_lines(state: Progress) -> None:
    from aeanom.core.callbacks import PrintProgress

    PrintProgress(max(state.epochs // 10, 1))(state)
