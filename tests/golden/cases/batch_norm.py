# SPDX-License-Identifier: Apache-2.0
"""FusedBatchNorm in its three versions at inference, and the decomposed form that Keras 3 freezes."""

import numpy as np
import tensorflow as tf
from tensorflow import raw_ops


def cases(r):
    def parameters(channels):
        return {
            "scale": r.values(channels, low=0.5, high=1.5),
            "offset": r.values(channels),
            "mean": r.values(channels, low=-1, high=1),
            "variance": r.values(channels, low=0.1, high=4),
        }

    def fused(case, op, image, epsilon):
        values = parameters(image[-1])
        r.record(
            case, lambda x: op(x=x, **values, epsilon=epsilon, is_training=False, name="norm")[0], x=r.values(*image)
        )

    fused("v3", raw_ops.FusedBatchNormV3, (2, 5, 4, 6), 1e-3)
    fused("v3_small_epsilon", raw_ops.FusedBatchNormV3, (1, 3, 3, 17), 1.001e-5)
    fused("v2", raw_ops.FusedBatchNormV2, (1, 4, 4, 5), 1e-3)
    fused("v1", raw_ops.FusedBatchNorm, (1, 4, 4, 5), 1e-4)

    def conv_v3_relu6(x):
        values = parameters(8)
        y = raw_ops.Conv2D(input=x, filter=r.values(3, 3, 3, 8, low=-1, high=1), strides=[1, 2, 2, 1], padding="SAME")
        y = raw_ops.FusedBatchNormV3(x=y, **values, epsilon=1e-3, is_training=False)[0]
        return raw_ops.Relu6(features=y, name="out")

    r.record("conv_v3_relu6", conv_v3_relu6, x=r.values(1, 8, 8, 3))

    def depthwise_v1(x):
        values = parameters(6)
        y = raw_ops.DepthwiseConv2dNative(
            input=x, filter=r.values(3, 3, 6, 1, low=-1, high=1), strides=[1, 1, 1, 1], padding="SAME"
        )
        return raw_ops.FusedBatchNorm(x=y, **values, epsilon=1e-3, is_training=False, name="out")[0]

    r.record("depthwise_v1", depthwise_v1, x=r.values(1, 6, 6, 6))

    def decomposed(x):
        values = parameters(5)
        return tf.nn.batch_normalization(x, values["mean"], values["variance"], values["offset"], values["scale"], 1e-3)

    r.record("decomposed", decomposed, x=r.values(2, 4, 3, 5))

    def decomposed_after_conv(x):
        values = {name: tf.reshape(value, [1, 1, 1, 4]) for name, value in parameters(4).items()}
        bias = tf.squeeze(tf.reshape(r.values(4), [1, 1, 1, 4]))
        y = raw_ops.Conv2D(input=x, filter=r.values(3, 3, 3, 4, low=-1, high=1), strides=[1, 1, 1, 1], padding="VALID")
        y = raw_ops.BiasAdd(value=y, bias=bias)
        y = tf.nn.batch_normalization(
            y, values["mean"], values["variance"], values["offset"], values["scale"], np.float32(1e-5)
        )
        return raw_ops.Relu(features=y, name="out")

    r.record("decomposed_after_conv", decomposed_after_conv, x=r.values(1, 6, 6, 3))
