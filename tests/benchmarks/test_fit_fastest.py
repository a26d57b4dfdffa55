"""Constants of the rule of `backend="fastest"`, fitted back from results made with known ones."""

import pytest

from aeanom.core.fastest import COSTS, Costs, Pace, work_of
from benchmarks.fit_fastest import as_markdown, as_python, fit, samples
from benchmarks.results import merge
from benchmarks.workloads import WORKLOADS

TRUE = Costs(
    imports=2.0,
    dense=Pace(start=0.5, overhead=2e-5, rate=5e10),
    convolutional=Pace(start=1.5, overhead=3e-4, rate=2e10),
    recurrent=Pace(start=2.5, overhead=4e-5, rate=4e10),
)


def result(costs, names=tuple(WORKLOADS), backend="torch", **more):
    """A result of the suite in which everything took just as long as the rule says."""
    measurements = {}
    for name in names:
        workload = WORKLOADS[name]
        steps = workload.steps()
        work = work_of(workload.architecture(), steps=steps, batch_size=workload.batch_size)
        pace = getattr(costs, work.kind)
        epoch = steps * (work.operations * pace.overhead + work.flops / pace.rate)
        first_epochs = workload.first_epochs or workload.epochs
        figures = {
            "round": 0,
            "framework_import_seconds": costs.imports,
            "import_seconds": costs.imports + 0.1,
            # Our own modules are imported in the first fit, as the suite counts.
            "first_fit_seconds": 0.1 + pace.start + first_epochs * epoch,
        }
        if workload.trains:
            figures["epoch_seconds"] = epoch
        measurements[name] = {
            "rows": workload.n_rows,
            "batch_size": workload.batch_size,
            "epochs": workload.epochs,
            "first_epochs": first_epochs,
            "trains": workload.trains,
            "device": "cpu",
            "contenders": {
                f"aeanom-{backend}": {
                    "title": "",
                    "framework": backend,
                    "ours": True,
                    "rounds": [figures],
                },
                **more,
            },
        }
    return {"format": 1, "started": backend, "measurements": measurements}


def taken(*results):
    return samples(merge(results).values())


def test_constants_are_found_again():
    (found,) = fit(taken(result(TRUE))).values()
    assert found.imports == TRUE.imports
    assert tuple(found.dense) == pytest.approx(tuple(TRUE.dense), rel=0.01)
    assert found.convolutional.start == pytest.approx(TRUE.convolutional.start)


def test_every_measured_step_is_expected_to_take_what_it_took():
    measured = taken(result(TRUE))
    (found,) = fit(measured).values()
    for sample in measured:
        pace = getattr(found, sample.work.kind)
        expected = sample.work.operations * pace.overhead + sample.work.flops / pace.rate
        assert expected == pytest.approx(sample.step, rel=0.05), sample.workload


def test_what_one_workload_leaves_open_stays_near_the_present_constants():
    (sample,) = taken(result(TRUE, ["series-lstm"]))
    found = fit([sample])["torch", "cpu"]
    pace, present = found.recurrent, COSTS["torch", "cpu"].recurrent
    expected = sample.work.operations * pace.overhead + sample.work.flops / pace.rate
    assert expected == pytest.approx(sample.step, rel=0.01)
    assert present.overhead / 3 < pace.overhead < present.overhead * 3
    assert found.dense == COSTS["torch", "cpu"].dense


def test_other_contenders_and_scoring_do_not_count():
    other = {"title": "", "framework": "torch", "ours": False, "rounds": [{"round": 0}]}
    found = taken(result(TRUE, torch_loop=other))
    assert [sample.workload for sample in found] == [
        name for name, workload in WORKLOADS.items() if workload.trains
    ]


def test_numpy_is_imported_before_anybody_chooses():
    (found,) = taken(result(TRUE, ["tiny"], backend="numpy"))
    assert found.imports == 0


def test_what_is_printed_can_be_put_into_the_table():
    table = fit(taken(result(TRUE)))
    read = eval("{" + as_python(table) + "}", {"Costs": Costs, "Pace": Pace})
    assert tuple(read["torch", "cpu"].dense) == pytest.approx(table["torch", "cpu"].dense, rel=0.05)


def test_the_choice_is_set_against_what_was_the_fastest():
    measured = taken(result(TRUE, ["tiny"]))
    row = as_markdown(measured, fit(measured)).splitlines()[-1]
    assert row.startswith("| tiny | cpu | torch 2.")
    assert row.endswith("| torch | 1.00 × best |")
