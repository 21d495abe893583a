# SPDX-License-Identifier: Apache-2.0
"""TensorFlow in float, with its oneDNN kernels on: the frozen graph as a function."""

import os

CONTENDERS = ["tensorflow-fp32"]


def prepare(contender, model, cache, batches, threads):
    pass


def load(contender, model, cache, batch, threads):
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    function = model.function([model.output], batch)
    return lambda images: function(*map(tf.constant, model.feed(images).values()))[0].numpy()
