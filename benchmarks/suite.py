"""The suite: what is measured, in which order, and the JSON file that it is written to.

Each measurement is a process of its own. The contenders of a workload take turns, those of one
framework side by side, and every other round goes backwards: a machine that slows down slows both
sides of each pair. (pyperf and pytest-benchmark repeat one function in one process, or one
benchmark after the other in many; turns of many frameworks are a loop of our own.)

The file is written anew after every measurement, so that nothing is lost when a run is stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from aeanom.errors import InvalidParameterError
from benchmarks import machine
from benchmarks.contenders import Contender, chosen
from benchmarks.latency import COMMAND_LINE, SLIM
from benchmarks.processes import MeasurementError, run_measurement
from benchmarks.results import FORMAT, write
from benchmarks.workloads import WORKLOADS

OTHERS = {
    "scaling": "seconds by rows and by epochs, 10-5-2-5-10",
    "latency": "few rows through a loaded model, 30-64-32-64-30",
}
NAMES = (*WORKLOADS, *OTHERS)
ROUNDS, QUICK_ROUNDS = 5, 1


@dataclass(frozen=True)
class Settings:
    """What is to be measured.

    Attributes
    ----------
    names : tuple of str
        Of `NAMES`; empty for all.
    contenders : tuple of str
        Names or patterns such as `"torch_*"`; empty for all.
    backends : tuple of str
        Frameworks; empty for all.
    rounds : int or None
        None: `ROUNDS`, or `QUICK_ROUNDS` of a quick run.
    device : {"cpu", "cuda"}
    quick : bool
        Few rows and epochs: to try it out, not to publish.
    """

    names: tuple[str, ...] = ()
    contenders: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    rounds: int | None = None
    device: str = "cpu"
    quick: bool = False

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in NAMES:
                raise InvalidParameterError(
                    f"there is no workload {name!r}; there are {', '.join(NAMES)}"
                )
        chosen(self.contenders, self.backends)

    @property
    def n_rounds(self) -> int:
        """Rounds to do."""
        return self.rounds or (QUICK_ROUNDS if self.quick else ROUNDS)


@dataclass(frozen=True)
class Task:
    """One measurement, to be repeated in every round, or done in the first only."""

    name: str
    contender: str
    title: str
    framework: str
    ours: bool
    why_not: str | None = None
    once: bool = False


@dataclass
class Clock:
    """Guesses how long the rest takes: as long as the same took before, or else as the average."""

    seconds: dict[tuple[str, str], float] = field(default_factory=dict)

    def took(self, task: Task, seconds: float) -> None:
        """Remember one."""
        self.seconds[task.name, task.contender] = seconds

    def left(self, tasks: Iterable[Task]) -> float:
        """Seconds that these will take."""
        known = self.seconds
        average = sum(known.values()) / len(known) if known else 0.0
        return sum(known.get((task.name, task.contender), average) for task in tasks)


def run(
    settings: Settings,
    path: Path | None = None,
    *,
    tell: Callable[[str], None] = lambda text: None,
    written: Callable[[Path], None] = lambda path: None,
) -> dict[str, Any]:
    """Measure everything that the settings name.

    Parameters
    ----------
    settings : Settings
    path : path-like, optional
        JSON file to write.
    tell : callable
        Gets a line of progress after every measurement.
    written : callable
        Gets the path each time that the file was written.

    Returns
    -------
    dict
        What is in the file: `benchmarks/README.md` describes it.
    """
    tasks = [task for name in settings.names or NAMES for task in tasks_of(name, settings)]
    result = _new_result(settings, tasks)
    todo = [task for task in tasks if task.why_not is None]
    for task in tasks:
        if task.why_not is not None:
            tell(f"{task.name}, {task.contender}: not run: {task.why_not}")
    given_up: set[Task] = set()
    clock = Clock()
    for turn, task, rest in _turns(todo, settings.n_rounds):
        if task in given_up:
            continue
        begin = perf_counter()
        entry = result["measurements"][task.name]["contenders"][task.contender]
        try:
            figures = run_measurement(
                task.name, task.contender, task.framework, settings.device, settings.quick
            )
        except MeasurementError as error:
            figures = {}
            entry["failed"] = str(error)
        if why_not := figures.get("not_run"):
            entry["not_run"] = why_not
        if figures and not why_not:
            entry["rounds"].append({"round": turn, **figures})
        else:
            given_up.add(task)
        clock.took(task, perf_counter() - begin)
        result["load_after"] = machine.load_average()
        result["finished"] = _now()
        if path is not None:
            write(result, path)
            written(path)
        left = clock.left(other for other in rest if other not in given_up)
        tell(
            f"round {turn + 1} of {settings.n_rounds}: {task.name}, {task.contender}: "
            f"{_outcome(figures, entry)}; {_duration(left)} left"
        )
    return result


def failures(result: dict[str, Any]) -> list[str]:
    """Return what went wrong, as "workload, contender"."""
    return [
        f"{name}, {contender}"
        for name, measurement in result["measurements"].items()
        for contender, entry in measurement["contenders"].items()
        if "failed" in entry
    ]


def tasks_of(name: str, settings: Settings) -> list[Task]:
    """Everybody who can do a workload, or the reason why not."""
    found = [
        contender
        for contender in chosen(settings.contenders, settings.backends)
        # Our variants for a GPU alone are nothing that a processor lacks.
        if not contender.is_ours or settings.device in contender.devices
    ]
    if name in OTHERS:
        tasks = [
            _task(name, contender, settings.device)
            for contender in found
            if contender.is_ours and "bfloat16" not in contender.options
        ]
        of_everybody = not settings.contenders and not settings.backends
        if name == "latency" and of_everybody and settings.device == "cpu":
            tasks.append(Task(name, COMMAND_LINE, "aeanom score", "numpy", ours=True))
            tasks.append(Task(name, SLIM, "NumPy and safetensors", "numpy", ours=True, once=True))
        return tasks
    workload = WORKLOADS[name]
    return [
        _task(name, contender, settings.device)
        for contender in found
        if workload.kind in contender.kinds
        if contender.trains or not workload.trains
    ]


def _task(name: str, contender: Contender, device: str) -> Task:
    return Task(
        name,
        contender.name,
        contender.title,
        contender.framework,
        contender.is_ours,
        contender.why_not(device),
    )


def _turns(tasks: list[Task], n_rounds: int) -> Iterator[tuple[int, Task, list[Task]]]:
    """Yield round and task in turn, and what is left; every other round goes backwards."""
    order = [
        (turn, task)
        for turn in range(n_rounds)
        for task in (tasks if turn % 2 == 0 else reversed(tasks))
        if turn == 0 or not task.once
    ]
    for index, (turn, task) in enumerate(order):
        yield turn, task, [other for _, other in order[index + 1 :]]


def _new_result(settings: Settings, tasks: list[Task]) -> dict[str, Any]:
    measurements: dict[str, Any] = {}
    for task in tasks:
        about = measurements.setdefault(task.name, _about(task.name, settings))
        entry = {"title": task.title, "framework": task.framework, "ours": task.ours, "rounds": []}
        if task.why_not is not None:
            entry["not_run"] = task.why_not
        about["contenders"][task.contender] = entry
    return {
        "format": FORMAT,
        "started": _now(),
        "finished": None,
        "machine": machine.describe(),
        "settings": {
            "rounds": settings.n_rounds,
            "device": settings.device,
            "quick": settings.quick,
        },
        "load_before": machine.load_average(),
        "load_after": None,
        "measurements": measurements,
    }


def _about(name: str, settings: Settings) -> dict[str, Any]:
    if name in OTHERS:
        return {"title": OTHERS[name], "device": settings.device, "contenders": {}}
    workload = WORKLOADS[name].quick() if settings.quick else WORKLOADS[name]
    return {
        "title": workload.title,
        "rows": workload.n_rows,
        "batch_size": workload.batch_size,
        "epochs": workload.epochs,
        "first_epochs": workload.first_epochs or workload.epochs,
        "trains": workload.trains,
        "device": settings.device,
        "contenders": {},
    }


def _outcome(figures: dict[str, Any], entry: dict[str, Any]) -> str:
    if "not_run" in figures:
        return f"not run: {figures['not_run']}"
    if "failed" in entry:
        return f"failed: {entry['failed']}"
    if "fit_seconds" in figures:
        first, steady = figures["first_fit_seconds"], figures["fit_seconds"]
        return f"first fit {first:.3g} s, then {steady:.3g} s"
    if "scored_rows_per_second" in figures:
        return f"{figures['scored_rows_per_second']:,.0f} rows a second"
    if "p50_seconds_1" in figures:
        return f"one row in {figures['p50_seconds_1'] * 1e6:.0f} µs"
    return "done"


def _duration(seconds: float) -> str:
    return f"about {seconds / 60:.0f} min" if seconds > 90 else f"about {seconds:.0f} s"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
