"""How long Figure 2 takes: 200 temperatures, 5 seeds, 200 points, 32 x 32 tiles, as Appendix A.

    python benchmarks/theory.py [--rounds 3] [--out benchmarks/results/theory.json]

The library runs the whole figure. Loops over temperatures in NumPy run the same iteration, with the
same stopping rule, on a few problems; their time is scaled to the number of steps of the figure.
There are two versions: "plain" is Eqs. 19-20 in float64, as a reader would write them; "tuned" is
float32 with distances by a matrix product, the best we could do without leaving NumPy.
"Exponentials" is what no version by XLA can be faster than: one for each point, tile and step, and
nothing else. Every round times all of them, and medians over rounds are reported. CPU seconds stand
beside wall seconds: they do not count what other programs take from the machine, but count both
cores.
"""

import argparse
import json
import os
import platform
import resource
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tf_geco.theory import first_critical_temperature, phase_transitions
from tf_geco.theory.problems import initial_psi
from tf_geco.theory.reconstructions import observables

GRID, SEEDS, STEPS, SMOOTHING, TOLERANCE = (32, 32), range(5), 400, 0.9, 1e-3


def mixture_of_lines(num_points, seed):
    rng = np.random.default_rng(seed)
    line, along = rng.integers(0, 3, num_points), rng.uniform(-0.22, 0.22, num_points)
    angle = np.array([0.3, 1.4, 2.5])[line]
    center = np.array([[-0.25, -0.2], [0.25, -0.1], [0.0, 0.28]])[line]
    direction = np.stack([np.cos(angle), np.sin(angle)], 1)
    return center + along[:, None] * direction + 0.008 * rng.normal(size=(num_points, 2))


def plain_energy(data, psi, temperature):
    return -((data[:, None] - psi[None]) ** 2).sum(-1) / (2 * temperature)


def tuned_energy(data, psi, temperature):
    return (data @ psi.T - (psi * psi).sum(-1) / 2) / temperature


def numpy_fixed_point(data, psi, temperature, energy):
    """Eqs. 19-20 in the log domain, smoothed; returns the number of steps."""
    for step in range(1, STEPS + 1):  # noqa: B007
        log_m = energy(data, psi, temperature)
        log_m -= log_m.max(1, keepdims=True)
        log_m -= np.log(np.exp(log_m).mean(1, keepdims=True))
        weights = np.exp(log_m - log_m.max(0))
        new = (weights.T @ data) / weights.sum(0)[:, None]
        moved = (1 - SMOOTHING) * (new - psi)
        psi = psi + moved
        if np.sqrt((moved**2).sum()) < TOLERANCE:
            break
    return step


def clocked(function):
    cpu, wall = time.process_time(), time.perf_counter()
    result = function()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def numpy_seconds_a_step(data, temperatures, energy, dtype):
    def loop():
        total = 0
        for number, temperature in enumerate(temperatures):
            psi = initial_psi(data, GRID, 0.1, number % len(SEEDS)).astype(dtype)
            total += numpy_fixed_point(data.astype(dtype), psi, dtype(temperature), energy)
        return total

    steps, wall, cpu = clocked(loop)
    return wall / steps, cpu / steps


@tf.function(jit_compile=True)
def exponentials(values, steps):
    """Returns values after so many exponentials of each, one after another."""
    for _ in tf.range(steps):
        values = tf.exp(-values)
    return values


def seconds_of_exponentials(steps=2000):
    """Returns the time that the exponentials of a step take, by the clock and by the processor."""
    values = tf.ones([200, np.prod(GRID)])
    exponentials(values, steps)
    _, wall, cpu = clocked(lambda: exponentials(values, steps).numpy())
    return wall / steps, cpu / steps


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/theory.json"))
    arguments = parser.parse_args()

    data = mixture_of_lines(200, seed=0)
    temperatures = np.linspace(0.01, 1.5, 200) * first_critical_temperature(data)
    options = {"grid": GRID, "smoothing": SMOOTHING, "max_steps": STEPS, "tolerance": TOLERANCE}
    _, first_call, _ = clocked(
        lambda: phase_transitions(data, temperatures[::40], seeds=SEEDS, **options)
    )
    total_steps = int(observables(data, temperatures, seed=tuple(SEEDS), **options).steps.sum())
    idle_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    rounds = []
    progress = keras.utils.Progbar(arguments.rounds, unit_name="round")
    for _ in range(arguments.rounds):
        _, wall, cpu = clocked(
            lambda: phase_transitions(data, temperatures, seeds=SEEDS, **options)
        )
        plain = numpy_seconds_a_step(data, temperatures[10::50], plain_energy, np.float64)
        tuned = numpy_seconds_a_step(data, temperatures[10::25], tuned_energy, np.float32)
        bare = seconds_of_exponentials()
        rounds.append(
            {
                "figure_2_wall_s": wall,
                "figure_2_cpu_s": cpu,
                "numpy_plain_float64_wall_s": plain[0] * total_steps,
                "numpy_plain_float64_cpu_s": plain[1] * total_steps,
                "numpy_tuned_float32_wall_s": tuned[0] * total_steps,
                "numpy_tuned_float32_cpu_s": tuned[1] * total_steps,
                "exponentials_wall_s": bare[0] * total_steps,
                "exponentials_cpu_s": bare[1] * total_steps,
            }
        )
        progress.add(1)
        report = {
            **summary(rounds),
            "steps_of_the_figure": total_steps,
            "first_call_with_compilation_s": first_call,
            "peak_memory_before_rounds_mib": idle_memory / 1024,
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "load_average": os.getloadavg(),
            "cores": os.cpu_count(),
            "versions": {
                "python": platform.python_version(),
                "tensorflow": tf.__version__,
                "keras": keras.__version__,
                "numpy": np.__version__,
            },
            "rounds": rounds,
        }
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps({key: report[key] for key in report if key != "rounds"}, indent=2))


def summary(rounds):
    medians = {key: float(np.median([r[key] for r in rounds])) for key in rounds[0]}
    return {
        "medians": medians,
        "times_the_exponentials": {
            clock: medians[f"figure_2_{clock}_s"] / medians[f"exponentials_{clock}_s"]
            for clock in ("wall", "cpu")
        },
        "times_faster": {
            f"than_numpy_{version}_by_{clock}": medians[f"numpy_{version}_{clock}_s"]
            / medians[f"figure_2_{clock}_s"]
            for version in ("plain_float64", "tuned_float32")
            for clock in ("wall", "cpu")
        },
    }


if __name__ == "__main__":
    main()
