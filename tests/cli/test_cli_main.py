from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import aeanom
from aeanom.cli import output
from aeanom.core.registry import known_backends

COMMANDS = (
    *("demo", "fit", "score", "evaluate", "report", "info", "parity", "backends", "reproduce"),
    "benchmark",
)
HEAVY = ("numpy", "sklearn", "pyarrow", "scipy", "torch", "jax", "tensorflow", "matplotlib")


def start(*arguments, **options):
    # A job that a shell put into the background ignores Ctrl-C, and so would its children.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from aeanom.cli.main import main; main()"
    )
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=-1, stderr=-1, **options)


def test_version(run):
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"aeanom {aeanom.__version__}\n")


def test_help_lists_every_command(run):
    text = run("--help").stdout
    assert all(f" {command} " in text for command in COMMANDS)


@pytest.mark.parametrize("command", [*COMMANDS, "reproduce fashion-mnist"])
def test_every_command_has_help_with_examples(run, command):
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert f"aeanom {command}" in result.stdout.split("Examples:")[1]


def test_help_imports_nothing_heavy():
    program = (
        "import sys; from aeanom.cli.main import app\n"
        "try: app(['--help'], prog_name='aeanom')\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr == "[]\n"


def test_no_command_is_a_usage_error(run):
    assert run().exit_code == 2
    assert run("nope").exit_code == 2


def test_errors_are_one_line_without_a_traceback(tmp_path):
    process = start("info", tmp_path / "nowhere.aeanom")
    out, err = process.communicate()
    assert process.returncode == 1
    assert out == b""
    assert err.startswith(b"error: ")
    assert b"Traceback" not in err


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to send")
def test_ctrl_c_ends_with_130_and_writes_nothing(train_csv, tmp_path):
    arguments = ("--ignore", "id,y", "--epochs", 10**6, "--backend", "numpy")
    process = start("fit", train_csv, "-o", tmp_path / "m.aeanom", *arguments)
    # Once the interpreter is up; whether it reads or trains by then does not matter.
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.endswith(b"interrupted; nothing was written\n")
    assert not (tmp_path / "m.aeanom").exists()


def test_ctrl_c_tells_what_was_written(run, monkeypatch, train_csv, tmp_path):
    def interrupt(path):
        output._written.append(str(path))
        raise KeyboardInterrupt

    monkeypatch.setattr("aeanom.cli.fit.wrote", interrupt)
    result = run("fit", train_csv, "--ignore", "id,y", "-o", "m.aeanom", "--epochs", 1)
    assert result.exit_code == 130
    assert result.stderr.endswith("interrupted; m.aeanom written\n")


@pytest.mark.skipif(os.name == "nt", reason="no SIGPIPE")
def test_a_reader_that_leaves_is_no_error(model_file, train_csv, tmp_path):
    header, *rows = train_csv.read_text().splitlines()
    (tmp_path / "big.csv").write_text("\n".join([header, *(rows * 100)]))
    process = start("score", model_file, tmp_path / "big.csv")
    process.stdout.close()
    with process.stderr as stream:
        assert stream.read() == b""
    assert process.wait(timeout=60) == 1


def test_backends_lists_all_without_importing_any(run):
    text = run("backends").stdout
    assert all(name in text for name in known_backends())
    entries = json.loads(run("backends", "--json").stdout)
    numpy = next(entry for entry in entries if entry["name"] == "numpy")
    assert numpy["installed"]
    assert "numpy" in numpy["versions"]


def test_backends_says_how_to_install_a_missing_one(run, monkeypatch):
    monkeypatch.setattr(
        "aeanom.core.registry.missing_packages", lambda name: ("torch",) * (name == "torch")
    )
    entries = {entry["name"]: entry for entry in json.loads(run("backends", "--json").stdout)}
    assert not entries["torch"]["installed"]
    assert 'pip install "aeanom[torch]"' in run("backends").stdout


def test_output_fits_a_narrow_terminal(run, model_file, train_csv, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    for arguments in (("info", model_file), ("evaluate", model_file, train_csv, "--label", "y")):
        lines = run(*arguments).stdout.splitlines()
        # The path in the title is left to the terminal, so that it can be copied.
        assert max(map(len, lines[1:])) <= 40
