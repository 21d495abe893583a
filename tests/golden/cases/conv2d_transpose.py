# SPDX-License-Identifier: Apache-2.0
"""Conv2DBackpropInput, which is how Conv2DTranspose is frozen; and the same with a computed output shape."""

import tensorflow as tf
from tensorflow import raw_ops


def cases(r):
    def transpose(case, source, kernel, result, padding="SAME", strides=(2, 2), explicit=()):
        weights = r.values(*kernel, low=-1, high=1)
        r.record(
            case,
            lambda x: raw_ops.Conv2DBackpropInput(
                input_sizes=list(result),
                filter=weights,
                out_backprop=x,
                strides=[1, *strides, 1],
                padding=padding,
                explicit_paddings=list(explicit),
                name="transpose",
            ),
            x=r.values(*source),
        )

    transpose("same_stride_2", (1, 4, 5, 3), (3, 3, 4, 3), (1, 8, 10, 4))
    transpose("same_stride_2_odd", (2, 4, 5, 3), (3, 3, 4, 3), (2, 7, 9, 4))
    transpose("same_2x2", (1, 3, 3, 4), (2, 2, 2, 4), (1, 6, 6, 2))
    transpose("valid_stride_2", (1, 4, 4, 3), (3, 3, 2, 3), (1, 9, 9, 2), "VALID")
    transpose("stride_1", (1, 5, 5, 2), (3, 3, 3, 2), (1, 5, 5, 3), strides=(1, 1))
    transpose("stride_3_kernel_5", (1, 3, 4, 2), (5, 5, 3, 2), (1, 9, 12, 3), strides=(3, 3))
    transpose("explicit", (1, 4, 4, 2), (3, 3, 2, 2), (1, 7, 7, 2), "EXPLICIT", explicit=(0, 0, 1, 1, 1, 1, 0, 0))

    def keras_like(x):
        weights = r.values(3, 3, 4, 3, low=-1, high=1)
        shape = raw_ops.Shape(input=x)
        part = lambda at: tf.strided_slice(shape, [at], [at + 1], shrink_axis_mask=1)  # noqa: E731
        sizes = tf.stack([part(0), part(1) * 2, part(2) * 2, 4])
        return raw_ops.Conv2DBackpropInput(
            input_sizes=sizes, filter=weights, out_backprop=x, strides=[1, 2, 2, 1], padding="SAME", name="transpose"
        )

    r.record("sizes_computed", keras_like, x=r.values(1, 4, 4, 3))
