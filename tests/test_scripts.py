"""The scripts in examples/ do what they say, in a short form."""

import re
import sys

import pytest

from tests.models.test_constrained import example


def printed(name, *arguments, monkeypatch, capsys, outputs):
    """Returns what a script prints, and checks that its figure is there."""
    given = [f"{name}.py", *map(str, arguments), "--outputs", str(outputs)]
    monkeypatch.setattr(sys, "argv", given)
    example(name).main()
    assert (outputs / f"{name}.png").stat().st_size > 10_000
    return capsys.readouterr().out


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    fixtures = {"monkeypatch": monkeypatch, "capsys": capsys, "outputs": tmp_path}
    return lambda name, *arguments: printed(name, *arguments, **fixtures)


def test_anomalies_are_told_from_normal_series(run):
    out = run("anomalies", "--epochs", 25, "--tolerance", 0.18)
    rate = {kind: float(share) for share, kind in re.findall(r"([\d.]+)% of .*'(\w+)'", out)}
    normal = float(re.search(r"([\d.]+)% of normal", out)[1])
    assert normal < 5.0
    assert rate["jump"] > 50.0
    assert set(rate) == {"frozen", "jump", "alone"}


def test_counts_reach_the_likelihood_that_was_asked_for(run):
    out = run("counts", "--epochs", 10, "--tolerance", 385)
    asked, reached = map(
        float, re.search(r"asked for ([\d.]+) nats, reached ([\d.]+)", out).groups()
    )
    assert reached == pytest.approx(asked, abs=3.0)
