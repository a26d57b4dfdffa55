"""Networks that users bring: a `tf.Module` or a Keras model in the place of a described network.

The module is copied. The compiled functions put the values that they are handed into the copy's
variables, and put those that a pass has changed back behind it. Keras is never imported here, as
that would choose its backend for the whole process: it is there if a user hands in a model of it.
"""

from __future__ import annotations

import copy
import inspect
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from aeanom.architectures import Parameter, Shape
from aeanom.core.layers import Context
from aeanom.core.modules import ModuleArchitecture, check_reconstruction
from aeanom.errors import ArchitectureError, UnsupportedError


def describe(module: Any, input_shape: Shape, dtype: str) -> ModuleArchitecture:
    """Return what is to be known of a module; see `Backend.describe`.

    In training, generators that the module holds (Keras' `SeedGenerator`, `tf.random.Generator`)
    are set by seed and step. Operators that draw by themselves, such as `tf.nn.dropout`, draw the
    same in every fit, but go on from call to call: whatever the seed, and anew in a resumed fit.
    """
    with tf.device("CPU"):
        rows = tf.zeros((2, *input_shape), dtype)
        own = copy_module(module, input_shape, dtype)
        slots = _slots(own)
        architecture = ModuleArchitecture(
            input_shape,
            framework="tensorflow",
            table=tuple(
                Parameter(slot.name, tuple(slot.variable.shape), "module", trainable=slot.trainable)
                for slot in slots
            ),
            module=own,
            initial={slot.name: _as_floats(slot, dtype) for slot in slots},
        )
        _check_output(own, rows)
        return replace(architecture, latent=_latent_shape(own, rows))


class ModuleNetwork:
    """A user's module with the methods of `Network`, made inside a compiled function.

    Parameters
    ----------
    architecture : ModuleArchitecture
        Its module is the one that is run.
    parameters : mapping of str to Tensor
        What the module's variables are set to.

    Attributes
    ----------
    trainable : dict of str to Variable
        What gradients are taken of.
    """

    def __init__(
        self, architecture: ModuleArchitecture, parameters: Mapping[str, tf.Tensor]
    ) -> None:
        self.module = architecture.module
        self.parameters = parameters
        slots = _slots(self.module)
        self.trainable = {slot.name: slot.variable for slot in slots if slot.trainable}
        self._buffers = {slot.name: slot.variable for slot in slots if not slot.trainable}
        self._generators = _generators(self.module)
        for slot in slots:
            slot.variable.assign(tf.cast(parameters[slot.name], slot.variable.dtype))

    def encode(self, x: tf.Tensor, context: Context[tf.Tensor] | None = None) -> tf.Tensor:
        """Map rows to latents."""
        return self._run(_half(self.module, "encode"), x, Context())

    def decode(self, z: tf.Tensor, context: Context[tf.Tensor] | None = None) -> tf.Tensor:
        """Map latents to rows."""
        return self._run(_half(self.module, "decode"), z, Context())

    def output(self, x: tf.Tensor, context: Context[tf.Tensor], *, raw: bool) -> tf.Tensor:
        """Reconstruct rows in a pass; a module has no last layer, so `raw` changes nothing."""
        return self._run(self.module, x, context)

    def _run(
        self, function: Callable[..., tf.Tensor], x: tf.Tensor, context: Context[tf.Tensor]
    ) -> tf.Tensor:
        before = [state.value() for state in self._generators]
        for name, draws in context.draws.items():
            self._generators[int(name)].assign(draws)
        # For operators such as `tf.nn.dropout` that number their draws themselves; this is the
        # seed of the function that is being traced, not of the process.
        tf.compat.v1.set_random_seed(0)
        output = _call(function, x, training=context.mode == "train")
        for name, variable in self._buffers.items():
            context.updates[name] = tf.cast(variable.value(), x.dtype)
            variable.assign(tf.cast(self.parameters[name], variable.dtype))
        for state, value in zip(self._generators, before, strict=True):
            state.assign(value)
        return output


def draw_states(module: Any, key: tf.Tensor) -> dict[str, tf.Tensor]:
    """Draw a state for each of the module's generators of random numbers, statelessly."""
    drawn = {}
    for index, state in enumerate(_generators(module)):
        own_key = tf.random.experimental.stateless_fold_in(key, index)
        drawn[str(index)] = tf.random.stateless_uniform(
            state.shape, own_key, minval=None, maxval=None, dtype=state.dtype
        )
    return drawn


def variables(module: Any) -> dict[str, tf.Variable]:
    """Return what a module holds, by name."""
    return {slot.name: slot.variable for slot in _slots(module)}


def copy_module(module: Any, input_shape: Shape, dtype: str) -> Any:
    """Return a copy of a module that computes in a dtype; a Keras model is built if it was not."""
    rows = tf.zeros((2, *input_shape), dtype)
    copied = _copy_keras if _is_keras(module) else _copy_plain
    try:
        return copied(module, rows)
    except (ArchitectureError, UnsupportedError):
        raise
    except Exception as error:
        raise ArchitectureError(
            f"the module cannot be copied and run on rows of shape {tuple(rows.shape)}: {error}"
        ) from error


