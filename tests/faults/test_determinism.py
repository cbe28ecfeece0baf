"""With a seed and deterministic operations two runs are one, bit for bit."""

import json
import subprocess
import sys
from pathlib import Path

from tests.catalogue import MODELS

ROOT = Path(__file__).parents[2]


def digests(seed, names=()):
    """Returns a digest of the training of each model, from a process of its own."""
    command = [sys.executable, "-m", "tests.faults.determined", str(seed), *names]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


def test_two_runs_with_one_seed_are_equal_bit_for_bit():
    first, second, other = digests(7), digests(7), digests(8, ["dense"])
    assert first == second
    assert set(first) == set(MODELS)
    assert first["dense"] != other["dense"]
