"""examples/paper/: every figure and table is made, and a run that is killed goes on."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

PAPER = pathlib.Path(__file__).parents[1] / "examples" / "paper"
SHORT = ("figure_1", "figure_2", "table_1", "table_2")  # networks of one kind
sys.path.append(str(PAPER))

import presets  # noqa: E402
import quality  # noqa: E402
import run  # noqa: E402
import samples  # noqa: E402
from training import Paper, Run, settings  # noqa: E402


def command(folder, *names):
    """Runs the smallest preset, and returns what it prints."""
    options = ["--preset", "smoke", "--outputs", str(folder), "--only", *names]
    arguments = [sys.executable, str(PAPER / "run.py"), *options]
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory, pytestconfig):
    """Returns the folder of all results, of a few in the short form."""
    folder = tmp_path_factory.mktemp("paper")
    names = run.RESULTS if pytestconfig.getoption("--long") else SHORT
    command(folder, *names)
    return folder, list(names)


def test_each_result_has_its_record_and_figures_their_picture(made):
    folder, names = made
    for name in names:
        kept = json.loads((folder / f"{name}.json").read_text())
        assert kept["preset"] == "smoke"
        assert {"seed", "versions", "seconds", "result"} < set(kept)
        drawn = name.startswith("figure") and kept["result"]  # of data that are there
        assert (folder / f"{name}.png").exists() == bool(drawn), name


def test_what_is_finished_is_not_made_again(made):
    folder, _ = made
    before = {file: file.stat().st_mtime_ns for file in folder.glob("models/*")}
    (folder / "table_2.json").unlink()
    command(folder, "table_1", "table_2")
    assert {file: file.stat().st_mtime_ns for file in folder.glob("models/*")} == before
    assert (folder / "table_2.json").exists()


def test_a_result_of_other_sizes_data_or_versions_is_not_taken(tmp_path):
    paper = Paper(presets.PRESETS["smoke"], tmp_path)
    about = run.description(paper, "smoke")
    (tmp_path / "table_1.json").write_text(json.dumps({**about, "seconds": 0.0, "result": {}}))
    assert run.finished(paper, "table_1", about)
    larger = {**about["sizes"], "points": 41}
    for change in ({"sizes": larger}, {"data": ["imagenet"]}, {"seed": 1}, {"versions": {}}):
        assert not run.finished(paper, "table_1", {**about, **change})


def test_a_model_of_other_settings_is_not_taken(tmp_path):
    of = {name: Paper(preset, tmp_path) for name, preset in presets.PRESETS.items()}
    run_ = Run("mnist", "vae_nvp", "ELBO")
    found = [settings(paper, run_) for paper in of.values()]
    assert all(a != b for i, a in enumerate(found) for b in found[:i])


def test_the_paper_preset_asks_what_the_paper_asks():
    paper = presets.PRESETS["paper"]
    assert paper.tolerances == (0.06, 0.08, 0.1, 0.125, 0.175)
    assert len(paper.unconditional) == 5
    assert len(paper.conditional) == 3
    assert {data for blocks in samples.BLOCKS.values() for data, _ in blocks} < set(presets.IMAGES)


def test_the_frechet_distance_of_normals_is_that_of_the_formula():
    random = np.random.default_rng(0)
    a = random.normal(size=(4000, 3))
    b = 2.0 * a[:, [1, 0, 2]] + 1.0  # another mean, twice the deviation
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2)
    # Up to what the sample's own correlations add, |2 - 1|^2 for each dimension.
    assert quality.frechet(a, b) == pytest.approx(expected + 3.0, rel=0.05)
    assert quality.frechet(a, a) == pytest.approx(0.0, abs=1e-6)
