"""One window of a series: what it was, what was expected, and when it was odd.

It imports NumPy; matplotlib inside the function. A whole series is `series.series_scores`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aeanom.errors import InvalidDataError
from aeanom.explain import Explanation
from aeanom.plots.figures import new_figure
from aeanom.plots.series import CHANNEL_COLOURS
from aeanom.plots.style import ANOMALOUS, figure_text, finish, printable, read_row

__all__ = ["window_contributions"]


def window_contributions(
    explanation: Explanation,
    row: int = 0,
    *,
    channels: Sequence[str] = (),
    axes: NDArray[Any] | None = None,
    title: str | None = None,
) -> NDArray[Any]:
    """Draw a window over what was expected of it, and below what each time adds to its score.

    Of more than five channels those five are drawn that add most to the score.

    Parameters
    ----------
    explanation : Explanation
        Of a model for windows, with rows of shape (time, channel).
    row : int
        Which of its rows; negative ones count from the end.
    channels : sequence of str
        One a channel, or none.
    axes : ndarray of two Axes, optional
        Where to draw; by default on a new figure, with one axis of time.
    title : str, optional
        By default the row and its score.

    Returns
    -------
    ndarray of two Axes
        That of the values and that of the contributions, which add up to the score.

    Raises
    ------
    InvalidDataError
        If the rows are no windows, or names or axes are not as many.
    InvalidParameterError
        If there is no such row.
    MissingDependencyError
        If matplotlib is not installed.
    """
    if explanation.axes != ("time", "channel"):
        raise InvalidDataError(
            f"rows with the axes {', '.join(explanation.axes)} are no windows of a series"
        )
    index = read_row(row, len(explanation))
    seen, expected = explanation.seen[index], explanation.expected[index]
    n_times, n_channels = seen.shape
    if len(channels) not in (0, n_channels):
        raise InvalidDataError(f"there are {n_channels} channels and {len(channels)} names")
    if axes is None:
        figure = new_figure(6.4, 5.2)
        axes = np.asarray(figure.subplots(2, 1, sharex=True, height_ratios=(3, 2)))
    axes = np.asarray(axes)
    if axes.shape != (2,):
        raise InvalidDataError(f"two axes are needed, in an array of shape (2,), got {axes.shape}")
    top, bottom = axes
    from matplotlib.ticker import MaxNLocator

    times = np.arange(n_times)
    by_channel = explanation.by_channel()[index]
    chosen = np.sort(np.argsort(-by_channel, kind="stable")[: len(CHANNEL_COLOURS)])
    for color, channel in zip(CHANNEL_COLOURS, chosen.tolist(), strict=False):
        name = printable(channels[channel]) if len(channels) else f"channel {channel}"
        top.plot(times, seen[:, channel], color=color, linewidth=1.4, label=name)
        top.plot(times, expected[:, channel], color=color, linewidth=1.2, linestyle=":")
    # One entry stands for the dashes of all channels.
    top.plot([], [], color="#808080", linestyle=":", linewidth=1.2, label="expected")
    bottom.bar(times, explanation.by_time()[index], width=0.85, color=ANOMALOUS)
    bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
    top.set_ylabel("value")
    bottom.set_ylabel("part of the score")
    bottom.set_xlabel("time in the window")
    bottom.set_xlim(-0.6, n_times - 0.4)
    score = figure_text(float(explanation.scores[index]))
    top.set_title(title if title is not None else f"Window {index}: score {score}")
    handles, labels = top.get_legend_handles_labels()
    finish(top, legend=False)
    finish(bottom, handles=dict(zip(labels, handles, strict=True)))
    return axes
