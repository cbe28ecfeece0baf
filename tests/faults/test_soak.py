"""Long lives of a process, in little: `benchmarks/faults.py` runs them at length."""

from tests.faults import soak


def test_many_steps_trace_once_and_keep_lambda_in_bounds():
    model, data = soak.compiled(steps_per_execution=50), soak.endless()
    traces = soak.counted(model)
    soak.steps(model, 100, data)
    first = len(traces)
    for _ in range(3):
        soak.steps(model, 500, data)
    assert len(traces) == first
    assert int(model.objective.step) == 1600
    assert soak.in_bounds(model)


def test_models_that_nobody_holds_are_freed():
    assert soak.dropped(3) == 0
