# SPDX-License-Identifier: Apache-2.0
"""Small networks in the shape that TensorFlow 1 froze them: variables read through Identity, FusedBatchNorm of version
1, Add of version 1, a flatten by Shape, and control dependencies left over from training."""

import tensorflow as tf
from tensorflow import raw_ops


def cases(r):
    def variable(name, *shape, low=-1.0):
        return raw_ops.Identity(input=tf.constant(r.values(*shape, low=low, high=1.0), name=name), name=f"{name}/read")

    def batch_norm(x, name):
        channels = x.shape[-1]
        return raw_ops.FusedBatchNorm(
            x=x,
            scale=variable(f"{name}/gamma", channels, low=0.5),
            offset=variable(f"{name}/beta", channels),
            mean=variable(f"{name}/moving_mean", channels),
            variance=variable(f"{name}/moving_variance", channels, low=0.2),
            epsilon=1e-3,
            is_training=False,
            name=f"{name}/FusedBatchNorm",
        )[0]

    def conv(x, name, *kernel, strides=1):
        weights = variable(f"{name}/weights", *kernel)
        return raw_ops.Conv2D(
            input=x, filter=weights, strides=[1, strides, strides, 1], padding="SAME", name=f"{name}/Conv2D"
        )

    def residual(x):
        y = raw_ops.Relu(features=batch_norm(conv(x, "conv1", 3, 3, 3, 8, strides=2), "conv1/BatchNorm"))
        z = raw_ops.Relu(features=batch_norm(conv(y, "conv2", 3, 3, 8, 8), "conv2/BatchNorm"))
        y = raw_ops.Relu(
            features=raw_ops.Add(x=y, y=batch_norm(conv(z, "conv3", 1, 1, 8, 8), "conv3/BatchNorm"), name="add")
        )
        y = raw_ops.Mean(input=y, axis=[1, 2], keep_dims=True, name="pool5")
        y = raw_ops.BiasAdd(value=conv(y, "logits", 1, 1, 8, 5), bias=variable("logits/biases", 5))
        y = raw_ops.Squeeze(input=y, axis=[1, 2], name="SpatialSqueeze")
        return raw_ops.Softmax(logits=raw_ops.Reshape(tensor=y, shape=[-1, 5]), name="predictions")

    r.record("slim_residual", residual, input=r.values(2, 8, 8, 3))

    def separable(x):
        y = raw_ops.Relu6(features=batch_norm(conv(x, "conv", 3, 3, 3, 8, strides=2), "conv/BatchNorm"))
        weights = variable("depthwise/weights", 3, 3, 8, 1)
        y = raw_ops.DepthwiseConv2dNative(input=y, filter=weights, strides=[1, 1, 1, 1], padding="SAME")
        y = raw_ops.Relu6(features=batch_norm(y, "depthwise/BatchNorm"))
        y = raw_ops.Relu6(features=batch_norm(conv(y, "pointwise", 1, 1, 8, 12), "pointwise/BatchNorm"))
        y = raw_ops.AvgPool(value=y, ksize=[1, 4, 4, 1], strides=[1, 1, 1, 1], padding="VALID", name="AvgPool_1a")
        batch = tf.strided_slice(raw_ops.Shape(input=y), [0], [1], [1], shrink_axis_mask=1)
        y = raw_ops.Reshape(tensor=y, shape=raw_ops.Pack(values=[batch, -1]), name="Flatten")
        y = raw_ops.BiasAdd(value=raw_ops.MatMul(a=y, b=variable("fc/weights", 12, 4)), bias=variable("fc/biases", 4))
        return raw_ops.Softmax(logits=y, name="predictions")

    r.record("slim_separable", separable, input=r.values(2, 8, 8, 3))

    def with_leftovers(x):
        check = raw_ops.Assert(condition=True, data=[tf.constant("never shown")], name="check")
        with tf.control_dependencies([check]):
            y = raw_ops.Identity(input=raw_ops.StopGradient(input=x), name="checked")
        y = raw_ops.CheckNumerics(tensor=y, message="bad input")
        y = raw_ops.PlaceholderWithDefault(input=y, shape=[2, 6], name="dropout_input")
        y = raw_ops.MatMul(a=y, b=variable("fc/weights", 6, 3))
        y = raw_ops.LRN(input=tf.reshape(y, [2, 1, 1, 3]), depth_radius=1, bias=1.0, alpha=0.5, beta=0.75)
        return raw_ops.Identity(input=tf.reshape(y, [2, 3]), name="output")

    r.record("leftovers", with_leftovers, input=r.values(2, 6))
