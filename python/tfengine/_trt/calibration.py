"""Calibration: batches go through the converted graph, whose engines observe their tensors; then the tables are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import tensorflow as tf

from tfengine import _core
from tfengine.tensorflow import ops

from .nodes import canonical_name, device_of, engine_nodes
from .params import logger


class EngineCalibration(NamedTuple):
    """What calibration found out for one engine."""

    table: bytes
    """The text of a TensorRT calibration cache: what stands in the node's attribute `calibration_data`."""
    histograms: bytes
    """What `tfengine calibrate --from` and `tfengine.Calibration.load` read, once written to a file."""

    def write_to(self, node) -> None:
        """Into the attributes of the engine's node: the ranges, and the channel means for bias correction, which the
        table has no place for."""
        node.attr["calibration_data"].s = self.table
        node.attr["_tfengine_channel_means"].s = _core.Calibration.from_bytes(self.histograms).channel_means()


def calibrate_in_session(
    graph_def: tf.compat.v1.GraphDef,
    fetch_names: Iterable[str],
    num_runs: int,
    feed_dict_fn: Callable[[], dict] | None,
    input_map_fn: Callable[[], dict] | None,
    session_config: tf.compat.v1.ConfigProto | None,
) -> dict[str, EngineCalibration]:
    """Runs the graph `num_runs` times in a session of its own and returns what each engine saw, by its name."""
    with tf.Graph().as_default() as graph:
        input_map = None
        if input_map_fn:
            input_map = input_map_fn()
            _check_input_map(input_map)
        fetches = tf.graph_util.import_graph_def(
            graph_def, input_map=input_map, return_elements=list(fetch_names), name=""
        )
        readers = _Readers(graph)
        config = tf.compat.v1.ConfigProto()
        if session_config is not None:
            config.CopyFrom(session_config)
        # An op without a kernel for the device that it asks for runs on another.
        config.allow_soft_placement = True
        with tf.compat.v1.Session(graph=graph, config=config) as session:
            # Of the converted graph's tables, and of what input_map_fn brought along.
            session.run(tf.compat.v1.tables_initializer())
            for _ in range(num_runs):
                session.run(fetches, feed_dict=feed_dict_fn() if feed_dict_fn else None)
            return {node.name: readers.read(session, node) for node in engine_nodes(graph_def)}


def _check_input_map(input_map: dict) -> None:
    for name, value in input_map.items():
        if not isinstance(name, str):
            raise ValueError(f"input_map_fn: got the key {name!r}, expected the name of an input")
        if not isinstance(value, tf.Tensor):
            raise ValueError(f"input_map_fn: '{name}' is {type(value).__name__}, expected a tf.Tensor")


class _Readers:
    """The ops that read calibration results, one pair for each device."""

    def __init__(self, graph: tf.Graph) -> None:
        self._graph = graph
        self._ops: dict[str, tuple[tf.Tensor, list[tf.Tensor]]] = {}

    def read(self, session: tf.compat.v1.Session, node) -> EngineCalibration:
        if node.device not in self._ops:
            with self._graph.as_default(), self._graph.device(node.device):
                name = tf.compat.v1.placeholder(tf.string, [])
                table = ops.get_calibration_data_op(resource_name=name)
                # Ends the calibration, so it comes first.
                with tf.control_dependencies([table]):
                    histograms = ops.tfengine_calibration_histograms(resource_name=name)
                self._ops[node.device] = name, [table, histograms]
        name, wanted = self._ops[node.device]
        return EngineCalibration(*session.run(wanted, {name: canonical_name(node.name)}))


def read_in_new_session(nodes: Iterable) -> dict[str, EngineCalibration]:
    """What the engines of the nodes saw in sessions of this process that are closed by now."""
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        readers = _Readers(graph)
        return {node.name: readers.read(session, node) for node in nodes}


def read_eagerly(nodes: Iterable) -> dict[str, EngineCalibration]:
    """What the engines of the nodes saw in eager calls of functions that hold them."""
    results = {}
    for node in nodes:
        name = canonical_name(node.name)
        with device_of(node):
            table = ops.get_calibration_data_op(resource_name=name)
            histograms = ops.tfengine_calibration_histograms(resource_name=name)
        results[node.name] = EngineCalibration(table.numpy(), histograms.numpy())
    return results


def store(graph_def: tf.compat.v1.GraphDef, results: dict[str, EngineCalibration]) -> None:
    """Writes what calibration found into the attributes of the engines' nodes."""
    if not results:
        logger.warning("calibration: the graph has no engine, so there was nothing to calibrate")
    for node in engine_nodes(graph_def):
        results[node.name].write_to(node)


def write_calibration(results: dict[str, EngineCalibration], folder: str | os.PathLike) -> list[str]:
    """Writes ENGINE.calib_table and ENGINE.histograms for each engine, and returns the paths."""
    os.makedirs(folder, exist_ok=True)
    paths = []
    for name, result in results.items():
        for suffix, content in (("calib_table", result.table), ("histograms", result.histograms)):
            path = os.path.join(folder, f"{name.replace('/', '_')}.{suffix}")
            with open(path, "wb") as file:
                file.write(content)
            paths.append(path)
    return paths


def as_arguments(batch: Any) -> tuple[tuple, dict]:
    """One item of a calibration or build function as arguments of a signature: a dict by name, a list or tuple in
    order, anything else as the only input. RuntimeError for what TensorFlow cannot make a tensor of."""
    try:
        if isinstance(batch, dict):
            return (), {name: tf.convert_to_tensor(value) for name, value in batch.items()}
        if isinstance(batch, (list, tuple)):
            return tuple(map(tf.convert_to_tensor, batch)), {}
        return (tf.convert_to_tensor(batch),), {}
    except (TypeError, ValueError) as error:
        raise RuntimeError(
            f"input function: got {type(batch).__name__}, expected a dict of arrays by name, a list or tuple of "
            f"arrays, or one array: {error}"
        ) from error
