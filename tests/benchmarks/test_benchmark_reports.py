"""Comparison, tables and pictures of made-up results."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from benchmarks import report
from benchmarks.comparison import compare, differences
from benchmarks.results import merge

NAMES = {
    "aeanom-torch": ("aeanom, torch", "torch", True),
    "torch_loop": ("torch, by hand", "torch", False),
    "torch_dataloader": ("torch, DataLoader", "torch", False),
    "jax_loop": ("JAX, by hand", "jax", False),
}


def result(epoch_seconds, *, started="2026-01-01T00:00:00", name="fashion", **figures):
    """A result file: seconds of an epoch by contender, a value a round."""
    entries = {}
    for contender, seconds in epoch_seconds.items():
        title, framework, ours = NAMES[contender]
        rounds = [
            {"round": turn, "epoch_seconds": value, "rows_per_second": 100 / value, **figures}
            for turn, value in enumerate(seconds)
        ]
        entries[contender] = {
            "title": title,
            "framework": framework,
            "ours": ours,
            "rounds": rounds,
        }
    machine = {
        "cpu": "a processor",
        "cores": 2,
        "memory_bytes": 2**34,
        "gpus": [],
        "python": "3.11",
        "packages": {"numpy": "2.0"},
        "commit": "abc",
        "environment": {},
    }
    about = {
        "title": "a network",
        "rows": 1000,
        "batch_size": 10,
        "epochs": 10,
        "first_epochs": 10,
        "trains": True,
        "device": "cpu",
        "contenders": entries,
    }
    return {
        "format": 1,
        "started": started,
        "finished": started,
        "machine": machine,
        "settings": {"rounds": 3, "device": "cpu", "quick": False},
        "load_before": 0.1,
        "load_after": 0.2,
        "measurements": {name: about},
    }


def verdicts(old, new, **figures):
    """Ratio and verdict of the epoch's seconds."""
    changes = compare(
        result({"torch_loop": old}, **figures), result({"torch_loop": new}, **figures)
    )
    return {change.figure.title: (change.ratio, change.verdict) for change in changes}


@pytest.mark.parametrize(
    ("old", "new", "ratio", "verdict"),
    [
        ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0], 2.5, "worse"),
        ([4.0, 5.0, 6.0], [1.0, 2.0, 3.0], 0.4, "better"),
        ([1.0, 2.0, 3.0], [3.0, 4.0, 5.0], 2.0, ""),
        ([1.0, 2.0, 9.0], [3.0, 4.0, 5.0], 2.0, ""),
    ],
)
def test_a_change_counts_where_no_rounds_meet(old, new, ratio, verdict):
    assert verdicts(old, new)["steady epoch"] == (pytest.approx(ratio), verdict)


def test_more_rows_a_second_are_better():
    old = result({"torch_loop": [1.0, 1.0]}, scored_rows_per_second=10.0)
    new = result({"torch_loop": [1.0, 1.0]}, scored_rows_per_second=20.0)
    (change,) = [one for one in compare(old, new) if one.figure.more_is_better]
    assert (change.ratio, change.verdict) == (2.0, "better")


def test_single_rounds_prove_nothing():
    assert verdicts([1.0], [9.0])["steady epoch"] == (pytest.approx(9.0), "")


def test_the_same_file_has_no_changes():
    same = result({"torch_loop": [1.0, 2.0], "jax_loop": [3.0]})
    assert {change.verdict for change in compare(same, same)} == {""}
    assert {change.ratio for change in compare(same, same)} == {1.0}


def test_only_what_both_have_is_compared():
    old = result({"torch_loop": [1.0]})
    assert compare(old, result({"jax_loop": [1.0]})) == []
    assert compare(old, result({"torch_loop": [1.0]}, name="tiny")) == []


def test_other_machines_and_versions_are_told():
    old, new = result({"torch_loop": [1.0]}), result({"torch_loop": [1.0]})
    assert differences(old, new) == []
    new["machine"] |= {"cores": 64, "packages": {"numpy": "2.1", "torch": "2.5"}}
    new["settings"]["quick"] = True
    assert differences(old, new) == [
        "cores: 2, then 64",
        "numpy: 2.0, then 2.1",
        "torch: none, then 2.5",
        "one of them was quick: few rows and epochs",
    ]


def test_of_what_was_measured_twice_the_later_counts():
    first = result({"torch_loop": [1.0]}, started="2026-01-02T00:00:00")
    second = result({"torch_loop": [2.0]}, started="2026-01-03T00:00:00")
    other = result({"torch_loop": [3.0]}, name="tiny")
    found = merge([second, other, first])
    assert found["fashion"].entries["torch_loop"].median("epoch_seconds") == 2.0
    assert set(found) == {"fashion", "tiny"}


def line(text, title):
    """Cells of the first table line that begins with a contender."""
    for one in text.splitlines():
        cells = [cell.strip(" *") for cell in one.strip("|").split("|")]
        if cells[0] == title:
            return cells
    raise AssertionError(title)


