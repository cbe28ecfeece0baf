"""With a seed and deterministic operations two runs are one, bit for bit."""

from tests.catalogue import MODELS, SHORT
from tests.faults.determined import digest, digests


def test_two_runs_with_one_seed_are_equal_bit_for_bit(long):
    names = list(MODELS if long else SHORT)
    first, second = digests(7, names), digests(7, names)
    assert first == second
    assert list(first) == names


def test_another_seed_is_another_run():
    first, again, other = (digest(MODELS["dense"], seed) for seed in (7, 7, 8))
    assert first == again != other
