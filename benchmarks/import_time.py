"""`import aeanom` against `import numpy`, each in a fresh process, in turns.

`python -m benchmarks.import_time --rounds 11`. The interpreter's own start is subtracted.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

STATEMENTS = ("pass", "import numpy", "import aeanom", "import numpy, aeanom")


def seconds(statement: str) -> float:
    """Wall-clock time of a process that runs one statement."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    times = {statement: [] for statement in STATEMENTS}
    for statement in STATEMENTS:
        seconds(statement)
    for _ in range(rounds):
        for statement in STATEMENTS:
            times[statement].append(seconds(statement))
    start = statistics.median(times["pass"])
    numpy = statistics.median(times["import numpy"]) - start
    print("| statement | ms beyond the interpreter's start | over `import numpy` |\n|---|---|---|")
    for statement in STATEMENTS[1:]:
        own = statistics.median(times[statement]) - start
        print(f"| `{statement}` | {own * 1e3:.0f} | {own / numpy:.2f} |")


if __name__ == "__main__":
    main()
