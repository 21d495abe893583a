# SPDX-License-Identifier: Apache-2.0
"""A model as bench/models.py wrote it: files and names. No framework is imported until a graph is asked for."""

import json
from pathlib import Path

import numpy as np


def source(tensor):
    """The name of the placeholder behind a tensor's name."""
    return tensor.split(":")[0]


def part(samples, at):
    """Those samples, of an array or of several by name."""
    if isinstance(samples, dict):
        return {name: part(array, at) for name, array in samples.items()}
    return np.ascontiguousarray(samples[at])


def count(samples):
    return len(next(iter(samples.values())) if isinstance(samples, dict) else samples)


class Model:
    def __init__(self, directory, name):
        self.name = name
        self.directory = Path(directory)
        description = json.loads(self.file("json").read_text())
        # Models of several inputs (transformers) have samples by name, and no `input`.
        self.inputs = description.get("inputs") or [
            {"tensor": description["input"], "shape": description["input_shape"], "dtype": "float32"}
        ]
        self.several = "inputs" in description
        self.input = description.get("input")
        self.input_shape = description.get("input_shape")
        self._attention = description.get("attention")
        self.output = description["output"]
        self.logits = description["logits"]

    def heads_and_hidden(self):
        """Of a transformer, what optimizers of such have to be told."""
        return self._attention["heads"], self._attention["hidden"]

    def file(self, suffix):
        return self.directory / f"{self.name}.{suffix}"

    def is_current(self, path):
        """Whether a file that was converted from this model is there and not older than it."""
        return path.exists() and path.stat().st_mtime >= self.file("pb").stat().st_mtime

    def samples_file(self, which):
        return self.file(f"{which}.npz" if self.several else f"{which}.npy")

    def calibration(self):
        return self._samples("calibration")

    def test(self):
        return self._samples("test")

    def _samples(self, which):
        loaded = np.load(self.samples_file(which))
        return dict(loaded) if self.several else loaded

    def feed(self, samples):
        """The samples by tensor name."""
        if not self.several:
            return {self.input: samples}
        return {each["tensor"]: samples[source(each["tensor"])] for each in self.inputs}

    def expected(self):
        return np.load(self.file("expected.npy"))

    def expected_logits(self):
        return np.load(self.file("expected_logits.npy"))

    def images(self, batch):
        """`batch` calibration samples, for timing."""
        calibration = self.calibration()
        return part(calibration, np.arange(batch) % count(calibration))

    def graph_def(self, batch=None):
        """The frozen GraphDef, with the batch dimension fixed where a number is given."""
        import tensorflow as tf

        graph_def = tf.compat.v1.GraphDef.FromString(self.file("pb").read_bytes())
        if batch is not None:
            for placeholder in (node for node in graph_def.node if node.op == "Placeholder"):
                placeholder.attr["shape"].shape.dim[0].size = batch
        return graph_def

    def function(self, outputs, batch=None):
        """The frozen graph as a TensorFlow function of its inputs, in the order of `inputs`."""
        import tensorflow as tf

        graph_def = self.graph_def(batch)
        wrapped = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(graph_def, name=""), [])
        names = [each["tensor"] for each in self.inputs]
        elements = [wrapped.graph.as_graph_element(name) for name in [*names, *outputs]]
        return wrapped.prune(elements[: len(names)], elements[len(names) :])
