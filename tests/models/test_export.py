"""A SavedModel serves in a process without tf_geco, Keras and TensorFlow Probability."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import ALIKE, MODELS, NETWORKS, dense_vae, train

SERVE = """
import json, sys
for name in ("tf_geco", "keras", "tf_keras", "tensorflow_probability"):
    sys.modules[name] = None
import numpy as np
import tensorflow as tf

folder, names = sys.argv[1], sys.argv[2:]
results = {}
for name in names:
    served = tf.saved_model.load(f"{folder}/{name}")
    data = {key: tf.constant(part) for key, part in np.load(f"{folder}/{name}.npz").items()}
    context = {key: part for key, part in data.items() if key in ("context", "tolerance")}
    number = {} if "context" in data else {"n": tf.constant(4)}
    sign = served.signatures
    mean = sign["encode_mean"](**data)["latents"]
    scores = sign["score"](**data)
    results[name] = {
        "signatures": sorted(sign),
        "reconstruction": sign["serving_default"](**data)["reconstruction"].shape.as_list(),
        "latents": sign["encode"](**data)["latents"].shape.as_list(),
        "samples": sign["sample"](**context, **number)["samples"].shape.as_list(),
        "mean": mean.numpy().tolist(),
        "decoded": sign["decode"](latents=mean, **context)["reconstruction"].numpy().tolist(),
        "scores": {name: values.shape.as_list() for name, values in scores.items()},
    }
print(json.dumps(results))
"""


def test_saved_models_serve_alone(tmp_path, long):
    short = {name: case for name, case in NETWORKS.items() if name not in ALIKE}
    models, cases = {}, MODELS if long else short
    for name, case in cases.items():
        models[name] = case.compiled()
        train(models[name], case.data())
        models[name].export(str(tmp_path / name))
        data = case.data(4)
        given = data if case.context_shape else {"x": data}
        np.savez(tmp_path / f"{name}.npz", **given, **case.served())
    command = [sys.executable, "-c", SERVE, str(tmp_path), *cases]
    served = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert served.returncode == 0, served.stderr[-3000:]
    results = json.loads(served.stdout.splitlines()[-1])
    for name, case in cases.items():
        result, model = results[name], models[name]
        assert result["signatures"] == sorted(model.endpoints())
        assert result["reconstruction"] == result["samples"] == [4, *case.shape]
        data = case.data(4)
        mean = model.encode_mean(data)
        assert result["latents"] == list(mean.shape)
        np.testing.assert_allclose(result["mean"], mean, rtol=1e-4, atol=1e-5)
        context = [data["context"]] if case.context_shape else []
        decoded = model.decode(mean, *context)
        np.testing.assert_allclose(result["decoded"], decoded, rtol=1e-4, atol=1e-5)
        constraints = [constraint.name for constraint in model.objective.constraints]
        assert result["scores"] == {name: [4] for name in ["kl", *constraints]}


class Monitor(tf_geco.VAE):
    """The example of `endpoints`."""

    def endpoints(self):
        x = tf.TensorSpec(self.data_shape, tf.float32, name="x")
        mask = tf.TensorSpec(self.data_shape, tf.bool, name="mask")
        score = lambda x, mask: self.score_batch(x, {"mask": mask})  # noqa: E731
        return {**super().endpoints(), "score_observed": (score, [x, mask])}


def test_a_subclass_has_endpoints_of_its_own(tmp_path):
    case = MODELS["dense"]
    plain, x = case.build(), case.data()
    model = Monitor.from_config(plain.get_config())
    mask = np.random.default_rng(0).random(x.shape) < 0.5
    model.export(tmp_path / "monitor")
    signatures = tf.saved_model.load(str(tmp_path / "monitor")).signatures
    assert sorted(signatures) == sorted([*plain.endpoints(), "score_observed"])
    scored = signatures["score_observed"]
    holes = scored(x=tf.constant(np.where(mask, x, np.nan)), mask=tf.constant(mask))
    expected = model.score(x, {"mask": mask})
    np.testing.assert_allclose(holes["kl"], expected["kl"], rtol=1e-4)
    assert np.isfinite(holes["reconstruction_error"]).all()


def test_without_labels_there_is_no_score(tmp_path):
    def hit(x, y, outputs):
        return tf.cast(y["label"] > 0, tf.float32) + 0.0 * outputs["kl"]

    label = tf_geco.constraints.from_function(hit, 0.5, "hit")
    model, x = dense_vae(tf_geco.GECO([label])), MODELS["dense"].data()
    with pytest.warns(UserWarning, match="no signature `score`.*labels"):
        model.export(tmp_path / "model")
    assert "score" not in tf.saved_model.load(str(tmp_path / "model")).signatures
    labels = np.arange(24) % 2
    np.testing.assert_array_equal(model.score(x, {"label": labels})["hit"], labels)
