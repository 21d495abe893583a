"""The step that puts TRTEngineOp nodes into a frozen graph: tfengine's C++ conversion, with TF-TRT's parameters."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from tfengine import _core

from .constants import drop_idle_arguments, share_constants
from .function_bodies import convert_bodies
from .graphviz import export_graph
from .nodes import node_of
from .params import TrtConversionParams, logger

DEFAULT_MAX_ENGINES = 20
_SHAPES = "_output_shapes"
_SEGMENT = "_native_segment"


class Conversion(NamedTuple):
    """What became of a graph's nodes."""

    nodes: int
    converted: int
    engines: int
    report: str
    """Which nodes became engines, and why the others did not."""


def convert_frozen(
    graph_def: tf.compat.v1.GraphDef,
    outputs: Sequence[str],
    params: TrtConversionParams,
    **options,
) -> tuple[tf.compat.v1.GraphDef, Conversion]:
    """The converted graph, and what was converted and what not, in the functions that it calls too.

    Arguments:
        outputs: names of nodes or tensors that must stay readable under their names.
        options: is_dynamic_op, max_batch_size, use_dynamic_shape, profile_strategy, allow_build_at_runtime,
            nodes_denylist, calibrator, percentile, strict_ranges, remove_native_segments.
    """
    parts: list[tuple[str, _core.GraphDefConversion]] = []

    def convert(graph, wanted, its_params, its_options, name=""):
        converted, conversion = _convert_graph(graph, wanted, its_params, its_options)
        parts.append((name, conversion))
        return converted

    converted = convert(graph_def, outputs, params, options)
    convert_bodies(converted, params, options, convert)
    drop_idle_arguments(converted, [*outputs, *options.get("nodes_denylist", ())])
    share_constants(converted)
    conversion = _summed(parts)
    _log(conversion)
    export_graph(converted)
    return converted, conversion


def _convert_graph(graph_def, outputs: Sequence[str], params: TrtConversionParams, options: dict):
    denied = {node_of(name) for name in options.get("nodes_denylist", ())}
    here = [node.name for node in graph_def.node if node.name in denied]
    conversion = _core.convert_graph_def(
        with_shapes(graph_def).SerializeToString(),
        list(outputs),
        precision_mode=params.precision_mode.upper(),
        max_workspace_size_bytes=int(params.max_workspace_size_bytes),
        minimum_segment_size=int(params.minimum_segment_size),
        maximum_cached_engines=int(params.maximum_cached_engines),
        use_calibration=bool(params.use_calibration),
        op_denylist=[op.strip() for op in os.environ.get("TF_TRT_OP_DENYLIST", "").split(",") if op.strip()],
        max_engines=_max_engines(),
        **{**options, "nodes_denylist": here},
    )
    converted = tf.compat.v1.GraphDef.FromString(conversion.take_graph_def())
    _drop_shapes(converted, kept={node.name for node in graph_def.node if _SHAPES in node.attr})
    return converted, conversion


def _summed(parts: list[tuple[str, _core.GraphDefConversion]]) -> Conversion:
    (_, main), *bodies = parts
    text = main.report_text()
    for name, conversion in bodies:
        text += f"\nfunction '{name}': {conversion.report_text()}"
    conversions = [conversion for _, conversion in parts]
    return Conversion(
        sum(conversion.nodes_total for conversion in conversions),
        sum(conversion.nodes_converted for conversion in conversions),
        sum(len(conversion.engines) for conversion in conversions),
        text,
    )


def with_shapes(graph_def: tf.compat.v1.GraphDef) -> tf.compat.v1.GraphDef:
    """A copy in which each node carries the shapes that TensorFlow infers for its outputs."""
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(graph_def, name="")
    result = tf.compat.v1.GraphDef()
    result.CopyFrom(graph_def)
    for node in result.node:
        if _SHAPES not in node.attr:
            shapes = [output.shape.as_proto() for output in graph.get_operation_by_name(node.name).outputs]
            node.attr[_SHAPES].list.shape.extend(shapes)
    return result


def _drop_shapes(graph_def: tf.compat.v1.GraphDef, kept: set[str]) -> None:
    """They would be wrong for other input shapes, once the graph is edited, and cost space."""
    segments = [function for function in graph_def.library.function if function.signature.name.endswith(_SEGMENT)]
    for nodes in [graph_def.node, *(function.node_def for function in segments)]:
        for node in nodes:
            if node.name not in kept and _SHAPES in node.attr:
                del node.attr[_SHAPES]


def _max_engines() -> int:
    text = os.environ.get("TF_TRT_MAX_ALLOWED_ENGINES", str(DEFAULT_MAX_ENGINES))
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"TF_TRT_MAX_ALLOWED_ENGINES: got {text!r}, expected an integer") from None


def _log(conversion: Conversion) -> None:
    """One line always; every refusal with its reason if TF_TRT_SHOW_DETAILED_REPORT asks, or if no engine came."""
    line = (
        f"{conversion.converted} of {conversion.nodes} nodes are in {conversion.engines} "
        f"engine{'s' * (conversion.engines != 1)}"
    )
    wanted = os.environ.get("TF_TRT_SHOW_DETAILED_REPORT", "")
    if wanted and not wanted.isdigit():
        with open(wanted, "w", encoding="utf-8") as file:
            file.write(conversion.report)
    if wanted.isdigit() and int(wanted) > 0:
        logger.warning("%s\n%s", line, conversion.report)
    elif not conversion.engines:
        logger.warning("no engine was made: %s\n%s", line, conversion.report)
    else:
        logger.info("%s", line)
