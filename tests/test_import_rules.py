"""Who may import whom, read from the syntax tree; and what `import aeanom` costs."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import aeanom

ROOT = Path(aeanom.__file__).parent
BACKENDS = ("numpy", "torch", "jax", "tensorflow")
FRAMEWORKS = {
    "torch": "torch",
    "jax": "jax",
    "jaxlib": "jax",
    "flax": "jax",
    "optax": "jax",
    "tensorflow": "tensorflow",
    "keras": "tensorflow",
}
# Exporters and the conformance kit may need a framework's own library.
FREE_OF_THE_FRAMEWORK_RULE = ("export", "testing")

# What each package may import of aeanom; all may import the standard library.
# fmt: off
MAY_IMPORT = {
    "errors.py": set(),
    "architectures": {"errors"},
    "metrics": {"errors"},
    "thresholds": {"errors"},
    "storage": {"errors"},
    "explain": {"errors"},
    "evaluation.py": {"errors", "metrics", "thresholds"},
    "baselines.py": {"errors", "core"},
    "core": {"errors", "architectures"},
    "backends": {"errors", "architectures", "core"},
    "parity.py": {"errors", "core"},
    "testing": {"errors", "architectures", "core", "metrics", "parity", "reproduce"},
    "health": {"errors", "architectures", "core"},
    "assessment.py": {"errors", "core", "explain", "health"},
    "calibration.py": {"errors", "core", "thresholds"},
    "model.py": {
        "errors", "architectures", "core", "thresholds", "explain", "parity", "assessment",
        "calibration", "model_files",
    },
    "words.py": set(),
    "report": {
        "errors", "core", "thresholds", "storage", "explain", "model", "evaluation", "baselines",
        "plots", "data", "words",
    },
    "model_files.py": {
        "errors", "architectures", "core", "thresholds", "storage", "explain", "model",
    },
}
# fmt: on
# Outside libraries, besides NumPy, and only inside the functions that need them.
LAZY = {
    "errors.py": {"sklearn"},
    "architectures": set(),
    "core": set(),
    "thresholds": {"scipy"},
    "metrics": set(),
    "storage": {"safetensors"},
    "explain": set(),
    "health": set(),
    "assessment.py": set(),
    "evaluation.py": set(),
    "baselines.py": {"sklearn"},
    "parity.py": set(),
    "calibration.py": set(),
    "model.py": set(),
    "model_files.py": set(),
    "words.py": set(),
    "report": {"jinja2", "markupsafe"},
}
WITHOUT_NUMPY = {"errors.py", "architectures", "words.py"}


class Import:
    """One imported module: its dotted name, and whether it is imported inside a function."""

    def __init__(self, module, lazy, line):
        self.module = module
        self.top = module.split(".")[0]
        self.lazy = lazy
        self.line = line


def is_type_checking(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) in (
        "TYPE_CHECKING",
        "typing.TYPE_CHECKING",
    )


def imports(path):
    """Every import of a file that is executed, now or when a function of it is called."""
    found = []

    def walk(node, lazy):
        for child in ast.iter_child_nodes(node):
            if is_type_checking(child):
                for statement in child.orelse:
                    walk(statement, lazy)
                continue
            if isinstance(child, ast.Import):
                found.extend(Import(alias.name, lazy, child.lineno) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}:{child.lineno}: relative import"
                # `from aeanom import thresholds` imports aeanom.thresholds.
                modules = (
                    [f"aeanom.{alias.name}" for alias in child.names]
                    if child.module == "aeanom"
                    else [child.module]
                )
                found.extend(Import(module, lazy, child.lineno) for module in modules)
            walk(child, lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))

    walk(ast.parse(path.read_text()), lazy=False)
    return found


def files(part):
    path = ROOT / part
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def wrong(part, is_wrong):
    """Places of a part of the library where an import breaks a rule."""
    return [
        f"{path.relative_to(ROOT)}:{found.line} imports {found.module}"
        for path in files(part)
        for found in imports(path)
        if is_wrong(found)
    ]


def home(found):
    """`"core"` for `aeanom.core.losses`."""
    return found.module.split(".")[1] if "." in found.module else ""


def test_frameworks_are_imported_only_under_their_own_backend():
    places = []
    for path in files("."):
        folders = path.relative_to(ROOT).parts
        if folders[0] in FREE_OF_THE_FRAMEWORK_RULE:
            continue
        for found in imports(path):
            framework = FRAMEWORKS.get(found.top)
            if framework and folders[:2] != ("backends", framework):
                places.append(f"{path.relative_to(ROOT)}:{found.line} imports {found.module}")
    assert places == []


@pytest.mark.parametrize("name", BACKENDS)
def test_no_backend_imports_another(name):
    others = tuple(f"aeanom.backends.{other}" for other in BACKENDS if other != name)
    assert wrong(f"backends/{name}", lambda found: found.module.startswith(others)) == []


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_part_imports_only_the_parts_that_it_may_know(part):
    allowed = MAY_IMPORT[part] | {part.removesuffix(".py")}
    places = wrong(
        part,
        lambda found: (
            found.top == "aeanom"
            and home(found) not in allowed
            # `__version__` and the like.
            and ((ROOT / home(found)).exists() or (ROOT / f"{home(found)}.py").exists())
        ),
    )
    assert places == []


@pytest.mark.parametrize("part", LAZY)
def test_a_part_imports_no_library_but_numpy_when_it_is_loaded(part):
    allowed = {"aeanom"} if part in WITHOUT_NUMPY else {"aeanom", "numpy"}

    def is_wrong(found):
        if found.top in sys.stdlib_module_names or found.top in allowed:
            return False
        return not (found.lazy and found.top in LAZY[part])

    assert wrong(part, is_wrong) == []


def test_the_numpy_backend_needs_nothing_but_numpy_and_scipy_s_erf():
    def is_wrong(found):
        if found.top in sys.stdlib_module_names or found.top in ("aeanom", "numpy"):
            return False
        return not (found.lazy and found.module == "scipy.special")

    assert wrong("backends/numpy", is_wrong) == []


def test_the_rules_see_an_import_that_breaks_them(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "import torch.nn\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import jax\n"
        "def f():\n    from scipy.special import erf\n"
    )
    assert [(found.module, found.lazy) for found in imports(path)] == [
        ("torch.nn", False),
        ("typing", False),
        ("scipy.special", True),
    ]


def modules_after(code):
    """Names of the modules that a fresh process has loaded after some code."""
    code = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    printed = subprocess.check_output([sys.executable, "-c", code], text=True)
    return json.loads(printed.splitlines()[-1])


HEAVY = {
    "torch", "jax", "flax", "optax", "tensorflow", "keras", "sklearn", "scipy", "pyarrow",
    "safetensors", "pandas", "matplotlib", "typer", "rich",
}  # fmt: skip


@pytest.mark.parametrize(
    "code",
    [
        "import aeanom",
        "import aeanom; aeanom.available_backends()",
        "from aeanom import AnomalyModel, load, architectures, thresholds, metrics, errors",
        "import aeanom.backends.numpy",
    ],
)
def test_importing_aeanom_imports_nothing_heavy(code):
    assert HEAVY & {name.split(".")[0] for name in modules_after(code)} == set()


def test_a_scorer_does_not_load_what_looks_at_fits():
    loaded = modules_after("import aeanom; aeanom.load")
    assert "aeanom.model" in loaded
    assert {"aeanom.assessment", "aeanom.health", "aeanom.detector"}.isdisjoint(loaded)


@pytest.mark.parametrize("name", BACKENDS[1:])
def test_asking_for_one_backend_imports_no_other(name):
    pytest.importorskip(name)
    loaded = modules_after(
        "import os; os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'\n"
        f"import aeanom.core; aeanom.core.get_backend({name!r})"
    )
    others = {f"aeanom.backends.{other}" for other in BACKENDS} - {f"aeanom.backends.{name}"}
    assert others.isdisjoint(loaded)


def test_importing_aeanom_reads_no_environment_variable():
    reads = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in files(".")
        for node in ast.parse(path.read_text()).body
        if not isinstance(node, ast.FunctionDef | ast.ClassDef)
        and ("os.environ" in ast.unparse(node) or "getenv" in ast.unparse(node))
    ]
    assert reads == []


def import_seconds(module):
    """Seconds that importing a module takes in a fresh process."""
    code = (
        "from time import perf_counter; started = perf_counter(); "
        f"import {module}; print(perf_counter() - started)"
    )
    return float(subprocess.check_output([sys.executable, "-c", code], text=True))


def test_importing_aeanom_takes_at_most_half_as_long_again_as_numpy():
    # The quickest of several, in turn: what else the machine does only ever adds.
    seconds = {"numpy": [], "aeanom": []}
    for _ in range(7):
        for module, taken in seconds.items():
            taken.append(import_seconds(module))
    assert min(seconds["aeanom"]) <= 1.5 * min(seconds["numpy"])
