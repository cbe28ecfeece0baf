"""Missing values, and examples that do not count."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import tf_geco
from tests.constraints.cases import (
    MAKE,
    batch,
    brightness,
    is_bright,
    loop_patch_ncc,
    loop_reconstruction,
    small_classifier,
    values_of,
)
from tf_geco.constraints import (
    ClassificationAccuracy,
    NegativeLogLikelihood,
    ReconstructionError,
    from_function,
)

MASKED = ["reconstruction", "features", "statistics", "patches", "bernoulli"]


@pytest.mark.parametrize("name", ["reconstruction", "reconstruction_sum", "patches", "bernoulli"])
def test_missing_values_do_not_count(name):
    x, _, outputs = batch()
    g = outputs["reconstruction"]
    mask = np.random.default_rng(1).uniform(size=x.shape) < 0.5
    mask[:, :, :5] = True
    holes = np.where(mask, x, np.nan)
    reconstruction = tf.Variable(g)
    constraint = MAKE[name]()
    with tf.GradientTape() as tape:
        outputs["reconstruction"] = reconstruction
        found = values_of(constraint, holes, {"mask": mask}, outputs)
    expected = {
        "reconstruction": loop_reconstruction,
        "reconstruction_sum": lambda x, g, m: np.sum((x - g)[m] ** 2),
        "patches": lambda *example: loop_patch_ncc(*example)[0],
        "bernoulli": lambda x, g, m: -np.mean((x * np.log(g) + (1 - x) * np.log(1 - g))[m]),
    }[name]
    each = [expected(*example) for example in zip(x, g, mask, strict=True)]
    np.testing.assert_allclose(found, each, rtol=1e-4, atol=1e-5)
    gradient = tape.gradient(found, reconstruction).numpy()
    assert np.isfinite(gradient).all()
    if name != "patches":
        assert (gradient[~mask] == 0).all()
        assert (gradient[mask] != 0).all()


def test_features_take_missing_values_from_the_reconstruction():
    x, _, outputs = batch()
    g = outputs["reconstruction"]
    mask = np.random.default_rng(1).uniform(size=x.shape) < 0.5
    constraint = MAKE["features"]()
    found = values_of(constraint, np.where(mask, x, np.nan), {"mask": mask}, outputs)
    expected = values_of(constraint, np.where(mask, x, g), outputs=outputs)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["reconstruction", "reconstruction_sum", "patches", "bernoulli"])
@pytest.mark.parametrize("axis", [1, 2, 3])
def test_a_mask_may_not_tell_an_axis_apart(name, axis):
    x, _, outputs = batch()
    mask = np.random.default_rng(1).uniform(size=x.shape) < 0.8
    mask[:, :8, :8] = True
    mask = mask.all(axis=axis, keepdims=True)
    constraint = MAKE[name]()
    found = constraint(x, y={"mask": mask}, outputs=outputs)
    whole = constraint(x, y={"mask": np.broadcast_to(mask, x.shape)}, outputs=outputs)
    for part, other in zip(found, whole, strict=True):
        if part is not None:
            np.testing.assert_allclose(part, other, rtol=1e-5)


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize("missing", [np.nan, 7.0])
def test_an_example_with_nothing_observed_does_not_count(name, missing):
    """Sums and gradients are those of the other examples."""
    x, _, outputs = batch()
    mask = np.ones_like(x, bool)
    mask[2] = False
    others = np.array([0, 1, 3, 4, 5])
    holes = np.where(mask, x, missing).astype("float32")
    constraint = MAKE[name]()
    objective = tf_geco.GECO([constraint])

    def sums_and_gradient(x, mask, g):
        g = tf.Variable(g)
        with tf.GradientTape() as tape:
            outputs, cost = {"reconstruction": g}, np.zeros(len(x), "float32")
            sums = objective(x, y={"mask": mask}, outputs=outputs, cost=cost)
            loss = objective.loss(sums)
        return sums, loss, tape.gradient(loss, g).numpy()

    g = outputs["reconstruction"]
    found, loss, gradient = sums_and_gradient(holes, mask, g)
    expected, other_loss, other_gradient = sums_and_gradient(x[others], mask[others], g[others])
    np.testing.assert_array_equal(found.counts, [5, 6])
    np.testing.assert_allclose(found.totals[0], expected.totals[0], rtol=1e-5)
    np.testing.assert_allclose(loss, other_loss, rtol=1e-5)
    np.testing.assert_allclose(gradient[others], other_gradient, rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(gradient[2], 0)


@pytest.mark.parametrize("name", MASKED)
def test_a_batch_with_nothing_observed_says_nothing(name):
    x, _, outputs = batch()
    objective = tf_geco.GECO([MAKE[name]()])
    sums = objective(x, outputs=outputs)
    objective.update(sums)
    ratio = objective.violations().numpy()
    nothing = {"mask": np.zeros_like(x, bool)}
    cost = np.zeros(6, "float32")
    empty = objective(np.full_like(x, np.nan), y=nothing, outputs=outputs, cost=cost)
    np.testing.assert_array_equal(empty.counts, [0, 6])
    assert float(empty.totals[0]) == 0
    assert float(objective.loss(empty)) == 0
    objective.update(empty)
    np.testing.assert_allclose(objective.violations(), ratio, rtol=1e-5, atol=1e-7)
    for weight in objective.weights:
        assert np.isfinite(weight).all()


def test_where_takes_the_mean_over_examples_that_count():
    x, y, outputs = batch(n=40)
    constraint = from_function(brightness, 0.4, "b", where=is_bright)
    _, found = constraint(x, y=y, outputs=outputs)
    counts = x.mean(axis=(1, 2, 3)) > 0.5
    assert 0 < counts.sum() < 40
    np.testing.assert_array_equal(found, counts)
    expected = outputs["reconstruction"].mean(axis=(1, 2, 3))[counts].mean() - 0.4
    sums = tf_geco.GECO([constraint])(x, y=y, outputs=outputs)
    assert float(constraint.violation(sums.means[0])) == pytest.approx(expected, abs=1e-6)
    assert float(sums.counts[0]) == counts.sum()
    none = from_function(brightness, 0.4, "b", where=lambda x, y, outputs: np.zeros(40, bool))
    np.testing.assert_array_equal(none(x, y=y, outputs=outputs).counts, np.zeros(40))


@pytest.mark.parametrize("batch_size", [1, 7, 40])
def test_a_rate_over_batches_is_that_over_all_examples_whatever_their_size(batch_size):
    """Recall of class 3, which some batches have none of."""
    random = np.random.default_rng(0)
    labels, scores = random.integers(4, size=40), random.normal(size=(40, 4)).astype("float32")
    recall = from_function(
        lambda x, y, outputs: tf.equal(tf.argmax(outputs, axis=1), y),
        0.99,
        "recall",
        form=">=",
        where=lambda x, y, outputs: tf.equal(y, 3),
    )
    objective = tf_geco.GECO([recall])
    total = 0.0
    for start in range(0, 40, batch_size):
        rows = slice(start, start + batch_size)
        sums = objective(scores[rows], y=labels[rows], outputs=scores[rows])
        total = total + sums.stacked()
    whole = type(sums).unstacked(total)
    expected = (scores.argmax(1) == labels)[labels == 3].mean()
    assert 0 < expected < 1
    assert float(objective.readings(whole)["recall"]) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(objective.violations(whole), [0.99 - expected], rtol=1e-5)


# Masks that are none.


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda mask: {"masks": mask}, r"read from `y\['mask'\]`; is it `y\['masks'\]`"),
        (lambda mask: {"Mask": mask}, r"read from `y\['mask'\]`; is it `y\['Mask'\]`"),
        (lambda mask: mask, r"into a dictionary, `y=\{'mask': mask\}`"),
        (lambda mask: (mask, np.zeros(6)), r"into a dictionary, `y=\{'mask': mask\}`"),
        (lambda mask: [mask], r"into a dictionary, `y=\{'mask': mask\}`"),
        (lambda mask: {"mask": mask[..., 0]}, r"`y\['mask'\]` must have the shape of the data"),
        (lambda mask: {"mask": mask[:, :5]}, r"mask of shape \(6, 5, 10, 2\) for data of shape"),
        (lambda mask: {"mask": mask[:, 0, 0]}, r"must have the shape of the data"),
    ],
    ids=[
        "misspelt",
        "capital",
        "bare",
        "in_a_pair",
        "in_a_list",
        "no_channel",
        "too_small",
        "per_example",
    ],
)
def test_a_mask_that_is_none_is_named(name, make, message):
    x, _, outputs = batch()
    with pytest.raises(ValueError, match=message):
        MAKE[name]()(x, y=make(np.ones_like(x, bool)), outputs=outputs)


def test_other_entries_beside_a_mask_are_nobodys_business():
    x, y, outputs = batch()
    mask = np.ones_like(x, bool)
    entries = {"mask": mask, "label": y, "name": y, "masks_of_a_user": mask}
    found = values_of(ReconstructionError(0.1), x, entries, outputs)
    np.testing.assert_allclose(found, values_of(ReconstructionError(0.1), x, None, outputs))


def test_a_misspelt_label_is_named():
    x, y, outputs = batch()
    with pytest.raises(ValueError, match=r"read from `y\['label'\]`; is it `y\['labels'\]`"):
        ClassificationAccuracy(0.9, small_classifier())(x, y={"labels": y}, outputs=outputs)


def test_a_joint_likelihood_cannot_leave_out_values():
    x, _, outputs = batch()
    for make in (lambda h: tfd.Independent(tfd.Normal(h, 1.0), 3), tfd.Dirichlet):
        with pytest.raises(ValueError, match=r"without `tfd\.Independent`"):
            NegativeLogLikelihood(1.0, make)(x, y={"mask": x > 0.5}, outputs=outputs)


ANY_LIKELIHOOD = {
    "normal": lambda h: tfd.Normal(h, 1.0),
    "poisson": lambda h: tfd.Poisson(h + 1.0),
    "negative_binomial": lambda h: tfd.NegativeBinomial(h + 1.0, logits=h),
    "log_normal": lambda h: tfd.LogNormal(h, 1.0),
    "gamma": lambda h: tfd.Gamma(h + 1.0, 2.0),
    "beta": lambda h: tfd.Beta(h + 2.0, h + 3.0),
    "pareto": lambda h: tfd.Pareto(2.0, h + 1.0),
    "truncated": lambda h: tfd.TruncatedNormal(h, 1.0, 0.5, 2.0),
}


@pytest.mark.parametrize("name", ANY_LIKELIHOOD)
@pytest.mark.parametrize("hole", [0.0, np.nan])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_likelihood_need_not_allow_what_stands_for_a_missing_value(name, hole, jit_compile):
    """Neither value nor gradient depends on what is missing, whatever the likelihood allows."""
    random, likelihood = np.random.default_rng(0), ANY_LIKELIHOOD[name]
    parameters = tf.constant(random.uniform(size=(4, 6)), dtype=tf.float32)
    mask = random.uniform(size=(4, 6)) < 0.6
    x = np.asarray(likelihood(parameters).sample(seed=0))
    constraint = NegativeLogLikelihood(1.0, likelihood, parameters="parameters")

    @tf.function(jit_compile=jit_compile)
    def measured(x, parameters):
        outputs = {"parameters": parameters, "reconstruction": parameters}
        found = values_of(constraint, x, {"mask": mask}, outputs)
        return found, tf.gradients(found, parameters)[0]

    found, gradient = measured(np.where(mask, x, hole).astype("float32"), parameters)
    each = np.where(mask, likelihood(parameters).log_prob(x), 0.0)
    np.testing.assert_allclose(found, -each.sum(1), rtol=1e-5)
    assert np.isfinite(gradient).all()
    assert (gradient.numpy()[~mask] == 0).all()
    assert (gradient.numpy()[mask] != 0).all()
