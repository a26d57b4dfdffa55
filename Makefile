# Each target sets up all that it needs, in a virtual environment inside the checkout.
#
#   make demo       the main job on a real data set (base dependencies and matplotlib, no framework)
#   make test       the whole test suite (all three frameworks)
#   make lint       ruff, strict mypy
#   make parity     the slow proofs: whole reference runs in float64, every backend
#   make table      measure every cell of docs/parity_table.md again
#   make reports    three pages of `aeanom report`, checked, into reports/
#   make benchmark  speed of training and scoring, then detection quality (hours;
#                   BENCHMARK="--workload tiny --quick" hands options to `aeanom benchmark`)
#   make clean      remove the environments and what the targets wrote

PYTHON ?= python3
TENSORFLOW ?= tensorflow-cpu
TESTS ?= tests
BENCHMARK ?=

# Two test processes with one BLAS and OpenMP thread each: threads of two frameworks that wait for
# each other by spinning would otherwise take most of the time.
PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TF_CPP_MIN_LOG_LEVEL=3 \
	.venv/bin/python -m pytest -n 2 --dist worksteal

.PHONY: demo test lint parity table reports benchmark clean

demo: .venv-demo/.installed
	.venv-demo/bin/aeanom demo

test: .venv/.installed
	$(PYTEST) $(TESTS)

lint: .venv/.installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

parity: .venv/.installed
	TF_CPP_MIN_LOG_LEVEL=3 .venv/bin/python -m pytest --slow tests/parity tests/testing

table: .venv/.installed
	TF_CPP_MIN_LOG_LEVEL=3 .venv/bin/python -m aeanom.testing.table docs/parity_table.md

reports: .venv/.installed
	.venv/bin/python -m benchmarks.reports --output reports

benchmark: .venv/.installed
	@test -n "$$AEANOM_DATA" || { echo "set AEANOM_DATA to the folder with tabular/, images/ and series/"; exit 1; }
	mkdir -p benchmarks/results
	.venv/bin/python -m pip install --quiet pyod tqdm
	.venv/bin/aeanom benchmark $(BENCHMARK) --output benchmarks/results/speed.json --report benchmarks/results/speed
	.venv/bin/python -m benchmarks.import_time
	.venv/bin/python -m benchmarks.images_and_series --image-backends torch jax tensorflow --output benchmarks/results/images_and_series.json
	.venv/bin/python -m benchmarks.detection_quality --pyod --output benchmarks/results/detection_quality.json
	.venv/bin/python -m benchmarks.explanations --output benchmarks/results/explanations.json

.venv-demo/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/python -m pip install --quiet -c constraints.txt -e ".[report]"
	touch $@

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet -c constraints.txt -e ".[dev]" $(TENSORFLOW)
	touch $@

clean:
	rm -rf .venv .venv-demo demo reproduce reports build dist .mypy_cache .pytest_cache .ruff_cache
