"""The one training loop: validation, early stopping, callbacks, resuming, divergence.

Most of it is shown on a trainer whose losses are written down beforehand; what involves real
weights is shown on all four backends.
"""

import math

import numpy as np
import pytest
from support import (
    DROPOUT_NETWORK,
    NETWORK,
    largest_difference,
    make_trainer,
    normal_rows,
    same_bits,
)

from aeanom.core import Autoencoder, Block, LossSum, Trainer, TrainerState, TrainingPlan
from aeanom.core.batches import MAX_SEGMENT_STEPS
from aeanom.errors import InvalidDataError, InvalidParameterError, TrainingError

ROWS = Block(normal_rows(10))


class CountingAutoencoder(Autoencoder):
    """Its one weight is the number of epochs that it has seen."""

    epochs = 0

    def __init__(self):
        super().__init__(NETWORK, dtype="float64", device="cpu")

    def weights(self):
        return {"epochs": np.array(float(self.epochs))}

    def load_weights(self, weights):
        self.epochs = int(weights["epochs"])

    def native(self):
        return self

    def _compute(self, what, rows, loss):
        raise NotImplementedError


class ScriptedTrainer(Trainer):
    """Reports losses that were written down beforehand and records what it is asked to do."""

    def __init__(self, validation=(), training=None, **plan):
        plan = {"epochs": max(len(validation), len(training or ()), 1), "batch_size": 5, **plan}
        super().__init__(CountingAutoencoder(), TrainingPlan(**plan))
        self.validation = validation
        self.training = training
        self.segments = []

    def place(self, block):
        return block

    def run_steps(self, placed, segment):
        self.segments.append(segment)
        self.step = segment.first_step + segment.steps
        if segment.order.shape[0] * (self.autoencoder.epochs + 1) == self.step:
            self.autoencoder.epochs += 1
        loss = self.training[self.autoencoder.epochs - 1] if self.training else 1.0
        weight = segment.row_weight.sum()
        return LossSum(loss * weight, weight)

    def evaluate(self, placed, schedules):
        return LossSum(2 * self.validation[self.autoencoder.epochs - 1], 2)

    def gradients(self, block, row_weights, schedules, noise=None):
        raise NotImplementedError

    def apply(self, gradients, schedules):
        raise NotImplementedError

    def state(self):
        return TrainerState(self.step, self.autoencoder.weights(), {}, {})

    def load_state(self, state):
        self.step = state.step
        self.autoencoder.load_weights(state.weights)

    def snapshot(self):
        return self.autoencoder.epochs

    def restore(self, token):
        self.autoencoder.epochs = token


def test_the_history_has_one_figure_an_epoch():
    history = ScriptedTrainer(validation=[5, 4, 3], training=[9, 8, 7]).fit(ROWS, ROWS)
    assert history.loss == [9, 8, 7]
    assert history.validation_loss == [5, 4, 3]
    assert len(history.seconds) == 3
    assert history.steps == 6
    assert history.stopped_by == "epochs"


def test_without_validation_rows_there_is_no_validation_loss():
    assert ScriptedTrainer(epochs=3).fit(ROWS).validation_loss == []


def test_training_stops_when_patience_is_used_up():
    trainer = ScriptedTrainer(validation=[5, 3, 4, 2, 2, 2, 2, 1], patience=3)
    history = trainer.fit(ROWS, ROWS)
    assert history.validation_loss == [5, 3, 4, 2, 2, 2, 2]
    assert history.stopped_by == "early_stopping"


def test_early_stopping_brings_the_best_weights_back():
    trainer = ScriptedTrainer(validation=[5, 3, 4, 2, 6, 7, 8], patience=3)
    history = trainer.fit(ROWS, ROWS)
    assert history.best_epoch == 4
    assert trainer.autoencoder.weights()["epochs"] == 4


def test_the_best_weights_come_back_even_if_every_epoch_was_run():
    trainer = ScriptedTrainer(validation=[5, 3, 4], patience=3)
    assert trainer.fit(ROWS, ROWS).stopped_by == "epochs"
    assert trainer.autoencoder.weights()["epochs"] == 2


def test_without_patience_the_last_weights_are_kept():
    trainer = ScriptedTrainer(validation=[5, 3, 4])
    assert trainer.fit(ROWS, ROWS).best_epoch is None
    assert trainer.autoencoder.weights()["epochs"] == 3


