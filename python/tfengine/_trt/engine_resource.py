"""What a SavedModel holds of one TRTEngineOp: its engines as an asset, which are put into the op's cache on loading."""

from __future__ import annotations

import tensorflow as tf

from tfengine.tensorflow import ops


class EngineResource(tf.saved_model.experimental.TrackableResource):
    """Saved with its three functions, as TF-TRT did, so that plain tf.saved_model.load needs none of this code."""

    def __init__(self, name: str, filename: str, maximum_cached_engines: int, device: str) -> None:
        super().__init__(device=device)
        self._name = name
        self._device_name = device
        self._maximum_cached_engines = maximum_cached_engines
        self._filename = self._track_trackable(tf.saved_model.Asset(filename), "_serialized_trt_resource_filename")

    def _create_resource(self):
        with tf.device(self._device_name):
            return ops.create_trt_resource_handle(resource_name=self._name)

    def _initialize(self) -> None:
        ops.initialize_trt_resource(
            self.resource_handle, self._filename.asset_path, max_cached_engines_count=self._maximum_cached_engines
        )

    def _destroy_resource(self) -> None:
        handle = self._create_resource()
        with tf.device(self._device_name):
            tf.raw_ops.DestroyResourceOp(resource=handle, ignore_lookup_error=True)

    def __del__(self) -> None:
        """Deletes nothing: in this process the engines are the converted function's, and this only describes them."""
