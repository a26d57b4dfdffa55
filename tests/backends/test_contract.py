"""The four backends have the same files, classes, methods and signatures, in the same order.

Reading one is then reading all. The oracle is the abstract class that each one fills in.
"""

import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest
from support import BACKENDS, make_trainer

import aeanom.backends
from aeanom.architectures.layers import ACTIVATIONS, LAYERS
from aeanom.core import Autoencoder, Backend, Trainer

FOLDER = Path(aeanom.backends.__file__).parent
FILES = [
    "__init__.py",
    "activations.py",
    "autoencoder.py",
    "backend.py",
    "layers.py",
    "losses.py",
    "network.py",
    "trainer.py",
]
# A module of a user's own belongs to a framework; passes with arrays of their own, and windows
# and recurrence in files of their own, to where the way back is written out.
MORE_FILES = {
    "numpy": ["context.py", "convolution.py", "recurrent.py"],
    "torch": ["context.py", "graph.py", "mixed_precision.py", "module.py", "precision.py"],
    "jax": ["module.py", "native.py"],
    "tensorflow": ["module.py"],
}


def classes(backend):
    """Its Backend, Autoencoder and Trainer, each beside the abstract one."""
    trainer = make_trainer(backend)
    return [
        (type(backend), Backend),
        (type(trainer.autoencoder), Autoencoder),
        (type(trainer), Trainer),
    ]


def layers_of(backend):
    return import_module(f"aeanom.backends.{backend.name}.layers")


def parameters(function):
    return [
        (parameter.name, parameter.kind, parameter.default)
        for parameter in inspect.signature(function).parameters.values()
    ]


@pytest.mark.parametrize("name", BACKENDS)
def test_every_backend_has_the_same_files(name):
    files = sorted(path.name for path in (FOLDER / name).glob("*.py"))
    assert files == sorted(FILES + MORE_FILES[name])


def test_every_abstract_method_is_filled_in_with_the_abstract_signature(backend):
    for concrete, abstract in classes(backend):
        for name in abstract.__abstractmethods__:
            assert parameters(getattr(concrete, name)) == parameters(getattr(abstract, name)), name


def test_what_is_overridden_without_being_abstract_keeps_its_signature_too(backend):
    for concrete, abstract in classes(backend):
        for name, member in vars(concrete).items():
            inherited = getattr(abstract, name, None)
            if inspect.isfunction(inherited) and name != "__init__":
                assert parameters(member) == parameters(inherited), name


def test_the_training_loop_is_no_backend_s_business(backend):
    trainer = type(make_trainer(backend))
    assert trainer.fit is Trainer.fit
    assert trainer.loop_state is Trainer.loop_state


def test_methods_stand_in_the_order_of_the_abstract_class(backend):
    for concrete, abstract in classes(backend):
        contract = [name for name in vars(abstract) if name in abstract.__abstractmethods__]
        # Each class on the way there, as backends of one kind share some of it.
        for shared in concrete.__mro__[: concrete.__mro__.index(abstract)]:
            written = [name for name in vars(shared) if name in contract]
            assert written == [name for name in contract if name in written], shared


def test_every_backend_has_every_layer_kind_in_the_order_of_the_descriptions(backend):
    # Without those that a page of the documentation may have added in this process.
    kinds = [kind for kind, cls in LAYERS.items() if cls.__module__.startswith("aeanom.")]
    assert list(layers_of(backend).LAYERS)[: len(kinds)] == kinds
    assert backend.capabilities.layer_kinds == set(kinds)


def test_a_layer_s_function_has_the_name_of_its_kind_and_stands_in_its_place(backend):
    layers = layers_of(backend)
    kinds = [kind for kind in layers.LAYERS if kind in backend.capabilities.layer_kinds]
    assert [layers.LAYERS[kind].__name__ for kind in kinds] == kinds
    here = [
        name
        for name, value in vars(layers).items()
        if name in kinds and value.__module__ == layers.__name__
    ]
    assert here == [kind for kind in kinds if kind in here]


def test_every_backend_has_every_activation_in_the_order_of_the_descriptions(backend):
    assert list(layers_of(backend).FUNCTIONS) == list(ACTIVATIONS)


@pytest.mark.parametrize("file", FILES[1:])
@pytest.mark.parametrize("name", BACKENDS)
def test_a_module_says_what_it_is_for(name, file):
    assert ast.get_docstring(ast.parse((FOLDER / name / file).read_text()))
