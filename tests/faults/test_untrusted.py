"""Loading a file runs no code of the file, and says what to do about what it does not load."""

import json
import zipfile

import keras
import pytest

import tf_geco
from tests.catalogue import MODELS, every
from tests.constraints.cases import brightness
from tests.faults import made
from tf_geco.constraints import FeatureReconstructionError, NegativeLogLikelihood, from_function

every_model = every(MODELS)
RAN = []


def planted(*_, **__):
    """What nobody should call who only loads a file; its module is known to the interpreter."""
    RAN.append(1)


def saved(path, objective=None, **options):
    model = made.vae(objective, **options)
    model.save(path)
    return path


def rewritten(path, change):
    """Rewrites the config of a `.keras` file: (config) -> config, as text."""
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    parts["config.json"] = change(parts["config.json"].decode()).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return path


def function_of(module, name):
    """Returns the config that names a function of a module, as Keras writes it."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def replaced(path, key, value):
    """Puts a value in the place of every entry of a key of the config."""

    def walk(node):
        if isinstance(node, dict):
            return {k: value if k == key else walk(part) for k, part in node.items()}
        return [walk(part) for part in node] if isinstance(node, list) else node

    return rewritten(path, lambda text: json.dumps(walk(json.loads(text))))


HOLDERS = {
    "fn": lambda: tf_geco.GECO([from_function(brightness, 0.4, "mine")]),
    "proxy": lambda: tf_geco.GECO([from_function(brightness, 0.4, "mine", proxy=brightness)]),
    "where": lambda: tf_geco.GECO([from_function(brightness, 0.4, "mine", where=brightness)]),
    "likelihood": lambda: tf_geco.GECO([NegativeLogLikelihood(9.0)]),
    "rule": made.geco,
    "posterior": made.geco,
    "features": lambda: tf_geco.GECO([FeatureReconstructionError(0.1)]),
}
FOREIGN = {
    "function": function_of("os", "getcwd"),
    "own_function": function_of(__name__, "planted"),
    "class": {"module": "subprocess", "class_name": "Popen", "config": {"args": ["true"]}},
    "own_class": {"module": __name__, "class_name": "planted", "config": {}},
}


@pytest.mark.parametrize("key", HOLDERS)
@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("safe_mode", [True, False])
def test_code_that_a_file_names_is_not_found(key, kind, safe_mode, tmp_path):
    path = replaced(saved(tmp_path / "m.keras", HOLDERS[key]()), key, FOREIGN[kind])
    with pytest.raises((TypeError, ValueError), match=r"register_keras_serializable|must be a"):
        keras.models.load_model(path, safe_mode=safe_mode)
    assert not RAN


def test_functions_that_are_not_registered_are_named_with_what_to_do(tmp_path):
    def unknown(x, y, outputs):
        return brightness(x, y, outputs)

    path = saved(tmp_path / "m.keras", tf_geco.GECO([from_function(unknown, 0.4, "mine")]))
    with pytest.raises(TypeError, match=r"(?s)unknown.*register_keras_serializable"):
        keras.models.load_model(path)
    loaded = keras.models.load_model(path, custom_objects={"unknown": unknown})
    assert loaded.objective.constraints[0].fn is unknown


def with_lambda():
    encoder = keras.Sequential(
        [keras.Input(made.IMAGES), keras.layers.Lambda(lambda x: x + 1), keras.layers.Flatten()]
    )
    return {"parts": (encoder, made.networks()[1])}


@pytest.mark.parametrize("place", ["layer", "constraint"])
@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
def test_safe_mode_holds_for_lambdas(place, tmp_path):
    of_lambda = from_function(lambda x, y, outputs: outputs["kl"], 0.4, "mine")
    given = with_lambda() if place == "layer" else {"objective": tf_geco.GECO([of_lambda])}
    path = saved(tmp_path / "m.keras", **given)
    with pytest.raises((ValueError, TypeError), match="safe_mode=False"):
        keras.models.load_model(path)


@every_model
def test_files_hold_no_pickles(case, tmp_path):
    case.compiled().save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as file:
        assert set(file.namelist()) == {"metadata.json", "config.json", "model.weights.h5"}
        text = file.read("config.json").decode()
    assert "__lambda__" not in text
    assert json.loads(text)["class_name"] in ("VAE", "ConvDRAW")


@pytest.mark.parametrize("cut", [0, 10, 200])
def test_half_a_file_is_refused(cut, tmp_path):
    path = saved(tmp_path / "m.keras")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises((ValueError, OSError, zipfile.BadZipFile)):
        keras.models.load_model(path)


def test_weights_of_another_shape_are_refused(tmp_path):
    made.vae().save_weights(tmp_path / "m.weights.h5")
    other = made.vae(parts=made.networks(2))
    with pytest.raises(ValueError, match="could not be loaded"):
        other.load_weights(tmp_path / "m.weights.h5")
