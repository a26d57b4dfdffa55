"""Networks that users bring: a `flax.nnx.Module` of their own in the place of an architecture.

`ModuleNetwork` stands where `Network` stands otherwise. The compiled functions make one inside
their traces, of a copy of the module with the arrays that they are given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from aeanom.architectures import Parameter, Shape
from aeanom.backends.jax.network import KEY
from aeanom.core.layers import Context
from aeanom.core.modules import ModuleArchitecture, check_reconstruction
from aeanom.errors import ArchitectureError

Path = tuple[Any, ...]


def describe(module: Any, input_shape: Shape, dtype: str) -> ModuleArchitecture:
    """Return what is to be known of a module; see `Backend.describe`.

    Every array is in the table, by its path: those of `nnx.Param` are trained, and all others are
    buffers. Random keys and their counters are not: training puts its own in their place.
    """
    if not isinstance(module, nnx.Module):
        raise ArchitectureError(
            f"{type(module).__name__} is no flax.nnx.Module. A flax.linen module has no weights of "
            "its own: wrap it, nnx.bridge.ToNNX(module, rngs=nnx.Rngs(0)).lazy_init(rows)"
        )
    with jax.enable_x64(dtype == "float64"):
        table, initial = [], {}
        for slot in _slots(module, dtype):
            initial[slot.name] = _as_floats(slot, dtype)
            table.append(
                Parameter(slot.name, slot.value.shape, "module", trainable=slot.is_trainable)
            )
        architecture = ModuleArchitecture(
            input_shape,
            framework="jax",
            table=tuple(table),
            module=nnx.clone(module),
            initial=initial,
        )
        rows = np.zeros((2, *input_shape), dtype)
        _check_output(architecture, rows)
        return replace(architecture, latent=_latent_shape(architecture, rows))


class ModuleNetwork:
    """A copy of a user's module that holds the arrays it is given, set to score.

    Parameters
    ----------
    architecture : ModuleArchitecture
    parameters : mapping of str to array
        By name.
    """

    def __init__(
        self, architecture: ModuleArchitecture, parameters: Mapping[str, jax.Array]
    ) -> None:
        self.architecture = architecture
        self.module = nnx.clone(architecture.module)
        self.module.eval()
        # The widest: in training in a narrower dtype, buffers are not cast.
        self._dtype = str(jnp.result_type(*parameters.values()))
        for name, slot in self.variables().items():
            slot.set_value(parameters[name])

    def native(self) -> nnx.Module:
        """Return the copy."""
        return self.module

    def variables(self) -> dict[str, Slot]:
        """Return where each array stands, by name."""
        return {slot.name: slot for slot in _slots(self.module, self._dtype)}

    def __call__(self, x: jax.Array) -> jax.Array:
        """Reconstruct rows."""
        return self.module(x).astype(x.dtype)

    def encode(self, x: jax.Array, context: Context[jax.Array] | None = None) -> jax.Array:
        """Map rows to latents."""
        encode, _ = _latent_functions(self.module)
        return encode(x).astype(x.dtype)

    def decode(self, z: jax.Array, context: Context[jax.Array] | None = None) -> jax.Array:
        """Map latents to rows."""
        _, decode = _latent_functions(self.module)
        return decode(z).astype(z.dtype)

    def output(self, x: jax.Array, context: Context[jax.Array], *, raw: bool) -> jax.Array:
        """Reconstruct rows in a context; a module has no last layer, so `raw` changes nothing."""
        if context.mode != "train":
            return self(x)
        self.module.train()
        # Gradients alone are taken without draws: with the same key every time.
        self._seed(context.draws[KEY] if KEY in context.draws else jax.random.key(0))
        output = self(x)
        slots = self.variables()
        for parameter in self.architecture.parameters:
            if not parameter.trainable:
                context.updates[parameter.name] = slots[parameter.name].get_value()
        return output

    def _seed(self, key: jax.Array) -> None:
        """Start every random stream from a key of its own, folded from this one."""
        fresh: list[tuple[Path, jax.Array]] = []
        for index, (path, leaf) in enumerate(_leaves(self.module)):
            value = _value(leaf)
            if isinstance(leaf, nnx.RngCount):
                fresh.append((path, jnp.zeros_like(value)))
            elif _is_key(value):
                own = jax.random.fold_in(key, index)
                fresh.append((path, jax.random.split(own, value.shape) if value.shape else own))
        nnx.update(self.module, nnx.from_flat_state(fresh))


@dataclass(frozen=True, eq=False)
class Slot:
    """Where a module holds an array; read and written as an `nnx.Variable` of floats is.

    Whole numbers and truth values are floats outside, and themselves again inside.
    """

    module: nnx.Module
    path: Path
    leaf: Any
    dtype: str

    @property
    def name(self) -> str:
        """Its path in the module."""
        return ".".join(map(str, self.path))

    @property
    def value(self) -> Any:
        """The array as it is now."""
        if isinstance(self.leaf, nnx.Variable):
            return _value(self.leaf)
        # An array without a variable around it: the module may have put another in its place.
        return dict(_leaves(self.module))[self.path]

    @property
    def is_trainable(self) -> bool:
        """Whether it is a parameter."""
        return isinstance(self.leaf, nnx.Param) and _is_float(self.value)

    def get_value(self) -> jax.Array:
        """Return the array in the network's dtype."""
        return jnp.asarray(self.value, self.dtype)

    def set_value(self, value: jax.Array) -> None:
        """Put another array in."""
        present = self.value
        if not _is_float(present):
            value = value.astype(jax.dtypes.canonicalize_dtype(present.dtype))
        nnx.update(self.module, nnx.from_flat_state([(self.path, value)]))


