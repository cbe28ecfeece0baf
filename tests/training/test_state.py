"""The law of state: looking changes nothing, resuming is exact, what is used twice is fresh."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import MODELS, batches, every, train
from tests.training.recomputed import assert_same_weights, classifier, plain_vae, recall, twins
from tf_geco.constraints import ReconstructionError, from_function
from tf_geco.training.ownership import statistics

every_model = every(MODELS)
DATA = MODELS["dense"].data()


def dropout_vae():
    layers = keras.layers
    encoder = keras.Sequential([keras.Input((6,)), layers.Dense(8), layers.Dropout(0.5)])
    decoder = keras.Sequential([keras.Input((2,)), layers.Dense(6), layers.Dropout(0.2)])
    model = tf_geco.VAE(
        encoder,
        decoder,
        tf_geco.posteriors.DiagonalNormal(2),
        tf_geco.GECO([ReconstructionError(0.1)]),
    )
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    return model


@every_model
def test_looking_changes_no_bit_of_the_next_step(case, tmp_path):
    data = case.data()

    def run(*looks):
        keras.utils.set_random_seed(3)
        model = case.compiled(jit_compile=False)
        for _ in range(2):
            train(model, data)
            for look in looks:
                look(model)
        return [variable.numpy() for variable in model.trainable_variables]

    given = case.given(3)
    looks = (
        lambda model: model.evaluate(data, verbose=0),
        lambda model: model.predict(data, verbose=0),
        lambda model: model.reconstruct(data),
        lambda model: model.encode(data),
        lambda model: model.sample(**given),
        lambda model: model(data),
        lambda model: tf_geco.evaluation.average_kl(model, data),
        lambda model: model.save(tmp_path / "model.keras"),
        lambda model: model.save_weights(tmp_path / "model.weights.h5"),
    )
    # Threads add the gradients of ConvDRAW's steps in any order; of all others bit for bit.
    tolerance = 1e-4 if "draw" in case.build().name else 0
    for a, b in zip(run(), run(*looks), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


class NoisyAlways(keras.layers.Layer):
    """A user's layer that draws noise outside of training too."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.noise = keras.random.SeedGenerator(1)

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x), seed=self.noise)


def test_noise_of_the_users_layers_is_kept_apart():
    def run(look):
        keras.utils.set_random_seed(3)
        encoder = keras.Sequential([keras.Input((6,)), NoisyAlways(), keras.layers.Dense(8)])
        decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(6)])
        posterior = tf_geco.posteriors.DiagonalNormal(2)
        objective = tf_geco.GECO([ReconstructionError(0.1)])
        model = tf_geco.VAE(encoder, decoder, posterior, objective)
        model.compile(keras.optimizers.SGD(1e-4), jit_compile=False)
        model.fit(DATA, verbose=0, shuffle=False)
        if look:
            model.evaluate(DATA, verbose=0)
            model.predict(DATA, verbose=0)
        model.fit(DATA, verbose=0, shuffle=False, validation_data=DATA if look else None)
        model.fit(DATA, verbose=0, shuffle=False)
        return model

    assert_same_weights(run(False), run(True), rtol=0, atol=0)


def test_validation_and_callbacks_change_no_bit():
    def run(**options):
        keras.utils.set_random_seed(3)
        model = dropout_vae()
        model.fit(DATA, epochs=3, verbose=0, shuffle=False, **options)
        return model

    plain = run()
    watched = run(validation_data=DATA, callbacks=[tf_geco.GECOCallback(every=1)])
    assert_same_weights(plain, watched, rtol=0, atol=0)


def test_a_generator_is_read_from_its_first_batch():
    seen = []

    def once():
        for index in range(4):
            seen.append(index)
            yield DATA[:8]

    signature = tf.TensorSpec((8, 6), tf.float32)
    dataset = tf.data.Dataset.from_generator(once, output_signature=signature)
    model = plain_vae()
    model.fit(dataset, verbose=0)
    assert seen == [0, 1, 2, 3]
    assert int(model.objective.step) == 4


@pytest.mark.parametrize("kind", ["keras", "weights"])
def test_noise_of_the_users_layers_resumes(kind, tmp_path):
    whole, part = twins(dropout_vae)
    train(whole, DATA, epochs=4)
    train(part, DATA, epochs=2)
    if kind == "keras":
        part.save(tmp_path / "model.keras")
        resumed = keras.models.load_model(tmp_path / "model.keras")
    else:
        part.save_weights(tmp_path / "model.weights.h5")
        resumed, slots = dropout_vae(), [v.numpy() for v in part.optimizer.variables]
        resumed.optimizer.build(resumed.trainable_variables)
        resumed.load_weights(tmp_path / "model.weights.h5")
        for variable, value in zip(resumed.optimizer.variables, slots, strict=True):
            variable.assign(value)
    train(resumed, DATA, epochs=2)
    assert_same_weights(resumed, whole, rtol=0, atol=0)