def test_an_improvement_smaller_than_min_delta_does_not_count():
    trainer = ScriptedTrainer(validation=[5, 4.9, 4.8, 4.7, 1], patience=3, min_delta=0.5)
    history = trainer.fit(ROWS, ROWS)
    assert history.stopped_by == "early_stopping"
    assert history.best_epoch == 1


class AsynchronousTrainer(ScriptedTrainer):
    """Writes down when an epoch is started, and when its loss is waited for."""

    is_asynchronous = True

    def __init__(self, **plan):
        super().__init__(**plan)
        self.events = []

    def run_steps(self, placed, segment):
        total, weight = super().run_steps(placed, segment)
        epoch, events = self.autoencoder.epochs, self.events
        events.append(f"start {epoch}")

        class Total(float):
            def __float__(self):
                events.append(f"wait {epoch}")
                return float(total)

        return LossSum(Total(), weight)


def test_an_epoch_is_started_before_the_loss_of_the_last_one_is_waited_for():
    trainer = AsynchronousTrainer(training=[9, 8, 7])
    history = trainer.fit(ROWS)
    assert trainer.events == ["start 1", "start 2", "wait 1", "start 3", "wait 2", "wait 3"]
    assert (history.loss, history.steps, len(history.seconds)) == ([9, 8, 7], 6, 3)


@pytest.mark.parametrize("watching", [{"validation": ROWS}, {"callbacks": [lambda progress: None]}])
def test_no_epoch_is_started_while_somebody_looks_at_the_one_before(watching):
    trainer = AsynchronousTrainer(validation=[5, 4], training=[9, 8])
    trainer.fit(ROWS, **watching)
    assert trainer.events == ["start 1", "wait 1", "start 2", "wait 2"]


def test_training_that_diverges_is_noticed_one_epoch_late_at_most():
    trainer = AsynchronousTrainer(training=[9, math.nan, 7, 6, 5])
    with pytest.raises(TrainingError, match="after epoch 2"):
        trainer.fit(ROWS)
    assert trainer.events[-1] == "wait 2"
    assert "start 4" not in trainer.events


class BrokenOff(ScriptedTrainer):
    """Ctrl-C comes when the second epoch's steps are done, but nobody has heard of them."""

    def run_steps(self, placed, segment):
        done = super().run_steps(placed, segment)
        if self.autoencoder.epochs == 2:
            self.step = 0
            raise KeyboardInterrupt
        return done


def test_what_was_broken_off_within_an_epoch_has_no_state():
    kept = []
    trainer = BrokenOff(epochs=3)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(ROWS, callbacks=[lambda progress: kept.append(trainer.loop_state())])
    with pytest.raises(TrainingError, match="broken off within an epoch"):
        trainer.loop_state()
    with pytest.raises(InvalidParameterError, match="has taken steps already"):
        trainer.fit(ROWS)
    assert [state.epoch for state in kept] == [1]
    trainer.run_steps = lambda placed, segment: ScriptedTrainer.run_steps(trainer, placed, segment)
    assert trainer.fit(ROWS, resume=kept[0]).epochs == 3
    assert trainer.loop_state().epoch == 3


def test_what_is_broken_off_by_a_callback_has_one():
    def stop(progress):
        raise KeyboardInterrupt

    trainer = ScriptedTrainer(epochs=3)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(ROWS, callbacks=[stop])
    assert trainer.loop_state().epoch == 1


def test_every_callback_hears_of_every_epoch():
    heard = []
    ScriptedTrainer(validation=[5, 4, 3], training=[9, 8, 7]).fit(
        ROWS,
        ROWS,
        callbacks=[
            lambda progress: heard.append((progress.epoch, progress.epochs, progress.loss)),
            lambda progress: heard.append(progress.validation_loss),
        ],
    )
    assert heard == [(1, 3, 9), 5, (2, 3, 8), 4, (3, 3, 7), 3]


def test_a_callback_that_returns_true_ends_the_training_and_the_others_still_hear_of_it():
    heard = []
    history = ScriptedTrainer(epochs=5).fit(
        ROWS, callbacks=[lambda progress: progress.epoch == 2, lambda p: heard.append(p.epoch)]
    )
    assert history.epochs == 2
    assert history.stopped_by == "callback"
    assert heard == [1, 2]


