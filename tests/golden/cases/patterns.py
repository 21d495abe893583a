# SPDX-License-Identifier: Apache-2.0
"""Blocks that frameworks freeze as several ops and that fusion looks for, each as Keras emits it."""

import numpy as np
import tensorflow as tf
from tensorflow import raw_ops


def cases(r):
    r.record("swish", lambda x: raw_ops.Mul(x=x, y=raw_ops.Sigmoid(x=x), name="y"), x=r.values(2, 5, low=-6, high=6))
    hard_swish = lambda x: raw_ops.Mul(x=x, y=raw_ops.RealDiv(x=raw_ops.Relu6(features=x + 3.0), y=6.0), name="y")  # noqa: E731
    r.record("hard_swish", hard_swish, x=r.values(2, 9, low=-6, high=6))
    by_sixth = lambda x: raw_ops.Mul(x=x, y=raw_ops.Relu6(features=x + 3.0) * np.float32(1 / 6), name="y")  # noqa: E731
    r.record("hard_swish_multiplied", by_sixth, x=r.values(2, 9, low=-6, high=6))
    r.record("gelu_erfc", lambda x: 0.5 * x * raw_ops.Erfc(x=-x * np.float32(np.sqrt(0.5))), x=r.values(2, 9))
    r.record("gelu_erf", lambda x: 0.5 * x * (1.0 + raw_ops.Erf(x=x / np.float32(np.sqrt(2)))), x=r.values(2, 9))
    r.record("gelu_tanh", lambda x: tf.nn.gelu(x, approximate=True), x=r.values(2, 9))

    def layer_norm(x):
        scale, offset = tf.reshape(r.values(8, low=0.5), [1, 8]), tf.reshape(r.values(8), [1, 8])
        mean = raw_ops.Mean(input=x, axis=[-1], keep_dims=True)
        variance = raw_ops.Mean(
            input=raw_ops.SquaredDifference(x=x, y=raw_ops.StopGradient(input=mean)), axis=[-1], keep_dims=True
        )
        factor = raw_ops.Rsqrt(x=variance + 1e-3) * scale
        return raw_ops.AddV2(x=x * factor, y=(-mean * factor + offset), name="y")

    r.record("layer_norm", layer_norm, x=r.values(3, 8))

    def squeeze_excite(x):
        y = raw_ops.Mean(input=x, axis=[1, 2], keep_dims=True)
        y = raw_ops.Conv2D(input=y, filter=r.values(1, 1, 8, 2), strides=[1, 1, 1, 1], padding="SAME")
        y = raw_ops.Relu(features=raw_ops.BiasAdd(value=y, bias=r.values(2)))
        y = raw_ops.Conv2D(input=y, filter=r.values(1, 1, 2, 8), strides=[1, 1, 1, 1], padding="SAME")
        y = raw_ops.Sigmoid(x=raw_ops.BiasAdd(value=y, bias=r.values(8)))
        return raw_ops.Mul(x=x, y=y, name="y")

    r.record("squeeze_excite", squeeze_excite, x=r.values(2, 4, 4, 8))
