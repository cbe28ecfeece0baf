"""The frontier of beta-VAEs, and what runs of GECO score against it (see no_sweep.py)."""

import itertools
import math

import numpy as np

KAPPAS = (0.06, 0.08, 0.1, 0.125, 0.175)
STEPS = (1500, 3000, 6000)
RATIO = 1.25
FIRST, LEAST, MOST = 8, -8, 24  # powers of RATIO: beta from 6 to 0.005


def next_power(known, steps, width):
    """Returns which power of 1 / RATIO to train as beta next, or `None` if nothing is missing.

    Every fourth power is tried until the errors on either side of all tolerances are known; then
    those are halved that enclose a tolerance, until they are `width` apart.
    """
    if not known:
        return FIRST
    error = {power: np.array([run[str(n)]["re"] for n in steps]) for power, run in known.items()}
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


def sweep_points(runs, group, steps, seed):
    """Returns the pairs (RE, KL) of all constant betas of a group; of seed 0 if there are none."""
    for known in (seed, 0):
        keys = [k for k in runs if k.startswith(f"{group}/beta") and k.endswith(f"/seed {known}")]
        found = [runs[k][str(steps)] for k in keys if str(steps) in runs[k]]
        if found:
            return [(run["re"], run["kl"]) for run in found]
    return []


def scores(runs):
    """Returns a row for each run of GECO, and for each run of an ELBO that needs no sweep."""
    rows = []
    for key, measured in runs.items():
        data, network, name, seed = key.split("/")
        if not name.startswith("beta"):
            rows += [_score(runs, f"{data}/{network}", name, int(seed[5:]), n) for n in measured]
    return sorted(
        rows, key=lambda r: (r["group"], not r["kappa"], r["name"], r["seed"], r["steps"])
    )


def _score(runs, group, name, seed, steps):
    run = runs[f"{group}/{name}/seed {seed}"][steps]
    points = sweep_points(runs, group, steps, seed)
    kappa = float(name.split()[1]) if name.startswith("geco") else None
    error = kappa**2 if kappa else run["re"]
    least = frontier_kl(points, error) if points else None
    row = {"group": group, "name": name.split(" in ")[0], "kappa": kappa, "seed": seed}
    row |= {"steps": int(steps), "ratio": run["re"] / error, "frontier": least, **run}
    row["score"] = run["kl"] / least if least else None
    row |= {"swept": bool(points), "beaten": beaten(points, run["re"], run["kl"])}
    return row


def verdict(row):
    """Returns in words whether a tolerance was met, and if not, whether it could have been.

    "Told so" means that `GECOCallback` said that it looks out of reach.
    """
    if not row["kappa"] or not row["swept"]:
        return ""
    return outcome(row, reached=row["frontier"])


def outcome(row, reached):
    """Returns `verdict` of a row whose tolerance some beta reached, or none did."""
    told = ", told so" if row.get("told") else ""
    if row["ratio"] <= 1.02:
        return ("" if reached else "met, by no beta") + told
    if reached:
        return "NOT MET" + told
    return "out of reach, " + ("BEATEN" if row["beaten"] else "on the front") + told


def table(runs):
    """Returns all scores as text, and a summary of the cells that some beta reaches."""
    lines = [
        f"{'cell':48}{'steps':>6}{'RE/k^2':>8}{'KL':>8}{'frontier':>9}{'score':>7}{'lambda':>8}"
    ]
    rows = scores(runs)
    for row in rows:
        cell = f"{row['group']}, {row['name']}, seed {row['seed']}"
        known = [
            f"{row['frontier']:9.1f}{row['score']:7.3f}" if row["frontier"] else f"{'-':>9}{'-':>7}"
        ]
        known += [f"{row['lambda']:8.3f}" if row["kappa"] else f"{'-':>8}"]
        numbers = f"{row['steps']:6}{row['ratio']:8.3f}{row['kl']:8.1f}{''.join(known)}"
        lines.append(f"{cell:48}{numbers}  {verdict(row)}")
    judged = [row for row in rows if row["kappa"] and row["swept"]]
    for group in dict.fromkeys(row["group"] for row in judged):
        lines.append(f"{group}: {summary([row for row in judged if row['group'] == group])}")
    return "\n".join([*lines, f"all: {summary(judged)}"])


def summary(rows):
    """Returns how many tolerances were met and how the scores are spread."""
    reachable = [row for row in rows if row["frontier"]]
    met = [row["score"] for row in reachable if row["ratio"] <= 1.02]
    others = [row for row in rows if not row["frontier"]]
    beaten_ones = sum(row["beaten"] for row in others)
    spread = f"{min(met):.2f} to {max(met):.2f}, median {np.median(met):.2f}" if met else "none"
    return (
        f"{len(rows)} cells: {len(met)} of {len(reachable)} met that some beta reaches, scores "
        f"{spread}; {len(others)} that none reaches, {beaten_ones} of them beaten by some beta"
    )


def draw(runs, path):
    """Draws KL against error for each group and number of steps: frontier, and GECO's points."""
    import matplotlib.pyplot as plt  # noqa: PLC0415

    rows = [row for row in scores(runs) if row["kappa"] and row["seed"] == 0]
    groups = list(dict.fromkeys(row["group"] for row in rows))
    lengths = sorted({row["steps"] for row in rows})
    options = {"sharex": "all", "sharey": "all", "squeeze": False, "layout": "constrained"}
    size = (4.8 * len(lengths), 2.5 * len(groups) + 0.9)
    figure, axes = plt.subplots(len(groups), len(lengths), figsize=size, **options)
    figure.supxlabel("root-mean-square error")
    figure.supylabel("KL, nats")
    for (group, steps), axis in zip(itertools.product(groups, lengths), axes.flat, strict=True):
        shown = [row for row in rows if (row["group"], row["steps"]) == (group, steps)]
        axis.set_visible(bool(shown))
        if shown:
            _panel(axis, sorted(sweep_points(runs, group, steps, 0)), shown)
            axis.set_title(f"{group}, {steps:,} steps", fontsize=10)
    lines = {line.get_label(): line for axis in axes.flat for line in axis.lines}
    names = sorted(name for name in lines if not name.startswith("_"))
    figure.legend([lines[n] for n in names], names, loc="outside upper center", ncols=3)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _panel(axis, points, rows):
    axis.plot(*_rms(points), "o-", color="0.6", markersize=4, label="a constant beta each")
    for row in rows:
        kappa, colour = row["kappa"], f"C{sorted(KAPPAS).index(row['kappa'])}"
        axis.axvline(kappa, color=colour, linestyle=":", linewidth=1)
        label = f"GECO, kappa {kappa:g}"
        axis.plot(*_rms([(row["re"], row["kl"])]), "D", color=colour, label=label)
    axis.set(xscale="log", yscale="log")
    axis.tick_params(labelleft=True, labelbottom=True, labelsize=8)
    for one, ticks in ((axis.xaxis, [*KAPPAS, 0.25]), (axis.yaxis, [2, 5, 10, 20, 50, 100, 200])):
        one.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        one.set_ticks([], minor=True)


def _rms(points):
    errors, kls = np.array(points).T
    return np.sqrt(errors), kls
