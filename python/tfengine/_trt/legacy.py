"""The functions of tensorflow.contrib.tensorrt, which came before the converter classes."""

from __future__ import annotations

from collections.abc import Iterable

import tensorflow as tf
from tensorflow.python.saved_model.loader_impl import parse_saved_model

from .calibration import read_in_new_session
from .converter_v1 import TrtGraphConverter
from .nodes import engine_nodes
from .params import DEFAULT_TRT_MAX_WORKSPACE_SIZE_BYTES, TrtPrecisionMode, logger

_QUANTIZATION_OPS = ("FakeQuant", "QuantizeAndDequantize")


def create_inference_graph(
    input_graph_def: tf.compat.v1.GraphDef | None,
    outputs: Iterable,
    max_batch_size: int = 1,
    max_workspace_size_bytes: int = DEFAULT_TRT_MAX_WORKSPACE_SIZE_BYTES,
    precision_mode: str = TrtPrecisionMode.FP32,
    minimum_segment_size: int = 3,
    is_dynamic_op: bool = False,
    maximum_cached_engines: int = 1,
    input_saved_model_dir: str | None = None,
    input_saved_model_tags: list[str] | None = None,
    input_saved_model_signature_key: str | None = None,
    output_saved_model_dir: str | None = None,
    *,
    use_calibration: bool | None = None,
    cached_engine_batches: list[int] | None = None,
    session_config: tf.compat.v1.ConfigProto | None = None,
) -> tf.compat.v1.GraphDef:
    """Converts in one call, as TrtGraphConverter does, and returns the GraphDef.

    Arguments:
        outputs: names or Tensors: what stays TensorFlow's.
        output_saved_model_dir: where to write a SavedModel too, if the input is one.
        use_calibration: INT8: True: the graph that is returned calibrates when it runs, and
            `calib_graph_to_infer_graph` makes it fast; False: ranges come from quantization nodes. None: False if the
            graph has such nodes, else True.

    The others are TrtGraphConverter's, and so are the errors.
    """
    if use_calibration is None:
        use_calibration = not any(map(_has_quantization_nodes, _graph_defs(input_graph_def, input_saved_model_dir)))
    converter = TrtGraphConverter(
        input_saved_model_dir=input_saved_model_dir,
        input_saved_model_tags=input_saved_model_tags,
        input_saved_model_signature_key=input_saved_model_signature_key,
        input_graph_def=input_graph_def,
        nodes_denylist=outputs,
        max_batch_size=max_batch_size,
        max_workspace_size_bytes=max_workspace_size_bytes,
        precision_mode=precision_mode,
        minimum_segment_size=minimum_segment_size,
        is_dynamic_op=is_dynamic_op,
        maximum_cached_engines=maximum_cached_engines,
        use_calibration=use_calibration,
        session_config=session_config,
        cached_engine_batches=cached_engine_batches,
    )
    graph_def = converter.convert()
    if output_saved_model_dir:
        converter.save(output_saved_model_dir)
    return graph_def


def _graph_defs(graph_def: tf.compat.v1.GraphDef | None, folder: str | None) -> list[tf.compat.v1.GraphDef]:
    if graph_def is not None or folder is None:
        return [graph_def] if graph_def is not None else []
    return [meta_graph.graph_def for meta_graph in parse_saved_model(folder).meta_graphs]


def _has_quantization_nodes(graph_def: tf.compat.v1.GraphDef) -> bool:
    nodes = [*graph_def.node, *(node for function in graph_def.library.function for node in function.node_def)]
    return any(node.op.startswith(_QUANTIZATION_OPS) for node in nodes)


def calib_graph_to_infer_graph(
    calibration_graph_def: tf.compat.v1.GraphDef, is_dynamic_op: bool = False
) -> tf.compat.v1.GraphDef | None:
    """Puts what the engines of a graph saw, in sessions of this process, into a copy of the graph, and returns it.

    Arguments:
        calibration_graph_def: what `create_inference_graph` with INT8 returned, and a session has run.
        is_dynamic_op: engines are built when they first run in either case.

    Returns None, after logging an error, if no engine of the graph waits for calibration. Raises RuntimeError if an
    engine saw no data.
    """
    graph_def = tf.compat.v1.GraphDef()
    graph_def.CopyFrom(calibration_graph_def)
    waiting = [node for node in engine_nodes(graph_def) if not node.attr["calibration_data"].s]
    if not waiting:
        logger.error("calib_graph_to_infer_graph: the graph has no TRTEngineOp that waits for calibration")
        return None
    if not is_dynamic_op:
        logger.info("calib_graph_to_infer_graph: engines are built at their first run, as with is_dynamic_op=True")
    try:
        results = read_in_new_session(waiting)
    except tf.errors.OpError as error:
        raise RuntimeError(f"calib_graph_to_infer_graph: {_reason(error)}") from error
    for node in waiting:
        results[node.name].write_to(node)
    return graph_def


def _reason(error: tf.errors.OpError) -> str:
    """The op's own message, without where in Python and in the graph it was."""
    return error.message.rpartition("Node: ")[2].partition("\n")[2].partition("\n")[0] or error.message
