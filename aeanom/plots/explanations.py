"""Why a row is odd: each feature's part in one score as bars, in several as a table of shades.

It imports NumPy; matplotlib inside the functions. What is drawn is an `Explanation`, which
`explain` of a detector or a model returns; for images, `images.error_maps` shows it better.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aeanom.errors import InvalidDataError
from aeanom.explain import Explanation
from aeanom.plots.figures import new_axes
from aeanom.plots.style import (
    ANOMALOUS,
    NEUTRAL,
    NORMAL,
    figure_text,
    finish,
    printable,
    read_count,
    read_row,
    size_in_inches,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["contribution_matrix", "feature_contributions"]

_ABOVE, _BELOW = "above what was expected", "below it"
# Inches: the width of a character of a name, the height of two lines of text with room.
_CHARACTER, _TWO_LINES = 0.07, 0.36
# Inches that a cell must have at least, for a figure in it and for a name beside it.
_CELL, _LINE = (0.4, 0.17), 0.15


def feature_contributions(
    explanation: Explanation,
    row: int = 0,
    k: int = 8,
    *,
    axes: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw what each feature adds to one row's score, the largest on top.

    Under each name stand the value that was seen and the one that was expected; the colour, and
    a sign beside the bar, say which was larger. What the features beyond the first `k` add is one
    more bar, so that all bars together are the score.

    Parameters
    ----------
    explanation : Explanation
        Of `explain(X)`.
    row : int
        Which of its rows; negative ones count from the end.
    k : int
        Features with a bar of their own.
    axes : Axes, optional
        Where to draw; by default on a new figure.
    title : str, optional
        By default the row and its score.

    Returns
    -------
    Axes

    Raises
    ------
    InvalidParameterError
        If there is no such row, or `k` is no positive whole number.
    MissingDependencyError
        If matplotlib is not installed.
    """
    k = read_count("k", k)
    index = read_row(row, len(explanation))
    reasons = explanation.row(index, k)
    score = float(explanation.scores[index])
    n_others = len(explanation.features) - len(reasons)
    axes = axes or new_axes(6.4, 1.7 + 0.46 * (len(reasons) + (n_others > 0)))
    places = np.arange(len(reasons))
    for color, marker, label, which in (
        (ANOMALOUS, "+", _ABOVE, np.array([one.seen > one.expected for one in reasons])),
        (NORMAL, "\N{MINUS SIGN}", _BELOW, np.array([one.seen < one.expected for one in reasons])),
        (NEUTRAL, "", "", np.array([one.seen == one.expected for one in reasons])),
    ):
        if not which.any():
            continue
        lengths = [one.contribution for one, here in zip(reasons, which, strict=True) if here]
        shares = [one.share for one, here in zip(reasons, which, strict=True) if here]
        bars = axes.barh(places[which], lengths, height=0.62, color=color, label=label or None)
        axes.bar_label(bars, [f"{marker} {share:.0%}".strip() for share in shares], padding=4)
    # Names take no more than half the width, and a second line only where it fits.
    width, height = size_in_inches(axes)
    longest = int(np.clip(width / 2 / _CHARACTER, 12, 30))
    labels = [printable(one.feature, longest) for one in reasons]
    if height / (len(reasons) + 1 + (n_others > 0)) >= _TWO_LINES:
        labels = [
            f"{name}\n{figure_text(one.seen)}, expected {figure_text(one.expected)}"
            for name, one in zip(labels, reasons, strict=True)
        ]
    if n_others:
        rest = score - sum(one.contribution for one in reasons)
        share = max(float(explanation.share[index].sum()) - sum(one.share for one in reasons), 0.0)
        bars = axes.barh([len(reasons)], [rest], height=0.62, color=NEUTRAL)
        axes.bar_label(bars, [f"{share:.0%}"], padding=4)
        labels.append(f"{n_others:,} other{'s' if n_others > 1 else ''}")
    axes.set_yticks(np.arange(len(labels)), labels, fontsize=9, parse_math=False)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.axvline(0, color="#000000", linewidth=0.8)
    # Room for the figures at the ends of the bars.
    axes.margins(x=0.18)
    axes.set_xlabel("part of the score")
    axes.set_title(title if title is not None else f"Row {index}: score {figure_text(score)}")
    finish(axes)
    axes.grid(visible=False, axis="y")
    return axes


def contribution_matrix(
    explanation: Explanation,
    rows: Sequence[int] | NDArray[np.intp] | None = None,
    k: int = 8,
    *,
    axes: Axes | None = None,
    title: str = "Shares of the score",
) -> Axes:
    """Draw the share that each feature has in the score of each row, as a table of shades.

    Columns are the `k` features that have the largest shares over all these rows together, and
    one for the others; each row adds up to 1.

    Parameters
    ----------
    explanation : Explanation
        Of `explain(X)`.
    rows : sequence of int, optional
        Which of its rows, in this order; all by default.
    k : int
        Features with a column of their own.
    axes : Axes, optional
        Where to draw; by default on a new figure.
    title : str

    Returns
    -------
    Axes

    Raises
    ------
    InvalidDataError
        If there are no rows.
    InvalidParameterError
        If there is no such row, or `k` is no positive whole number.
    MissingDependencyError
        If matplotlib is not installed.
    """
    k = read_count("k", k)
    chosen = range(len(explanation)) if rows is None else rows
    indices = [read_row(row, len(explanation)) for row in chosen]
    if not indices:
        raise InvalidDataError("there is no row to draw")
    shares = explanation.share[indices].reshape(len(indices), -1)
    order = np.argsort(-shares.sum(axis=0), kind="stable")
    labels = [printable(explanation.features[feature], 20) for feature in order[:k]]
    shown = shares[:, order[:k]]
    if n_others := shares.shape[1] - len(labels):
        shown = np.column_stack([shown, shares[:, order[k:]].sum(axis=1)])
        labels.append(f"{n_others:,} other{'s' if n_others > 1 else ''}")
    axes = axes or new_axes(2.4 + 0.62 * len(labels), 2.2 + 0.3 * min(len(indices), 40))
    from matplotlib.ticker import MaxNLocator

    image = axes.imshow(shown, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    width, height = size_in_inches(axes)
    # Less what names and the bar take.
    cell = (width - 1.6) / len(labels), (height - 1.4) / len(indices)
    if cell[0] >= _CELL[0] and cell[1] >= _CELL[1]:
        for (row, column), share in np.ndenumerate(shown):
            # Not quite black: that would turn light on a dark page, and the cell would not.
            color = "#ffffff" if share > 0.55 else "#111111"
            axes.text(
                column, row, f"{share:.0%}", color=color, ha="center", va="center", fontsize=8
            )
    axes.set_xticks(
        np.arange(len(labels)), labels, rotation=40, ha="right", rotation_mode="anchor",
        fontsize=9, parse_math=False,
    )  # fmt: skip
    if cell[1] >= _LINE:
        names = [f"{row} ({figure_text(float(explanation.scores[row]))})" for row in indices]
        axes.set_yticks(np.arange(len(indices)), names, fontsize=9)
        axes.set_ylabel("row (score)")
    else:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylabel("row, in their order")
    axes.set_title(title, parse_math=False)
    axes.figure.colorbar(image, ax=axes, label="share of the score")
    return axes
