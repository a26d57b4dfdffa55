"""The README and the pages of `docs/`: their code runs, prints what they say, and links lead on.

Python blocks of a page run in order, in one namespace and one empty folder; `aeanom` lines of
`sh` blocks run after the Python before them. Other languages (`text`, `toml`) are not run.
"""

import io
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from aeanom import available_backends
from aeanom.architectures.layers import LAYERS

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "benchmarks" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FRAMEWORKS = {"torch": "torch", "jax": "flax", "tensorflow": "tensorflow"}
COMMAND_LINE = "import sys; from aeanom.cli.main import main; sys.argv[0] = 'aeanom'; main()"


def blocks(page):
    """(language, code) of every fenced block, in order."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def names(page):
    return str(page.relative_to(ROOT))


def words(text):
    """The text without its numbers, whose last digits depend on the processor."""
    return re.sub(r"-?\d+(\.\d+)?(e-?\d+)?", "#", text).split()


def run_shell(code):
    for line in code.splitlines():
        if line.startswith("aeanom "):
            arguments = shlex.split(line, comments=True)[1:]
            command = [sys.executable, "-c", COMMAND_LINE, *arguments]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


@pytest.fixture
def layers_of_its_own():
    """Forget the layers that a page defines: a table of layers is the whole process's."""
    yield
    for kind in [kind for kind, cls in LAYERS.items() if not cls.__module__.startswith("aeanom.")]:
        del LAYERS[kind]
        for name in available_backends():
            module = sys.modules.get(f"aeanom.backends.{name}.layers")
            if module is not None:
                module.LAYERS.pop(kind, None)


@pytest.mark.usefixtures("layers_of_its_own")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```python" in page.read_text(encoding="utf-8")], ids=names
)
def test_the_code_of_a_page_runs_and_prints_what_the_page_says(page, tmp_path, monkeypatch):
    found = blocks(page)
    for name, package in FRAMEWORKS.items():
        if any(f'backend="{name}"' in code for language, code in found if language == "python"):
            pytest.importorskip(package)
    if any("as_frame" in code for _, code in found):
        pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    printed = ""
    for language, code in found:
        if language == "python":
            output = io.StringIO()
            with redirect_stdout(output):
                exec(compile(code, str(page), "exec"), namespace)
            printed = output.getvalue()
        elif language == "sh":
            run_shell(code)
            printed = ""
        elif printed:
            assert words(printed) == words(code)
            printed = ""


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_relative_links_lead_to_files(page):
    links = LINK.findall(page.read_text(encoding="utf-8"))
    relative = [link.split("#")[0] for link in links if "://" not in link]
    missing = [link for link in relative if link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_make_targets_that_a_page_names_exist(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE))
    assert named <= targets


def test_every_page_of_docs_is_listed_in_its_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert pages <= set(LINK.findall(index))