def test_a_callback_that_returns_something_true_but_not_true_goes_on():
    assert ScriptedTrainer(epochs=3).fit(ROWS, callbacks=[lambda progress: "noted"]).epochs == 3


def test_a_callback_can_read_the_weights():
    seen = []
    ScriptedTrainer(epochs=3).fit(ROWS, callbacks=[lambda p: seen.append(p.weights()["epochs"])])
    assert seen == [1, 2, 3]


def test_a_callback_s_exception_is_not_swallowed():
    def fail(progress):
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        ScriptedTrainer(epochs=3).fit(ROWS, callbacks=[fail])


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_training_loss_that_is_not_finite_ends_the_fit_with_what_to_do(loss):
    trainer = ScriptedTrainer(training=[1, loss, 1])
    with pytest.raises(TrainingError, match=rf"loss is {loss} after epoch 2.*learning_rate"):
        trainer.fit(ROWS)


def test_a_validation_loss_that_is_not_finite_ends_the_fit():
    with pytest.raises(TrainingError, match="validation loss is nan after epoch 1"):
        ScriptedTrainer(validation=[math.nan]).fit(ROWS, ROWS)


@pytest.mark.parametrize("blocks", [(Block(np.zeros((0, 6))),), (ROWS, Block(np.zeros((0, 6))))])
def test_no_rows_to_train_on_or_to_validate_with_are_refused(blocks):
    with pytest.raises(InvalidDataError, match="no rows"):
        ScriptedTrainer().fit(*blocks)


def test_a_long_epoch_is_handed_over_in_bounded_segments_that_follow_each_other():
    trainer = ScriptedTrainer(batch_size=1, epochs=1)
    trainer.fit(Block(np.zeros((2500, 6))))
    assert [segment.first_step for segment in trainer.segments] == [0, 1024, 2048]
    assert [segment.steps for segment in trainer.segments] == [1024, 1024, 452]
    assert max(segment.steps for segment in trainer.segments) <= MAX_SEGMENT_STEPS
    rows = np.concatenate([segment.order.ravel() for segment in trainer.segments])
    assert sorted(rows) == list(range(2500))


def test_the_loss_of_an_epoch_weighs_rows_not_batches():
    class OneBadRow(ScriptedTrainer):
        def run_steps(self, placed, segment):
            self.step += segment.steps
            losses = np.where(segment.order == 6, 7.0, 0.0)
            return LossSum((losses * segment.row_weight).sum(), segment.row_weight.sum())

    # Seven rows in batches of five: the last two are in a batch of their own.
    history = OneBadRow(shuffle=False).fit(Block(np.zeros((7, 6))))
    assert history.loss == [1.0]


def test_a_resumed_fit_remembers_how_long_it_has_waited():
    losses = [5, 3, 4, 4, 4, 4, 4]
    states = []
    first = ScriptedTrainer(validation=losses, patience=3)
    first.fit(
        ROWS,
        ROWS,
        callbacks=[lambda p: states.append(first.loop_state()), lambda p: p.epoch == 3],
    )
    second = ScriptedTrainer(validation=losses, patience=3)
    history = second.fit(ROWS, ROWS, resume=states[-1])
    assert history.validation_loss == [5, 3, 4, 4, 4]
    assert history.stopped_by == "early_stopping"
    assert second.autoencoder.weights()["epochs"] == 2


def test_the_state_after_a_fit_with_early_stopping_is_that_of_the_last_epoch_not_of_the_best():
    trainer = ScriptedTrainer(validation=[5, 3, 4], patience=5)
    trainer.fit(ROWS, ROWS)
    state = trainer.loop_state()
    assert state.trainer.weights["epochs"] == 3
    assert state.best_weights["epochs"] == 2


# On real weights.


