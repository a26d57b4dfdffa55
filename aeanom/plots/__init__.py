"""Pictures of a fit, of its scores and decisions, and of the reasons for them.

Each function draws on the axes that it is given, or on a figure of its own, and returns the axes;
`save` writes them as PNG, SVG or PDF, and `to_svg` returns an SVG for the inside of a page.
matplotlib is imported inside the functions, by its object interface: pyplot, its current figure
and `rcParams` are never touched. The pictures are in modules named after what they show, and what
they have in common is in `style.py`.
"""

from aeanom.plots.decisions import p_value_calibration, threshold_sweep
from aeanom.plots.explanations import contribution_matrix, feature_contributions
from aeanom.plots.figures import save
from aeanom.plots.images import error_maps, reconstructions
from aeanom.plots.latent import latent_space
from aeanom.plots.overview import overview
from aeanom.plots.p_values import p_value_histogram
from aeanom.plots.ranking import precision_recall_curve, roc_curve
from aeanom.plots.scores import error_histogram, error_scatter
from aeanom.plots.series import series_scores
from aeanom.plots.svg import to_svg
from aeanom.plots.training import loss_curve
from aeanom.plots.windows import window_contributions

__all__ = [
    "contribution_matrix",
    "error_histogram",
    "error_maps",
    "error_scatter",
    "feature_contributions",
    "latent_space",
    "loss_curve",
    "overview",
    "p_value_calibration",
    "p_value_histogram",
    "precision_recall_curve",
    "reconstructions",
    "roc_curve",
    "save",
    "series_scores",
    "threshold_sweep",
    "to_svg",
    "window_contributions",
]
