"""One worker of two: trains models of the catalogue and writes their multipliers as JSON.

Run by `test_strategies.py` as `python -m tests.worker INDEX PORT PORT OUTPUT NAME...`.
"""

import json
import os
import sys

index, port, other_port, output, *names = sys.argv[1:]
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_CONFIG"] = json.dumps(
    {
        "cluster": {"worker": [f"localhost:{port}", f"localhost:{other_port}"]},
        "task": {"type": "worker", "index": int(index)},
    }
)

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before anything else runs

from tests.catalogue import MODELS, batches, silence  # noqa: E402


def shared(dataset):
    """Every worker reads the whole data and takes its half of each batch."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return (
        dataset.unbatch().shard(2, int(index)).batch(4, drop_remainder=True).with_options(options)
    )


silence()
results = {}
for name in names:
    keras.utils.set_random_seed(7)
    case = MODELS[name]
    with strategy.scope():
        model = case.compiled()
    dataset = strategy.distribute_datasets_from_function(
        lambda context, case=case: shared(batches(case.data(), repeat=2))
    )
    history = model.fit(dataset, steps_per_epoch=6, epochs=1, verbose=0)
    results[name] = {
        "multiplier": model.objective.multiplier.numpy().tolist(),
        "loss": history.history["loss"],
    }
with open(output, "w", encoding="utf-8") as file:
    json.dump(results, file)
