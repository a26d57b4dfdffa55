"""Whole fits of the fashion-mnist reference run: each backend against the best hand-written loop.

Every measurement is a fresh process; ours and theirs take turns, and the ratio is taken pair by
pair. `python -m benchmarks.training_speed --rounds 7 --output training_speed.json` prints a
Markdown table and writes the figures. Compilation is left out on both sides (each process runs
once before it is timed); shuffling, history and placing the rows are not.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version

import numpy as np

from .handwritten.common import BATCH_SIZE, EPOCHS, WIDTHS, glorot_weights, load_rows

BACKENDS = ("numpy", "torch", "jax", "tensorflow")
OTHERS = ("keras_fit", "pyod_autoencoder")


def measure_ours(backend_name: str) -> float:
    """Seconds of one whole fit by a backend of the library."""
    from aeanom import architectures
    from aeanom.core import Block, Loss, TrainingPlan, get_backend

    rows = load_rows()
    architecture = architectures.dense(
        WIDTHS[0], (WIDTHS[1],), WIDTHS[2], latent_activation="relu", output_activation="sigmoid"
    )
    arrays = [array for pair in glorot_weights().values() for array in pair]
    names = [parameter.name for parameter in architecture.parameters]
    weights = dict(zip(names, arrays, strict=True))
    backend = get_backend(backend_name)

    def fit(rows: np.ndarray, epochs: int) -> float:
        autoencoder = backend.autoencoder(architecture, weights, dtype="float32", device="cpu")
        plan = TrainingPlan(Loss("mse"), batch_size=BATCH_SIZE, epochs=epochs)
        start = time.perf_counter()
        history = backend.trainer(autoencoder, plan).fit(Block(rows))
        assert len(history.loss) == epochs
        return time.perf_counter() - start

    # The same warm-up as the hand-written loop has: one step, or one call of what is compiled. A
    # longer one would count against us, as these processors slow down under load.
    fit(rows[:BATCH_SIZE] if backend_name in ("numpy", "torch") else rows, 1)
    return fit(rows, EPOCHS)


def measure_other(module: str) -> float:
    """Seconds of one whole fit by a comparator, as it measures itself after a warm-up."""
    train = importlib.import_module(f"benchmarks.handwritten.{module}").train
    result = train(load_rows(), glorot_weights(), epochs=EPOCHS, batch_size=BATCH_SIZE, seed=0)
    return float(result["seconds"])


def in_a_process(*arguments: str) -> float:
    """Run one measurement in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.training_speed", *arguments]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr}")
    return float(done.stdout.strip().splitlines()[-1])


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and greatest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def compare(backends: list[str], others: list[str], rounds: int) -> dict[str, object]:
    """Measure everything `rounds` times, in turns."""
    ours: dict[str, list[float]] = {name: [] for name in backends}
    loops: dict[str, list[float]] = {name: [] for name in backends}
    rest: dict[str, list[float]] = {name: [] for name in others}
    for turn in range(rounds):
        for name in backends:
            pair = [(ours, "ours"), (loops, "other")]
            for figures, kind in pair if turn % 2 else reversed(pair):
                target = name if kind == "ours" else f"{name}_loop"
                figures[name].append(in_a_process("--one", kind, target))
        for name in rest:
            rest[name].append(in_a_process("--one", "other", name))
        print(f"round {turn + 1} of {rounds} done", file=sys.stderr)
    return {
        "workload": f"{'-'.join(map(str, WIDTHS))}, 27,000 rows, batch {BATCH_SIZE}, "
        f"{EPOCHS} epochs, float32",
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "rounds": rounds,
        "seconds": {name: spread(values) for name, values in ours.items()},
        "handwritten_seconds": {name: spread(values) for name, values in loops.items()},
        "ratio": {
            name: spread([a / b for a, b in zip(ours[name], loops[name], strict=True)])
            for name in backends
        },
        "others_seconds": {name: spread(values) for name, values in rest.items()},
    }


def as_markdown(result: dict) -> str:
    """Lay a result out as a table."""
    lines = [
        f"{result['workload']}; medians of {result['rounds']} rounds",
        "",
        "| backend | aeanom, s | best hand-written loop, s | ratio (least to greatest) |",
        "|---|---|---|---|",
    ]
    for name, ratio in result["ratio"].items():
        ours = result["seconds"][name]["median"]
        loop = result["handwritten_seconds"][name]["median"]
        lines.append(
            f"| {name} | {ours:.2f} | {loop:.2f} | "
            f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f}) |"
        )
    for name, seconds in result["others_seconds"].items():
        lines.append(f"| {name} | | {seconds['median']:.2f} | |")
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--backends", nargs="+", default=list(BACKENDS), choices=BACKENDS)
    parser.add_argument("--others", nargs="*", default=[], help=f"such as {' '.join(OTHERS)}")
    parser.add_argument("--output", help="JSON file to write")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        kind, name = arguments.one
        print(measure_ours(name) if kind == "ours" else measure_other(name))
        return
    result = compare(arguments.backends, arguments.others, arguments.rounds)
    if arguments.output:
        with open(arguments.output, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
    print(as_markdown(result))


if __name__ == "__main__":
    main()
