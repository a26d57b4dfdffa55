"""`BackendConformance`: tests that any backend must pass, ours and third parties' alike.

It needs pytest. The reference is the NumPy backend in float64; what is compared, and how exactly,
stands in `ladder.py`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pytest

from aeanom.architectures import ACTIVATIONS, Activation, Architecture, Dense
from aeanom.architectures.layers import LAYERS
from aeanom.core.autoencoder import Autoencoder
from aeanom.core.backend import Backend
from aeanom.core.batches import Block
from aeanom.core.initializers import initial_weights
from aeanom.core.noise import step_noise
from aeanom.core.optimizers import Adam
from aeanom.core.plan import TrainingPlan
from aeanom.core.registry import get_backend
from aeanom.core.scaling import Scaler
from aeanom.core.trainer import Trainer, TrainerState
from aeanom.core.weights import Float, Weights
from aeanom.errors import (
    ArchitectureError,
    BackendNotInstalledError,
    InvalidDataError,
    TrainingError,
    UnsupportedError,
)
from aeanom.testing.architectures import EXAMPLES, N_ROWS, Example
from aeanom.testing.ladder import (
    BOUNDS,
    RUNGS,
    largest_difference,
    make_autoencoder,
    make_trainer,
    run_steps,
)

__all__ = ["BackendConformance"]

FULL_WEIGHT = np.ones(N_ROWS)
# A function has no parameters: its value and derivative are all that training sees of it.
TRAINED = tuple(name for name in EXAMPLES if name not in ACTIVATIONS)


def on(*names: str) -> pytest.MarkDecorator:
    """Run a test once for each of these examples, or for all of them."""
    return pytest.mark.parametrize(
        "example", [pytest.param(EXAMPLES[name], id=name) for name in names or EXAMPLES]
    )


class _Unheard(Activation):
    """A layer that no backend has."""


# Not in the class: a layer that states its kind there is known everywhere from then on.
_Unheard.kind = "unheard_of"


class BackendConformance:
    """Tests of one backend: derive a class from it that names the backend.

    A backend is tested on the examples whose layer kinds are among its capabilities; the others
    are skipped.

    Attributes
    ----------
    backend_name : str
        As in `get_backend`.

    Examples
    --------
    >>> class TestMine(BackendConformance):
    ...     backend_name = "mine"
    """

    backend_name: ClassVar[str]

    @property
    def backend(self) -> Backend:
        """The backend under test; skips the test if its framework is not installed."""
        try:
            return get_backend(self.backend_name)
        except BackendNotInstalledError as error:
            pytest.skip(str(error))

    @property
    def dtype(self) -> str:
        """The most exact dtype that the backend has."""
        return max(self.backend.capabilities.dtypes)

    def trainer(self, example: Example, noise: str = "shared") -> Trainer:
        """Make a trainer with an example's initial weights; skip what the backend cannot run."""
        self._skip_unsupported(example, self.dtype)
        return make_trainer(self.backend, example, self.dtype, noise)

    # What the backend says of itself.

    def test_its_name_leads_to_it(self) -> None:
        """`get_backend(name)` must give this backend: a saved model looks for it by name."""
        assert isinstance(self.backend, Backend), "derive the class from aeanom.core.Backend"
        assert self.backend.name == self.backend_name, (
            f"the backend calls itself {self.backend.name!r}; its entry point is "
            f"{self.backend_name!r}"
        )

    def test_its_capabilities_are_known_ones(self) -> None:
        """Layer kinds, dtypes and device kinds are those that aeanom has words for."""
        capabilities = self.backend.capabilities
        unknown = sorted(capabilities.layer_kinds - set(LAYERS))
        assert not unknown, f"capabilities.layer_kinds has kinds that no layer has: {unknown}"
        assert "dense" in capabilities.layer_kinds, "a backend needs dense layers at least"
        assert capabilities.dtypes, "capabilities.dtypes is empty"
        assert capabilities.dtypes <= {"float32", "float64"}, (
            f"capabilities.dtypes may hold float32 and float64, not {capabilities.dtypes}"
        )

    def test_its_first_device_is_the_cpu(self) -> None:
        """`devices()` lists real devices of the kinds in `capabilities`, the CPU first."""
        devices = self.backend.devices()
        assert devices[:1] == ("cpu",), f"devices() must begin with 'cpu', got {devices}"
        kinds = {device.split(":")[0] for device in devices}
        assert kinds <= self.backend.capabilities.device_kinds, (
            f"devices() has {devices}, capabilities.device_kinds lacks some of their kinds"
        )

    def test_an_unsupported_dtype_is_refused(self) -> None:
        """`autoencoder` must call `self.check(architecture, dtype)` before it builds anything."""
        example = EXAMPLES["dense"]
        weights = initial_weights(example.architecture, 0)
        with pytest.raises(UnsupportedError, match="float16"):
            self.backend.autoencoder(example.architecture, weights, dtype="float16", device="cpu")

    def test_an_unsupported_layer_is_refused(self) -> None:
        """The error must name the layer kind that the backend does not have."""
        plain = EXAMPLES["dense"].architecture
        decoder = (*plain.decoder, _Unheard("linear"))
        architecture = Architecture(plain.input_shape, plain.encoder, decoder)
        weights = initial_weights(architecture, 0)
        with pytest.raises(UnsupportedError, match="unheard_of"):
            self.backend.autoencoder(architecture, weights, dtype=self.dtype, device="cpu")

    # Weights.

    @on()
    def test_weights_come_out_as_they_went_in(self, example: Example) -> None:
        """`weights()` has the names, shapes, order and dtype of the parameter table."""
        network = self.trainer(example).autoencoder
        expected = initial_weights(example.architecture, 0, self.dtype)
        weights = network.weights()
        assert list(weights) == list(expected), "weights() must follow architecture.parameters"
        for name, array in weights.items():
            assert array.shape == expected[name].shape, f"{name}: the table's shape is another"
            assert array.dtype == self.dtype, f"{name} is {array.dtype}, not {self.dtype}"
            assert array.flags.c_contiguous, f"{name} is not C-contiguous"
            assert np.array_equal(array, expected[name]), f"{name} has other values"

    def test_weights_are_copies(self) -> None:
        """Arrays that came out, or went in, may be changed without changing the network."""
        network = self.trainer(EXAMPLES["dense"]).autoencoder
        given = initial_weights(EXAMPLES["dense"].architecture, 1, self.dtype)
        network.load_weights(given)
        kept = {name: array.copy() for name, array in given.items()}
        for arrays, what in ((network.weights(), "weights() shares"), (given, "load_weights kept")):
            for array in arrays.values():
                array[...] = 0
            assert same_bits(network.weights(), kept), f"{what} the network's memory"

    def test_weights_that_do_not_fit_are_refused(self) -> None:
        """A wrong name or shape raises `ArchitectureError`, and the old weights stay."""
        network = self.trainer(EXAMPLES["dense"]).autoencoder
        before = network.weights()
        last = list(before)[-1]
        with pytest.raises(ArchitectureError):
            network.load_weights({**before, last: np.zeros((99,))})
        with pytest.raises(ArchitectureError):
            network.load_weights({**before, "no_such.kernel": before[last]})
        assert same_bits(network.weights(), before), "refused weights were loaded in part"

    # Results.

    @pytest.mark.parametrize("n", [0, 1, 17])
    def test_any_number_of_rows_is_computed_row_by_row(self, n: int) -> None:
        """A row's result does not depend on how many others there are."""
        example = EXAMPLES["dense"]
        network = self.trainer(example).autoencoder
        # The first row is zero, and so would its error be.
        rows = np.resize(example.rows[1:], (17, *example.rows.shape[1:]))
        given, expected = (network.errors(part, example.loss) for part in (rows[:n], rows))
        assert given.shape == (n,), f"errors of {n} rows have shape {given.shape}"
        assert np.allclose(given, expected[:n], rtol=BOUNDS["forward"][self.dtype], atol=0), (
            f"errors of {n} rows differ from those of the same rows among others"
        )

    @pytest.mark.parametrize("n", [17, 50_000])
    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_rows_to_be_scaled_get_the_errors_of_scaled_ones(self, n: int, dtype: str) -> None:
        """Few rows and many, in either dtype; those that are not finite get NaN."""
        example = Example("wide", Architecture((8,), (Dense(3),), (Dense(8),)))
        network = self.trainer(example).autoencoder
        rows = np.resize(example.rows, (n, 8)).astype(dtype)
        rows[1, 0], rows[2, 0], rows[3, 0] = np.inf, np.nan, 1e30
        before = rows.copy()
        scaler = Scaler("standard", np.linspace(-2, 3, 8), np.geomspace(1e-3, 7, 8))
        given = network.errors(rows, example.loss, scaler)
        expected = network.errors(scaler.transform(rows, self.dtype), example.loss)
        assert np.array_equal(rows, before, equal_nan=True), "the caller's rows were changed"
        assert np.isnan(given[1:3]).all(), "an infinity or NaN got a score"
        assert np.allclose(
            given, expected, rtol=BOUNDS["forward"][self.dtype], atol=0, equal_nan=True
        ), "errors(rows, loss, scaler) differ from those of the rows that the scaler scaled"

    @on("dense", "conv1d", "variational", "gaussian_output", "sparse")
    def test_every_method_gives_what_numpy_gives(self, example: Example) -> None:
        """Shapes and values of `encode`, `decode` and the others."""
        network = self.trainer(example).autoencoder
        reference = make_autoencoder(get_backend("numpy"), example)
        given = _every_method(network, example)
        for name, expected in _every_method(reference, example).items():
            difference = largest_difference({name: given[name]}, {name: expected})
            assert difference <= BOUNDS["forward"][self.dtype], (
                f"{name} has shape {given[name].shape}, NumPy's {expected.shape}; "
                f"they differ by {difference:.2g}"
            )

    def test_rows_of_another_shape_are_refused(self) -> None:
        """Both shapes are in the message of the `InvalidDataError`."""
        network = self.trainer(EXAMPLES["dense"]).autoencoder
        with pytest.raises(InvalidDataError, match=r"\(n, 6\), got \(3, 5\)"):
            network.reconstruct(np.zeros((3, 5)))

    # The ladder of parity.

    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    @on()
    def test_forward(self, example: Example, dtype: str) -> None:
        """The same weights give the same reconstructions."""
        self._climb("forward", example, dtype)

    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    @on()
    def test_gradients(self, example: Example, dtype: str) -> None:
        """The same weights give the same gradients, on kinks too."""
        self._climb("gradients", example, dtype)

    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    @on(*TRAINED)
    def test_one_step(self, example: Example, dtype: str) -> None:
        """The first training step ends at the same weights."""
        self._climb("one_step", example, dtype)

    @on(*TRAINED)
    def test_fifty_steps(self, example: Example) -> None:
        """Fifty training steps end at the same scores."""
        self._climb("fifty_steps", example, "float64")

    # Gradients and steps.

    @on("dense", "batch_norm", "variational", "noise_swap", "conv1d")
    def test_rows_of_weight_zero_change_nothing(self, example: Example) -> None:
        """They only fill a batch up: neither gradients nor statistics nor noise see them."""
        trainer = self.trainer(example)
        weight = np.repeat([1.0, 0.0], [10, N_ROWS - 10])
        padded = _gradients(trainer, example, example.rows, weight)
        exact = _gradients(trainer, example, example.rows[:10], weight[:10])
        self._assert_close(padded, exact, "gradients with rows of weight 0 and without")

    @on("dense", "layer_norm", "variational", "conv2d_max_pool")
    def test_gradients_of_parts_add_up(self, example: Example) -> None:
        """They are gradients of the weighted sum of row losses, not of a mean."""
        trainer = self.trainer(example)
        first = np.repeat([1.0, 0.0], [5, N_ROWS - 5])
        one, other, both = (
            _gradients(trainer, example, example.rows, weight)
            for weight in (first, 1 - first, FULL_WEIGHT)
        )
        added: Weights = {name: one[name] + other[name] for name in both}
        self._assert_close(added, both, "gradients of two parts, added, and those of the whole")

    @on("dense", "batch_norm", "dropout")
    def test_gradients_change_nothing(self, example: Example) -> None:
        """Weights, buffers, moments and step are what they were."""
        trainer = self.trainer(example)
        before = trainer.state()
        _gradients(trainer, example, example.rows, FULL_WEIGHT)
        assert same_state(trainer.state(), before), "gradients() changed the trainer's state"

    def test_targets_and_element_weights_are_heeded(self) -> None:
        """A block may have targets of its own, and a weight for each element's loss."""
        example = EXAMPLES["dense"]
        generator = np.random.default_rng(2)
        others = generator.uniform(size=(2, *example.rows.shape))
        block = Block(example.rows, *others)
        given, expected = (
            trainer.gradients(block, FULL_WEIGHT, trainer.plan.schedules(0, 1))[1]
            for trainer in (self.trainer(example), *_numpy_trainers(example))
        )
        self._assert_close(given, expected, "gradients with targets and element weights")

    @pytest.mark.parametrize(
        "adam", [Adam(), Adam(weight_decay=0.1, clip_norm=0.5)], ids=["plain", "clipped_decayed"]
    )
    def test_apply_is_adam(self, adam: Adam) -> None:
        """Three optimiser steps with given gradients; `core/optimizers.py` has the equations."""
        example = EXAMPLES["dense"]
        generator = np.random.default_rng(3)
        plan = TrainingPlan(optimizer=adam, learning_rate=0.1)
        trainers = [
            backend.trainer(make_autoencoder(backend, example, dtype), plan)
            for backend, dtype in ((self.backend, self.dtype), (get_backend("numpy"), "float64"))
        ]
        for step in range(3):
            gradient: Weights = {
                table.name: generator.normal(size=table.shape)
                for table in example.architecture.trainable
            }
            for trainer in trainers:
                trainer.apply(gradient, plan.schedules(step, 1))
        assert trainers[0].step == 3, f"three calls of apply left step at {trainers[0].step}"
        given, expected = (trainer.autoencoder.weights() for trainer in trainers)
        self._assert_close(given, expected, "weights after three steps of Adam")

    @pytest.mark.parametrize(
        ("name", "noise"),
        [("dropout", "native"), ("batch_norm", "shared")],
        ids=["noise", "buffers"],
    )
    def test_a_segment_cut_in_two_ends_in_the_same_bits(self, name: str, noise: str) -> None:
        """Native noise is a function of seed, step and layer: of nothing that a cut changes."""
        whole, cut = (self.trainer(EXAMPLES[name], noise) for _ in range(2))
        run_steps(whole, EXAMPLES[name].rows, 4, at_once=2)
        run_steps(cut, EXAMPLES[name].rows, 4, at_once=1)
        assert whole.step == cut.step == 4, "run_steps must set self.step to the step after it"
        assert same_state(whole.state(), cut.state()), "two steps at once differ from one by one"

    # The state of a training.

    @on("dropout")
    def test_a_training_repeats_bit_for_bit(self, example: Example) -> None:
        """With the framework's own noise too, which is seeded from the plan."""
        first, second = (self.trainer(example, noise="native") for _ in range(2))
        for trainer in (first, second):
            run_steps(trainer, example.rows, 4, at_once=2)
        assert same_state(first.state(), second.state()), "the same training gave other weights"

    @on("dense", "batch_norm")
    def test_a_training_goes_on_from_its_state(self, example: Example) -> None:
        """A new trainer that loads the state goes on as the old one does."""
        old, new = (self.trainer(example) for _ in range(2))
        run_steps(old, example.rows, 3)
        state = old.state()
        new.load_state(state)
        assert same_state(new.state(), state), "state() after load_state(s) must be s"
        for trainer in (old, new):
            run_steps(trainer, example.rows, 3)
        assert same_state(old.state(), new.state(), 1e-12), "a resumed training took another way"

    @on("dense", "batch_norm")
    def test_a_state_is_a_copy(self, example: Example) -> None:
        """Training on does not change a state that was taken."""
        trainer = self.trainer(example)
        state = trainer.state()
        run_steps(trainer, example.rows, 1)
        initial = initial_weights(example.architecture, 0, self.dtype)
        assert same_bits(state.weights, initial), "state() shares the live weights' memory"
        moments = (*state.first_moment.values(), *state.second_moment.values())
        assert not any(moment.any() for moment in moments), "state() shares the live moments"

    @on("dense", "batch_norm")
    def test_a_training_is_handed_over_to_numpy_and_back(self, example: Example) -> None:
        """Three steps here, three in NumPy, three here: as nine in NumPy."""
        mine, other, expected = self.trainer(example), *_numpy_trainers(example, 2)
        run_steps(expected, example.rows, 9)
        run_steps(mine, example.rows, 3)
        other.load_state(mine.state())
        run_steps(other, example.rows, 3)
        mine.load_state(other.state())
        run_steps(mine, example.rows, 3)
        assert mine.step == 9, f"nine steps in two backends left step at {mine.step}"
        self._assert_close(
            mine.autoencoder.weights(), expected.autoencoder.weights(), "weights after nine steps"
        )

    @on("dense", "batch_norm")
    def test_a_snapshot_survives_training(self, example: Example) -> None:
        """It can be restored, and restored again."""
        trainer = self.trainer(example)
        before, token = trainer.autoencoder.weights(), trainer.snapshot()
        for _ in range(2):
            run_steps(trainer, example.rows, 1)
            assert not same_bits(trainer.autoencoder.weights(), before), "a step changed nothing"
            trainer.restore(token)
            assert same_bits(trainer.autoencoder.weights(), before), "restore gave other weights"

    @on("dropout", "batch_norm", "variational")
    def test_evaluation_has_no_noise_and_changes_nothing(self, example: Example) -> None:
        """The loss is NumPy's, and the same when asked for again."""
        trainer, reference = self.trainer(example, noise="native"), *_numpy_trainers(example)
        before = trainer.state()
        losses = [_evaluate(trainer, example) for _ in range(2)]
        assert losses[0] == losses[1], f"evaluate gave {losses[0]!r}, and then {losses[1]!r}"
        assert same_state(trainer.state(), before), "evaluate changed the trainer's state"
        expected = _evaluate(reference, example)
        assert losses[0] == pytest.approx(expected, rel=BOUNDS["forward"][self.dtype] * 10), (
            f"evaluate gives {losses[0]!r}, NumPy without noise {expected!r}"
        )

    def test_a_loss_that_is_not_finite_stops_the_training(self) -> None:
        """The loop sees it in the sum that `run_steps` returns."""
        example = EXAMPLES["dense"]
        # Finite, but not when squared.
        rows = np.full_like(example.rows, float(np.finfo(self.dtype).max) ** 0.75)
        with pytest.raises(TrainingError):
            self.trainer(example).fit(Block(rows))

    def test_no_global_random_state_is_read_or_written(self) -> None:
        """Neither NumPy's nor Python's."""
        example = EXAMPLES["dropout"]
        if not self._runs(example, self.dtype):
            example = EXAMPLES["dense"]
        trained = []
        for seed in (1, 2):
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            before = _global_states()
            trainer = self.trainer(example, noise="native")
            run_steps(trainer, example.rows, 2, at_once=2)
            assert _global_states() == before, "training drew from a global random state"
            trained.append(trainer.state())
        assert same_state(trained[0], trained[1]), "training depends on a global random state"

    # What the tests share.

    def _runs(self, example: Example, dtype: str) -> bool:
        capabilities = self.backend.capabilities
        return example.architecture.kinds <= capabilities.layer_kinds and (
            dtype in capabilities.dtypes
        )

    def _skip_unsupported(self, example: Example, dtype: str) -> None:
        if not self._runs(example, dtype):
            pytest.skip(f"{self.backend_name} does not claim to run {example.name!r} in {dtype}")

    def _climb(self, rung: str, example: Example, dtype: str) -> None:
        self._skip_unsupported(example, dtype)
        difference, bound = RUNGS[rung](self.backend, example, dtype), BOUNDS[rung][dtype]
        assert difference <= bound, (
            f"{rung} of {example.name!r} in {dtype} is {difference:.2g} from NumPy's in float64; "
            f"the bound is {bound:g}"
        )

    def _assert_close(self, given: Weights, expected: Weights, what: str) -> None:
        difference, bound = largest_difference(given, expected), BOUNDS["gradients"][self.dtype]
        assert difference <= bound, f"{what} differ by {difference:.2g}; the bound is {bound:g}"


