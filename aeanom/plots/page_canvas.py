"""A canvas of matplotlib for pages: as its own for SVG, but plain text is left to the browser.

matplotlib asks a setting of the whole process whether text is drawn as shapes; this canvas
doesn't, so that no setting has to be touched. It imports matplotlib, and is imported by it, when
`svg.to_svg` names this module as the backend of one figure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colors
from matplotlib.backends.backend_mixed import MixedModeRenderer
from matplotlib.backends.backend_svg import FigureCanvasSVG, RendererSVG
from matplotlib.font_manager import weight_dict

__all__ = ["FigureCanvas"]

_ANCHORS = {"left": "start", "center": "middle", "right": "end"}
_UNITS_PER_INCH = 72


class _PageRenderer(RendererSVG):
    """Writes plain text as `<text>` without a font; formulas stay shapes."""

    def draw_text(
        self,
        gc: Any,
        x: float,
        y: float,
        s: str,
        prop: Any,
        angle: float,
        ismath: Any = False,
        mtext: Any = None,
    ) -> None:
        if ismath:
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)
            return
        style = [f"font-size: {prop.get_size_in_points():g}px"]
        weight = weight_dict.get(prop.get_weight(), prop.get_weight())
        if weight != 400:
            style.append(f"font-weight: {weight}")
        if prop.get_style() != "normal":
            style.append(f"font-style: {prop.get_style()}")
        color = colors.to_hex(gc.get_rgb()[:3])
        if color != "#000000":
            style.append(f"fill: {color}")
        alpha = gc.get_alpha() if gc.get_forced_alpha() else gc.get_rgb()[3]
        if alpha != 1:
            style.append(f"opacity: {alpha:g}")
        attributes = {}
        if mtext is not None and angle % 90 == 0:
            # Where the browser's font is wider or narrower, text grows from its middle or its end
            # as it was meant to, not from where matplotlib's font would begin.
            anchor, x, y = self._anchored(mtext, x, y, angle)
            if anchor != "start":
                attributes["text-anchor"] = anchor
        if angle:
            attributes["transform"] = f"translate({x:.2f} {y:.2f}) rotate({-angle:g})"
        else:
            attributes["x"], attributes["y"] = f"{x:.2f}", f"{y:.2f}"
        attributes["style"] = "; ".join(style)
        self.writer.element("text", s, attrib=attributes)

    def _anchored(self, mtext: Any, x: float, y: float, angle: float) -> tuple[str, float, float]:
        """Return text-anchor, and the point on the base line that it refers to."""
        box = mtext.get_window_extent(self)
        along = (box.x0, box.x1) if angle % 180 == 0 else (box.y0, box.y1)
        if angle % 360 >= 180:
            along = along[::-1]
        alignment = mtext.get_ha() if angle % 180 == 0 else "center"
        at = {"left": along[0], "center": float(np.mean(along)), "right": along[1]}[alignment]
        if angle % 180 == 0:
            return _ANCHORS[alignment], at, y
        return _ANCHORS[alignment], x, self.height - at


class FigureCanvas(FigureCanvasSVG):
    """Prints SVG with `_PageRenderer`."""

    def print_svg(
        self, filename: Any, *, bbox_inches_restore: Any = None, metadata: Any = None, **_: Any
    ) -> None:
        """Draw the figure into a binary file; what else matplotlib hands over is not used."""
        from io import TextIOWrapper

        dpi = self.figure.dpi
        # Back to what it was is matplotlib's part, after every way of printing.
        self.figure.dpi = _UNITS_PER_INCH
        width, height = self.figure.get_size_inches()
        file = TextIOWrapper(filename, encoding="utf-8", newline="\n")
        page = _PageRenderer(
            width * _UNITS_PER_INCH,
            height * _UNITS_PER_INCH,
            file,
            image_dpi=dpi,
            metadata=metadata,
        )
        renderer: Any = MixedModeRenderer(
            self.figure, width, height, dpi, page, bbox_inches_restore=bbox_inches_restore
        )
        self.figure.draw(renderer)
        renderer.finalize()
        # Written out, but left open: the file is the caller's.
        file.flush()
        file.detach()
