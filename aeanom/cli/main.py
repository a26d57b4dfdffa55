"""`aeanom` itself: the list of commands and the console entry point.

It imports Typer and the commands' signatures, nothing heavy; see `group.py` for errors.
"""

from __future__ import annotations

from typing import Annotated

try:
    import typer
except ImportError as error:
    raise SystemExit(
        "error: the command line needs typer and rich, which a scorer in Python does without: "
        "pip install aeanom"
    ) from error

from aeanom import __version__
from aeanom.cli import (
    backends,
    benchmark,
    demo,
    evaluate,
    fit,
    info,
    parity,
    report,
    reproduce,
    score,
)
from aeanom.cli.group import CommandGroup

__all__ = ["app", "main"]

app = typer.Typer(
    name="aeanom",
    cls=CommandGroup,
    help="Find odd rows in a table with an autoencoder: fit on mostly normal rows, score new ones, "
    "and see which columns made them odd. The same with PyTorch, JAX, TensorFlow or NumPy.",
    epilog="Start with: aeanom demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"aeanom {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


app.command(epilog=demo.EXAMPLES)(demo.demo)
app.command(epilog=fit.EXAMPLES)(fit.fit)
app.command(epilog=score.EXAMPLES)(score.score)
app.command(epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.command(epilog=report.EXAMPLES)(report.report)
app.command(epilog=info.EXAMPLES)(info.info)
app.command(epilog=backends.EXAMPLES)(backends.backends)
app.command(epilog=parity.EXAMPLES)(parity.parity)
app.add_typer(reproduce.app, name="reproduce")
app.add_typer(benchmark.app, name="benchmark")


def main() -> None:
    """Run the command line; the console script `aeanom` calls this."""
    app(prog_name="aeanom")


if __name__ == "__main__":
    main()
