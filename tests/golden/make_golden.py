# SPDX-License-Identifier: Apache-2.0
"""Records what real TensorFlow computes, op by op, as small files that need no TensorFlow to read.

    python tests/golden/make_golden.py            (TensorFlow from requirements/bench.txt)

writes per case `tests/golden/<family>/<case>/{graph.pb, input_<name>.npy, expected_<i>.npy}` and
`tests/golden/index.txt`, whose lines are `family case inputs outputs`, the last two separated by commas ('-' for none;
the i-th output is in expected_<i>.npy). Cases are tables in `cases/<family>.py`. SavedModels and their index are made
by `saved_models.py`. Everything is seeded: a second run with the same TensorFlow writes the same bytes (SavedModels
apart: TensorFlow puts unique numbers into them).
"""

import importlib
import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # TensorFlow's own kernels are the reference

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

HERE = Path(__file__).resolve().parent
FAMILIES = sorted(path.stem for path in (HERE / "cases").glob("[a-z]*.py"))


class Recorder:
    """What a table of cases gets: `record` writes one case, `values` gives seeded data."""

    def __init__(self, family, index):
        self.family = family
        self._index = index
        self._draws = 0

    def values(self, *shape, low=-3.0, high=3.0, dtype=np.float32):
        """Uniform values, seeded by how many cases and draws came before in this family."""
        self._draws += 1
        rng = np.random.default_rng([len(self._index), self._draws])
        if np.issubdtype(dtype, np.integer):
            return rng.integers(int(low), int(high) + 1, shape).astype(dtype)
        if dtype == np.bool_:
            return rng.integers(0, 2, shape).astype(np.bool_)
        return rng.uniform(low, high, shape).astype(dtype)

    def record(self, case, build, **inputs):
        """`build` gets one placeholder per input, in order, and returns a tensor or a list of them."""
        folder = HERE / self.family / case
        folder.mkdir(parents=True)
        graph = tf.Graph()
        with graph.as_default():
            placeholders = {
                name: tf.compat.v1.placeholder(value.dtype, value.shape, name) for name, value in inputs.items()
            }
            outputs = build(*placeholders.values())
            outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
            with tf.compat.v1.Session(graph=graph, config=_plain_session()) as session:
                results = session.run(outputs, {placeholders[name]: value for name, value in inputs.items()})
        (folder / "graph.pb").write_bytes(graph.as_graph_def().SerializeToString(deterministic=True))
        for name, value in inputs.items():
            np.save(folder / f"input_{name}.npy", value)
        for number, value in enumerate(results):
            np.save(folder / f"expected_{number}.npy", value)
        names = [tensor.name for tensor in outputs]
        self._index.append(f"{self.family} {case} {','.join(inputs) or '-'} {','.join(names)}")
        self._draws = 0


def _plain_session():
    """No graph optimization: the op itself is run, not what Grappler makes of it."""
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = -1
    return config


def main():
    sys.path.insert(0, str(HERE))
    index = []
    for family in FAMILIES:
        shutil.rmtree(HERE / family, ignore_errors=True)
        cases = []
        importlib.import_module(f"cases.{family}").cases(Recorder(family, cases))
        index += cases
    (HERE / "index.txt").write_text("\n".join(index) + "\n")
    importlib.import_module("saved_models").write(HERE / "saved_models")
    size = sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file())
    print(f"{len(index)} cases in {len(FAMILIES)} families, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
