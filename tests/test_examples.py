"""Examples in docstrings run: sessions (>>>) give what they say, and blocks (```python) work."""

import doctest
import functools
import importlib
import inspect
import pkgutil
import re
import textwrap

import keras
import matplotlib
import numpy as np
import pytest
import tensorflow as tf
from matplotlib import pyplot
from tensorflow_probability import distributions as tfd

import tf_geco
from tf_geco.constraints import ReconstructionError

matplotlib.use("agg")

NAMES = [module.name for module in pkgutil.walk_packages(tf_geco.__path__, "tf_geco.")]
# Whoever looks for a function of these looks for a figure or a number, and learns by an example.
WITH_EXAMPLES = ["tf_geco.datasets", "tf_geco.plotting", "tf_geco.theory"]
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
SHAPES = {"mnist5k": (28, 28, 1), "cifar10": (32, 32, 3)}


def documented():
    """Returns the docstrings of every module, by module and name of what they document."""
    finder = doctest.DocTestFinder(exclude_empty=False)
    tests = {name: finder.find(importlib.import_module(name)) for name in NAMES}
    return {(name, t.name): t for name, found in tests.items() for t in found if t.docstring}


def blocks():
    """Returns the code blocks of all docstrings, by module and name."""
    return {
        (module, f"{name}/{number}" if number else name): block
        for (module, name), test in documented().items()
        for number, block in enumerate(BLOCK.findall(test.docstring))
    }


SESSIONS = [test for test in documented().values() if test.examples]
BLOCKS = blocks()
IDS = [name for _, name in BLOCKS]


def labelled(shape, n=8):
    """Returns examples with labels from 0 to 9, in batches of four."""
    rng = np.random.default_rng(0)
    data = rng.random((n, *shape), "float32"), rng.integers(0, 10, n)
    return tf.data.Dataset.from_tensor_slices(data).batch(4)


def load(name, batch_size=64, split=None, **options):
    """Stands in for `tf_geco.datasets.load`, without a download."""
    return labelled(SHAPES[name]) if split else (labelled(SHAPES[name]), labelled(SHAPES[name]))


def given():
    """Returns what the blocks take for granted, small."""
    rng = np.random.default_rng(0)
    images = rng.random((8, 28, 28, 1), "float32")
    model = tf_geco.VAE(
        *tf_geco.models.dense_networks((28, 28, 1), latent_dim=2, hidden=(8,)),
        posterior=tf_geco.posteriors.DiagonalNormal(latent_dim=2),
        objective=tf_geco.GECO([ReconstructionError(0.1)]),
    )
    model.compile("adam")
    ranged = tf_geco.VAE(
        *tf_geco.models.dense_networks((28, 28, 1), latent_dim=2, hidden=(8,)),
        posterior=tf_geco.posteriors.DiagonalNormal(latent_dim=2),
        objective=tf_geco.GECO([ReconstructionError(tf_geco.Range(0.05, 0.8))]),
    )
    outputs = {"reconstruction": tf.zeros_like(images), "latents": tf.zeros([8, 2])}
    network = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
    recall = tf_geco.constraints.from_function(
        lambda x, y, outputs: tf.gather(outputs, y, batch_dims=1), 0.1, "recall", form=">="
    )
    return {
        "keras": keras,
        "np": np,
        "tf": tf,
        "tf_geco": tf_geco,
        "tfd": tfd,
        "images": images,
        "labels": rng.integers(0, 10, 8),
        "counts": rng.poisson(3.0, (8, 200)).astype("float32"),
        "train": labelled((28, 28, 1)),
        "test": labelled((28, 28, 1)),
        "model": model,
        "ranged": ranged,
        "network": network,
        "recall": recall,
        "objective": tf_geco.GECO([ReconstructionError(0.1)]),
        "x": tf.constant(images),
        "y": None,
        "outputs": outputs,
        "reconstruction": outputs["reconstruction"],
        "z": outputs["latents"],
        "kl": tf.ones([8]),
        "cost": tf.ones([8]),
        "temperatures": np.geomspace(1.0, 100.0, 4),
        "points": [tf_geco.evaluation.InformationPlane(10.0, -1.0, 0.01, 0.1, (0.1,) * 3, 8)],
    }


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    pyplot.close("all")


@pytest.mark.parametrize("test", SESSIONS, ids=lambda test: test.name)
def test_sessions_give_what_they_say(test):
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    report = []
    runner.run(test, out=report.append, clear_globs=False)
    assert not runner.failures, "".join(report)


# One epoch reaches no strict tolerance, and a model of a range says so.
@pytest.mark.filterwarnings("ignore:No level of the model reaches")
@pytest.mark.parametrize(("module", "block"), [(m, b) for (m, _), b in BLOCKS.items()], ids=IDS)
def test_blocks_run(module, block, monkeypatch):
    monkeypatch.setattr(tf_geco.datasets, "load", load)
    untrained = functools.partial(keras.applications.MobileNetV2, weights=None)
    monkeypatch.setattr(keras.applications, "MobileNetV2", untrained)
    block = re.sub(r"epochs=\d+", "epochs=1", block)
    names = vars(importlib.import_module(module)) | given()
    exec(compile(textwrap.dedent(block), "docstring", "exec"), names)


@pytest.mark.parametrize("name", NAMES)
def test_every_block_is_found(name):
    marks = inspect.getsource(importlib.import_module(name)).count("```")
    assert marks == 2 * sum(module == name for module, _ in BLOCKS)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_public_functions_have_an_example(name):
    package = importlib.import_module(name)
    for public in package.__all__:
        value = getattr(package, public)
        if not isinstance(value, type):
            assert ">>>" in value.__doc__, f"{name}.{public} has no example"
