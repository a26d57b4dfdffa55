"""`docs/parity_table.md`: complete, within its bounds, and written by the command it names.

`tests/testing/test_conformance.py` measures every cell again.
"""

from pathlib import Path

import pytest
from support import BACKENDS

from aeanom.core import available_backends
from aeanom.testing import BOUNDS, EXAMPLES, table
from aeanom.testing.runs import RUNS, Comparison

PAGE = Path(__file__).parents[2] / "docs" / "parity_table.md"


@pytest.fixture(scope="module")
def tables():
    return table.read_table(PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", BACKENDS)
def test_the_table_has_a_row_for_every_example_of_every_backend(tables, name):
    if name not in available_backends():
        pytest.skip(f"backend {name!r} is not installed here")
    assert list(tables[name]) == list(EXAMPLES)


def test_every_cell_of_the_table_is_within_the_bound_of_its_column(tables):
    bounds = [BOUNDS[rung][dtype] for rung, dtype in table.COLUMNS]
    for backend, rows in tables.items():
        for example, cells in rows.items():
            assert len(cells) == len(bounds), (backend, example)
            for cell, bound in zip(cells, bounds, strict=True):
                assert float(cell) < bound, (backend, example)


def test_the_whole_trainings_of_the_page_are_within_their_bounds():
    text = PAGE.read_text(encoding="utf-8").split("## Whole trainings")[1]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith(tuple(f"| {name} |" for name in RUNS))
    ]
    assert {(row[0], row[1]) for row in rows} == {
        (run, backend) for run in RUNS for backend in BACKENDS[1:]
    }
    for _, _, scores, flags, auc, share in rows:
        assert float(scores) < 1e-8
        assert flags == "0"
        assert float(auc) < 0.005
        assert float(share.rstrip("%")) < 1


def test_a_rendered_table_reads_back_as_it_was_measured():
    cells = {"numpy": {name: [1e-16] * len(table.COLUMNS) for name in EXAMPLES}}
    cells["numpy"]["dense"] = ["no such layer"]
    runs = {"pytorch-tutorial": [Comparison("torch", 1e-15, 0, 0.001, 0.002)]}
    text = table.render(cells, runs)
    read = table.read_table(text)
    assert read["numpy"]["dense"] == ["no such layer"]
    assert read["numpy"]["lstm"] == ["1.0e-16"] * len(table.COLUMNS)
    assert "| pytorch-tutorial | torch | 1.0e-15 | 0 | 0.0010 | 0.20% |" in text


def test_measuring_numpy_against_itself_finds_no_difference_in_float64(monkeypatch):
    monkeypatch.setattr(table, "EXAMPLES", {"dense": EXAMPLES["dense"]})
    (row,) = table.measure(["numpy"])["numpy"].values()
    doubles = [
        value for value, (_, dtype) in zip(row, table.COLUMNS, strict=True) if dtype == "float64"
    ]
    assert doubles == [0.0] * len(doubles)
    assert all(0 < value < 1e-4 for value in row[len(doubles) :])


def test_the_command_writes_the_page(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(table, "EXAMPLES", {"dense": EXAMPLES["dense"]})
    monkeypatch.setattr(table, "available_backends", lambda: ("numpy",))
    table.main(["--without-runs", str(tmp_path / "table.md")])
    assert table.read_table((tmp_path / "table.md").read_text())["numpy"]["dense"]
    assert "numpy: dense" in capsys.readouterr().err