def _is_keras(module: Any) -> bool:
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(module, keras.layers.Layer)


# Copies.


def _copy_plain(module: tf.Module, rows: tf.Tensor) -> tf.Module:
    """Copy a `tf.Module`, with other variables and constants in the place of its floats."""
    replaced = {}
    for leaf in module._flatten(predicate=_is_float):
        replaced[id(leaf)] = tf.cast(leaf, rows.dtype)
        if isinstance(leaf, tf.Variable):
            replaced[id(leaf)] = tf.Variable(replaced[id(leaf)], trainable=leaf.trainable)
    return copy.deepcopy(module, replaced)


def _is_float(leaf: Any) -> bool:
    return isinstance(leaf, (tf.Variable, tf.Tensor)) and leaf.dtype.is_floating


def _copy_keras(module: Any, rows: tf.Tensor) -> Any:
    """Make a Keras model again, and give it the same weights."""
    keras = sys.modules["keras"]
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise UnsupportedError(
            f"Keras runs on {backend} in this process, and aeanom runs its models on TensorFlow "
            "only: set the environment variable KERAS_BACKEND=tensorflow before Keras is imported"
        )
    dtype = rows.dtype.name
    with _fixed_keras_defaults(keras, dtype):
        own = _made_again(keras, module, dtype)
        own(rows, training=False)
    if own.losses or any(weight.constraint is not None for weight in own.weights):
        raise UnsupportedError(
            "the model has regularizers, constraints or losses of its own, of which the training "
            "here would know nothing: leave them out"
        )
    if module.weights:
        own.set_weights(module.get_weights())
    return own


# Attributes of a Keras model that was compiled and fitted by Keras.
_SET_BY_TRAINING = frozenset(
    {
        "_compile_config",
        "_compiled_trainable_state",
        "_eval_epoch_iterator",
        "history",
        "optimizer",
        "stop_training",
    }
)


def _made_again(keras: Any, layer: Any, dtype: str) -> Any:
    """Make a layer or model again, without its weights.

    From its configuration; if its class gives none, as few that users write do, attribute by
    attribute.
    """
    if type(layer).get_config is not keras.layers.Layer.get_config:
        return keras.saving.deserialize_keras_object(
            _with_dtype(keras.saving.serialize_keras_object(layer), dtype),
            custom_objects={type(part).__name__: type(part) for part in layer._flatten_layers()},
            safe_mode=False,
        )
    made_by: Any = type(layer)
    own = made_by.__new__(made_by)
    base = keras.Model if isinstance(layer, keras.Model) else keras.layers.Layer
    base.__init__(own, name=layer.name, dtype=dtype, trainable=layer.trainable)
    made = {id(part): _made_again(keras, part, dtype) for part in layer._layers}
    made[id(layer)] = own
    left_out = vars(own).keys() | _SET_BY_TRAINING
    for name, value in list(vars(layer).items()):
        if name in left_out or name.startswith("_self_"):
            continue
        if not isinstance(value, keras.Variable):
            # Copies of Keras' lists and dicts are plain ones, which the new layer then tracks.
            plain = value.copy() if isinstance(value, (list, dict)) else value
            setattr(own, name, copy.deepcopy(plain, made))
        elif type(layer).build is base.build:
            # Else its weights are made again when it is built.
            weight = own.add_weight(value.shape, trainable=value.trainable, name=value.name)
            setattr(own, name, weight)
    return own


@contextmanager
def _fixed_keras_defaults(keras: Any, dtype: str) -> Iterator[None]:
    """Set what layers fall back on, and put it back in the end.

    Layers without a seed take theirs from Python's own generator: those of a copy, which may have
    to draw its weights, are to be the same every time.
    """
    policy, state = keras.config.dtype_policy(), random.getstate()
    try:
        keras.config.set_dtype_policy(dtype)
        random.seed(0)
        yield
    finally:
        keras.config.set_dtype_policy(policy)
        random.setstate(state)


def _with_dtype(config: Any, dtype: str) -> Any:
    """Return a Keras configuration with another dtype for floats; without optimiser and loss."""
    if isinstance(config, dict):
        return {
            key: dtype if key == "dtype" and "float" in str(value) else _with_dtype(value, dtype)
            for key, value in config.items()
            if key != "compile_config"
        }
    if isinstance(config, (list, tuple)):
        return type(config)(_with_dtype(value, dtype) for value in config)
    return config


# What a module holds.


class _Slot(NamedTuple):
    """A variable of a module, with the name that it goes by."""

    name: str
    variable: tf.Variable
    trainable: bool


def _slots(module: Any) -> list[_Slot]:
    return _keras_slots(module) if _is_keras(module) else _plain_slots(module)


