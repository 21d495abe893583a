# SPDX-License-Identifier: Apache-2.0
"""tfengine inside TensorFlow: the frozen graph through trt_convert, its TRTEngineOp run as a function, or in a session
("-session"). Not among the peers of peers.py, whose TensorFlow may be another than tfengine was built with: see
tensorflow_op.py."""

import os

from .with_tfengine import CALIBRATOR, python

__all__ = ["CONTENDERS", "load", "prepare", "python"]

SESSION = "-session"
CONTENDERS = [f"trtengineop-{precision}{way}" for precision in ("fp32", "int8") for way in ("", SESSION)]


def _path(contender, model, cache):
    return cache / f"{model.name}.{contender.removesuffix(SESSION)}.pb"


def _settings(threads):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return tf


def prepare(contender, model, cache, batches, threads):
    tf = _settings(threads)
    from tfengine import trt_convert as trt

    images = model.calibration()
    feeds = iter([{model.input: images[at : at + 1]} for at in range(len(images))])
    with tf.Graph().as_default():
        converter = trt.TrtGraphConverter(
            input_graph_def=model.graph_def(),
            nodes_denylist=[model.output],
            precision_mode=contender.split("-")[1],
            is_dynamic_op=True,
            maximum_cached_engines=len(batches),
            calibrator=CALIBRATOR,
        )
        graph_def = converter.convert()
        if contender.split("-")[1] == "int8":
            graph_def = converter.calibrate([model.output], len(images), feed_dict_fn=lambda: next(feeds))
    _path(contender, model, cache).write_bytes(graph_def.SerializeToString())


def load(contender, model, cache, batch, threads):
    tf = _settings(threads)
    import tfengine.tensorflow  # noqa: F401  registers TRTEngineOp

    graph_def = tf.compat.v1.GraphDef.FromString(_path(contender, model, cache).read_bytes())
    if contender.endswith(SESSION):
        graph = tf.Graph()
        with graph.as_default():
            tf.import_graph_def(graph_def, name="")
        return tf.compat.v1.Session(graph=graph).make_callable(model.output, [model.input])
    wrapped = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(graph_def, name=""), [])
    elements = [wrapped.graph.as_graph_element(name) for name in (model.input, model.output)]
    # With a signature and called by name, as converters' functions are: without, TensorFlow first fails to call it, and
    # prints the array into the error's text, which takes as long as a small network.
    signature = (), {"images": tf.TensorSpec(model.input_shape, name=model.input.split(":")[0])}
    function = wrapped.prune(elements[:1], elements[1:], input_signature=signature)
    return lambda images: function(images=tf.constant(images))[0].numpy()
