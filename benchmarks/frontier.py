"""The frontier of beta-VAEs, and what runs of GECO score against it (see no_sweep.py)."""

import itertools
import math

import numpy as np

KAPPAS = (0.06, 0.08, 0.1, 0.125, 0.175)
STEPS = (1500, 3000, 6000)
RATIO = 1.25
FIRST, LEAST, MOST = 8, -8, 24  # powers of RATIO: beta from 6 to 0.005


def next_power(known, width):
    """Returns which power of 1 / RATIO to train as beta next, or `None` if nothing is missing.

    Every fourth power is tried until the errors on either side of all tolerances are known; then
    those are halved that enclose a tolerance, until they are `width` apart.
    """
    if not known:
        return FIRST
    error = {power: np.array([run[str(n)]["re"] for n in STEPS]) for power, run in known.items()}
    tried = sorted(error)
    if tried[0] > LEAST and (error[tried[0]] < max(KAPPAS) ** 2).any():
        return tried[0] - 4
    falls = len(tried) == 1 or (error[tried[-1]] < 0.96 * error[tried[-2]]).any()
    if tried[-1] < MOST and falls and (error[tried[-1]] > min(KAPPAS) ** 2).any():
        return tried[-1] + 4
    for low, high in itertools.pairwise(tried):
        encloses = [(error[low] > k**2) & (error[high] < k**2) for k in KAPPAS]
        if high - low > width and np.any(encloses):
            return (low + high) // 2
    return None


def frontier_kl(points, error):
    """Returns the least KL at which the points reach an error, or `None` if they do not.

    Log KL is interpolated in log RE between the points that no other beats in both.

    Args:
        points: Pairs (RE, KL).
        error: RE.
    """
    best = [p for p in points if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)]
    errors, kls = np.log(sorted(best)).T
    if not errors[0] <= math.log(error) <= errors[-1]:
        return None
    return math.exp(np.interp(math.log(error), errors, kls))


def beaten(points, error, kl):
    """Returns whether a point has both a lower RE and a lower KL, by more than 2 %."""
    return any(1.02 * p[0] < error and 1.02 * p[1] < kl for p in points)
def table(runs): return ""
def draw(runs, path): pass
