"""What a model was traced for is not traced again, and is never out of date."""

import gc
import pickle
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.catalogue import MODELS, NETWORKS, mirrored
from tf_geco import evaluation
from tf_geco.compiled import layers_of

SHORT = ("dense", "flow", "range", "conv_draw")  # stand for all networks
every_network = pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in SHORT else pytest.mark.long) for n in NETWORKS]
)


@pytest.fixture
def traces(monkeypatch):
    """Lists the layers that are called in a graph, which is to trace them."""
    called, plain = [], keras.Layer.__call__

    def call(layer, *args, **kwargs):
        if not tf.executing_eagerly():
            called.append(layer.name)
        return plain(layer, *args, **kwargs)

    monkeypatch.setattr(keras.Layer, "__call__", call)
    return called


def uses(case, model, x):
    """Returns what all that evaluates a model makes of 24 examples, in batches of 9."""
    size = {"batch_size": 9}
    found = {
        "score": model.score(x, **size)["kl"],
        "generate": model.generate(**case.given(24), seed=0, **size),
        "average_kl": evaluation.average_kl(model, x, **size).value,
        "check": [finding.reading for finding in evaluation.check(model, x, **size)],
        "plane": evaluation.information_plane(model, x, **size).nll,
    }
    if hasattr(model, "posterior"):
        found["marginal_kl"] = evaluation.marginal_kl(model, x, 32, **size).value
    return found


@every_network
def test_a_second_call_traces_nothing_and_sees_new_weights(name, traces):
    case = NETWORKS[name]
    model, x = case.compiled(), case.data()
    first, weights = uses(case, model, x), model.get_weights()
    traces.clear()
    keras.utils.clear_session(free_memory=False)
    for variable in model.trainable_variables:
        variable.assign(0.9 * variable + 0.1)
    moved = uses(case, model, x)
    model.set_weights(weights)
    again = uses(case, model, x)
    assert traces == []
    for use, part in first.items():
        assert not np.allclose(moved[use], part), use
        np.testing.assert_allclose(again[use], part, rtol=1e-5, err_msg=use)


def test_a_tolerance_is_seen_without_a_trace(traces):
    model, x = NETWORKS["range"].compiled(), NETWORKS["range"].data()
    gate = model.decoder_gate
    gate.set_weights([weight + 1.0 for weight in gate.get_weights()])
    least, most, again = [], [], []
    for tolerance, scores in ((0.05, least), (0.2, most), (0.05, again)):
        traces.clear()
        model.tolerance = tolerance
        scores.append(model.score(x)["reconstruction_error"])
    assert traces == []
    np.testing.assert_array_equal(again, least)
    assert not np.allclose(most, least)


@every_network
def test_a_first_step_is_traced_once(name):
    """TensorFlow traces a function twice that creates variables, such as the optimizer's slots."""
    case, traced = NETWORKS[name], []
    model = case.build()
    if name == "users_networks":  # which have no weights before they see data
        model(case.data())
    model.compile("adam")
    step = model.train_step
    model.train_step = lambda data: traced.append(name) or step(data)
    model.fit(case.data(), verbose=0)
    assert traced == [name]


def test_all_tolerances_share_one_trace(traces):
    case = NETWORKS["range"]
    model = case.compiled()
    model.generate(4, tolerance=0.1)
    traces.clear()
    for tolerance in np.linspace(0.06, 0.18, 7):
        model.generate(4, tolerance=float(tolerance))
    assert not traces


def stricter(model):
    constraint = model.objective.constraints[0]
    constraint.tolerance = np.float32(constraint.tolerance / 2)


def by_assignment(model, x):
    model.fit(x, verbose=0)
    stricter(model)
    return model.fit(x, epochs=3, initial_epoch=1, verbose=0).history


def by_compiling(model, x):
    model.fit(x, verbose=0)
    stricter(model)
    model.compile(model.optimizer)
    return model.fit(x, epochs=3, initial_epoch=1, verbose=0).history


def by_a_callback(model, x):
    change = keras.callbacks.LambdaCallback(on_epoch_end=lambda e, _: e or stricter(model))
    logs = model.fit(x, epochs=3, verbose=0, callbacks=[change]).history
    return {name: values[1:] for name, values in logs.items()}


