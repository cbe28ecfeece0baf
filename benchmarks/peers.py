"""A step of GECO against PyTorch with cooper, on the same networks and batches.

    pip install '.[dev,peers]'
    python benchmarks/peers.py --threads 1
    python benchmarks/peers.py --threads 2

Rounds are interleaved in one process. A figure is the median of our time over PyTorch's within a
round, by the clock, of steps of a VAE under `RE <= 0.1^2`: `model.fit` here, there a loop by hand
around `cooper.optim.SimultaneousOptimizer.roll`, eager, as its users write it. Convolutions lie
channels-last in both. Results go to `benchmarks/results/peers.json`.
"""

import argparse
import json
import time
from pathlib import Path

import cooper
import keras
import numpy as np
import records
import step_time
import tensorflow as tf
import torch
from torch import nn
from tqdm import tqdm

import tf_geco

RESULTS = Path(__file__).parent / "results" / "peers.json"
LATENTS, BATCH, KAPPA = step_time.LATENT_DIM, step_time.BATCH, 0.1


class Centred(nn.Module):
    """Moves values in [0, 1] to [-1, 1]."""

    def forward(self, x):
        return 2.0 * x - 1.0


def leaky(layer):
    """Returns a layer and its activation, as the presets have it."""
    return [layer, nn.LeakyReLU(0.2)]


def dense():
    """Returns the networks of `dense_networks`, for PyTorch."""
    encoder = [Centred(), nn.Flatten(), *leaky(nn.Linear(784, 512)), *leaky(nn.Linear(512, 256))]
    decoder = [*leaky(nn.Linear(LATENTS, 256)), *leaky(nn.Linear(256, 512)), nn.Linear(512, 784)]
    shape = [nn.Unflatten(1, (1, 28, 28)), nn.Sigmoid()]
    return nn.Sequential(*encoder), nn.Sequential(*decoder, *shape)


def conv():
    """Returns the networks of `conv_networks`, for PyTorch."""
    encoder = [Centred(), *leaky(nn.Conv2d(1, 32, 4, 2, 1)), *leaky(nn.Conv2d(32, 64, 4, 2, 1))]
    decoder = [*leaky(nn.Linear(LATENTS, 256)), *leaky(nn.Linear(256, 64 * 49))]
    upward = [*leaky(nn.ConvTranspose2d(64, 32, 4, 2, 1)), nn.ConvTranspose2d(32, 1, 4, 2, 1)]
    return (
        nn.Sequential(*encoder, nn.Flatten(), *leaky(nn.Linear(64 * 49, 256))),
        nn.Sequential(*decoder, nn.Unflatten(1, (64, 7, 7)), *upward, nn.Sigmoid()),
    )


class Constrained(cooper.ConstrainedMinimizationProblem):
    """Minimise the KL subject to a reconstruction error of at most kappa^2."""

    def __init__(self, encoder, decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.projection = nn.Linear(256, 2 * LATENTS)
        for part in self.networks:
            part.to(memory_format=torch.channels_last)
        multiplier = cooper.multipliers.DenseMultiplier(num_constraints=1)
        self.error = cooper.Constraint(
            multiplier=multiplier, constraint_type=cooper.ConstraintType.INEQUALITY
        )

    @property
    def networks(self):
        return self.encoder, self.projection, self.decoder

    def compute_cmp_state(self, x):
        mean, log_scale = self.projection(self.encoder(x)).chunk(2, dim=1)
        z = mean + log_scale.exp() * torch.randn_like(mean)
        kl = 0.5 * (mean**2 + (2.0 * log_scale).exp() - 2.0 * log_scale - 1.0).sum(dim=1).mean()
        error = ((x - self.decoder(z)) ** 2).mean()
        violation = (784 / 2 * (error / KAPPA**2 - 1.0)).reshape(1)
        state = cooper.ConstraintState(violation=violation)
        return cooper.CMPState(loss=kl, observed_constraints={self.error: state})


def theirs(networks, batches):
    """Returns a function that takes so many steps of PyTorch with cooper."""
    problem = Constrained(*networks())
    weights = [weight for part in problem.networks for weight in part.parameters()]
    optimizer = cooper.optim.SimultaneousOptimizer(
        cmp=problem,
        primal_optimizers=torch.optim.Adam(weights, lr=1e-3),
        dual_optimizers=torch.optim.SGD(problem.dual_parameters(), lr=1e-4, maximize=True),
    )
    data = [torch.tensor(x.transpose(0, 3, 1, 2)) for x in batches]
    data = [x.contiguous(memory_format=torch.channels_last) for x in data]

    def run(steps):
        for step in range(steps):
            optimizer.roll(compute_cmp_state_kwargs={"x": data[step % len(data)]})

    return run


def ours(networks, batches):
    """Returns a function that takes so many steps of `model.fit`."""
    model = step_time.contestants(networks)["geco"]
    model.compile(keras.optimizers.Adam(1e-3), steps_per_execution=16)
    data = step_time.repeating(batches)
    return lambda steps: model.fit(data, steps_per_epoch=steps, shuffle=False, verbose=0)


def measure(one, other, steps, rounds):
    """Returns the time of one over the other, the median of rounds, and where half of them are."""
    ratios = []
    for run in (one, other):
        run(32)
    for index in tqdm(range(rounds), unit="round"):
        took = {}
        for run in (one, other) if index % 2 else (other, one):
            start = time.perf_counter()
            run(steps)
            took[run] = time.perf_counter() - start
        ratios.append(took[one] / took[other])
    low, median, high = np.quantile(ratios, [0.25, 0.5, 0.75]).round(3).tolist()
    return {"ratio": median, "half of the rounds": [low, high]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--steps", type=int, default=64, help="steps in a round")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    torch.set_num_threads(options.threads)
    digits = tf_geco.datasets.load("mnist5k", BATCH, split="train")
    batches = np.stack([images for images, _ in digits.as_numpy_iterator()])
    networks = {"dense": dense, "conv": conv}
    settings = {"batch": BATCH, "steps": options.steps, "rounds": options.rounds}
    record = records.load(RESULTS, **settings)
    record["versions"] |= {"torch": torch.__version__, "cooper": cooper.__version__}
    for name, made in networks.items():
        contestants = ours(step_time.NETWORKS[name], batches), theirs(made, batches)
        found = measure(*contestants, options.steps, options.rounds)
        record["runs"][f"{name}, threads={options.threads}"] = found
        print(name, found)
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
