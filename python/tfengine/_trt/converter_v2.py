"""TF-TRT's converter for TensorFlow 2's SavedModels."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

from tfengine.tensorflow import ops

from . import functions
from .calibration import EngineCalibration, as_arguments, read_eagerly, store, write_calibration
from .engine_resource import EngineResource, engine_shapes
from .engines import convert_frozen
from .nodes import canonical_name, device_of, engine_nodes, main_engine_nodes, node_of, without_native_segments
from .params import (
    DEFAULT_TRT_MAX_WORKSPACE_SIZE_BYTES,
    PROFILE_STRATEGY_RANGE,
    TrtConversionParams,
    TrtPrecisionMode,
    canonical_profile_strategy,
    check_calibrator,
    check_params,
    experimental_feature,
    logger,
    needs_calibration,
)
from .profiles import profiles_text
from .summary import print_summary

InputFunction = Callable[[], Iterable[Any]]


class TrtGraphConverterV2:
    """Converts one signature of a SavedModel to a function whose graph has TRTEngineOp nodes.

        converter = trt.TrtGraphConverterV2("model", precision_mode="INT8")
        converter.convert(calibration_input_fn=batches)
        converter.build(input_fn=shapes_to_serve)
        converter.save("model_int8")

    A new process loads the result with `tf.saved_model.load`, after `import tfengine.tensorflow`.

    Arguments:
        input_saved_model_dir: the SavedModel's folder.
        input_saved_model_tags: of its MetaGraph; None: ["serve"].
        input_saved_model_signature_key: the signature to convert; None: "serving_default".
        use_dynamic_shape: True: every dimension may change between calls, not the batch alone; None: False.
        dynamic_shape_profile_strategy: with use_dynamic_shape: one of supported_profile_strategies(); None: "Range".
            See docs/tensorflow.md for what each does.
        max_workspace_size_bytes, precision_mode, minimum_segment_size, maximum_cached_engines, use_calibration,
            allow_build_at_runtime: see TrtConversionParams.
        conversion_params: a TrtConversionParams, which replaces the six.
        calibrator: how ranges follow from what calibration saw: "entropy" and "entropy1" (TensorRT's), "legacy", "auto",
            "mse", "percentile", "minmax" or "moving_average".
        percentile: of the calibrators "percentile" and "legacy".
        strict_ranges: INT8: tensors without a range are an error that names them all, when their engine is built. False:
            what reads them computes in float.
        nodes_denylist: names of nodes of the frozen graph that stay TensorFlow's.

    Raises AssertionError without eager execution, ValueError for arguments that mean nothing.
    """

    def __init__(
        self,
        input_saved_model_dir: str | None = None,
        input_saved_model_tags: list[str] | None = None,
        input_saved_model_signature_key: str | None = None,
        use_dynamic_shape: bool | None = None,
        dynamic_shape_profile_strategy: str | None = None,
        max_workspace_size_bytes: int = DEFAULT_TRT_MAX_WORKSPACE_SIZE_BYTES,
        precision_mode: str = TrtPrecisionMode.FP32,
        minimum_segment_size: int = 3,
        maximum_cached_engines: int = 1,
        use_calibration: bool = True,
        allow_build_at_runtime: bool = True,
        conversion_params: TrtConversionParams | None = None,
        *,
        calibrator: str = "entropy",
        percentile: float = 99.99,
        strict_ranges: bool = False,
        nodes_denylist: Iterable[str] = (),
    ) -> None:
        if not tf.executing_eagerly():
            raise AssertionError(
                "TrtGraphConverterV2 needs eager execution: for TensorFlow 1's graphs, use TrtGraphConverter"
            )
        self._conversion_params = conversion_params or TrtConversionParams(
            max_workspace_size_bytes,
            precision_mode,
            minimum_segment_size,
            maximum_cached_engines,
            use_calibration,
            allow_build_at_runtime,
        )
        check_params(self._conversion_params)
        check_calibrator(calibrator, percentile)
        if input_saved_model_dir is None:
            raise ValueError("input_saved_model_dir: got None, expected the folder of a SavedModel")
        self._input_saved_model_dir = os.fspath(input_saved_model_dir)
        self._input_saved_model_tags = list(input_saved_model_tags or [tf.saved_model.SERVING])
        self._input_saved_model_signature_key = (
            input_saved_model_signature_key or tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
        )
        self._use_dynamic_shape = bool(use_dynamic_shape)
        self._profile_strategy = ""
        if self._use_dynamic_shape:
            self._profile_strategy = canonical_profile_strategy(
                dynamic_shape_profile_strategy or PROFILE_STRATEGY_RANGE
            )
        if experimental_feature("disable_graph_freezing"):
            logger.warning(
                "TF_TRT_EXPERIMENTAL_FEATURES: 'disable_graph_freezing' changes nothing: engines hold constants"
            )
        self._ranges = {"calibrator": calibrator, "percentile": float(percentile), "strict_ranges": bool(strict_ranges)}
        self._nodes_denylist = [node_of(name) for name in nodes_denylist]
        self._need_calibration = needs_calibration(self._conversion_params)
        self._calibrations: dict[str, EngineCalibration] | None = None
        self._saved_model: Any = None
        self._frozen: functions.FrozenSignature | None = None
        self._converted_graph_def: tf.compat.v1.GraphDef | None = None
        self._converted_func: Any = None
        self._build_called_once = False
        self._engines_kept = self._conversion_params.maximum_cached_engines

    def convert(self, calibration_input_fn: InputFunction | None = None):
        """Converts, calibrates if INT8 asks for it, and returns the converted function.

        Arguments:
            calibration_input_fn: gives batches for INT8 calibration: each a dict by input name, a list or tuple in the
                order of the names, or the only input. Batches may differ in size.

        Raises AssertionError if called twice, ValueError if the function is missing or given in vain, KeyError for an
        unknown signature, RuntimeError for batches that are no tensors.
        """
        if self._converted_func is not None:
            raise AssertionError("convert() was called before; make a new TrtGraphConverterV2")
        if self._need_calibration and not calibration_input_fn:
            raise ValueError("calibration_input_fn: got None, and the precision is INT8 with calibration")
        if not self._need_calibration and calibration_input_fn:
            raise ValueError("calibration_input_fn is for precision_mode INT8 with use_calibration=True")
        self._saved_model = tf.saved_model.load(self._input_saved_model_dir, self._input_saved_model_tags)
        signatures = self._saved_model.signatures
        if self._input_saved_model_signature_key not in signatures:
            raise KeyError(
                f"{self._input_saved_model_dir}: no signature '{self._input_saved_model_signature_key}', "
                f"expected one of {sorted(signatures)}"
            )
        self._frozen = functions.freeze(signatures[self._input_saved_model_signature_key])
        self._converted_graph_def, self._conversion = convert_frozen(
            self._frozen.graph_def,
            self._frozen.outputs,
            self._conversion_params,
            nodes_denylist=self._nodes_denylist,
            is_dynamic_op=True,
            use_dynamic_shape=self._use_dynamic_shape,
            profile_strategy=self._profile_strategy,
            # Engines are built ahead of time even if they may not be when serving: save() writes what is wanted.
            allow_build_at_runtime=True,
            **self._ranges,
        )
        self._rebuild()
        if self._need_calibration:
            self._calibrate(calibration_input_fn)
        return self._converted_func

    def _rebuild(self) -> None:
        """After a change of nodes' attributes."""
        self._converted_func = functions.build(self._converted_graph_def, self._frozen)

    def _run(self, batch: Any) -> None:
        arguments, keywords = as_arguments(batch)
        names = functions.argument_names(self._frozen)
        if len(arguments) > len(names):
            raise RuntimeError(
                f"input function: got {len(arguments)} arrays, expected {len(names)}: {', '.join(names)}"
            )
        self._converted_func(**dict(zip(names, arguments)), **keywords)

    def _calibrate(self, calibration_input_fn: InputFunction) -> None:
        for batch in calibration_input_fn():
            self._run(batch)
        self._calibrations = read_eagerly(engine_nodes(self._converted_graph_def))
        store(self._converted_graph_def, self._calibrations)
        self._rebuild()

    def build(self, input_fn: InputFunction) -> None:
        """Builds engines ahead of time, by running the converted function.

        Arguments:
            input_fn: gives inputs in the forms that `convert` takes, one for each set of shapes to come.

        Raises NotImplementedError if called twice, RuntimeError before `convert()` and without input_fn.
        """
        if self._build_called_once:
            raise NotImplementedError("build() was called before: engines for other shapes are built when they come")
        if not input_fn:
            raise RuntimeError("build(): input_fn is None, expected a function that gives inputs")
        if self._converted_func is None:
            raise RuntimeError("build() comes after convert()")
        # Which branches run depends on values: their engines need all of the inputs.
        every = len(main_engine_nodes(self._converted_graph_def)) < len(list(engine_nodes(self._converted_graph_def)))
        batches = {(self._shapes_of(batch), i if every else 0): batch for i, batch in enumerate(input_fn())}
        kept, wanted = self._conversion_params.maximum_cached_engines, len({shapes for shapes, _ in batches})
        if self._use_dynamic_shape:
            # One engine of TF-TRT's holds the profiles of all shapes.
            self._engines_kept = max(kept, wanted)
            self._set_attribute("max_cached_engines_count", "i", self._engines_kept)
        elif wanted > kept:
            logger.warning(
                "build(): %d sets of input shapes, but maximum_cached_engines is %d: only the latest engines stay",
                wanted,
                kept,
            )
        for batch in batches.values():
            self._run(batch)
        if self._use_dynamic_shape:
            self._set_profiles()
        self._build_called_once = True

    def _set_profiles(self) -> None:
        for node in engine_nodes(self._converted_graph_def):
            seen = engine_shapes(node)
            if seen:
                node.attr["_tfengine_profiles"].s = profiles_text(self._profile_strategy, seen).encode()
        self._rebuild()

    def _shapes_of(self, batch: Any) -> tuple:
        arguments, keywords = as_arguments(batch)
        named = {**dict(zip(functions.argument_names(self._frozen), arguments)), **keywords}
        return tuple((name, tuple(value.shape)) for name, value in sorted(named.items()))

    def _set_attribute(self, name: str, kind: str, value: Any) -> None:
        for node in engine_nodes(self._converted_graph_def):
            setattr(node.attr[name], kind, value)
        self._rebuild()

    def save(
        self,
        output_saved_model_dir: str,
        save_gpu_specific_engines: bool = True,
        options: tf.saved_model.SaveOptions | None = None,
    ) -> None:
        """Writes the converted model as a SavedModel, with engines as assets.

        Other signatures stay as they were, with the variables that they need; those that are the same function under
        another name are the converted one too. Tables and their files come along.

        Arguments:
            save_gpu_specific_engines: False: engines are left out, and are built where the model is served.
            options: as for tf.saved_model.save.

        Raises AssertionError before `convert()`.
        """
        if self._converted_func is None:
            raise AssertionError("save() comes after convert()")
        with tempfile.TemporaryDirectory() as folder:
            resources = self._serialize_engines(folder, save_gpu_specific_engines)
            if not self._conversion_params.allow_build_at_runtime:
                # Not before: build() needs it.
                self._set_attribute("_allow_build_at_runtime", "b", False)
            converted = self._converted_func
            if experimental_feature("remove_native_segments"):
                converted = self._without_native_segments(resources)
            root = tf.Module()
            root.trt_engine_resources = resources
            signatures = self._signatures(root, converted)
            tf.saved_model.save(root, os.fspath(output_saved_model_dir), signatures, options)

    def _without_native_segments(self, resources: dict[str, EngineResource]):
        built = {name for name, resource in resources.items() if resource.has_engine()}
        for node in engine_nodes(self._converted_graph_def):
            if canonical_name(node.name) not in built:
                logger.warning("remove_native_segments: %s keeps its segment, as no engine of it is saved", node.name)
        return functions.build(without_native_segments(self._converted_graph_def, built), self._frozen)

    def _serialize_engines(self, folder: str, with_engines: bool) -> dict[str, EngineResource]:
        resources: dict[str, EngineResource] = {}
        for node in engine_nodes(self._converted_graph_def):
            name = canonical_name(node.name)
            if name in resources:
                continue
            filename = os.path.join(folder, f"trt-serialized-engine.{name}")
            try:
                with device_of(node):
                    ops.serialize_trt_resource(
                        resource_name=name,
                        filename=filename,
                        delete_resource=False,
                        save_gpu_specific_engines=with_engines,
                    )
            except tf.errors.NotFoundError:
                logger.info("%s has not run yet: its engine will be built where the model is served", name)
                continue
            resources[name] = EngineResource(name, filename, self._engines_kept, node.device)
        return resources

    def _signatures(self, root: tf.Module, converted) -> dict:
        loaded = self._saved_model.signatures
        chosen = loaded[self._input_saved_model_signature_key]
        signatures = {}
        captures = list(self._frozen.captures.values())
        for name, function in loaded.items():
            if name == self._input_saved_model_signature_key or functions.same(function, chosen):
                signatures[name] = converted
            else:
                signatures[name] = function
                captures += [outer for outer, _ in function.graph.captures]
        root.kept = functions.owners_of(captures, self._saved_model)
        return signatures

    def summary(self, line_length: int = 160, detailed: bool = True, print_fn: Callable[[str], None] | None = None):
        """Prints a row for each engine, and how much of the graph they make up.

        Arguments:
            line_length: characters of a line, at least 160.
            detailed: list the ops in each engine too.
            print_fn: called for each line; None: print.

        Raises RuntimeError before `convert()`, ValueError for a shorter line.
        """
        if self._converted_func is None:
            raise RuntimeError("summary() comes after convert()")
        print_summary(
            self._converted_func.graph.as_graph_def(add_shapes=True), line_length, detailed, print_fn or print
        )

    def save_calibration(self, folder: str | os.PathLike) -> list[str]:
        """Writes each engine's table (ENGINE.calib_table) and histograms (ENGINE.histograms, for
        `tfengine calibrate --from`), and returns the paths. AssertionError if there was no calibration."""
        if self._calibrations is None:
            raise AssertionError("save_calibration() comes after convert() with INT8 calibration")
        return write_calibration(self._calibrations, folder)

    def report(self) -> str:
        """Which nodes became engines, and why the others did not. AssertionError before `convert()`."""
        if self._converted_func is None:
            raise AssertionError("report() comes after convert()")
        return self._conversion.report