OTHERS = [pytest.param(name, marks=pytest.mark.long) for name in ("dense", "conv_draw")]


@pytest.mark.parametrize("name", ["users_networks", *OTHERS])
@pytest.mark.parametrize("change", [by_assignment, by_a_callback])
def test_training_sees_a_tolerance_that_changed(name, change, no_noise):
    case, found = MODELS[name], []
    for way in (change, by_compiling):
        keras.utils.set_random_seed(7)
        model = case.build()
        model.compile(keras.optimizers.SGD(0.01), jit_compile=False)
        logs = way(model, case.data())
        logs |= model.evaluate(case.data(), verbose=0, return_dict=True)
        found.append((logs, model.get_weights()))
    (logs, weights), (expected, others) = found
    for figure in expected:
        np.testing.assert_allclose(logs[figure], expected[figure], rtol=1e-5, err_msg=figure)
    for one, other in zip(weights, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@every_network
def test_a_second_fit_traces_nothing(name, traces):
    case = NETWORKS[name]
    model, options = case.compiled(), {"batch_size": 24, "epochs": 2, "verbose": 0}
    model.fit(case.data(), **options)
    model.predict(case.data(), verbose=0)
    model.evaluate(case.data(), verbose=0)
    traces.clear()
    model.fit(case.data(), **options)
    model.predict(case.data(), verbose=0)
    model.evaluate(case.data(), verbose=0)
    assert traces == []


def test_training_sees_a_setting_of_a_layer_that_changed(traces):
    model, x = MODELS["users_networks"].compiled(), MODELS["users_networks"].data()
    norm = next(layer for layer in layers_of(model) if hasattr(layer, "momentum"))
    model.fit(x, verbose=0)
    traces.clear()
    norm.momentum = 0.5
    model.fit(x, verbose=0)
    assert norm.name in traces


@pytest.mark.parametrize("multiple", [1, 3])
def test_other_sizes_share_one_trace(multiple, traces):
    model, x = NETWORKS["dense"].compiled(), NETWORKS["dense"].data()
    model.score(x, batch_size=9)
    model.score(x[:20], batch_size=9)
    traces.clear()
    model.score(x, batch_size=5 * multiple)
    assert traces == []


def freeze(model):
    model.encoder.trainable = False


def compile_again(model):
    model.compile("sgd")


def change_precision(model):
    model.decoder.layers[-1].dtype_policy = "mixed_float16"


def add_layer(model):
    model.decoder.add(keras.layers.Activation("relu"))


@pytest.mark.parametrize("change", [freeze, compile_again, change_precision, add_layer])
def test_a_model_that_changes_is_traced_anew(change, traces):
    model, x = NETWORKS["dense"].compiled(), NETWORKS["dense"].data()
    model.score(x)
    traces.clear()
    change(model)
    model.score(x)
    assert traces


def test_what_is_compiled_is_not_kept_longer_than_its_model():
    model, x = NETWORKS["dense"].compiled(), NETWORKS["dense"].data()
    model.score(x)
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


def test_what_is_compiled_is_not_saved(tmp_path):
    case = NETWORKS["dense"]
    model, x = case.compiled(), case.data()
    config, scores = model.get_config(), model.score(x)
    assert model.get_config() == config
    model.save(tmp_path / "model.keras")
    model.export(tmp_path / "served")
    served = tf.saved_model.load(tmp_path / "served")
    assert not hasattr(served, "compiled_functions")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for copy in (loaded, pickle.loads(pickle.dumps(model))):
        np.testing.assert_allclose(copy.score(x)["kl"], scores["kl"], rtol=1e-5)


def test_replicas_trace_once_too(traces):
    case = NETWORKS["dense"]
    with mirrored().scope():
        model = case.compiled()
    first = evaluation.average_kl(model, case.data(), batch_size=8)
    traces.clear()
    assert evaluation.average_kl(model, case.data(), batch_size=8) == first
    assert traces == []


@pytest.mark.parametrize(("asked", "expected"), [("auto", False), (False, False), (True, True)])
@pytest.mark.parametrize("kind", ["train", "test", "predict"])
def test_xla_is_as_the_user_says_and_left_out_on_cpus(kind, asked, expected):
    model = NETWORKS["dense"].compiled(jit_compile=asked)
    getattr(model, f"make_{kind}_function")()
    assert model.jit_compile is expected
