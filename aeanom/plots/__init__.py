"""Pictures of a fit: losses by epoch, errors as histogram and scatter, images over their copies.

Each function draws on the axes that it is given, or on a figure of its own, and returns the axes.
matplotlib is imported inside the functions, by its object interface: pyplot, its current figure
and `rcParams` are never touched.
"""

from aeanom.plots.figures import save
from aeanom.plots.overview import overview
from aeanom.plots.panels import error_histogram, error_scatter, loss_curve, reconstructions

__all__ = [
    "error_histogram",
    "error_scatter",
    "loss_curve",
    "overview",
    "reconstructions",
    "save",
]
