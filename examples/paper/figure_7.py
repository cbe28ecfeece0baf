"""Figure 7: a decoder of bounded slope, locally or globally, and what it does to fixed points."""

import numpy as np
from training import Paper

import tf_geco
from tf_geco import plotting, theory

GRID, LOW = (20, 20), 0.001
TEMPERATURES = (LOW, 0.005, 0.02)
STRENGTHS = {
    "local, r = 0.2": (0.2, (0.003, 0.03, 0.1)),
    "global, r = 1": (1.0, (0.003, 0.01, 0.02)),
}


def points(name: str, number: int) -> np.ndarray:
    """Returns a mixture of the catalogue, scaled into the box of the latents."""
    options = {"components": 3, "size": number}
    x, _ = next(iter(tf_geco.datasets.load(name, number, "train", seed=3, **options)))
    return 0.45 * x.numpy().astype(float)


def make(paper: Paper) -> tuple:
    """Returns the figure, and the slope of each decoder."""
    data, columns, record = [], [], {}
    for name in ("mixture_of_lines", "mixture_of_circles"):
        x = points(name, paper.preset.points)
        data.append(x)
        columns.append(rows(x, paper.preset.fixed_points))
        record[name] = {row: [title for title, _ in r] for row, r in columns[-1].items()}
    names = list(columns[0])
    cells = [[cell for column in columns for cell in column[name]] for name in names]
    figure = plotting.lipschitz_fixed_points(
        [data[0]] * 3 + [data[1]] * 3,
        [[trajectory for _, trajectory in row] for row in cells],
        [[title for title, _ in row] for row in cells],
        row_labels=names,
    )
    return figure, record


def rows(x: np.ndarray, steps: int) -> dict[str, list[tuple]]:
    """Returns title and trajectory of three panels, without and with each constraint."""
    free = theory.fixed_points(x, TEMPERATURES, grid=GRID, max_steps=steps)
    titles = (f"t = {temperature}" for temperature in TEMPERATURES)
    found = {"free": list(zip(titles, free.trajectory, strict=True))}
    for name, (radius, strengths) in STRENGTHS.items():
        found[name] = [bounded(x, radius, strength) for strength in strengths]
    return found


def bounded(x: np.ndarray, radius: float, strength: float) -> tuple:
    """Returns title and trajectory of a decoder under a Lipschitz constraint."""
    bound = theory.lipschitz_fixed_points(x, LOW, radius=radius, strength=strength, grid=GRID)
    slope = theory.largest_slope(bound.psi, GRID)
    return f"strength {strength}, slope {slope:.1f}", bound.trajectory
