"""The page itself: `write_report` and `render_report`, from a model and rows to one HTML file.

Jinja2, with everything escaped that comes from outside, puts what `content.py` says into
`templates/report.html`. Imports NumPy; Jinja2 inside the function.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, BinaryIO

from numpy.typing import ArrayLike

from aeanom.data._require import require
from aeanom.errors import MissingDependencyError
from aeanom.plots.style import figure_text, printable
from aeanom.report.content import build_content
from aeanom.storage.atomic import replace_file
from aeanom.words import low_to_high, percent, plural, signed

__all__ = ["render_report", "write_report"]

_INSTALL = 'pip install "aeanom[report]"'
# Longer names are shown without their middle.
_LONGEST_NAME = 80


def write_report(
    model: Any,
    X: Any,
    path: str | os.PathLike[str],
    *,
    y: ArrayLike | None = None,
    title: str = "",
    source: str = "",
    date: str = "",
    top: int = 10,
    row_names: Sequence[object] | None = None,
    labels: Sequence[object] | None = None,
    feature_names: Sequence[str] | None = None,
    image_shape: Sequence[int] | None = None,
    baselines: Any = None,
    baselines_fitted_on: str = "",
) -> None:
    """Write one HTML file about a model and what it makes of some rows, to show to a colleague.

    What was trained on what, the health of the fit, the threshold and its promise, the oddest rows
    with reasons, pictures; with labels also figures with intervals, false alarms and misses. The
    file needs nothing but itself: no network, no script. The same input gives the same file.

    Parameters
    ----------
    model : AnomalyModel or fitted AnomalyDetector
    X : array-like or DataFrame of shape (n, d), or array of shape (n, *row_shape)
        Rows to score, better not those that it was trained on. Rows with missing or infinite
        values are left out, and the page says so.
    path : path-like
        File to write; replaced whole or not at all.
    y : array-like of shape (n,), optional
        1 or True for an anomaly, 0 or False for a normal row.
    title : str
        By default "Anomaly report" and the source.
    source : str
        What to call the rows, such as the name of their file.
    date : str
        To print under the title, as it is; none by default.
    top : int, default=10
        How many of the oddest rows to show.
    row_names : sequence of length n, optional
        What to call each row; by default its number, from 0.
    labels : sequence of length n, optional
        What to show as each row's label; by default "normal" and "anomaly" where `y` is given.
    feature_names : sequence of str of length d, optional
        What to call the columns, for a model that does not know their names.
    image_shape : sequence of int, optional
        (height, width) or (height, width, channels) of the images that rows of d numbers are.
    baselines : array-like of shape (m, d) or (m, *row_shape), optional
        Normal rows, best those that the model was fitted on: PCA and an isolation forest are
        fitted on them and score the same rows, to tell whether the network is worth it. Needs `y`.
    baselines_fitted_on : str
        What to call those rows; by default their number.

    Raises
    ------
    InvalidDataError
        If the rows cannot be scored, none has finite values, or something has not one entry a row.
    InvalidParameterError
        If `top` is no positive whole number, or names or an image do not fit the model's rows.
    MissingDependencyError
        If Jinja2 or matplotlib is not installed.
    OSError
        If the file cannot be written.
    """
    page = render_report(
        model,
        X,
        y=y,
        title=title,
        source=source,
        date=date,
        top=top,
        row_names=row_names,
        labels=labels,
        feature_names=feature_names,
        image_shape=image_shape,
        baselines=baselines,
        baselines_fitted_on=baselines_fitted_on,
    ).encode()

    def write(file: BinaryIO) -> None:
        file.write(page)

    replace_file(path, write)


def render_report(model: Any, X: Any, **settings: Any) -> str:
    """Return what `write_report` writes; the settings are the same.

    Raises
    ------
    InvalidDataError, InvalidParameterError, MissingDependencyError
        As `write_report`.
    """
    for module, package in (("jinja2", "Jinja2"), ("matplotlib", "matplotlib")):
        try:
            require(module, package, "the report")
        except MissingDependencyError as error:
            raise MissingDependencyError(
                f"the report needs {package}, which is not installed: {_INSTALL}"
            ) from error
    content = build_content(model, X, **settings)
    page: str = _environment().get_template("report.html").render(page=content)
    return page


def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def shown(value: object) -> object:
        if isinstance(value, Markup):
            return value
        # Control characters are errors in HTML, or turn the direction of what follows; and a
        # percent sign stays with its figure.
        return printable(value, 10**9).replace(" %", "\N{NO-BREAK SPACE}%")

    environment = Environment(
        loader=PackageLoader("aeanom.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "figure": figure_text,
        "percent": percent,
        "plural": plural,
        "interval": low_to_high,
        "percents": lambda pair: low_to_high(pair, percent),
        "signed": signed,
        "signeds": lambda pair: low_to_high(pair, signed),
        "short": lambda name: printable(name, _LONGEST_NAME) or "(no name)",
        "svg": Markup,
    }
    return environment
