# SPDX-License-Identifier: Apache-2.0
"""Records what real TensorFlow computes for every op over its types, ranks and attributes: one small archive per op.

    python tests/golden/make_ops.py [OP...]       (TensorFlow from requirements/tensorflow.txt; all ops by default)

writes `tests/golden/ops/<Op>.npz` with, per case, `<case>/graph` (the bytes of a GraphDef whose outputs are the nodes
out_0, out_1 ...), `<case>/in/<placeholder>` and `<case>/out/<number>`. Cases are tables in `op_cases/`. Types that
TensorFlow has no kernel for are left out. Everything is seeded: a second run writes the same bytes.
"""

import importlib
import os
import sys
import zlib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # TensorFlow's own kernels are the reference

import ml_dtypes  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

HERE = Path(__file__).resolve().parent
TYPES = {
    "f32": np.float32,
    "f64": np.float64,
    "f16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "i8": np.int8,
    "u8": np.uint8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "bool": np.bool_,
    "c64": np.complex64,
}
REAL = ("f32", "f64", "f16", "bf16")
INTEGER = ("i8", "u8", "i16", "i32", "i64")
NUMBER = REAL + INTEGER
ANY = NUMBER + ("bool",)
# One shape of every rank that tensors have here.
RANKS = [(), (5,), (3, 4), (2, 3, 4), (2, 3, 2, 4), (2, 1, 3, 2, 3), (2, 1, 2, 1, 3, 2), (1, 2, 1, 2, 1, 2, 3)]
RANKS.append((2, 1, 2, 1, 1, 2, 1, 3))


class Recorder:
    """What a table of cases gets: seeded data, and `case`, which runs TensorFlow and keeps what it computes."""

    def __init__(self):
        self.archives = {}
        self.failed = []  # cases that TensorFlow should have run
        self.refused = []  # types that it has no kernel for
        self._seed = 0

    def values(self, shape, dtype="f32", low=-3.0, high=3.0):
        """Uniform values of a type; integers from low to high, from 0 where they are unsigned."""
        self._seed += 1
        rng = np.random.default_rng(self._seed)
        if dtype == "bool":
            return rng.integers(0, 2, shape).astype(np.bool_)
        if dtype == "c64":
            return (rng.uniform(low, high, shape) + 1j * rng.uniform(low, high, shape)).astype(np.complex64)
        if dtype in INTEGER:
            return rng.integers(max(int(low), 0) if dtype == "u8" else int(low), int(high) + 1, shape).astype(
                TYPES[dtype]
            )
        return np.asarray(rng.uniform(low, high, shape)).astype(TYPES[dtype])

    def case(self, op, name, build, *, dynamic=False, need=True, written=None, **inputs):
        """Records `build(*placeholders)` as a case of `op`; False where TensorFlow has no kernel (an error if `need`).

        `written`: attributes of the one node `op` that stands for all of `build` in the graph that is kept, for an op that
        the installed TensorFlow has no kernel for on this device.
        """
        self._seed = zlib.crc32(f"{op}/{name}".encode())
        inputs = {key: np.asarray(value(self) if callable(value) else value) for key, value in inputs.items()}
        graph = tf.Graph()
        try:
            with graph.as_default():
                placeholders = [
                    tf.compat.v1.placeholder(value.dtype, [None] * value.ndim if dynamic else value.shape, key)
                    for key, value in inputs.items()
                ]
                outputs = build(*placeholders)
                outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
                outputs = [tf.identity(tensor, name=f"out_{number}") for number, tensor in enumerate(outputs)]
                with tf.compat.v1.Session(graph=graph, config=_plain_session()) as session:
                    results = session.run(outputs, dict(zip(placeholders, inputs.values(), strict=True)))
        except (TypeError, ValueError, NotImplementedError, tf.errors.OpError) as error:
            line = f"{op} {name}: {str(error).splitlines()[0][:160]}"
            (self.failed if need else self.refused).append(line)
            return False
        archive = self.archives.setdefault(op, {})
        if f"{name}/graph" in archive:
            raise RuntimeError(f"{op} has two cases {name}")
        kept = _small_graph(graph) if written is None else _one_node(graph, op, list(inputs), written)
        archive[f"{name}/graph"] = np.frombuffer(kept, np.uint8)
        archive.update({f"{name}/in/{key}": value for key, value in inputs.items()})
        archive.update({f"{name}/out/{number}": np.asarray(value) for number, value in enumerate(results)})
        return True

    def types(self, op, build, types, prefix="", **inputs):
        """One case per type that TensorFlow has a kernel for; inputs are functions of (recorder, type) or arrays."""
        wants_type = build.__code__.co_argcount - len(build.__defaults__ or ()) > len(inputs)
        done = [
            self.case(
                op,
                f"{prefix}{dtype}",
                (lambda *xs, dtype=dtype: build(*xs, TYPES[dtype])) if wants_type else build,
                need=False,
                **{
                    key: (lambda r, value=value, dtype=dtype: value(r, dtype)) if callable(value) else value
                    for key, value in inputs.items()
                },
            )
            for dtype in types
        ]
        if not any(done):
            self.failed.append(f"{op} runs in none of {types}: {self.refused[-1]}")


def _small_graph(graph):
    definition = graph.as_graph_def()
    for node in definition.node:
        node.attr.pop("_class", None)
    return definition.SerializeToString(deterministic=True)


def _one_node(graph, op, inputs, attrs):
    """The graph's placeholders, a node of `op` that reads all of them, and the output."""
    definition = tf.compat.v1.GraphDef()
    for node in graph.as_graph_def().node:
        if node.name in inputs:
            definition.node.append(node)
    node = definition.node.add(name="node", op=op, input=inputs)
    for key, value in attrs.items():
        if isinstance(value, tf.DType):
            node.attr[key].type = value.as_datatype_enum
        elif isinstance(value, list):
            node.attr[key].list.i.extend(value)
        else:
            node.attr[key].s = value.encode()
    output = definition.node.add(name="out_0", op="Identity", input=["node"])
    output.attr["T"].type = attrs["T"].as_datatype_enum
    return definition.SerializeToString(deterministic=True)


def _plain_session():
    """No graph optimization: the op itself is run, not what Grappler makes of it."""
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = -1
    return config


def main(wanted):
    sys.path.insert(0, str(HERE))
    recorder = Recorder()
    for path in sorted((HERE / "op_cases").glob("[a-z]*.py")):
        importlib.import_module(f"op_cases.{path.stem}").cases(recorder)
    folder = HERE / "ops"
    folder.mkdir(exist_ok=True)
    if not wanted:
        for old in folder.glob("*.npz"):
            old.unlink()
    cases = 0
    for op, arrays in sorted(recorder.archives.items()):
        cases += sum(key.endswith("/graph") for key in arrays)
        if not wanted or op in wanted:
            np.savez_compressed(folder / f"{op}.npz", **arrays)
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{cases} cases of {len(recorder.archives)} ops, {size / 1e6:.2f} MB")
    if recorder.failed:
        sys.exit("\n".join(["TensorFlow refuses:", *recorder.failed]))
    if os.environ.get("SHOW_REFUSED"):
        print("\n".join(recorder.refused))


if __name__ == "__main__":
    main(sys.argv[1:])
