"""The scripts in examples/ do what they say, in a short form; their notebooks are as they are."""

import pathlib
import re
import signal
import subprocess
import sys

import jupytext
import pytest

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(path.stem for path in EXAMPLES.glob("*.ipynb"))


@pytest.fixture
def printed(example, capsys, tmp_path):
    """Returns what a script prints, and checks that its figure is there."""

    def run(name, **settings):
        example(name, **settings)
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
        return capsys.readouterr().out

    return run


def test_anomalies_are_told_from_normal_series(printed):
    out = printed("anomalies", EPOCHS=25, TOLERANCE=0.18)
    rate = {kind: float(share) for share, kind in re.findall(r"([\d.]+)% of .*'(\w+)'", out)}
    normal = float(re.search(r"([\d.]+)% of normal", out)[1])
    assert normal < 5.0
    assert rate["jump"] > 50.0
    assert set(rate) == {"frozen", "jump", "alone"}


def test_counts_reach_the_likelihood_that_was_asked_for(printed):
    out = printed("counts", EPOCHS=10, TOLERANCE=385)
    asked, reached = map(
        float, re.search(r"asked for ([\d.]+) nats, reached ([\d.]+)", out).groups()
    )
    assert reached == pytest.approx(asked, abs=3.0)


def test_a_training_that_kills_itself_ends_as_one_that_does_not(tmp_path):
    def run(folder, *arguments):
        command = [sys.executable, EXAMPLES / "resume.py", "--epochs", "4", "--outputs", folder]
        options = {"cwd": tmp_path, "capture_output": True, "text": True}
        done = subprocess.run([*command, *arguments], check=False, **options)
        return done.returncode, done.stdout

    whole = run("whole")
    assert run("killed", "--kill-in-epoch", "2")[0] == -signal.SIGKILL
    begun, *ended = run("killed")[1].splitlines()
    assert begun == "begins after 40 steps"
    assert whole == (0, "\n".join(["begins after 0 steps", *ended, ""]))


@pytest.mark.long
def test_features_see_textures_where_pixels_see_a_blur(printed):
    out = printed("perceptual", EPOCHS=1)
    anew, blurred = (
        list(map(float, re.search(rf"{name}[^\d]*([\d.]+)[^\d]+([\d.]+)", out).groups()))
        for name in ("texture drawn anew", "blurred by 2 pixels")
    )
    assert anew[0] > blurred[0]
    assert anew[1] < blurred[1]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_has_the_cells_of_its_script(name):
    notebook, script = (jupytext.read(EXAMPLES / f"{name}.{kind}") for kind in ("ipynb", "py"))
    cells, expected = (
        [(cell.cell_type, cell.source) for cell in book.cells] for book in (notebook, script)
    )
    assert cells == expected


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_shows_what_its_script_prints_and_draws(name):
    cells = jupytext.read(EXAMPLES / f"{name}.ipynb").cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    kinds = {output.output_type for output in outputs}
    assert kinds <= {"stream", "display_data", "execute_result"}
    assert {output.name for output in outputs if output.output_type == "stream"} == {"stdout"}
    assert any("image/png" in output.get("data", {}) for output in outputs)
