"""`aeanom benchmark`: the speed of every backend beside loops written by hand in each framework.

The suite itself is the package `benchmarks` of the source checkout, no part of what is installed:
it is found beside the `aeanom` package in an editable install.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from aeanom.cli.group import CommandGroup
from aeanom.cli.options import JsonOption, examples, split_names
from aeanom.cli.output import Printer, message, print_json, wrote
from aeanom.errors import MissingDependencyError

__all__ = ["app"]

app = typer.Typer(
    cls=CommandGroup,
    invoke_without_command=True,
    epilog=examples(
        "aeanom benchmark --quick --workload tiny",
        "aeanom benchmark --output speed.json --report speed",
        "aeanom benchmark --workload fashion,wide --backend jax --rounds 7",
        "aeanom benchmark --device cuda --workload wide",
        "aeanom benchmark compare before.json after.json",
    ),
)


class Device(StrEnum):
    """Where to compute."""

    CPU = "cpu"
    CUDA = "cuda"


ResultArgument = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="A file that `aeanom benchmark` wrote.")
]
_SEVERAL = "separated by commas; may be given several times."


@app.callback()
def benchmark(
    context: typer.Context,
    workload: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            show_default="all",
            help="What to measure: fashion, tiny, tutorial, wide, image, series-lstm, "
            f"series-conv1d, scoring, scaling, latency; {_SEVERAL}",
        ),
    ] = None,
    contender: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            show_default="all",
            help=f"Whom to measure, such as aeanom-jax or 'torch_*'; {_SEVERAL}",
        ),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            show_default="all",
            help=f"Only what runs on these frameworks, ours and others; {_SEVERAL}",
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, show_default="5, or 1 with --quick", help="Measurements of each."),
    ] = None,
    device: Annotated[
        Device, typer.Option(help="Who has no such device is not run, and said to be so.")
    ] = Device.CPU,
    quick: Annotated[
        bool, typer.Option("--quick", help="Few rows and epochs: to try it out, not to publish.")
    ] = False,
    output: Annotated[
        Path, typer.Option(metavar="FILE", help="JSON file to write, anew after each measurement.")
    ] = Path("benchmark.json"),
    report: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Also write the tables and pictures (SVG) there."),
    ] = None,
) -> None:
    """Measure the speed of every backend, beside the same work written by hand in each framework.

    Each measurement is a process of its own; contenders take turns for several rounds. Tables are
    printed; progress goes to standard error. Close everything else: what else runs is measured too.
    """
    if context.invoked_subcommand is not None:
        return
    suite, results = _suite("suite"), _suite("results")
    settings = suite.Settings(
        names=split_names(workload),
        contenders=split_names(contender),
        backends=split_names(backend),
        rounds=rounds,
        device=device.value,
        quick=quick,
    )
    files: set[Path] = set()

    def remember(path: Path) -> None:
        if path not in files:
            files.add(path)
            wrote(path)

    result = suite.run(settings, output, tell=message, written=remember)
    print(_suite("report").markdown(results.merge([result])))
    if report is not None:
        _tell(_suite("report").write([result], report))
    if failed := suite.failures(result):
        message(f"failed: {', '.join(failed)}", style="red")
        raise typer.Exit(1)


@app.command(epilog=examples("aeanom benchmark compare before.json after.json"))
def compare(old: ResultArgument, new: ResultArgument, as_json: JsonOption = False) -> None:
    """Set two results side by side: the ratio of each figure, new over old.

    "better" and "worse" stand only where no round of one file reaches into those of the other.
    """
    results, comparison = _suite("results"), _suite("comparison")
    before, after = results.read(old), results.read(new)
    changes = comparison.compare(before, after)
    if as_json:
        print_json(
            {
                "differences": comparison.differences(before, after),
                "changes": [change.to_dict() for change in changes],
            }
        )
        return
    printer = Printer()
    for line in comparison.differences(before, after):
        printer.line(line, style="yellow")
    printer.table(
        ("workload", "contender", "figure", "old", "new", "ratio", ""),
        [change.cells() for change in changes],
        right=(3, 4, 5),
    )


@app.command(
    "report",
    epilog=examples(
        "aeanom benchmark report cpu.json gpu.json --output speed",
        "aeanom benchmark report cpu.json --output images --page benchmarks.md",
    ),
)
def write_report(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILES",
            exists=True,
            dir_okay=False,
            help="Files that `aeanom benchmark` wrote; of what is in several, the latest counts.",
        ),
    ],
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to write the pictures.")],
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default="FOLDER/benchmarks.md",
            help="Markdown file. In one that has the lines <!-- tables: begin --> and "
            "<!-- tables: end -->, only what is between them is replaced.",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="of each workload",
            help="Contender that the others are set against.",
        ),
    ] = None,
) -> None:
    """Write the tables as Markdown and the pictures as SVG."""
    results = [_suite("results").read(path) for path in files]
    _tell(_suite("report").write(results, output, page=page, reference=reference))


def _tell(paths: list[Path]) -> None:
    for path in paths:
        wrote(path)
        message(str(path))


def _suite(name: str) -> Any:
    """Import a module of the suite from the checkout that this package is in."""
    import aeanom

    checkout = Path(aeanom.__file__).parents[1]
    if not (checkout / "benchmarks" / "suite.py").exists():
        raise MissingDependencyError(
            "the benchmark suite is part of the source checkout, not of the installed package: get "
            "the sources, run pip install -e . in them, and then this command again"
        )
    if str(checkout) not in sys.path:
        sys.path.insert(0, str(checkout))
    return import_module(f"benchmarks.{name}")
