"""With a seed and deterministic operations two runs are one, bit for bit."""

from tests.catalogue import MODELS, SHORT
from tests.faults.determined import digests


def test_two_runs_with_one_seed_are_equal_bit_for_bit(long):
    names = list(MODELS if long else SHORT)
    first, second, other = digests(7, names), digests(7, names), digests(8, ["dense"])
    assert first == second
    assert list(first) == names
    assert first["dense"] != other["dense"]