def same_bits(arrays: Mapping[str, Float], others: Mapping[str, Float]) -> bool:
    """Whether two sets of arrays by name are equal to the last bit."""
    return list(arrays) == list(others) and all(
        arrays[name].tobytes() == others[name].tobytes() for name in arrays
    )


def same_state(state: TrainerState, other: TrainerState, bound: float = 0.0) -> bool:
    """Whether two states are equal to the last bit, or to a bound on `largest_difference`."""
    pairs = [
        (getattr(state, name), getattr(other, name))
        for name in ("weights", "first_moment", "second_moment")
    ]
    close = (largest_difference(a, b) <= bound if bound else same_bits(a, b) for a, b in pairs)
    return state.step == other.step and all(close)


def _numpy_trainers(example: Example, count: int = 1) -> list[Trainer]:
    return [make_trainer(get_backend("numpy"), example) for _ in range(count)]


def _every_method(network: Autoencoder, example: Example) -> Weights:
    rows = example.rows
    latents = network.encode(rows)
    return {
        "encode": latents,
        "decode": network.decode(latents),
        "reconstruct": network.reconstruct(rows),
        "raw_output": network.raw_output(rows),
        "penalties": network.penalties(rows),
        "errors": network.errors(rows, example.loss),
    }


def _gradients(trainer: Trainer, example: Example, rows: Float, weight: Float) -> Weights:
    architecture, seed = example.architecture, trainer.plan.seed
    noise = step_noise(architecture, seed, 0, len(rows), trainer.autoencoder.dtype)
    schedules = trainer.plan.schedules(0, 1, architecture.warm_up_steps)
    return trainer.gradients(Block(rows), weight, schedules, noise)[1]


def _evaluate(trainer: Trainer, example: Example) -> float:
    schedules = trainer.plan.schedules(0, 1, example.architecture.warm_up_steps)
    return trainer.evaluate(trainer.place(Block(example.rows)), schedules).mean()


def _global_states() -> tuple[object, ...]:
    numpys = np.random.get_state()  # noqa: NPY002
    return random.getstate(), *(np.asarray(part).tolist() for part in numpys)