def test_ours_is_set_against_the_best_loop_by_the_turns_of_each_round():
    file = result(
        {
            "aeanom-torch": [1.0, 2.0, 4.0],
            "torch_loop": [1.0, 1.0, 2.0],
            "torch_dataloader": [10.0, 10.0, 12.0],
        }
    )
    rounds = file["measurements"]["fashion"]["contenders"]["aeanom-torch"]["rounds"]
    for taken, ratios in zip(
        rounds, ([1.0, 1.1, 7.0], [1.2, 1.3, 1.4], [1.5, 9.0, 9.0]), strict=True
    ):
        taken["rival_ratios"] = ratios
    text = report.markdown(merge([file]))
    _, epoch, rows, against, over_best = line(text, "aeanom, torch")
    assert epoch == "2 (1 to 4)"
    assert rows == "50"
    # DataLoader over ours: 10, 5, 3.
    assert against == "5 (3 to 10)"
    # The turns of a process are not independent: their medians are 1.1, 1.3 and 9.
    assert over_best == "1.3 (1.1 to 9)"
    assert line(text, "torch, by hand")[4] == ""
    assert "75% confidence" in text


def test_another_reference_can_be_chosen():
    found = merge([result({"torch_loop": [4.0], "torch_dataloader": [8.0], "jax_loop": [1.0]})])
    text = report.markdown(found, reference="jax_loop")
    assert "times as fast as JAX, by hand" in text
    assert line(text, "torch, by hand")[3] == "0.25"


def test_columns_that_nobody_has_are_left_out():
    text = report.markdown(merge([result({"torch_loop": [1.0]})]))
    assert "share" not in text
    assert "GPU" not in text
    assert "share" in report.markdown(merge([result({"torch_loop": [1.0]}, share=0.5)]))


def test_who_failed_is_listed_under_the_table():
    file = result({"torch_loop": [1.0], "jax_loop": []})
    file["measurements"]["fashion"]["contenders"]["jax_loop"]["failed"] = (
        "exit status 1\nlong story"
    )
    text = report.markdown(merge([file]))
    assert text.endswith("Not run:\n\n- JAX, by hand: exit status 1\n")


def test_pictures_and_page_are_written(tmp_path):
    pytest.importorskip("matplotlib")
    file = result(
        {"aeanom-torch": [1.0, 2.0], "torch_loop": [1.0, 3.0]}, floor_seconds=0.5, floor_ratio=3.0
    )
    page, picture = report.write([file], tmp_path / "out")
    assert page.read_text().count("![fashion](fashion.svg)") == 1
    assert ET.parse(picture).getroot().tag.endswith("svg")
    content = picture.read_bytes()
    report.write([file], tmp_path / "out")
    assert picture.read_bytes() == content


def test_a_page_of_ones_own_keeps_its_words(tmp_path):
    pytest.importorskip("matplotlib")
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n\n{report.BEGIN}\nold tables\n{report.END}\n\nAfter.\n")
    for _ in range(2):
        report.write([result({"torch_loop": [1.0]})], tmp_path / "images" / "here", page=page)
    text = page.read_text()
    assert text.startswith("Before.\n")
    assert text.endswith("\n\nAfter.\n")
    assert "old tables" not in text
    assert text.count("![fashion](images/here/fashion.svg)") == 1


def test_latency_and_scaling_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    sizes = (1, 16, 256)
    latency = result(
        {"aeanom-torch": [1.0]},
        name="latency",
        **{f"p{percent}_seconds_{size}": 1e-4 for percent in (50, 99) for size in sizes},
    )
    scaling = result(
        {"aeanom-torch": [1.0]},
        name="scaling",
        rows_seconds={"1": 0.1, "3": 0.3},
        epochs_seconds={"1": 0.1, "3": 0.3},
        rows_step_seconds=1e-5,
        epochs_step_seconds=2e-5,
        rows_slope_ratio=1.05,
    )
    for file in (latency, scaling):
        del file["measurements"][next(iter(file["measurements"]))]["trains"]
        del file["measurements"][next(iter(file["measurements"]))]["rows"]
    written = report.write([latency, scaling], tmp_path)
    assert [path.name for path in written[1:]] == ["latency.svg", "scaling.svg"]
    text = written[0].read_text()
    assert line(text, "aeanom, torch")[:3] == ["aeanom, torch", "10", "1.05"]
    assert "| **aeanom, torch** | 100 (100) | 100 (100) | 100 (100) |" in text


def test_labels_do_not_overlap():
    pytest.importorskip("matplotlib")
    from benchmarks import pictures

    found = merge([result({name: [0.1 * 3**place] for place, name in enumerate(NAMES)})])["fashion"]
    figure = pictures.bars(found)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    shown = [*axes.get_yticklabels(), *axes.texts]
    boxes = [text.get_window_extent() for text in shown]
    assert not any(
        one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place]
    )
    inside = figure.bbox
    assert all(box.x0 >= inside.x0 and box.x1 <= inside.x1 and box.y1 <= inside.y1 for box in boxes)
