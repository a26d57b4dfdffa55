"""`Trainer`: the abstract trainer, and the one training loop.

Epochs, validation, early stopping, callbacks, resuming and stopping on a non-finite loss are
decided here, for every backend. A backend only does what the loop hands it: a segment of steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import inf, isfinite
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aeanom.architectures import BatchNorm
from aeanom.core.autoencoder import Autoencoder
from aeanom.core.batches import Block, LossSum, Segment, epoch_batches, split
from aeanom.core.callbacks import Callback, Progress
from aeanom.core.history import History
from aeanom.core.modules import ModuleArchitecture
from aeanom.core.noise import segment_noise
from aeanom.core.plan import TrainingPlan
from aeanom.core.weights import Float, Weights
from aeanom.errors import InvalidDataError, InvalidParameterError, TrainingError

__all__ = ["LoopState", "Trainer", "TrainerState"]


@dataclass(frozen=True)
class TrainerState:
    """Weights and optimiser moments after `step` steps: canonical, on the host.

    `weights` hold the buffers too, the moments only what is trainable.
    """

    step: int
    weights: Weights
    first_moment: Weights
    second_moment: Weights


@dataclass(frozen=True)
class LoopState:
    """All that a resumed fit needs; any backend can go on from it.

    Attributes
    ----------
    epoch : int
        Epochs done.
    history : History
    trainer : TrainerState
    best_loss : float
        Lowest validation loss so far, for early stopping.
    best_weights : dict or None
    waited : int
        Epochs since `best_loss`.
    """

    epoch: int
    history: History
    trainer: TrainerState
    best_loss: float = inf
    best_weights: Weights | None = None
    waited: int = 0


class _EpochSum(NamedTuple):
    """An epoch whose steps may still be under way: its loss, and the step after its last one."""

    parts: Sequence[LossSum]
    step: int

    def mean(self) -> float:
        """Return the mean loss; waits for the device, once an epoch."""
        total = sum(float(part.total) for part in self.parts)
        return total / sum(float(part.weight) for part in self.parts)


@dataclass
class _Loop:
    """What the loop keeps while it runs; `best` and `last` are snapshots of the backend.

    `last` is taken when the best weights are put back at the end.
    """

    history: History
    best_loss: float = inf
    best: Any = None
    last: Any = None
    waited: int = 0


class Trainer(ABC):
    """Trains one autoencoder after one plan.

    Parameters
    ----------
    autoencoder : Autoencoder
        Its native network is trained in place.
    plan : TrainingPlan
    """

    def __init__(self, autoencoder: Autoencoder, plan: TrainingPlan) -> None:
        plan.loss.check(autoencoder.architecture)
        self.autoencoder = autoencoder
        self.plan = plan
        self.step = 0
        self._loop: _Loop | None = None
        # While an epoch is under way, weights, moments and step are those of no whole epoch.
        self._is_within_epoch = False

    @property
    def is_asynchronous(self) -> bool:
        """Whether `run_steps` returns before the steps are done, so that there is time to use."""
        return False

    # What a backend writes.

    @abstractmethod
    def place(self, block: Block[Float]) -> Any:
        """Put a block on the device once; `run_steps` and `evaluate` take what this returns.

        On the CPU it may share the block's memory, which must not change while it is in use.
        """

    @abstractmethod
    def run_steps(self, placed: Any, segment: Segment) -> LossSum:
        """Do the segment's steps and set `self.step` to the step after them.

        Returns the row losses summed over the steps as they were taken.
        """

    @abstractmethod
    def evaluate(self, placed: Any, schedules: Mapping[str, Float]) -> LossSum:
        """Loss over all rows of a placed block; deterministic, without noise."""

    @abstractmethod
    def gradients(
        self,
        block: Block[Float],
        row_weights: Float,
        schedules: Mapping[str, Float],
        noise: Mapping[str, Float] | None = None,
    ) -> tuple[LossSum, Weights]:
        """Gradients of the weighted *sum* of row losses, so that those of parts add up.

        Those of the trainable parameters; buffers are neither in them nor changed.

        Parameters
        ----------
        block : Block of n rows
        row_weights : ndarray of shape (n,)
        schedules : mapping of str to ndarray
            As in `Segment`, for one step.
        noise : mapping of str to ndarray of shape (n, ...), optional
            Draws by layer name, as `core/noise.py` makes them; None means no noise.
        """

    @abstractmethod
    def apply(self, gradients: Weights, schedules: Mapping[str, Float]) -> None:
        """Clip gradients (of the mean loss), then take one optimiser step with them."""

    @abstractmethod
    def state(self) -> TrainerState:
        """Copy weights, moments and step to the host."""

    @abstractmethod
    def load_state(self, state: TrainerState) -> None:
        """Copy a state in; it may come from another backend."""

    @abstractmethod
    def snapshot(self) -> Any:
        """Copy the weights on the device; safe when training reuses their memory."""

    @abstractmethod
    def restore(self, token: Any) -> None:
        """Put the weights of a snapshot back; the token stays good."""

    # The loop.

    def fit(
        self,
        train: Block[Float],
        validation: Block[Float] | None = None,
        *,
        callbacks: Sequence[Callback] = (),
        resume: LoopState | None = None,
    ) -> History:
        """Train after the plan.

        Parameters
        ----------
        train : Block
        validation : Block, optional
            Evaluated after each epoch; with `plan.patience`, early stopping watches it and the
            best weights are restored at the end.
        callbacks : sequence of callable
            Called after each epoch with a `Progress`; True ends the training.
        resume : LoopState, optional
            Where to go on; `plan.epochs` counts from the very start.

        Returns
        -------
        History

        Raises
        ------
        TrainingError
            If a loss is not finite.
        """
        if train.n_rows == 0 or (validation is not None and validation.n_rows == 0):
            raise InvalidDataError("there are no rows to train on or to validate with")
        if min(self.plan.batch_size, train.n_rows) == 1 and any(
            isinstance(placed.layer, BatchNorm) and len(placed.input_shape) == 1
            for placed in self.autoencoder.architecture.walk()
        ):
            raise InvalidParameterError(
                "a single row has no variance: batch normalisation needs batches of several rows "
                "(normalization='layer' does not)"
            )
        if resume is None and (self.step or self._is_within_epoch):
            raise InvalidParameterError(
                "this trainer has taken steps already: go on with resume=trainer.loop_state(), or "
                "make a new trainer"
            )
        if resume is not None and (validation is None) != (not resume.history.validation_loss):
            raise InvalidParameterError(
                "a run is resumed with validation rows if it had them, and only then"
            )
        self._loop = loop = self._start(resume)
        placed = self.place(train)
        placed_validation = None if validation is None else self.place(validation)
        history = loop.history
        # Where nobody looks at the weights between epochs, the device need not wait for the host.
        ahead = self.is_asynchronous and placed_validation is None and not callbacks
        started = perf_counter()
        self._is_within_epoch = True
        for epoch_sum in self._train_epochs(placed, train.n_rows, loop, n_ahead=int(ahead)):
            loss = epoch_sum.mean()
            self._check_finite(loss, "training", history.epochs)
            if placed_validation is not None:
                evaluated = self.evaluate(placed_validation, self.plan.schedules(self.step, 1))
                validation_loss = evaluated.mean()
                self._check_finite(validation_loss, "validation", history.epochs)
                history.validation_loss.append(validation_loss)
            history.loss.append(loss)
            history.seconds.append(perf_counter() - started)
            history.steps = epoch_sum.step
            self._watch(loop)
            if self._patience_is_used_up(loop):
                history.stopped_by = "early_stopping"
            self._is_within_epoch = ahead
            if self._call(callbacks, history):
                history.stopped_by = "callback"
            if history.stopped_by != "epochs":
                break
            started = perf_counter()
            self._is_within_epoch = True
        self._is_within_epoch = False
        if loop.best is not None:
            loop.last = self.snapshot()
            self.restore(loop.best)
        return history

    def loop_state(self) -> LoopState:
        """Return all that a resumed fit needs, as of the last epoch done.

        Raises
        ------
        TrainingError
            If the fit was broken off within an epoch. A callback can keep a state of each epoch.
        """
        if self._is_within_epoch:
            raise TrainingError(
                "the fit was broken off within an epoch, so that there is no state to go on from: "
                "keep trainer.loop_state() in a callback, after each epoch"
            )
        loop = self._loop or self._start(None)
        best_weights = None
        current = self.snapshot()
        if loop.best is not None:
            self.restore(loop.best)
            best_weights = self.autoencoder.weights()
        self.restore(current if loop.last is None else loop.last)
        state = self.state()
        self.restore(current)
        return LoopState(
            epoch=loop.history.epochs,
            history=deepcopy(loop.history),
            trainer=state,
            best_loss=loop.best_loss,
            best_weights=best_weights,
            waited=loop.waited,
        )

    def _start(self, resume: LoopState | None) -> _Loop:
        if resume is None:
            return _Loop(History(seed=self.plan.seed))
        history = deepcopy(resume.history)
        history.stopped_by = "epochs"
        loop = _Loop(history, best_loss=resume.best_loss, waited=resume.waited)
        if resume.best_weights is not None:
            self.autoencoder.load_weights(resume.best_weights)
            loop.best = self.snapshot()
        self.load_state(resume.trainer)
        return loop

    def _train_epochs(
        self, placed: Any, n_rows: int, loop: _Loop, *, n_ahead: int
    ) -> Iterator[_EpochSum]:
        """Run the epochs that are left, each started while so many others are under way."""
        under_way: deque[_EpochSum] = deque()
        for epoch in range(loop.history.epochs, self.plan.epochs):
            if self._patience_is_used_up(loop):
                loop.history.stopped_by = "early_stopping"
                break
            under_way.append(self._train_epoch(placed, n_rows, epoch))
            if len(under_way) > n_ahead:
                yield under_way.popleft()
        yield from under_way

    def _train_epoch(self, placed: Any, n_rows: int, epoch: int) -> _EpochSum:
        plan, warm_up_steps = self.plan, self.autoencoder.architecture.warm_up_steps
        order, row_weight = epoch_batches(
            n_rows, plan.batch_size, seed=plan.seed, epoch=epoch, shuffle=plan.shuffle
        )
        sums = []
        for part_order, part_weight in self._parts(order, row_weight):
            steps, batch = part_order.shape
            segment = Segment(
                first_step=self.step,
                steps=steps,
                order=part_order,
                row_weight=part_weight,
                schedules=plan.schedules(self.step, steps, warm_up_steps),
                noise=self._shared_noise(steps, batch),
            )
            sums.append(self.run_steps(placed, segment))
        return _EpochSum(sums, self.step)

    def _parts(
        self, order: NDArray[np.int32], row_weight: Float
    ) -> Iterator[tuple[NDArray[np.int32], Float]]:
        """Cut an epoch's batches into those of each segment."""
        steps, batch = order.shape
        rest = int(np.count_nonzero(row_weight[-1]))
        own = isinstance(self.autoencoder.architecture, ModuleArchitecture)
        if not own or rest == batch:
            yield from ((order[part], row_weight[part]) for part in split(steps))
            return
        # A module may look at the whole batch, and knows nothing of row weights: the last one
        # comes short. A single row, which has no variance, joins the batch before.
        whole = steps - 2 if rest == 1 and steps > 1 else steps - 1
        yield from ((order[part], row_weight[part]) for part in split(whole))
        last = order[whole:].reshape(1, -1)[:, : (steps - 1 - whole) * batch + rest]
        yield last, np.ones(last.shape)

    def _shared_noise(self, steps: int, batch: int) -> Mapping[str, Float] | None:
        if self.plan.noise == "native":
            return None
        autoencoder = self.autoencoder
        return segment_noise(
            autoencoder.architecture, self.plan.seed, self.step, steps, batch, autoencoder.dtype
        )

    def _patience_is_used_up(self, loop: _Loop) -> bool:
        return self.plan.patience is not None and loop.waited >= self.plan.patience

    def _watch(self, loop: _Loop) -> None:
        """Keep the best weights, and count the epochs since."""
        if self.plan.patience is None or not loop.history.validation_loss:
            return
        current = loop.history.validation_loss[-1]
        if current < loop.best_loss - self.plan.min_delta:
            loop.best_loss, loop.waited = current, 0
            loop.best = self.snapshot()
            loop.history.best_epoch = loop.history.epochs
        else:
            loop.waited += 1

    def _call(self, callbacks: Sequence[Callback], history: History) -> bool:
        progress = Progress(
            epoch=history.epochs,
            epochs=self.plan.epochs,
            loss=history.loss[-1],
            validation_loss=history.validation_loss[-1] if history.validation_loss else None,
            seconds=history.seconds[-1],
            history=history,
            weights=self.autoencoder.weights,
        )
        # All of them first, then any(...): every callback hears of every epoch.
        answers = [callback(progress) for callback in callbacks]
        return any(isinstance(answer, (bool, np.bool_)) and bool(answer) for answer in answers)

    def _check_finite(self, loss: float, which: str, epoch: int) -> None:
        if not isfinite(loss):
            raise TrainingError(
                f"the {which} loss is {loss} after epoch {epoch + 1}: training diverged. Use a "
                f"smaller learning_rate than {self.plan.learning_rate}, clip gradients "
                "(Adam(clip_norm=1.0)), or look for extreme values in the rows"
            )
