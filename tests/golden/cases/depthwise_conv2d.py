# SPDX-License-Identifier: Apache-2.0
"""DepthwiseConv2dNative: channel multipliers, strides, explicit padding."""

import tensorflow as tf
from tensorflow import raw_ops


def cases(r):
    def depthwise(case, image, kernel, padding="SAME", strides=(1, 1), explicit=()):
        weights = r.values(*kernel, low=-1, high=1)
        r.record(
            case,
            lambda x: raw_ops.DepthwiseConv2dNative(
                input=x,
                filter=weights,
                strides=[1, *strides, 1],
                padding=padding,
                explicit_paddings=list(explicit),
                name="depthwise",
            ),
            x=r.values(*image),
        )

    depthwise("same", (2, 7, 9, 8), (3, 3, 8, 1))
    depthwise("same_stride_2", (1, 8, 8, 6), (5, 5, 6, 1), strides=(2, 2))
    depthwise("valid_stride_2", (1, 9, 9, 16), (3, 3, 16, 1), "VALID", (2, 2))
    depthwise("multiplier_2", (1, 6, 6, 3), (3, 3, 3, 2))
    depthwise("one_channel_multiplier_4", (1, 6, 5, 1), (3, 2, 1, 4), "VALID")
    depthwise("7x7", (1, 9, 8, 4), (7, 7, 4, 1))
    depthwise("explicit", (1, 7, 7, 4), (3, 3, 4, 1), "EXPLICIT", (2, 2), explicit=(0, 0, 0, 1, 1, 0, 0, 0))

    # The CPU kernel has no dilations: tf.nn wraps the op in SpaceToBatchND and BatchToSpaceND instead.
    weights = r.values(3, 3, 4, 1)
    dilated = lambda x: tf.nn.depthwise_conv2d(x, weights, [1, 1, 1, 1], "SAME", dilations=[2, 2])  # noqa: E731
    r.record("dilated_through_batches", dilated, x=r.values(1, 10, 10, 4))
