"""GraphDefs with one TRTEngineOp, put together by hand as a converter would write them."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import function_pb2

ROOT = Path(__file__).resolve().parents[2]
ENGINE = "TRTEngineOp_000_000"
DIGITS_SHAPE = [None, 8, 8, 1]


def run_python(code: str, **environment: str) -> str:
    """What the program prints, in a process of its own that finds this module."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout + done.stderr


def frozen_digits() -> tf.compat.v1.GraphDef:
    return tf.compat.v1.GraphDef.FromString((ROOT / "examples/digits/cnn.pb").read_bytes())


def digits_function() -> Callable:
    """The digits model as TensorFlow runs it: image to scores."""
    definition = frozen_digits()
    return tf.compat.v1.wrap_function(
        lambda image: tf.import_graph_def(definition, {"image": image}, ["Identity:0"], name="")[0],
        [tf.TensorSpec(DIGITS_SHAPE)],
    )


def function_of(build: Callable, specs: Sequence[tf.TensorSpec]) -> Any:
    """`build` of placeholders, as a function that TensorFlow can run and whose definition can be a segment."""
    return tf.compat.v1.wrap_function(build, list(specs))


def engine_graph(
    function: Any, name: str = ENGINE, input_shapes: bool = True, **attributes: Any
) -> tf.compat.v1.GraphDef:
    """Placeholders in_0, in_1, ..., and a TRTEngineOp whose segment is `function`.

    Attributes set or replace the node's: bool, int, float, str and bytes.
    """
    segment = function_pb2.FunctionDef()
    segment.CopyFrom(function.function_def)
    segment.signature.name = f"{name}_native_segment_{function.function_def.signature.name}"
    # What keeps Grappler from rewriting the function: the segment stays as it was converted.
    segment.attr["_tf_data_function"].b = True
    graph = tf.compat.v1.GraphDef()
    graph.versions.CopyFrom(function.graph.as_graph_def().versions)
    graph.library.CopyFrom(function.graph.as_graph_def().library)
    graph.library.function.append(segment)
    node = tf.compat.v1.NodeDef(name=name, op="TRTEngineOp")
    for i, tensor in enumerate(function.inputs):
        placeholder = graph.node.add(name=f"in_{i}", op="Placeholder")
        placeholder.attr["dtype"].type = tensor.dtype.as_datatype_enum
        placeholder.attr["shape"].shape.CopyFrom(tf.TensorShape(None).as_proto())
        node.input.append(placeholder.name)
        node.attr["InT"].list.type.append(tensor.dtype.as_datatype_enum)
        if input_shapes:
            node.attr["input_shapes"].list.shape.append(tensor.shape.as_proto())
    for tensor in function.outputs:
        node.attr["OutT"].list.type.append(tensor.dtype.as_datatype_enum)
        if input_shapes:
            node.attr["output_shapes"].list.shape.append(tensor.shape.as_proto())
    node.attr["segment_func"].func.name = segment.signature.name
    settings = {
        "serialized_segment": b"",
        "static_engine": False,
        "workspace_size_bytes": 1 << 30,
        "precision_mode": "FP32",
        "max_cached_engines_count": 1,
        **attributes,
    }
    for key, value in settings.items():
        set_attribute(node, key, value)
    graph.node.append(node)
    return graph


def set_attribute(node: Any, key: str, value: Any) -> None:
    if isinstance(value, bool):
        node.attr[key].b = value
    elif isinstance(value, int):
        node.attr[key].i = value
    elif isinstance(value, float):
        node.attr[key].f = value
    else:
        node.attr[key].s = value.encode() if isinstance(value, str) else value


class EngineSession:
    """A session of one such graph, with what is asked of its operation."""

    def __init__(self, graph_def: tf.compat.v1.GraphDef, name: str = ENGINE, **config: Any):
        import tfengine.tensorflow as tft

        self.name = name
        self.graph = tf.Graph()
        with self.graph.as_default():
            tf.import_graph_def(graph_def, name="")
            self._status = tft.ops.tfengine_engine_status(name)
            self._table = tft.ops.get_calibration_data_op(name)
            self._histograms = tft.ops.tfengine_calibration_histograms(name)
        self.session = tf.compat.v1.Session(graph=self.graph, config=tf.compat.v1.ConfigProto(**config))

    def __call__(self, *inputs: Any) -> list:
        node = self.graph.get_operation_by_name(self.name)
        return self.session.run(list(node.outputs), {f"in_{i}:0": value for i, value in enumerate(inputs)})

    def status(self) -> dict[str, Any]:
        import json

        return json.loads(self.session.run(self._status))

    def table(self) -> bytes:
        return self.session.run(self._table)

    def histograms(self) -> bytes:
        return self.session.run(self._histograms)
