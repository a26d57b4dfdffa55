"""The kit is tested too: each fault below, put into the NumPy backend, fails the test named.

The reference stays whole, as the faults are in classes derived from its own.
"""

from dataclasses import replace

import numpy as np
import pytest

from aeanom.backends.numpy import NumpyBackend
from aeanom.backends.numpy.autoencoder import NumpyAutoencoder
from aeanom.backends.numpy.network import draw_noise
from aeanom.backends.numpy.trainer import NumpyTrainer
from aeanom.core import Block, LossSum
from aeanom.testing import EXAMPLES, BackendConformance


class Kit(BackendConformance):
    """The kit on a backend that no name leads to."""

    backend_name = "numpy"
    backend = None

    def __init__(self, backend):
        self.backend = backend


class MisnamedBackend(NumpyBackend):
    name = "numpie"


class BoastfulBackend(NumpyBackend):
    capabilities = replace(NumpyBackend.capabilities, layer_kinds=frozenset({"dense", "dnese"}))


class GpuFirstBackend(NumpyBackend):
    def devices(self):
        return ("cuda:0", "cpu")


class UncheckedBackend(NumpyBackend):
    def check(self, architecture, dtype):
        pass


def backend(cls):
    """NumPy with one class of its own exchanged."""

    class Faulty(NumpyBackend):
        def autoencoder(self, architecture, weights, *, dtype, device):
            self.check(architecture, dtype)
            made = cls if issubclass(cls, NumpyAutoencoder) else NumpyAutoencoder
            return made(architecture, weights, dtype=dtype, device=device)

        def trainer(self, autoencoder, plan):
            made = cls if issubclass(cls, NumpyTrainer) else NumpyTrainer
            return made(autoencoder, plan)

    return Faulty


@backend
class FortranWeights(NumpyAutoencoder):
    def weights(self):
        return {name: np.asfortranarray(array) for name, array in super().weights().items()}


@backend
class LiveWeights(NumpyAutoencoder):
    def weights(self):
        return {table.name: self.parameters[table.name] for table in self.architecture.parameters}


@backend
class CarelessLoading(NumpyAutoencoder):
    def load_weights(self, weights):
        known = {name: array for name, array in weights.items() if name in self.parameters}
        super().load_weights(known)


@backend
class RowsByBatch(NumpyAutoencoder):
    def errors(self, x, *rest):
        return super().errors(x, *rest) * (1 + len(x) * 1e-6)


@backend
class RoughScaling(NumpyAutoencoder):
    def _prepare(self, rows, scaler):
        return super()._prepare(rows if scaler is None else rows.astype(np.float32), scaler)


@backend
class ScalingInPlace(NumpyAutoencoder):
    def _prepare(self, rows, scaler):
        prepared = super()._prepare(rows, scaler)
        rows[...] = prepared
        return prepared


@backend
class InfinityClipped(NumpyAutoencoder):
    def _prepare(self, rows, scaler):
        return super()._prepare(np.nan_to_num(rows, posinf=1e30), scaler)


@backend
class NoPenalties(NumpyAutoencoder):
    def penalties(self, x):
        return np.zeros(len(x))


@backend
class AnyShape(NumpyAutoencoder):
    def _map(self, what, x, row_shape, *rest, **options):
        resized = np.resize(x, (len(x), *row_shape))
        return super()._map(what, resized, row_shape, *rest, **options)


@backend
class RoughForward(NumpyAutoencoder):
    def reconstruct(self, x):
        return super().reconstruct(x).astype(np.float32)


@backend
class RoughGradients(NumpyTrainer):
    def gradients(self, block, row_weights, schedules, noise=None):
        loss, arrays = super().gradients(block, row_weights, schedules, noise)
        return loss, {name: array * (1 + 1e-9) for name, array in arrays.items()}


@backend
class GradientsOfTheMean(NumpyTrainer):
    def gradients(self, block, row_weights, schedules, noise=None):
        return super().gradients(block, row_weights / row_weights.sum(), schedules, noise)


@backend
class PaddingCounts(NumpyTrainer):
    def gradients(self, block, row_weights, schedules, noise=None):
        return super().gradients(block, np.maximum(row_weights, 1e-300), schedules, noise)


@backend
class GradientsTakeAStep(NumpyTrainer):
    def gradients(self, block, row_weights, schedules, noise=None):
        self.step += 1
        return super().gradients(block, row_weights, schedules, noise)


@backend
class NoTargets(NumpyTrainer):
    def gradients(self, block, row_weights, schedules, noise=None):
        return super().gradients(Block(block.rows), row_weights, schedules, noise)


@backend
class LongSteps(NumpyTrainer):
    def _step(self, learning_rate):
        super()._step(learning_rate * (1 + 1e-6))


@backend
class NoiseByCall(NumpyTrainer):
    def run_steps(self, placed, segment):
        shifted = replace(segment, first_step=segment.first_step - segment.first_step % 2)
        loss = super().run_steps(placed, shifted if segment.noise is None else segment)
        self.step = segment.first_step + segment.steps
        return loss


@backend
class GlobalNoise(NumpyTrainer):
    def _noise(self, segment, step):
        draws = super()._noise(segment, step)
        return {name: np.random.random(array.shape) for name, array in draws.items()}  # noqa: NPY002


