"""One measurement in a process of its own, which the suite starts: `python -m benchmarks.measure`.

Its standard output is one line of JSON whatever a framework prints, which goes to standard error.
Nothing is imported here before the framework, whose import is timed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from time import perf_counter
from typing import Any


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Figures of a contender, or `{"not_run": why}`."""
    begin = perf_counter()
    importlib.import_module(arguments.framework)
    framework_seconds = perf_counter() - begin
    begin = perf_counter()
    importlib.import_module("aeanom.core")
    library_seconds = perf_counter() - begin

    from aeanom.errors import UnsupportedError
    from benchmarks import fitting, latency, scaling
    from benchmarks.contenders import contenders
    from benchmarks.workloads import WORKLOADS

    name, device, quick = arguments.name, arguments.device, arguments.quick
    try:
        if name == "latency":
            return latency.measure(arguments.contender, device, quick)
        contender = contenders()[arguments.contender]
        if name == "scaling":
            return scaling.measure(contender, device, quick)
        workload = WORKLOADS[name].quick() if quick else WORKLOADS[name]
        imports = fitting.Imports(framework_seconds, library_seconds)
        return fitting.measure(contender, workload, device, imports, in_pairs=not quick)
    except UnsupportedError as error:
        return {"not_run": str(error)}


def main() -> None:
    """Run from the command line of a child process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a workload, scaling or latency")
    parser.add_argument("contender")
    parser.add_argument("--framework", default="numpy", help="imported first of all")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    figures = measure(arguments)
    print(json.dumps(figures), file=answer, flush=True)
    # Some frameworks take seconds to tear themselves down, or crash when they do.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
