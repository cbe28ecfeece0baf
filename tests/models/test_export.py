"""A SavedModel serves in a process without tf_geco, Keras and TensorFlow Probability."""

import json
import subprocess
import sys

import numpy as np

from tests.catalogue import MODELS, train

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
    context = {key: part for key, part in data.items() if key == "context"}
    sign = served.signatures
    call = lambda name, **inputs: sign[name](**inputs)["output_0"]
    latents = tf.zeros_like(call("encode", **data))
    results[name] = {
        "signatures": sorted(sign),
        "reconstruction": call("serving_default", **data).shape.as_list(),
        "sample": call("sample", **context or {"n": tf.constant(4)}).shape.as_list(),
        "decoded": call("decode", latents=latents, **context).numpy().tolist(),
    }
print(json.dumps(results))
"""


def test_saved_models_serve_alone(tmp_path):
    models = {}
    for name, case in MODELS.items():
        models[name] = case.compiled()
        train(models[name], case.data())
        models[name].export(str(tmp_path / name))
        data = case.data(4)
        np.savez(tmp_path / f"{name}.npz", **data if case.context_shape else {"x": data})
    command = [sys.executable, "-c", SERVE, str(tmp_path), *MODELS]
    served = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert served.returncode == 0, served.stderr[-3000:]
    results = json.loads(served.stdout.splitlines()[-1])
    for name, case in MODELS.items():
        result, model = results[name], models[name]
        assert result["signatures"] == ["decode", "encode", "sample", "serving_default"]
        assert result["reconstruction"] == [4, *case.shape]
        assert result["sample"] == [4, *case.shape]
        zeros = np.zeros((4, *model.latents_shape[1:]), "float32")
        context = [case.data(4)["context"]] if case.context_shape else []
        decoded = model.decode(zeros, *context)
        np.testing.assert_allclose(result["decoded"], decoded, rtol=1e-4, atol=1e-6)
