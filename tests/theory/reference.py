"""Naive NumPy transcriptions of the paper's equations, to compare with."""

import numpy as np


def posterior(data, psi, temperature):
    """Eq. 19 with a uniform prior on the tiles: m `[n, B]`, one pair at a time."""
    energy = np.array([[((x - p) ** 2).sum() / (2 * temperature) for p in psi] for x in data])
    unnormalized = np.exp(-energy)
    return unnormalized / unnormalized.mean(1, keepdims=True)


def decoder(data, m):
    """Eq. 20: psi `[B, D]`."""
    return np.stack([m[:, b] @ data / m[:, b].sum() for b in range(m.shape[1])])


def fixed_points(data, psi, temperature, *, smoothing, max_steps, tolerance):
    """Appendix A: psi `[B, D]` and the number of steps."""
    for steps in range(1, max_steps + 1):  # noqa: B007
        new = smoothing * psi + (1 - smoothing) * decoder(data, posterior(data, psi, temperature))
        length = np.linalg.norm(new - psi)
        psi = new
        if length < tolerance:
            break
    return psi, steps


def reconstruction_error(data, psi, m):
    squares = ((data[:, None] - psi[None]) ** 2).sum(-1)
    return (m * squares).mean(1).mean()


def kl(m):
    return (m * np.log(m)).mean(1).mean()
