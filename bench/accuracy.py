# SPDX-License-Identifier: Apache-2.0
"""Accuracy of INT8: signal-to-noise of the outputs against TensorFlow's float ones, by ONNX Runtime, OpenVINO with NNCF,
LiteRT and tfengine, plain and with its measures, on the same graphs and calibration data; nothing is timed.

    python bench/models.py --models resnet50,mobilenetv2,efficientnetb0,inceptionv3
    python bench/accuracy.py --json build/bench/accuracy.json

Beside models of models.py, the trained networks of examples/tasks can be named (mobile, efficient, vision, bytes, hostile),
and digits, the separable one of examples/digits. The contender openvino-int8-accurate is NNCF with its slower bias
correction. The exit code is 1 where tfengine with its measures is not at least 1 dB above the best peer.
"""

import contextlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from peers import command, compare  # noqa: E402
from peers.model import Model  # noqa: E402

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
TASKS = EXAMPLES / "tasks"
TRAINED = ["mobile", "efficient", "vision", "bytes"]
BY_NAME = ["hostile", "digits"]  # trained too, and measured where they are asked for
PEERS = ["onnxruntime-int8", "openvino-int8", "litert-int8"]
OURS = ["tfengine-int8", "tfengine-int8-auto"]
GOAL_DB = 1.0


def trained_network(name):
    """The file, the name of the input, and calibration and test samples."""
    sys.path.insert(0, str(TASKS))
    import data

    if name == "digits":
        splits = [data.read_split(split)[0] for split in ("calibration", "test")]
        return EXAMPLES / "digits" / "separable.pb", "image:0", splits[0], splits[1][:128]
    path = TASKS / f"{name}.pb"
    if name == "bytes":
        return path, "tokens:0", data.text("train", 128)[0], data.text("test", 128, seed=8)[0]
    return path, "image:0", data.digits("calibration")[0], data.digits("test")[0][:128]


def add_trained(name, folder):
    """A trained network as models.py would have written it: its files beside the graph."""
    import models

    path, source, calibration, test = trained_network(name)
    graph = folder / f"{name}.pb"
    if graph.exists() and graph.stat().st_mtime >= path.stat().st_mtime:
        return
    import tensorflow as tf

    graph_def = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    outputs = models.import_frozen(graph_def, [source], ["Identity:0"])(tf.constant(test))[0].numpy()
    np.save(folder / f"{name}.calibration.npy", calibration)
    np.save(folder / f"{name}.test.npy", test)
    np.save(folder / f"{name}.expected.npy", outputs)
    np.save(folder / f"{name}.expected_logits.npy", outputs.reshape(len(outputs), -1))
    shape = [None, *calibration.shape[1:]]
    description = {"name": name, "input": source, "input_shape": shape, "output": "Identity:0", "logits": "Identity:0"}
    (folder / f"{name}.json").write_text(json.dumps(description) + "\n")
    shutil.copyfile(path, graph)


def decibels(contender, model, arguments):
    """Of the logits; of the outputs where they are no logits. None where the contender has no model."""
    if not arguments.measure_only and not command.prepare(contender, model, [1], arguments):
        return None
    with contextlib.ExitStack() as stack:
        try:
            results = command.load(contender, model, 1, arguments, stack).evaluate()
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return None
    expected = model.expected()
    if model.output == model.logits:
        return compare.signal_to_noise(expected, results["outputs"].reshape(expected.shape))
    return compare.accuracy(results, model)["logits_db"]


def main():
    options = command.parser(
        __doc__, ["resnet50", "mobilenetv2", "efficientnetb0", "inceptionv3", *TRAINED], cache="accuracy"
    )
    options.add_argument("--contenders", type=command.comma_list(), default=[*PEERS, *OURS])
    arguments = command.parse(options)
    arguments.models_dir.mkdir(parents=True, exist_ok=True)
    figures, short = {**command.machine(arguments), "decibels": {}}, []
    print(f"{'':16}" + "".join(f"{name:>24}" for name in arguments.contenders))
    for name in arguments.models:
        if name in (*TRAINED, *BY_NAME):
            add_trained(name, arguments.models_dir)
        model = Model(arguments.models_dir, name)
        row = {each: decibels(each, model, arguments) for each in arguments.contenders}
        figures["decibels"][name] = row
        print(
            f"{name:16}" + "".join("{:>24}".format("-" if db is None else f"{db:.1f}") for db in row.values()),
            flush=True,
        )
        best = max((db for each, db in row.items() if not each.startswith("tfengine") and db is not None), default=None)
        ours = row.get(OURS[1])
        if best is not None and ours is not None and ours < best + GOAL_DB:
            short.append(f"{name}: {ours:.1f} dB, the best peer has {best:.1f}")
    command.write_json(figures, arguments)
    for line in short:
        print(line, file=sys.stderr)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
