"""One training for a range of tolerances: levels, the curve, and the tolerance that is served."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import conv_draw, dense_vae, geco, range_vae
from tf_geco.constraints import PatchNCC, ReconstructionError, from_function
from tf_geco.models import Gate
from tf_geco.objectives import EveryTolerance
from tf_geco.objectives import levels as places
from tf_geco.objectives.sums import Sums

TOLERANCES = np.geomspace(0.05, 0.2, places.NUMBER)


def data(n=1024):
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(1024, 2)) @ rng.normal(size=(2, 6))
    return (1 / (1 + np.exp(-factors[:n]))).astype("float32")


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    model = dense_vae(geco(tf_geco.Range(0.05, 0.2)))
    model.compile(keras.optimizers.Adam(3e-3), steps_per_execution=8)
    model.fit(data(), batch_size=64, epochs=160, verbose=0)
    return model


def rms(model, x, **options):
    found = [model.reconstruct(x, seed=seed, **options) for seed in range(4)]
    return float(np.sqrt(np.mean((np.stack(found) - x) ** 2)))


def test_geco_makes_the_objective_of_a_range():
    assert type(geco(tf_geco.Range(0.05, 0.2))) is EveryTolerance
    assert type(geco(0.1)) is tf_geco.GECO


@pytest.mark.parametrize("tolerance", [0.06, 0.08, 0.1, 0.13, 0.17])
def test_each_tolerance_comes_out_between_the_levels_too(trained, tolerance):
    trained.calibrate(data())
    assert rms(trained, data(), tolerance=tolerance) == pytest.approx(tolerance, rel=0.04)


def test_looser_tolerances_cost_less(trained):
    curve = tf_geco.evaluation.rate_distortion(trained, data(), 6)
    assert (np.diff(curve.readings) > 0).all()
    assert (np.diff(curve.kl) < 0).all()
    assert curve.saved[0] == 0
    assert "asked" in str(curve)
    assert tf_geco.plotting.rate_distortion({"data": curve}).axes


def test_a_chosen_tolerance_is_that_of_everything(trained):
    before = trained.tolerance
    try:
        trained.tolerance = 0.17
        asked = trained.reconstruct(data(8), seed=0)
        np.testing.assert_array_equal(asked, trained.reconstruct(data(8), seed=0, tolerance=0.17))
        error = tf_geco.evaluation.check(trained, data())["reconstruction_error"]
        assert error.tolerance == pytest.approx(0.17)
        assert error.reading == pytest.approx(0.17, rel=0.06)
    finally:
        trained.tolerance = before


def test_the_middle_is_served_where_nobody_chooses():
    assert range_vae().tolerance == pytest.approx(0.1)


def test_calibration_is_saved_and_forgotten_by_training(trained, tmp_path):
    trained.calibrate(data())
    trained.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.objective.curve(), trained.objective.curve())
    assert float(loaded.objective.is_calibrated) == 1.0
    loaded.train_on_batch(data(32))
    assert float(loaded.objective.is_calibrated) == 0.0


KINDS = {
    "arrays": lambda x: (x,),
    "weights": lambda x: (np.concatenate([x, 0 * x]), None, np.repeat([1.0, 0.0], len(x))),
    "data set": lambda x: (tf.data.Dataset.from_tensor_slices(x).batch(64),),
    "repeating": lambda x: (tf.data.Dataset.from_tensor_slices(x).batch(64).repeat(),),
}


@pytest.mark.parametrize("kind", KINDS)
def test_tolerances_come_out_as_asked_after_short_trainings_too(kind):
    """The averages of a training lag behind: by a tenth and more where networks still learn."""
    keras.utils.set_random_seed(0)
    model = dense_vae(geco(tf_geco.Range(0.05, 0.2)))
    model.compile(keras.optimizers.Adam(5e-3), steps_per_execution=4)
    x, *beside = KINDS[kind](data(512))
    y, weight = beside or (None, None)
    for epochs in (30, 1):  # a training, and one that goes on
        model.fit(x, y, sample_weight=weight, epochs=epochs, steps_per_epoch=8, verbose=0)
        for tolerance in (0.1, 0.14, 0.18):
            assert rms(model, data(512), tolerance=tolerance) == pytest.approx(tolerance, rel=0.05)


def test_data_that_can_be_read_only_once_leave_the_averages_of_training():
    model = range_vae()
    model.compile("adam")
    model.fit(((data(8),) for _ in range(3)), verbose=0)
    assert float(model.objective.is_calibrated) == 0.0


def test_weights_count_in_a_calibration(trained):
    far, weight = np.clip(2.0 * data(256), 0.0, 1.0), np.repeat([1.0, 0.0], 256)
    trained.calibrate(data(256))
    alone = trained.objective.curve()[0].numpy()
    trained.calibrate((np.concatenate([data(256), far]), None, weight.astype("float32")))
    np.testing.assert_allclose(trained.objective.curve()[0], alone, rtol=0.05)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda x: np.where(np.arange(6) == 3, np.nan, x), "what counts must be finite"),
        (lambda x: (x, {"mask": np.zeros(x.shape, bool)}), "some of the data must count"),
        (lambda x: (x, None, np.zeros(len(x), "float32")), "some of the data must count"),
        (lambda x: x[:, :4], "must fit the model"),
        (lambda x: x.tolist(), "`x` must be an array"),
        (lambda x: x[:0], "The data are empty"),
    ],
)
def test_what_cannot_be_calibrated_with_is_refused_and_changes_nothing(trained, given, message):
    before = trained.objective.curve()[0].numpy()
    with pytest.raises(ValueError, match=message):
        trained.calibrate(given(data(32)))
    np.testing.assert_array_equal(trained.objective.curve()[0], before)


def test_weights_of_another_range_serve_the_middle_of_this_one(tmp_path):
    model, other = range_vae(), dense_vae(geco(tf_geco.Range(0.5, 0.9)))
    for part in (model, other):
        part.compile("adam")
        part.train_on_batch(data(8))
    model.save_weights(tmp_path / "of.weights.h5")
    with pytest.warns(UserWarning, match="of another range"):
        other.load_weights(tmp_path / "of.weights.h5")
    assert other.tolerance == pytest.approx(np.sqrt(0.45))


def test_calibration_is_the_mean_over_all_examples(trained):
    trained.calibrate(data(100), batch_size=32)
    whole = trained.objective.curve()[0].numpy()
    trained.calibrate(tf.data.Dataset.from_tensor_slices(data(100)).batch(50))
    np.testing.assert_allclose(trained.objective.curve()[0], whole, rtol=0.1)


def test_a_served_model_takes_a_tolerance(trained, tmp_path):
    trained.export(str(tmp_path / "served"))
    served = tf.saved_model.load(str(tmp_path / "served")).signatures
    x, asked = tf.constant(data()), tf.constant(0.15)
    score = served["score"](x=x, tolerance=asked)["reconstruction_error"]
    assert np.sqrt(np.mean(score**2)) == pytest.approx(0.15, rel=0.1)
    latents = tf.zeros([3, 2])
    expected = trained.decode(latents, tolerance=0.15)
    found = served["decode"](latents=latents, tolerance=asked)["reconstruction"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    for odd in (0.01, 5.0, np.nan):
        with pytest.raises(tf.errors.InvalidArgumentError, match="must be within Range"):
            served["decode"](latents=latents, tolerance=tf.constant(odd, tf.float32))


def test_strict_levels_are_the_greatest_accuracies():
    constraint = PatchNCC(tf_geco.Range(0.7, 0.9))
    assert [part.tolerance for part in tf_geco.GECO([constraint]).asked] == pytest.approx(
        [0.9, 0.7]
    )


def test_every_level_has_its_share_of_a_batch():
    drawn = np.stack([places.drawn(90, [0, seed]).numpy() for seed in range(50)])
    counts = np.stack([(drawn == place).sum(axis=1) for place in places.positions()], axis=1)
    assert (counts.max(axis=0) - counts.min(axis=0) <= 2).all()
    assert counts.mean(axis=0)[0] / counts.mean(axis=0)[-1] == pytest.approx(np.e, rel=0.1)
    assert np.abs(drawn.mean(axis=0) - drawn.mean()).max() < 0.5  # in any order


@pytest.mark.parametrize("value", [0.05, 0.0625, 0.11, 0.2])
def test_the_level_of_a_value_is_where_the_curve_has_it(value):
    level = float(places.level_where(tf.constant(value), tf.constant(TOLERANCES, tf.float32)))
    place = (level + 1) / 2 * (places.NUMBER - 1)
    assert np.interp(place, range(places.NUMBER), TOLERANCES) == pytest.approx(value, rel=1e-5)


def test_values_beyond_the_curve_have_the_levels_of_its_ends():
    curve = tf.constant(TOLERANCES, tf.float32)
    assert [float(places.level_where(tf.constant(v), curve)) for v in (0.01, 0.5)] == [-1.0, 1.0]


def test_of_levels_with_one_error_the_loosest_is_served():
    curve = tf.constant([0.1, 0.1, 0.12, 0.1, 0.11, 0.12, 0.13, 0.14, 0.15])
    assert float(places.level_where(tf.constant(0.1), curve)) == pytest.approx(-0.25)


def test_a_gate_changes_nothing_until_it_is_trained_and_then_by_example():
    gate, x = Gate(degree=2), tf.random.normal([3, 4, 5])
    level = tf.constant([-1.0, 0.0, 0.5])
    np.testing.assert_array_equal(gate(x, level), x)
    gate.scale.assign(np.full((2, 5), 0.5))
    gate.shift.assign(np.full((2, 5), 0.1))
    terms = np.array([level, 2 * level**2 - 1]).sum(axis=0)[:, None, None]
    np.testing.assert_allclose(gate(x, level), (1 + 0.5 * terms) * x + 0.1 * terms, rtol=1e-5)


def test_what_no_level_reaches_is_told():
    model = range_vae()
    model.compile("adam")
    model.fit(data(64), verbose=0)
    with pytest.warns(UserWarning, match="No level of the model reaches"):
        model.reconstruct(data(4), tolerance=0.05)


MANY = [ReconstructionError(tf_geco.Range(0.1, 0.2)), PatchNCC(0.8)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tf_geco.Range(0.2, 0.1), "`least` must be below `greatest`"),
        (lambda: tf_geco.Range(0.1, 0.1), "`least` must be below `greatest`"),
        (lambda: tf_geco.Range(0.1, 0.1000001), "by 1 % at least"),
        (lambda: tf_geco.GECO(MANY[1:], cost=MANY[0]), "`cost` takes one tolerance"),
        (
            lambda: tf_geco.evaluation.rate_distortion(range_vae(), data(2), []),
            "a list of one at least",
        ),
        (lambda: tf_geco.Range(0.0, 0.1), "`least` must be a positive number"),
        (lambda: PatchNCC(tf_geco.Range(0.5, 1.5)), "1.5"),
        (lambda: tf_geco.GECO(MANY), "must be the only one"),
        (lambda: geco(tf_geco.Range(0.1, 0.2), hold_on="validation"), "`hold_on` does not go"),
        (lambda: conv_draw(objective=geco(tf_geco.Range(0.1, 0.2))), "needs a `tf_geco.VAE`"),
        (lambda: range_vae().reconstruct(data(2), tolerance=0.3), r"within Range\(0.05, 0.2\)"),
        (lambda: range_vae().sample(2, tolerance=0.01), r"within Range\(0.05, 0.2\)"),
        (lambda: setattr(range_vae(), "tolerance", 1.0), r"within Range\(0.05, 0.2\)"),
        (lambda: dense_vae().reconstruct(data(2), tolerance=0.1), "trained for one tolerance"),
        (lambda: dense_vae().calibrate(data(2)), "trained for one tolerance"),
    ],
)
def test_what_does_not_go_with_a_range_is_said(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_own_loop_draws_the_levels():
    model, x = range_vae(), data(16)
    sums = model.objective(x, outputs=model(x), cost=tf.zeros([16]))
    with pytest.raises(ValueError, match="without a `level`"):
        model.objective.loss(sums)
    outputs = model(x, training=True, level=model.objective.draw(16, [0, 1]))
    sums = model.objective(x, outputs=outputs, cost=outputs["kl"])
    model.objective.update(sums)
    assert int(model.objective.step) == 1


@pytest.mark.parametrize("margin", [0.01, 5.0])
def test_feasible_means_the_same_in_training_and_in_use(margin):
    wish = from_function(lambda x, y, o: o["kl"], tf_geco.Range(1, 2), "f", scale=1, margin=margin)
    objective = tf_geco.GECO([wish])
    shapes = {"reconstruction": (None, 6), "kl": (None,), "latents": (None, 2)}
    objective.build((None, 6), None, shapes)
    objective.chosen.assign(1.0)
    for reading in (1.0, 1.0 + 0.04 * margin, 1.0 + 0.06 * margin):
        means = tf.fill([objective.entries], reading)
        in_use = Sums(means, tf.ones_like(means))
        counts = tf.tensor_scatter_nd_update(in_use.counts, [[objective.entries - 2]], [0.0])
        found = [float(objective.verdict(s)["feasible"]) for s in (in_use, Sums(means, counts))]
        assert found == 2 * [float(reading < 1.0 + 0.05 * margin)]
