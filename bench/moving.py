# SPDX-License-Identifier: Apache-2.0
"""A network in which data move: slices, splits, blocks of pixels, resizing, transposed convolutions, the largest elements.
bridges.py exports it as "moving"; its weights and pictures are random and seeded."""

import numpy as np

PICTURE = (16, 16, 8)


def _weights(rng, *shape):
    import tensorflow as tf

    return tf.constant((rng.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32))


def graph_def():
    """Bytes of a frozen graph from "image" to rows of scores."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    rng = np.random.default_rng(5)
    first, second = _weights(rng, 3, 3, 8, 16), _weights(rng, 1, 1, 64, 32)
    turned, last = _weights(rng, 3, 3, 12, 16), _weights(rng, 12, 10)

    @tf.function(input_signature=[tf.TensorSpec([None, *PICTURE], tf.float32, name="image")])
    def network(image):
        x = tf.nn.swish(tf.nn.conv2d(image, first, 1, "SAME"))
        x = tf.nn.relu(tf.nn.conv2d(tf.nn.space_to_depth(x, 2), second, 1, "SAME"))
        left, right = tf.split(x, 2, axis=-1)
        left = tf.nn.depth_to_space(left, 2)[:, 1:-1, ::2, :]
        left = tf.image.resize(left, [8, 8])
        right = tf.compat.v1.image.resize_nearest_neighbor(right, [4, 4], half_pixel_centers=True)
        sizes = tf.stack([tf.shape(image)[0], 8, 8, 12])
        right = tf.nn.relu(tf.nn.conv2d_transpose(right, turned, sizes, 2, "SAME"))
        x = tf.concat([left, tf.slice(right, [0, 0, 0, 2], [-1, -1, -1, 8])], axis=-1)
        scores = tf.einsum("nhwc,co->no", x, last) / 64
        best, _ = tf.math.top_k(scores, 10)
        return best

    frozen = convert_variables_to_constants_v2(network.get_concrete_function())
    return frozen.graph.as_graph_def().SerializeToString()


def pictures(count, seed):
    return np.random.default_rng(seed).standard_normal((count, *PICTURE)).astype(np.float32)
