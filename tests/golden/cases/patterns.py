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

    def keras_swish(x):
        y = raw_ops.Mul(x=x, y=raw_ops.Sigmoid(x=raw_ops.Mul(x=tf.constant(1.0), y=x)))
        return raw_ops.IdentityN(input=[y, x, tf.constant(1.0)], name="y")[0]

    r.record("swish_identity_n", keras_swish, x=r.values(2, 3, 3, 4, low=-6, high=6))

    def dense_on_image(x):
        # tf.tensordot with every shape computed at run time, as Keras freezes a Dense layer on rank 4.
        shape, weights = raw_ops.Shape(input=x), r.values(6, 5)
        outer = raw_ops.GatherV2(params=shape, indices=[0, 1, 2], axis=0)
        inner = raw_ops.GatherV2(params=shape, indices=[3], axis=0)
        counts = [raw_ops.Prod(input=part, axis=[0]) for part in (outer, inner)]
        y = raw_ops.Transpose(x=x, perm=raw_ops.ConcatV2(values=[[0, 1, 2], [3]], axis=0))
        y = raw_ops.Reshape(tensor=y, shape=raw_ops.Pack(values=counts))
        y = raw_ops.MatMul(a=y, b=weights)
        y = raw_ops.Reshape(tensor=y, shape=raw_ops.ConcatV2(values=[outer, [5]], axis=0))
        return raw_ops.BiasAdd(value=y, bias=r.values(5), name="y")

    r.record("dense_on_image", dense_on_image, x=r.values(2, 3, 4, 6))

    @tf.function(autograph=False, experimental_attributes={"_noinline": True})
    def grouped_conv(x, weights):
        return raw_ops.Conv2D(input=x, filter=weights, strides=[1, 1, 1, 1], padding="SAME")

    def called(x):
        # Keras freezes a grouped convolution as a function call, in a graph that has no other functions.
        y = grouped_conv(x, r.values(7, 7, 1, 8, low=-1))
        return raw_ops.BiasAdd(value=y, bias=r.values(8), name="y")

    r.record("called_grouped_conv", called, x=r.values(1, 6, 6, 8))