def _plain_slots(module: tf.Module) -> list[_Slot]:
    """Variables by the path of attributes that leads to them; a shared one by its first."""
    found: dict[Any, _Slot] = {}
    leaves = module._flatten(predicate=lambda leaf: isinstance(leaf, tf.Variable), with_path=True)
    for path, variable in leaves:
        trainable = variable.trainable and variable.dtype.is_floating
        found.setdefault(variable.ref(), _Slot(".".join(map(str, path)), variable, trainable))
    return list(found.values())


def _keras_slots(model: Any) -> list[_Slot]:
    """Variables by layer and name, without the numbers that count what was made in the process."""
    seen: Counter[str] = Counter()
    slots = []
    trainable = {id(weight) for weight in model.trainable_weights}
    for weight in model.weights:
        # Only the last layer of the path: what stands before it depends on who built it.
        path = weight.path.removeprefix(f"{model.name}/").split("/")[-2:]
        name = "/".join(re.sub(r"_\d+$", "", part) for part in path)
        number = seen[name]
        seen[name] += 1
        unique = f"{name}_{number}" if number else name
        slots.append(_Slot(unique, weight.value, id(weight) in trainable))
    return slots


def _generators(module: Any) -> list[tf.Variable]:
    """States of a module's generators of random numbers, such as those of Keras' dropout."""
    if _is_keras(module):
        weights = {id(weight) for weight in module.weights}
        return [state.value for state in module.variables if id(state) not in weights]
    generators = module._flatten(predicate=lambda leaf: isinstance(leaf, tf.random.Generator))
    return [generator.state for generator in generators]


def _as_floats(slot: _Slot, dtype: str) -> NDArray[np.floating]:
    """Copy a variable to the host as floats; refuse what they cannot hold."""
    kind = slot.variable.dtype
    if not (kind.is_floating or kind.is_integer or kind.is_bool):
        raise ArchitectureError(f"{slot.name} holds {kind.name}: all arrays must be real numbers")
    array = slot.variable.numpy()
    floats: NDArray[np.floating] = array.astype(dtype)
    if not kind.is_floating and not np.array_equal(floats.astype(array.dtype), array):
        raise ArchitectureError(f"{slot.name} holds whole numbers too large for {dtype}")
    return floats


# What a module does.


def _call(function: Callable[..., Any], x: tf.Tensor, *, training: bool) -> Any:
    if _is_keras(function) or "training" in inspect.signature(function).parameters:
        return function(x, training=training)
    return function(x)


def _half(module: Any, name: str) -> Any:
    """Return the method of that name (`encode`), or else the submodule or layer (`encoder`)."""
    layers = getattr(module, "layers", ()) if _is_keras(module) else ()
    named = {layer.name: layer for layer in layers}.get(f"{name}r")
    return getattr(module, name, getattr(module, f"{name}r", named))


def _check_output(module: Any, rows: tf.Tensor) -> None:
    """Raise `ArchitectureError` if the module does not map rows to rows.

    It is run as a function: a pass of one operator after the other would draw from TensorFlow's
    global generator.
    """
    shape = tuple(rows.shape)
    try:
        score, train = (
            _traced(_call, module, training=training).get_concrete_function(rows)
            for training in (False, True)
        )
        output = score(rows)
    except Exception as error:
        raise ArchitectureError(f"the module fails on rows of shape {shape}: {error}") from error
    check_reconstruction(output, tf.Tensor, rows)
    if output.dtype != rows.dtype:
        raise ArchitectureError(
            f"the module returns {output.dtype.name} for {rows.dtype.name}: it must return the same"
        )
    known = {variable.ref() for variable in (*variables(module).values(), *_generators(module))}
    for variable in (*score.variables, *train.variables):
        if variable.ref() not in known:
            raise ArchitectureError(
                f"the module uses a variable that it does not hold, {variable.name} of shape "
                f"{tuple(variable.shape)}. A tf.Module holds what can be reached by attributes of "
                "tf.Modules, lists and dicts when it is handed in; Keras layers belong in a "
                "Keras model, and random numbers of Keras need a SeedGenerator in the layer"
            )


def _latent_shape(module: Any, rows: tf.Tensor) -> Shape | None:
    """Return the shape of a latent that can be decoded; None if there is no such thing."""
    try:
        latents, decoded = _traced(_halves, module)(rows)
        fits = decoded.shape == rows.shape and len(latents) == len(rows)
    except Exception:
        # The module means something else by these names, or has none of them.
        return None
    return tuple(latents.shape[1:]) if fits else None


def _halves(module: Any, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    latents = _call(_half(module, "encode"), x, training=False)
    return latents, _call(_half(module, "decode"), latents, training=False)


def _traced(function: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
    """Make a `tf.function` of the rows alone; why it is of a `partial` is said in `network.py`."""
    return tf.function(partial(function, *arguments, **settings), autograph=False)
