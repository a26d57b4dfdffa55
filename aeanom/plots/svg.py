"""SVG for the inside of an HTML page, and names inside SVG that don't depend on chance.

`to_svg` draws with the canvas of `page_canvas.py`, which leaves text as text. It imports NumPy;
matplotlib by that canvas only. Files are written by `figures.save`.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from html import escape
from io import BytesIO
from typing import Any

from aeanom.errors import InvalidParameterError

__all__ = ["to_svg", "with_own_ids"]

_TAG = re.compile(r"<[a-zA-Z][^>]*>")
_ID = re.compile(r'\sid="([^"]*)"')
_REFERENCE = re.compile(r'(url\(#|href="#)([^)"]*)')
_ROOT = re.compile(r"<svg\b[^>]*>")
_SIZE = re.compile(r'viewBox="([^"]*)"')
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
_BETWEEN = re.compile(r">\s+<")
_DRAWN = re.compile(r'(\s(?:d|x|y)=")([^"]*)')
_FRACTION = re.compile(r"-?\d+\.\d{3,}(?!\d*e)")
_PREFIX = re.compile(r"[A-Za-z][\w.-]*")


def to_svg(
    drawn: Any, *, title: str = "", description: str = "", id_prefix: str = "", dpi: int = 90
) -> str:
    """Return a figure as an `<svg>` element that can stand inside an HTML page.

    It has no prolog, no size but its proportions (it is as wide as the page lets it be, and no
    wider than drawn), and a transparent background. Text is left as text: in the font of the page,
    found by a search, and in any script that the reader's machine has. What is black in the
    figure, text and axes above all, has the colour of the page's text (`currentColor`); the other
    colours show on light and dark pages alike.

    Parameters
    ----------
    drawn : Figure, Axes or array of Axes
        What any function here returned. It is left as it is.
    title, description : str
        What a screen reader says of the picture; the title is by default those on the figure.
    id_prefix : str
        Begins every name inside. By default it is made of the content, so that different figures
        in one page do not collide; the same figure twice needs two.
    dpi : int
        Pixels per inch of those parts that are images, such as clouds of many points.

    Returns
    -------
    str
        The same for figures drawn alike.

    Raises
    ------
    InvalidParameterError
        If `id_prefix` is no name in XML: a letter, then letters, digits, `.`, `-` and `_`.
    """
    # Here, as `figures` writes with this module.
    from aeanom.plots.figures import figure_of

    if id_prefix and not _PREFIX.fullmatch(id_prefix):
        raise InvalidParameterError(
            f"id_prefix must be a letter, then letters, digits, '.', '-' or '_'; got {id_prefix!r}"
        )
    figure = figure_of(drawn)
    content = BytesIO()
    with warnings.catch_warnings():
        # Letters that matplotlib's font lacks: the browser has them.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.savefig(
            content,
            format="svg",
            backend="module://aeanom.plots.page_canvas",
            dpi=dpi,
            transparent=True,
            metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")),
        )
    text = _METADATA.sub("", _COMMENT.sub("", content.getvalue().decode()))
    root = _ROOT.search(text)
    if root is None:
        raise AssertionError("matplotlib wrote no <svg> element")
    inside = text[root.end() : text.rindex("</svg>")]
    inside = _TAG.sub(lambda tag: _slimmer(tag[0].replace("#000000", "currentColor")), inside)
    inside = _BETWEEN.sub("><", with_own_ids(inside, "")).strip()
    prefix = id_prefix or "p" + hashlib.sha256(inside.encode()).hexdigest()[:10]
    inside = with_own_ids(inside, prefix)

    box = _SIZE.search(root[0])
    view = box[1] if box else "0 0 0 0"
    width = float(view.split()[2])
    title = title or _titles_on(figure) or "picture"
    labels = [f'<title id="{prefix}-title">{escape(title)}</title>']
    if description:
        labels.append(f'<desc id="{prefix}-description">{escape(description)}</desc>')
    names = f"{prefix}-title" + (f" {prefix}-description" if description else "")
    # Attributes, not a style sheet: the page's own rules may override every one of them.
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{view}" width="{width:g}pt" style="max-width: 100%; height: auto" role="img" '
        f'aria-labelledby="{names}" fill="currentColor" font-family="system-ui, sans-serif">'
        f"{''.join(labels)}{inside}</svg>"
    )


def with_own_ids(svg: str, prefix: str) -> str:
    """Return an SVG whose ids are numbered as they stand, without those that nothing refers to.

    Only tags are read, so that text which looks like an id stays what it is.
    """
    tags = _TAG.findall(svg)
    used = {name for tag in tags for _, name in _REFERENCE.findall(tag)}
    names: dict[str, str] = {}
    for tag in tags:
        for name in _ID.findall(tag):
            if name in used:
                names.setdefault(name, f"{prefix}-{len(names) + 1}")

    def rename(found: re.Match[str]) -> str:
        tag = _ID.sub(lambda one: f' id="{names[one[1]]}"' if one[1] in names else "", found[0])
        return _REFERENCE.sub(lambda one: one[1] + names.get(one[2], one[2]), tag)

    return _TAG.sub(rename, svg)


def _slimmer(tag: str) -> str:
    """Return a tag with its coordinates in hundredths of a point: about half as long."""

    def rounded(number: re.Match[str]) -> str:
        return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")

    return _DRAWN.sub(lambda one: one[1] + " ".join(_FRACTION.sub(rounded, one[2]).split()), tag)


def _titles_on(figure: Any) -> str:
    titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
    return "; ".join(dict.fromkeys(title.replace("\n", ", ") for title in titles if title))
