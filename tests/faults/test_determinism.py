"""With a seed and deterministic operations two runs are one, bit for bit."""

from tests.catalogue import MODELS
from tests.faults.determined import digests


def test_two_runs_with_one_seed_are_equal_bit_for_bit():
    first, second, other = digests(7, MODELS), digests(7, MODELS), digests(8, ["dense"])
    assert first == second
    assert set(first) == set(MODELS)
    assert first["dense"] != other["dense"]