@pytest.mark.parametrize("architecture", [NETWORK, DROPOUT_NETWORK], ids=["plain", "dropout"])
def test_a_resumed_fit_ends_where_an_uninterrupted_one_does(backend, architecture):
    train, validation = Block(normal_rows(24)), Block(normal_rows(12, seed=1))
    plan = {"epochs": 6, "batch_size": 10, "patience": 6, "learning_rate": 0.05, "seed": 3}
    whole = make_trainer(backend, architecture, **plan)
    expected = whole.fit(train, validation)

    states = []
    interrupted = make_trainer(backend, architecture, **plan)
    interrupted.fit(
        train,
        validation,
        callbacks=[lambda p: states.append(interrupted.loop_state()), lambda p: p.epoch == 3],
    )
    resumed = make_trainer(backend, architecture, **plan)
    history = resumed.fit(train, validation, resume=states[-1])

    # Not bit for bit: NumPy's moments are multiplied by a constant on their way in and out.
    assert history.loss == pytest.approx(expected.loss, rel=1e-12)
    assert history.validation_loss == pytest.approx(expected.validation_loss, rel=1e-12)
    assert history.best_epoch == expected.best_epoch
    assert largest_difference(resumed.autoencoder.weights(), whole.autoencoder.weights()) < 1e-12


def test_a_state_handed_out_does_not_change_when_training_goes_on(backend):
    states = []
    trainer = make_trainer(backend, epochs=3, batch_size=10, patience=3)
    trainer.fit(
        Block(normal_rows(24)),
        Block(normal_rows(12, seed=1)),
        callbacks=[
            lambda p: states.append((trainer.loop_state(), p.weights(), list(p.history.loss)))
        ],
    )
    for state, weights, loss in states:
        assert same_bits(state.trainer.weights, weights)
        assert state.history.loss == loss


def test_early_stopping_leaves_the_weights_of_the_best_epoch(backend):
    kept = []
    # So large a learning rate that the validation loss soon goes up again.
    trainer = make_trainer(backend, epochs=30, batch_size=10, patience=4, learning_rate=0.3)
    history = trainer.fit(
        Block(normal_rows(24)),
        Block(normal_rows(12, seed=1)),
        callbacks=[lambda progress: kept.append(progress.weights())],
    )
    assert history.stopped_by == "early_stopping"
    assert history.best_epoch == 1 + int(np.argmin(history.validation_loss))
    assert same_bits(trainer.autoencoder.weights(), kept[history.best_epoch - 1])


def test_fewer_rows_than_a_batch_are_trained_on(backend):
    trainer = make_trainer(backend, epochs=3, batch_size=256, learning_rate=0.05)
    before = trainer.autoencoder.weights()
    history = trainer.fit(Block(normal_rows(5)))
    assert history.loss[2] < history.loss[0]
    assert not same_bits(trainer.autoencoder.weights(), before)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid:RuntimeWarning")
def test_training_that_diverges_raises_and_says_so(backend):
    trainer = make_trainer(backend, batch_size=10, learning_rate=1e200)
    with pytest.raises(TrainingError, match="training diverged"):
        trainer.fit(Block(normal_rows(24)))


def test_the_first_loss_is_the_mean_error_of_the_initial_network(backend):
    # One full batch: its loss is taken before the first step changes anything.
    trainer = make_trainer(backend, batch_size=24, epochs=1)
    X = normal_rows(24)
    expected = ((trainer.autoencoder.reconstruct(X) - X) ** 2).mean()
    assert trainer.fit(Block(X)).loss[0] == pytest.approx(expected, rel=1e-12)


def test_a_run_that_has_used_up_its_patience_is_not_trained_further_when_it_is_resumed():
    trainer = ScriptedTrainer(validation=[5, 3, 4, 4, 4], patience=2)
    trainer.fit(ROWS, ROWS)
    again = ScriptedTrainer(validation=[1], patience=2, epochs=10)
    history = again.fit(ROWS, ROWS, resume=trainer.loop_state())
    assert history.epochs == 4
    assert history.stopped_by == "early_stopping"


def test_a_run_with_validation_rows_is_not_resumed_without_them():
    trainer = ScriptedTrainer(validation=[5, 3, 4], patience=5)
    trainer.fit(ROWS, ROWS)
    with pytest.raises(InvalidParameterError, match="validation"):
        ScriptedTrainer(validation=[]).fit(ROWS, resume=trainer.loop_state())


def test_a_trainer_that_has_taken_steps_does_not_start_over_silently():
    trainer = ScriptedTrainer(validation=[5, 3], patience=5)
    trainer.fit(ROWS, ROWS)
    with pytest.raises(InvalidParameterError, match="resume"):
        trainer.fit(ROWS, ROWS)
