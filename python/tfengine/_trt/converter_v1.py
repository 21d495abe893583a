"""TF-TRT's converter for TensorFlow 1's graphs and sessions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import tensorflow as tf

from . import freeze_v1
from .calibration import EngineCalibration, calibrate_in_session, store, write_calibration
from .engines import convert_frozen
from .nodes import names_of, node_of, unread_nodes
from .params import (
    DEFAULT_TRT_MAX_WORKSPACE_SIZE_BYTES,
    TrtConversionParams,
    TrtPrecisionMode,
    check_calibrator,
    check_params,
    experimental_feature,
    logger,
    needs_calibration,
)

SERVING_TAG = tf.saved_model.SERVING
SERVING_KEY = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY


class TrtGraphConverter:
    """Converts a frozen GraphDef, or a SavedModel read in TensorFlow 1's manner, to a GraphDef with TRTEngineOp nodes.

        converter = trt.TrtGraphConverter(input_graph_def=frozen, nodes_denylist=["logits"], precision_mode="INT8",
                                          is_dynamic_op=True)
        converter.convert()
        graph_def = converter.calibrate(fetch_names=["logits:0"], num_runs=16, input_map_fn=batches)

    Arguments:
        input_saved_model_dir: the SavedModel's folder; or else `input_graph_def`.
        input_saved_model_tags: of its MetaGraph; None: ["serve"].
        input_saved_model_signature_key: the signature that must be there; None: "serving_default". All signatures are
            converted and kept.
        input_graph_def: a frozen tf.compat.v1.GraphDef; it is not changed.
        nodes_denylist: names of nodes (":0" is allowed) or Tensors that stay TensorFlow's, the outputs among them.
        max_batch_size: for is_dynamic_op=False: the batch size to build engines for.
        max_workspace_size_bytes, precision_mode, minimum_segment_size, maximum_cached_engines, use_calibration: see
            TrtConversionParams.
        is_dynamic_op: True: engines are built when the first inputs come, for their shapes. False: they are built
            by `convert()` for `max_batch_size` and stored in the graph; all other dimensions must be known. INT8 with
            calibration makes it True, since ranges are not known before.
        nodes_blacklist: the name of nodes_denylist up to TensorFlow 2.3.
        session_config: a tf.compat.v1.ConfigProto for the sessions that read the SavedModel and calibrate.
        cached_engine_batches: ignored, as engines are built for the batch sizes that come; TypeError if it is no list,
            ValueError if it is longer than maximum_cached_engines.
        calibrator: how ranges follow from what calibration saw: "entropy" and "entropy1" (TensorRT's), "legacy", "auto",
            "mse", "percentile", "minmax" or "moving_average".
        percentile: of the calibrators "percentile" and "legacy".
        strict_ranges: INT8: tensors without a range are an error that names them all, when their engine is built. False:
            what reads them computes in float.

    Raises RuntimeError in eager mode, ValueError for arguments that mean nothing, TypeError for wrong types.
    """

    def __init__(
        self,
        input_saved_model_dir: str | None = None,
        input_saved_model_tags: list[str] | None = None,
        input_saved_model_signature_key: str | None = None,
        input_graph_def: tf.compat.v1.GraphDef | None = None,
        nodes_denylist: Iterable | None = None,
        max_batch_size: int = 1,
        max_workspace_size_bytes: int = DEFAULT_TRT_MAX_WORKSPACE_SIZE_BYTES,
        precision_mode: str = TrtPrecisionMode.FP32,
        minimum_segment_size: int = 3,
        is_dynamic_op: bool = False,
        maximum_cached_engines: int = 1,
        use_calibration: bool = True,
        *,
        nodes_blacklist: Iterable | None = None,
        session_config: tf.compat.v1.ConfigProto | None = None,
        cached_engine_batches: list[int] | None = None,
        calibrator: str = "entropy",
        percentile: float = 99.99,
        strict_ranges: bool = False,
    ) -> None:
        if tf.executing_eagerly():
            raise RuntimeError(
                "TrtGraphConverter works on TensorFlow 1's graphs, and eager execution is on: use TrtGraphConverterV2, "
                "or call it in `with tf.Graph().as_default():`, or after tf.compat.v1.disable_eager_execution()"
            )
        if (input_graph_def is None) == (input_saved_model_dir is None):
            both = "both are given" if input_graph_def is not None else "none is given"
            raise ValueError(f"input_graph_def, input_saved_model_dir: {both}, expected one of them")
        self._params = TrtConversionParams(
            max_workspace_size_bytes,
            precision_mode,
            minimum_segment_size,
            maximum_cached_engines,
            use_calibration,
        )
        check_params(self._params)
        check_calibrator(calibrator, percentile)
        _check_cached_engine_batches(cached_engine_batches, maximum_cached_engines)
        self._input_graph_def = _as_graph_def(input_graph_def)
        self._input_dir = None if input_saved_model_dir is None else os.fspath(input_saved_model_dir)
        self._tags = list(input_saved_model_tags or [SERVING_TAG])
        self._signature_key = input_saved_model_signature_key or SERVING_KEY
        self._denylist = _one_denylist(nodes_denylist, nodes_blacklist)
        self._session_config = session_config
        self._ranges = {"calibrator": calibrator, "percentile": float(percentile), "strict_ranges": bool(strict_ranges)}
        self._need_calibration = needs_calibration(self._params)
        self._is_dynamic_op = bool(is_dynamic_op)
        if self._need_calibration and not is_dynamic_op:
            logger.warning("INT8 with calibration builds engines when they run: is_dynamic_op is taken as True")
            self._is_dynamic_op = True
        if not self._is_dynamic_op and (isinstance(max_batch_size, bool) or not isinstance(max_batch_size, int)):
            raise ValueError(f"max_batch_size: got {max_batch_size!r}, expected an integer, as is_dynamic_op is False")
        if not self._is_dynamic_op and max_batch_size < 1:
            raise ValueError(f"max_batch_size: got {max_batch_size}, expected at least 1")
        self._max_batch_size = max_batch_size
        self._frozen: freeze_v1.FrozenSavedModel | None = None
        self._converted: tf.compat.v1.GraphDef | None = None
        self._calibrations: dict[str, EngineCalibration] | None = None

    def convert(self) -> tf.compat.v1.GraphDef:
        """Returns the graph with TRTEngineOp nodes. AssertionError if called twice."""
        if self._converted is not None:
            raise AssertionError("convert() was called before; make a new TrtGraphConverter")
        if self._input_graph_def is not None:
            graph_def = self._input_graph_def
            outputs = list(dict.fromkeys([*self._denylist, *unread_nodes(graph_def)]))
            _check_names(graph_def, self._denylist)
        else:
            self._frozen = freeze_v1.freeze(self._input_dir, self._tags, self._signature_key, self._session_config)
            graph_def, outputs = self._frozen.graph_def, self._frozen.outputs
            _check_names(graph_def, self._denylist)
        self._converted, self._conversion = convert_frozen(
            graph_def,
            outputs,
            self._params,
            nodes_denylist=self._denylist,
            is_dynamic_op=self._is_dynamic_op,
            max_batch_size=1 if self._is_dynamic_op else self._max_batch_size,
            **self._ranges,
            remove_native_segments=experimental_feature("remove_native_segments"),
        )
        return self._converted

    def calibrate(
        self,
        fetch_names: Iterable[str],
        num_runs: int,
        feed_dict_fn: Callable[[], dict] | None = None,
        input_map_fn: Callable[[], dict] | None = None,
    ) -> tf.compat.v1.GraphDef:
        """Runs the converted graph on data, and returns it with calibration tables in its TRTEngineOp nodes.

        Arguments:
            fetch_names: names of tensors or nodes that each run computes: all that must be calibrated lies before them.
            num_runs: how often to run; batches may differ in size, and all count.
            feed_dict_fn: called for each run; gives a dict of tensor name to array.
            input_map_fn: called once, with the graph that will run as the default graph; gives a dict of input name to
                tf.Tensor, such as what a tf.data iterator yields. Exactly one of the two functions must be given.

        Raises ValueError for a wrong combination, AssertionError if `convert()` was not called, if no calibration is
        needed, or if it was done before. An engine that saw no data is an error of TensorFlow that names it.
        """
        if self._converted is None:
            raise AssertionError("calibrate() comes after convert()")
        if not self._need_calibration:
            raise AssertionError("calibrate() is for precision_mode INT8 with use_calibration=True")
        if self._calibrations is not None:
            raise AssertionError("calibrate() was called before; make a new TrtGraphConverter")
        if bool(feed_dict_fn) == bool(input_map_fn):
            given = "both are given" if feed_dict_fn else "none is given"
            raise ValueError(f"feed_dict_fn, input_map_fn: {given}, expected one of them")
        if num_runs < 1:
            raise ValueError(f"num_runs: got {num_runs}, expected at least 1")
        results = calibrate_in_session(
            self._converted, fetch_names, num_runs, feed_dict_fn, input_map_fn, self._session_config
        )
        store(self._converted, results)
        self._calibrations = results
        return self._converted

    def save(self, output_saved_model_dir: str) -> None:
        """Writes a SavedModel with all signatures and assets of the one that was read. The engines are in the graph.

        Raises ValueError if the input was a GraphDef, AssertionError before `convert()` and before a needed
        `calibrate()`.
        """
        if self._converted is None:
            raise AssertionError("save() comes after convert()")
        if self._need_calibration and self._calibrations is None:
            raise AssertionError("save() comes after calibrate(), as the precision is INT8 with calibration")
        if self._frozen is None:
            raise ValueError("save() needs a SavedModel as the converter's input, and it was a GraphDef")
        freeze_v1.save(self._converted, self._frozen, os.fspath(output_saved_model_dir), self._tags)

    def save_calibration(self, folder: str | os.PathLike) -> list[str]:
        """Writes each engine's table (ENGINE.calib_table) and histograms (ENGINE.histograms, for
        `tfengine calibrate --from`), and returns the paths. AssertionError before `calibrate()`."""
        if self._calibrations is None:
            raise AssertionError("save_calibration() comes after calibrate()")
        return write_calibration(self._calibrations, folder)

    def report(self) -> str:
        """Which nodes became engines, and why the others did not. AssertionError before `convert()`."""
        if self._converted is None:
            raise AssertionError("report() comes after convert()")
        return self._conversion.report


def _as_graph_def(graph_def) -> tf.compat.v1.GraphDef | None:
    if graph_def is None or isinstance(graph_def, tf.compat.v1.GraphDef):
        return graph_def
    raise TypeError(f"input_graph_def: got {type(graph_def).__name__}, expected a tf.compat.v1.GraphDef")


def _one_denylist(denylist: Iterable | None, blacklist: Iterable | None) -> list[str]:
    if denylist is not None and blacklist is not None:
        raise ValueError("nodes_denylist, nodes_blacklist: both are given, expected one of them: they are the same")
    nodes = denylist if denylist is not None else blacklist
    if isinstance(nodes, str):
        raise TypeError(f"nodes_denylist: got the string {nodes!r}, expected a list of names")
    return names_of(nodes or ())


def _check_names(graph_def: tf.compat.v1.GraphDef, names: Iterable[str]) -> None:
    known = {node.name for node in graph_def.node}
    missing = [name for name in names if node_of(name) not in known]
    if missing:
        raise ValueError(f"nodes_denylist: the graph has no node {', '.join(map(repr, missing))}")


def _check_cached_engine_batches(batches, maximum_cached_engines: int) -> None:
    if batches is None:
        return
    if not isinstance(batches, list):
        raise TypeError(f"cached_engine_batches: got {type(batches).__name__}, expected a list of batch sizes")
    if len(batches) > maximum_cached_engines:
        raise ValueError(
            f"cached_engine_batches: got {len(batches)} sizes, expected at most maximum_cached_engines, "
            f"{maximum_cached_engines}"
        )
    logger.warning("cached_engine_batches is ignored: engines are built for the batch sizes that come")