def _leaves(module: nnx.Module) -> Iterator[tuple[Path, Any]]:
    """Path and variable, or bare array, of all that the module's state holds."""
    return iter(nnx.to_flat_state(nnx.state(module)))


def _slots(module: nnx.Module, dtype: str) -> Iterator[Slot]:
    """All arrays that are numbers of the network; what `sow` left behind is none."""
    for path, leaf in _leaves(module):
        is_state = isinstance(leaf, nnx.RngState | nnx.Intermediate) or _is_key(_value(leaf))
        if _value(leaf) is not None and not is_state:
            yield Slot(module, path, leaf, dtype)


def _value(leaf: Any) -> Any:
    return leaf.get_value() if isinstance(leaf, nnx.Variable) else leaf


def _is_key(value: Any) -> bool:
    return isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)


def _is_float(value: Any) -> bool:
    return jnp.issubdtype(value.dtype, jnp.floating)


def _as_floats(slot: Slot, dtype: str) -> NDArray[np.floating]:
    """Copy an array to the host in the network's dtype; refuse what that cannot hold."""
    value = slot.value
    if not isinstance(value, jax.Array | np.ndarray):
        raise ArchitectureError(
            f"{slot.name} holds a {type(value).__name__}: a variable must hold one array"
        )
    if _is_float(value):
        return np.array(value, dtype)
    if not jnp.issubdtype(value.dtype, jnp.integer) and value.dtype != bool:
        raise ArchitectureError(f"{slot.name} is {value.dtype}: all arrays must be real numbers")
    exact = 2 / np.finfo(dtype).eps
    if np.abs(np.array(value, np.float64)).max(initial=0) > exact:
        raise ArchitectureError(
            f"{slot.name} holds whole numbers too large for {dtype}; random keys belong in nnx.Rngs"
        )
    return np.array(value, dtype)


def _check_output(architecture: ModuleArchitecture, rows: NDArray[np.floating]) -> None:
    """Trace a pass to score and one to train; neither computes anything."""

    def score(parameters: dict[str, jax.Array], x: jax.Array) -> Any:
        return ModuleNetwork(architecture, parameters).module(x)

    def train(parameters: dict[str, jax.Array], x: jax.Array) -> Any:
        return ModuleNetwork(architecture, parameters).output(x, Context("train"), raw=False)

    try:
        output = jax.eval_shape(score, architecture.initial, rows)
    except Exception as error:
        raise ArchitectureError(
            f"the module fails on rows of shape {rows.shape}: {error}"
        ) from error
    check_reconstruction(output, jax.ShapeDtypeStruct, rows)
    try:
        jax.eval_shape(train, architecture.initial, rows)
    except Exception as error:
        raise ArchitectureError(
            f"the module fails in training, on rows of shape {rows.shape}: {error}"
        ) from error


def _latent_shape(architecture: ModuleArchitecture, rows: NDArray[np.floating]) -> Shape | None:
    """Return the shape of a latent that can be decoded; None if there is no such thing."""

    def encode_and_decode(
        parameters: dict[str, jax.Array], x: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        network = ModuleNetwork(architecture, parameters)
        latent = network.encode(x)
        return latent, network.decode(latent)

    try:
        latent, decoded = jax.eval_shape(encode_and_decode, architecture.initial, rows)
    except Exception:
        # The module means something else by these names.
        return None
    fits = decoded.shape == rows.shape and latent.shape[:1] == rows.shape[:1]
    return latent.shape[1:] if fits else None


def _latent_functions(module: nnx.Module) -> tuple[Callable[[jax.Array], Any], ...]:
    """Return what encodes and what decodes; nothing if the module does not say it."""
    for names in (("encode", "decode"), ("encoder", "decoder")):
        functions = tuple(filter(callable, (getattr(module, name, None) for name in names)))
        if len(functions) == 2:
            return functions
    return ()
