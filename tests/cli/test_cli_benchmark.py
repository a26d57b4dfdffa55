from __future__ import annotations

import json

import pytest

from aeanom.cli import benchmark

QUICK = ("--quick", "--workload", "tiny", "--contender", "aeanom-numpy")


@pytest.fixture
def measured(monkeypatch):
    """Measurements without a process."""
    from benchmarks import suite

    figures = {"fit_seconds": 2.0, "first_fit_seconds": 3.0, "epoch_seconds": 1.0}
    monkeypatch.setattr(suite, "run_measurement", lambda *arguments: dict(figures))


def test_a_quick_run_prints_a_table_and_writes_a_file(run, tmp_path):
    result = run("benchmark", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert "## tiny: 10-5-2-5-10" in result.stdout
    assert "**aeanom, numpy**" in result.stdout
    assert "round 1 of 1: tiny, aeanom-numpy: first fit" in result.stderr
    written = json.loads((tmp_path / "benchmark.json").read_text())
    (taken,) = written["measurements"]["tiny"]["contenders"]["aeanom-numpy"]["rounds"]
    assert taken["fit_seconds"] > 0
    assert written["settings"] == {"rounds": 1, "device": "cpu", "quick": True}


def test_two_files_are_compared(run, measured, tmp_path):
    for name in ("old", "new"):
        done = run("benchmark", *QUICK, "--rounds", "2", "--output", f"{name}.json")
        assert done.exit_code == 0
    values = json.loads((tmp_path / "new.json").read_text())
    for taken in values["measurements"]["tiny"]["contenders"]["aeanom-numpy"]["rounds"]:
        taken["epoch_seconds"] = 0.5
    (tmp_path / "new.json").write_text(json.dumps(values))
    result = run("benchmark", "compare", "old.json", "new.json")
    assert result.exit_code == 0
    (line,) = [one for one in result.stdout.splitlines() if "epoch" in one]
    assert line.split()[-2:] == ["0.50", "better"]
    changes = json.loads(run("benchmark", "compare", "old.json", "new.json", "--json").stdout)
    assert changes["differences"] == []
    assert [one["verdict"] for one in changes["changes"]] == ["better", ""]


def test_a_report_is_written(run, measured, tmp_path):
    pytest.importorskip("matplotlib")
    assert run("benchmark", *QUICK, "--report", "here").exit_code == 0
    assert run("benchmark", "report", "benchmark.json", "--output", "there").exit_code == 0
    for name in ("benchmarks.md", "tiny.svg"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_a_contender_that_fails_is_exit_status_1(run, monkeypatch):
    from benchmarks import suite
    from benchmarks.processes import MeasurementError

    def fail(*arguments):
        raise MeasurementError("exit status 1\nsome last words")

    monkeypatch.setattr(suite, "run_measurement", fail)
    result = run("benchmark", *QUICK)
    assert result.exit_code == 1
    assert "some last words" in result.stderr
    assert result.stderr.endswith("failed: tiny, aeanom-numpy\n")


def test_ctrl_c_tells_what_was_written(run, monkeypatch):
    from benchmarks import suite

    def measure(name, contender, *others):
        if contender == "aeanom-torch":
            raise KeyboardInterrupt
        return {"fit_seconds": 2.0, "first_fit_seconds": 3.0, "epoch_seconds": 1.0}

    monkeypatch.setattr(suite, "run_measurement", measure)
    monkeypatch.setattr(suite.Contender, "why_not", lambda self, device: None)
    contenders = "aeanom-numpy,aeanom-torch"
    result = run("benchmark", "--workload", "tiny", "--contender", contenders)
    assert result.exit_code == 130
    assert result.stderr.endswith("interrupted; benchmark.json written\n")


def test_unknown_names_are_errors_of_one_line(run):
    result = run("benchmark", "--workload", "nothing")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: there is no workload 'nothing'; there are fashion")


def test_without_the_checkout_it_says_where_the_suite_is(run, monkeypatch, tmp_path):
    import aeanom

    monkeypatch.setattr(aeanom, "__file__", str(tmp_path / "site-packages/aeanom/__init__.py"))
    result = run("benchmark", "--quick")
    assert result.exit_code == 1
    assert "part of the source checkout" in result.stderr


def test_help_names_every_workload(run):
    from benchmarks.suite import NAMES

    help_text = " ".join(run("benchmark", "--help").stdout.replace("│", " ").split())
    missing = [
        name for name in NAMES if f"{name}," not in help_text and f"{name};" not in help_text
    ]
    assert missing == []
    assert [device.value for device in benchmark.Device] == ["cpu", "cuda"]
