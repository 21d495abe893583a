"""What the tests of converted SavedModels share: their engines, their answers, and a process that only serves."""

import json
import subprocess
import sys

import numpy as np
import tensorflow as tf


def scores(function, images):
    return function(image=tf.constant(images))["output_0"].numpy()


def engines(converter):
    return [node.name for node in converter._converted_graph_def.node if node.op == "TRTEngineOp"]


SERVE = """
import json, sys
import numpy as np
import tensorflow as tf
import tfengine.tensorflow as plugin
images = np.load(sys.argv[2])
loaded = tf.saved_model.load(sys.argv[1])
results = {key: np.asarray(function(image=tf.constant(images))["output_0"]) for key, function in loaded.signatures.items()}
np.savez(sys.argv[3], **results)
print(json.dumps([plugin.engine_status(name) for name in sys.argv[4:]]))
"""


def serve(saved, images, tmp_path, names):
    """Loads the SavedModel in a process that has no converter, and runs all signatures."""
    np.save(tmp_path / "images.npy", images)
    command = [sys.executable, "-c", SERVE, saved, tmp_path / "images.npy", tmp_path / "results.npz", *names]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return np.load(tmp_path / "results.npz"), json.loads(done.stdout.splitlines()[-1])