def test_an_objective_serves_one_model():
    objective = tf_geco.GECO([ReconstructionError(0.1)])
    first = plain_vae(objective)
    first.train_on_batch(DATA)
    for make in (plain_vae, lambda objective: classifier(objective=objective)):
        with pytest.raises(ValueError, match="belongs to another model"):
            make(objective)
    plain_vae(tf_geco.GECO.from_config(objective.get_config())).train_on_batch(DATA)


def test_a_constraint_serves_data_of_one_shape():
    error = ReconstructionError(0.1)
    plain_vae(tf_geco.GECO([error])).train_on_batch(DATA)
    other = tf_geco.VAE(
        *tf_geco.models.dense_networks((8, 8), latent_dim=2, hidden=(8,)),
        posterior=tf_geco.posteriors.DiagonalNormal(2),
        objective=None or tf_geco.GECO([ReconstructionError(0.1)]),
    )
    assert other.objective.constraints[0].nats() == 32
    with pytest.raises(ValueError, match="serves data of one shape"):
        tf_geco.VAE(
            *tf_geco.models.dense_networks((8, 8), latent_dim=2, hidden=(8,)),
            posterior=tf_geco.posteriors.DiagonalNormal(2),
            objective=tf_geco.GECO([error]),
        )


def test_data_of_another_shape_are_refused():
    model = MODELS["conv"].compiled()
    turned = np.zeros((8, 1, 7, 6), "float32")
    for run in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="built for data of shape"):
            run(turned, verbose=0)


def test_a_network_that_measures_stays_as_it_is_and_trainable():
    network = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    before = network.get_weights()
    error = tf_geco.constraints.FeatureReconstructionError(0.1, network)
    model = plain_vae(tf_geco.GECO([error]))
    model.fit(DATA, verbose=0)
    for a, b in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert network.trainable
    assert len(model.trainable_variables) == 8


@pytest.mark.parametrize("frozen", [False, True])
def test_what_a_step_moves_by_itself_is_no_kernel(frozen):
    """Frozen kernels, of which there may be millions, are not copied in each step."""
    model = MODELS["users_networks"].compiled()
    model.encoder.trainable = not frozen
    moved = statistics(model, model.objective)
    assert {weight.name for weight in moved} == {"moving_mean", "moving_variance"}


def test_a_network_that_measures_itself_is_refused():
    encoder, decoder = tf_geco.models.dense_networks((6,), latent_dim=2, hidden=(8,))
    error = tf_geco.constraints.FeatureReconstructionError(0.1, encoder)
    model = tf_geco.VAE(
        encoder, decoder, tf_geco.posteriors.DiagonalNormal(2), tf_geco.GECO([error])
    )
    model.compile("sgd", jit_compile=False)
    assert encoder.trainable
    with pytest.raises(ValueError, match=r"(?s)measures with a network that this model trains"):
        model.fit(DATA, verbose=0)


def test_what_the_loss_scale_refuses_the_objective_refuses():
    keras.config.set_dtype_policy("mixed_float16")
    inner = keras.optimizers.SGD(1e-3)
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**40)
    model = plain_vae(optimizer=optimizer)
    with pytest.warns(UserWarning, match="a gradient is not finite"):
        history = model.fit(DATA, batch_size=8, verbose=0).history
    assert history["skipped"] == [3]
    assert int(model.objective.step) == 0
    assert int(optimizer.iterations) == 3 or int(inner.iterations) == 0


@pytest.mark.parametrize("eagerly", [False, True])
def test_the_loss_scale_is_found_and_followed(eagerly):
    """A step that is traced before the optimizer is built must not hold on to the first scale."""
    keras.config.set_dtype_policy("mixed_float16")
    inner = keras.optimizers.SGD(1e-3)
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**30)
    model = plain_vae(optimizer=optimizer, run_eagerly=eagerly)
    with pytest.warns(UserWarning, match="a gradient is not finite"):
        skipped = model.fit(DATA, batch_size=8, epochs=12, verbose=0).history["skipped"]
    assert skipped[-1] == 0
    assert 0 < sum(skipped) < 30
    assert float(optimizer.dynamic_scale) == 2.0 ** (30 - sum(skipped))
    assert int(model.objective.step) == 36 - sum(skipped)


def test_a_loop_of_short_fits_keeps_to_its_plan():
    model = plain_vae()
    model.objective.plan(9)
    for _ in range(3):
        model.fit(batches(DATA), verbose=0)
        assert int(model.objective.planned_steps) == 9
    model.fit(batches(DATA), epochs=2, verbose=0)
    assert int(model.objective.planned_steps) == 15


