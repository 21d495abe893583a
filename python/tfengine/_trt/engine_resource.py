"""Engines of TRTEngineOps of this process: what is known of them, and what a SavedModel holds of them: an asset, which is
put into the op's cache on loading."""

from __future__ import annotations

import contextlib
import os

import tensorflow as tf

from tfengine.tensorflow import engine_status, ops

from .nodes import canonical_name, device_of


def engine_shapes(node) -> list[list[list[int]]]:
    """Input shapes of the engines that the node's op keeps; none if it never ran."""
    try:
        with device_of(node):
            return [engine["input_shapes"] for engine in engine_status(canonical_name(node.name))["engines"]]
    except tf.errors.NotFoundError:
        return []


class EngineResource(tf.saved_model.experimental.TrackableResource):
    """Saved with its three functions, as TF-TRT did, so that plain tf.saved_model.load needs none of this code."""

    def __init__(self, name: str, filename: str, maximum_cached_engines: int, device: str) -> None:
        super().__init__(device=device)
        self._name = name
        self._device_name = device
        self._maximum_cached_engines = maximum_cached_engines
        self._has_engine = os.path.getsize(filename) > 0
        self._filename = self._track_trackable(tf.saved_model.Asset(filename), "_serialized_trt_resource_filename")

    def has_engine(self) -> bool:
        """False: the file is empty, and the engine is to be built where the model is served."""
        return self._has_engine

    def _device(self) -> contextlib.AbstractContextManager:
        """Of the op: where it names none, TensorFlow chooses for both, by the kernels and devices of the process."""
        return tf.device(self._device_name) if self._device_name else contextlib.nullcontext()

    def _create_resource(self):
        with self._device():
            return ops.create_trt_resource_handle(resource_name=self._name)

    def _initialize(self) -> None:
        ops.initialize_trt_resource(
            self.resource_handle, self._filename.asset_path, max_cached_engines_count=self._maximum_cached_engines
        )

    def _destroy_resource(self) -> None:
        handle = self._create_resource()
        with self._device():
            tf.raw_ops.DestroyResourceOp(resource=handle, ignore_lookup_error=True)

    def __del__(self) -> None:
        """Deletes nothing: in this process the engines are the converted function's, and this only describes them."""
