"""What a report must be, as checks of the file: valid, self-contained, without scripts, accessible.

`complaints` is used by `reports.py` and by the tests. It parses with html5lib, which reports every
parse error of the HTML standard; that attributes and elements are where they may be, it leaves to
a validator such as the Nu Html Checker.
"""

from __future__ import annotations

import itertools
import re
import warnings
from typing import Any

MOST_BYTES = 3_000_000

_FORBIDDEN = {
    "applet", "audio", "base", "button", "embed", "form", "frame", "iframe", "input", "link",
    "object", "script", "source", "track", "video",
}  # fmt: skip
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_ALLOWED_REFERENCE = re.compile(r"#[\w.-]+|data:image/png;base64,[A-Za-z0-9+/=\s]+")
_REFERENCES = {"href", "src", "xlink:href", "srcset", "action", "data", "poster", "cite"}
_URL = re.compile(r"""url\(\s*["']?([^"')]*)|@import""")
_POINTERS = ("aria-labelledby", "aria-describedby", "for", "headers")


def complaints(page: str) -> list[str]:
    """Return what is wrong with a page, in words; nothing for a good one."""
    import html5lib

    found = []
    if len(page.encode()) >= MOST_BYTES:
        found.append(f"{len(page.encode()):,} bytes are not under {MOST_BYTES:,}")
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    with warnings.catch_warnings():
        # Of its own tree builder.
        warnings.simplefilter("ignore", DeprecationWarning)
        root = parser.parse(page)
    found += [f"line {line}: {code} {values or ''}" for (line, _), code, values in parser.errors]
    elements = [element for element in root.iter() if isinstance(element.tag, str)]
    return [*found, *_outside(elements), *_names(elements), *_accessibility(root, elements)]


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _attributes(element: Any) -> list[tuple[str, str]]:
    return [
        (name.replace("{http://www.w3.org/1999/xlink}", "xlink:"), value)
        for name, value in element.attrib.items()
    ]


def _outside(elements: list[Any]) -> Any:
    """Find what runs, or what would be fetched; a browser must be told to refuse both."""
    policies = [
        element.attrib.get("content", "")
        for element in elements
        if element.attrib.get("http-equiv", "").lower() == "content-security-policy"
    ]
    if policies != [_POLICY]:
        yield f"the content security policy is {policies}, not {_POLICY!r}"
    for element in elements:
        tag = _tag(element)
        if tag in _FORBIDDEN:
            yield f"<{tag}> has no place in a report"
        for name, value in _attributes(element):
            if name.startswith("on") or "javascript:" in value.lower():
                yield f"<{tag} {name}> runs a script"
            if name in _REFERENCES and not _ALLOWED_REFERENCE.fullmatch(value):
                yield f"<{tag} {name}={value[:40]!r}> refers to something outside"
            if name == "http-equiv" and value.lower() == "refresh":
                yield "the page sends its readers elsewhere"
        styles = [value for name, value in _attributes(element) if name in ("style", "clip-path")]
        if tag == "style":
            styles.append(element.text or "")
        for target in (match[1] for style in styles for match in _URL.finditer(style)):
            if not (target or "").startswith("#"):
                yield f"a style fetches {target!r}"


def _names(elements: list[Any]) -> Any:
    """Find ids that are there twice, and references to ids that are not there."""
    ids = [element.attrib["id"] for element in elements if "id" in element.attrib]
    yield from (f"id {name!r} is there twice" for name in {i for i in ids if ids.count(i) > 1})
    known = set(ids)
    for element in elements:
        for name, value in _attributes(element):
            targets = value.split() if name in _POINTERS else []
            if name in ("href", "xlink:href") and value.startswith("#"):
                targets = [value[1:]]
            targets += re.findall(r"url\(#([^)]*)\)", value)
            yield from (
                f"<{_tag(element)} {name}> refers to {target!r}, which is not there"
                for target in targets
                if target not in known
            )


def _accessibility(root: Any, elements: list[Any]) -> Any:
    if root.attrib.get("lang") != "en":
        yield "the page does not say its language"
    levels = [int(_tag(one)[1]) for one in elements if re.fullmatch("h[1-6]", _tag(one))]
    if levels.count(1) != 1 or levels[:1] != [1]:
        yield "there must be one h1, first"
    for before, after in itertools.pairwise(levels):
        if after > before + 1:
            yield f"h{after} follows h{before}"
    for element in elements:
        tag, attributes = _tag(element), dict(_attributes(element))
        if tag == "svg" and (attributes.get("role") != "img" or not _child(element, "title")):
            yield "a picture has no role or no title"
        if tag == "img" and not attributes.get("alt"):
            yield "an image has no alternative text"
        if tag == "table" and not _child(element, "caption"):
            yield "a table has no caption"
        if tag == "th" and attributes.get("scope") not in ("col", "row"):
            yield "a heading of a table has no scope"


def _child(element: Any, tag: str) -> bool:
    return any(_tag(child) == tag for child in element if isinstance(child.tag, str))
