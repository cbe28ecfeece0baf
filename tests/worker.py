"""One worker of several: trains models of the catalogue, measures them, writes all as JSON.

Run by `test_workers.py` as `python -m tests.worker INDEX PORT,PORT,... OUTPUT NAME...`.
"""

import json
import os
import sys

index, output = int(sys.argv[1]), sys.argv[3]
ports, names = sys.argv[2].split(","), sys.argv[4:]
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_CONFIG"] = json.dumps(
    {
        "cluster": {"worker": [f"localhost:{port}" for port in ports]},
        "task": {"type": "worker", "index": index},
    }
)

import tensorflow as tf  # noqa: E402

strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before anything else runs

from tests.catalogue import silence  # noqa: E402
from tests.workers import measured  # noqa: E402

silence()
results = {name: measured(name, strategy) for name in names}
with open(output, "w", encoding="utf-8") as file:
    json.dump(results, file)
