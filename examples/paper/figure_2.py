"""Figure 2: as the temperature rises, the reconstructions of a VAE without limits merge."""

import numpy as np
from training import Paper

from tf_geco import plotting, theory

SHOWN = np.array([0.02, 0.1, 0.8, 1.3])  # in units of the temperature at which all have merged


def nested_clusters(number: int, seed: int) -> np.ndarray:
    """Returns points of three groups of three clusters, `[number, 2]`."""
    random = np.random.default_rng(seed)
    angles = 2 * np.pi * np.arange(3) / 3 + 0.3
    corners = np.stack([np.cos(angles), np.sin(angles)], 1)
    group, member = random.integers(0, 3, (2, number))
    jitter = 0.012 * random.normal(size=(number, 2))
    return 0.36 * corners[group] + 0.11 * corners[member][:, ::-1] + jitter


def make(paper: Paper) -> tuple:
    """Returns the figure, and the temperatures at which clusters merge."""
    preset, points = paper.preset, nested_clusters(paper.preset.points, paper.seed)
    highest = theory.first_critical_temperature(points)
    temperatures = np.linspace(0.01, 1.4, preset.temperatures) * highest
    transitions = theory.phase_transitions(points, temperatures, verbose=True)
    found = theory.fixed_points(points, SHOWN * highest, max_steps=preset.fixed_points)
    titles = [f"t = {temperature:.4f}" for temperature in SHOWN * highest]
    figure = plotting.phase_transitions(
        points, list(found.trajectory), titles, transitions=transitions
    )
    return figure, {
        "largest eigenvalue of the covariance": float(highest),
        "critical temperatures": np.asarray(transitions.critical_temperatures).tolist(),
        "clusters below": [len(clusters) for clusters in transitions.below],
        "clusters above": [len(clusters) for clusters in transitions.above],
    }