def test_a_list_of_callbacks_made_by_hand_is_planned_too():
    model = plain_vae()
    callbacks = keras.callbacks.CallbackList([], model=model, add_history=True, epochs=2, steps=3)
    model.fit(batches(DATA), epochs=2, verbose=0, callbacks=callbacks)
    assert int(model.objective.planned_steps) == 6


@pytest.mark.parametrize("name", ["loss", "kl", "skipped", "feasible", "lambda"])
def test_names_of_logs_are_reserved(name):
    with pytest.raises(ValueError, match=f"Received: name='{name}'"):
        tf_geco.GECO([from_function(recall, 0.9, name)])


def test_costs_and_functions_of_other_shapes_are_refused():
    x, y = np.ones((4, 3), "float32"), np.zeros(4, "int64")
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    bound = from_function(lambda x, y, o: o[:, 0], 1.0, "first")
    scalar = tf_geco.models.Constrained(
        network, lambda y, o: tf.reduce_mean(o), tf_geco.GECO([bound])
    )
    scalar.compile("sgd", jit_compile=False)
    with pytest.raises(ValueError, match="one number per example"):
        scalar.fit(x, y, verbose=0)
    column = from_function(lambda x, y, o: o[:, :1], 1.0, "first")
    model = tf_geco.models.Constrained(network, lambda y, o: o[:, 0], tf_geco.GECO([column]))
    model.compile("sgd", jit_compile=False)
    with pytest.raises(ValueError, match=r"'first'.*one number per example"):
        model.fit(x, y, verbose=0)


def test_a_callback_starts_anew_with_another_model():
    callback = tf_geco.GECOCallback(every=1, restore_best_weights=True)
    first, second = plain_vae(), classifier()
    first.fit(DATA, verbose=0, callbacks=[callback])
    x, y = np.ones((8, 3), "float32"), np.ones(8, "int64")
    second.fit(x, y, batch_size=8, verbose=0, callbacks=[callback])
    assert callback.trajectory.names == ["recall"]
    assert callback.trajectory.arrays()["step"].tolist() == [1]


def test_patience_starts_anew_with_each_fit():
    callback = tf_geco.GECOCallback(patience=2, min_delta=100.0)
    model = plain_vae(tf_geco.ELBO(0.1), keras.optimizers.SGD(0.0))
    for _ in range(2):
        history = model.fit(DATA, epochs=6, verbose=0, callbacks=[callback]).history
        assert len(history["loss"]) == 3


def test_best_weights_of_an_elbo_and_of_averages():
    rates = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-2 if epoch < 3 else 1.0)
    callback = tf_geco.GECOCallback(restore_best_weights=True)
    optimizer = keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.5)
    model = plain_vae(tf_geco.ELBO(0.1), optimizer)
    averaged = []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: averaged.append(callback._weights())
    )
    model.fit(DATA, epochs=6, verbose=0, callbacks=[rates, callback, keep])
    assert callback.best_epoch is not None
    for a, b in zip(model.get_weights(), averaged[callback.best_epoch], strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_objective_without_a_batch_says_so():
    objective = tf_geco.GECO([ReconstructionError(0.1)])
    for ask in (objective.violations, objective.logs, lambda: objective.multiplier):
        with pytest.raises(ValueError, match="has no state yet"):
            ask()


@pytest.mark.parametrize(
    "latents", [(None, 4, 2), [(None, 4), (None, 2, 2)], {"a": (None, 5), "b": (None, 3)}]
)
def test_latents_may_be_several(latents):
    objective = tf_geco.GECO([ReconstructionError(0.1)])
    objective.build((None, 16), None, {"reconstruction": (None, 16), "latents": latents})
    np.testing.assert_allclose(objective.multiplier, [8 / 16])


def test_tensorboard_shows_reconstructions_of_conditional_models(tmp_path):
    case = MODELS["conditional_conv_draw"]
    model, data = case.compiled(jit_compile=False), case.data()
    images = keras.tree.map_structure(lambda part: part[:2], data)
    callback = tf_geco.GECOCallback(log_dir=str(tmp_path), images=images)
    model.fit(batches(data), verbose=0, callbacks=[callback])
    assert list(tmp_path.iterdir())


def test_trains_where_floatx_is_float64():
    keras.config.set_floatx("float64")
    try:
        model = MODELS["dense"].compiled()
        history = model.fit(MODELS["dense"].data().astype("float64"), verbose=0).history
    finally:
        keras.config.set_floatx("float32")
    assert np.isfinite(history["loss"][-1])
