"""The suite's own work: who takes part, in which order, and what becomes of failures."""

from __future__ import annotations

import subprocess
import sys

import pytest

from aeanom.errors import InvalidDataError, InvalidParameterError
from benchmarks import contenders, results, suite
from benchmarks.contenders import FOLDER
from benchmarks.processes import MeasurementError, run_measurement
from benchmarks.suite import Settings


@pytest.fixture
def measured(monkeypatch):
    """Every measurement takes no time; gives the list of who was measured, in order."""
    order = []

    def measure(name, contender, framework, device, quick):
        order.append(contender)
        if contender == "torch_dataloader":
            raise MeasurementError("exit status 1\nit broke")
        if contender == "aeanom-jax":
            return {"not_run": "has no such thing here"}
        return {"fit_seconds": 2.0, "first_fit_seconds": 3.0, "epoch_seconds": 1.0}

    monkeypatch.setattr(suite, "run_measurement", measure)
    monkeypatch.setattr(contenders.Contender, "why_not", lambda self, device: None)
    return order


def test_every_other_round_goes_backwards(measured):
    settings = Settings(names=("tiny",), contenders=("aeanom-numpy", "aeanom-torch"), rounds=3)
    suite.run(settings)
    assert measured == [
        *("aeanom-numpy", "aeanom-torch"),
        *("aeanom-torch", "aeanom-numpy"),
        *("aeanom-numpy", "aeanom-torch"),
    ]


def test_those_of_one_framework_are_side_by_side():
    frameworks = [contender.framework for contender in contenders.contenders().values()]
    assert len(set(frameworks)) == sum(
        one != other for one, other in zip(frameworks, ["", *frameworks], strict=False)
    )


def test_a_failure_is_told_and_the_rest_goes_on(measured, tmp_path):
    told = []
    names = ("torch_dataloader", "aeanom-jax", "aeanom-numpy")
    settings = Settings(names=("tiny",), contenders=names, rounds=2)
    result = suite.run(settings, tmp_path / "a.json", tell=told.append)
    entries = results.read(tmp_path / "a.json")["measurements"]["tiny"]["contenders"]
    assert result["measurements"]["tiny"]["contenders"] == entries
    assert [len(entries[name]["rounds"]) for name in names] == [0, 0, 2]
    assert entries["torch_dataloader"]["failed"].endswith("it broke")
    assert entries["aeanom-jax"]["not_run"] == "has no such thing here"
    assert suite.failures(result) == ["tiny, torch_dataloader"]
    # Once it has failed, it is not tried again.
    assert measured.count("torch_dataloader") == 1
    assert any("it broke" in line for line in told)


def test_what_was_measured_is_on_the_disk_when_it_is_interrupted(measured, monkeypatch, tmp_path):
    measure = suite.run_measurement

    def interrupted(name, contender, *others):
        if contender == "aeanom-torch":
            raise KeyboardInterrupt
        return measure(name, contender, *others)

    monkeypatch.setattr(suite, "run_measurement", interrupted)
    settings = Settings(names=("tiny",), contenders=("aeanom-numpy", "aeanom-torch"))
    with pytest.raises(KeyboardInterrupt):
        suite.run(settings, tmp_path / "a.json")
    entries = results.read(tmp_path / "a.json")["measurements"]["tiny"]["contenders"]
    assert [len(entry["rounds"]) for entry in entries.values()] == [1, 0]


def test_who_has_no_such_device_is_not_run():
    settings = Settings(names=("tiny",), device="cuda")
    entries = {task.contender: task.why_not for task in suite.tasks_of("tiny", settings)}
    cpu_only = [
        contender.name
        for contender in contenders.contenders().values()
        if "cuda" not in contender.devices and "dense" in contender.kinds and contender.trains
    ]
    assert all(entries[name] for name in cpu_only)


def test_the_numpy_backend_says_that_it_has_no_gpu():
    pytest.importorskip("numpy")
    figures = run_measurement("tiny", "aeanom-numpy", "numpy", "cuda", True)
    assert figures == {"not_run": "has no cuda device here"}


def test_bfloat16_is_for_gpus():
    def names(device):
        return {task.contender for task in suite.tasks_of("tiny", Settings(device=device))}

    assert names("cuda") - names("cpu") == {
        "aeanom-torch-bfloat16",
        "aeanom-jax-bfloat16",
        "aeanom-tensorflow-bfloat16",
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"names": ("nothing",)}, "no workload 'nothing'; there are fashion"),
        ({"contenders": ("nobody*",)}, "no contender 'nobody.*; there are aeanom-numpy"),
        ({"backends": ("mxnet",)}, "no backend 'mxnet'; there are numpy"),
    ],
)
def test_an_unknown_name_is_told_with_the_known_ones(settings, message):
    with pytest.raises(InvalidParameterError, match=message):
        Settings(**settings)


def test_every_comparator_says_what_it_is():
    found = contenders.contenders()
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "aeanom_fit"}
    assert files <= found.keys()
    assert all(one.kinds <= contenders.ALL_KINDS | {"dense"} for one in found.values())
    assert all(one.devices <= {"cpu", "cuda"} and one.devices for one in found.values())


def test_one_measurement_in_its_own_process():
    figures = run_measurement("tiny", "aeanom-numpy", "numpy", "cpu", True)
    assert figures["import_seconds"] > figures["framework_import_seconds"] > 0
    assert figures["epoch_seconds"] == pytest.approx(figures["fit_seconds"] / 2)
    assert figures["rows_per_second"] == pytest.approx(2 * 128 / figures["fit_seconds"])
    assert figures["scored_rows"] == 128
    assert 0 < figures["share"] < 1
    assert figures["peak_host_bytes"] > 0


def test_a_process_that_fails_is_told_with_its_last_words():
    with pytest.raises(MeasurementError, match="KeyError: 'nobody'"):
        run_measurement("tiny", "nobody", "numpy", "cpu", True)


def test_what_a_framework_prints_is_not_in_the_answer():
    code = (
        "import os, sys; from benchmarks import measure\n"
        "def noisy(arguments):\n"
        "    print('noise'); os.write(1, b'more noise'); return {'seconds': 1.5}\n"
        "measure.measure = noisy; sys.argv[1:] = ['tiny', 'aeanom-numpy']; measure.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == '{"seconds": 1.5}\n'
    assert "more noise" in done.stderr


@pytest.mark.parametrize("text", ["not JSON", "[]", '{"format": 99}'])
def test_a_file_that_is_no_result_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InvalidDataError, match=r"a\.json"):
        results.read(tmp_path / "a.json")