@backend
class ForgetfulState(NumpyTrainer):
    def load_state(self, state):
        super().load_state(replace(state, second_moment=state.first_moment))


@backend
class LiveState(NumpyTrainer):
    def state(self):
        views = self.autoencoder.views(self._first_moment, self.autoencoder.architecture.trainable)
        return replace(super().state(), first_moment=views)


@backend
class StepLost(NumpyTrainer):
    def load_state(self, state):
        super().load_state(state)
        self.step = 0


@backend
class LiveSnapshot(NumpyTrainer):
    def snapshot(self):
        return self.autoencoder.flat


@backend
class NoisyEvaluation(NumpyTrainer):
    def evaluate(self, placed, schedules):
        network = self.autoencoder
        draws = draw_noise(network.architecture, 0, 0, placed.n_rows, network.dtype)
        loss, _ = self.gradients(placed, np.ones(placed.n_rows), schedules, draws)
        return loss


@backend
class AlwaysFinite(NumpyTrainer):
    def run_steps(self, placed, segment):
        return LossSum(1.0, super().run_steps(placed, segment).weight)


MANY_ROWS = {"n": 50_000, "dtype": "float64"}
FAULTS = [
    (MisnamedBackend, "its_name_leads_to_it", {}),
    (BoastfulBackend, "its_capabilities_are_known_ones", {}),
    (GpuFirstBackend, "its_first_device_is_the_cpu", {}),
    (UncheckedBackend, "an_unsupported_dtype_is_refused", {}),
    (UncheckedBackend, "an_unsupported_layer_is_refused", {}),
    (FortranWeights, "weights_come_out_as_they_went_in", {"example": "dense"}),
    (LiveWeights, "weights_are_copies", {}),
    (CarelessLoading, "weights_that_do_not_fit_are_refused", {}),
    (RowsByBatch, "any_number_of_rows_is_computed_row_by_row", {"n": 1}),
    (RoughScaling, "rows_to_be_scaled_get_the_errors_of_scaled_ones", MANY_ROWS),
    (ScalingInPlace, "rows_to_be_scaled_get_the_errors_of_scaled_ones", MANY_ROWS),
    (InfinityClipped, "rows_to_be_scaled_get_the_errors_of_scaled_ones", MANY_ROWS),
    (NoPenalties, "every_method_gives_what_numpy_gives", {"example": "variational"}),
    (AnyShape, "rows_of_another_shape_are_refused", {}),
    (RoughForward, "forward", {"example": "dense", "dtype": "float64"}),
    (RoughGradients, "gradients", {"example": "dense", "dtype": "float64"}),
    (LongSteps, "one_step", {"example": "dense", "dtype": "float64"}),
    (LongSteps, "fifty_steps", {"example": "sparse"}),
    (PaddingCounts, "rows_of_weight_zero_change_nothing", {"example": "batch_norm"}),
    (PaddingCounts, "rows_of_weight_zero_change_nothing", {"example": "noise_swap"}),
    (GradientsOfTheMean, "gradients_of_parts_add_up", {"example": "dense"}),
    (GradientsTakeAStep, "gradients_change_nothing", {"example": "dense"}),
    (NoTargets, "targets_and_element_weights_are_heeded", {}),
    (
        NoiseByCall,
        "a_segment_cut_in_two_ends_in_the_same_bits",
        {"name": "dropout", "noise": "native"},
    ),
    (GlobalNoise, "a_training_repeats_bit_for_bit", {"example": "dropout"}),
    (GlobalNoise, "no_global_random_state_is_read_or_written", {}),
    (ForgetfulState, "a_training_goes_on_from_its_state", {"example": "dense"}),
    (LiveState, "a_state_is_a_copy", {"example": "dense"}),
    (StepLost, "a_training_is_handed_over_to_numpy_and_back", {"example": "dense"}),
    (LiveSnapshot, "a_snapshot_survives_training", {"example": "dense"}),
    (NoisyEvaluation, "evaluation_has_no_noise_and_changes_nothing", {"example": "dropout"}),
    (AlwaysFinite, "a_loss_that_is_not_finite_stops_the_training", {}),
]


@pytest.mark.parametrize(
    ("faulty", "test", "arguments"),
    FAULTS,
    ids=[f"{test}-{number}" for number, (_, test, _) in enumerate(FAULTS)],
)
def test_a_fault_fails_the_test_that_is_for_it(faulty, test, arguments):
    given = {**arguments}
    if "example" in given:
        given["example"] = EXAMPLES[given["example"]]
    check = getattr(Kit(faulty()), f"test_{test}")
    with pytest.raises((AssertionError, pytest.fail.Exception, KeyError)):
        check(**given)


def test_apply_has_a_fault_of_its_own():
    from aeanom.core import Adam

    @backend
    class NoClipping(NumpyTrainer):
        def __init__(self, autoencoder, plan):
            super().__init__(autoencoder, replace(plan, optimizer=Adam(weight_decay=0.1)))

    with pytest.raises(AssertionError, match="three steps of Adam"):
        Kit(NoClipping()).test_apply_is_adam(Adam(weight_decay=0.1, clip_norm=0.5))


def test_every_test_of_the_kit_is_failed_by_some_fault():
    written = {name for name in vars(BackendConformance) if name.startswith("test_")}
    assert written == {f"test_{test}" for _, test, _ in FAULTS} | {"test_apply_is_adam"}
