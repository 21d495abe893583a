# SPDX-License-Identifier: Apache-2.0
"""A model as bench/models.py wrote it: files and names. No framework is imported until a graph is asked for."""

import json
from pathlib import Path

import numpy as np


class Model:
    def __init__(self, directory, name):
        self.name = name
        self.directory = Path(directory)
        description = json.loads(self.file("json").read_text())
        self.input = description["input"]
        self.input_shape = description["input_shape"]
        self.output = description["output"]
        self.logits = description["logits"]

    def file(self, suffix):
        return self.directory / f"{self.name}.{suffix}"

    def is_current(self, path):
        """Whether a file that was converted from this model is there and not older than it."""
        return path.exists() and path.stat().st_mtime >= self.file("pb").stat().st_mtime

    def calibration(self):
        return np.load(self.file("calibration.npy"))

    def test(self):
        return np.load(self.file("test.npy"))

    def expected(self):
        return np.load(self.file("expected.npy"))

    def expected_logits(self):
        return np.load(self.file("expected_logits.npy"))

    def images(self, batch):
        """`batch` calibration images, for timing."""
        return np.ascontiguousarray(np.resize(self.calibration(), (batch, *self.input_shape[1:])))

    def graph_def(self, batch=None):
        """The frozen GraphDef, with the batch dimension fixed where a number is given."""
        import tensorflow as tf

        graph_def = tf.compat.v1.GraphDef.FromString(self.file("pb").read_bytes())
        if batch is not None:
            placeholder = next(node for node in graph_def.node if node.op == "Placeholder")
            placeholder.attr["shape"].shape.dim[0].size = batch
        return graph_def

    def function(self, outputs, batch=None):
        """The frozen graph as a TensorFlow function of its input."""
        import tensorflow as tf

        graph_def = self.graph_def(batch)
        wrapped = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(graph_def, name=""), [])
        elements = [wrapped.graph.as_graph_element(name) for name in [self.input, *outputs]]
        return wrapped.prune(elements[:1], elements[1:])
