# SPDX-License-Identifier: Apache-2.0
"""Conv2D: paddings, strides, dilations, and groups given by fewer filter channels than input channels."""

from tensorflow import raw_ops


def cases(r):
    def conv(case, image, kernel, padding="SAME", strides=(1, 1), dilations=(1, 1), explicit=()):
        weights = r.values(*kernel, low=-1, high=1)
        r.record(
            case,
            lambda x: raw_ops.Conv2D(
                input=x,
                filter=weights,
                strides=[1, *strides, 1],
                padding=padding,
                explicit_paddings=list(explicit),
                dilations=[1, *dilations, 1],
                name="conv",
            ),
            x=r.values(*image),
        )

    conv("same", (2, 7, 9, 3), (3, 3, 3, 5))
    conv("same_stride_2_even", (1, 8, 8, 4), (3, 3, 4, 8), strides=(2, 2))  # SAME pads only after
    conv("same_stride_2_odd", (1, 9, 7, 4), (3, 3, 4, 8), strides=(2, 2))
    conv("same_strides_differ", (1, 9, 10, 2), (2, 5, 2, 3), strides=(1, 3))
    conv("same_stride_above_kernel", (1, 9, 9, 3), (1, 1, 3, 4), strides=(3, 3))
    conv("valid", (2, 8, 6, 3), (3, 2, 3, 4), "VALID")
    conv("valid_stride_2", (1, 9, 9, 3), (3, 3, 3, 4), "VALID", (2, 2))
    conv("valid_7x7_stride_2", (1, 15, 15, 3), (7, 7, 3, 8), "VALID", (2, 2))
    conv("pointwise", (2, 5, 5, 16), (1, 1, 16, 24), "VALID")
    conv("explicit", (1, 6, 7, 3), (3, 3, 3, 4), "EXPLICIT", explicit=(0, 0, 1, 2, 0, 3, 0, 0))
    conv("dilated", (1, 12, 11, 3), (3, 3, 3, 4), "SAME", dilations=(2, 3))
    conv("dilated_valid", (1, 12, 11, 3), (3, 3, 3, 4), "VALID", dilations=(2, 2))
    conv("grouped", (1, 6, 6, 8), (3, 3, 2, 12))
    conv("image_smaller_than_kernel", (1, 2, 2, 3), (5, 5, 3, 2))

    # A filter that is computed at run time.
    r.record(
        "filter_is_input",
        lambda x, w: raw_ops.Conv2D(input=x, filter=w, strides=[1, 1, 1, 1], padding="SAME", name="conv"),
        x=r.values(1, 5, 5, 2),
        w=r.values(3, 3, 2, 3),
    )

    def same_blocks(x):
        weights, bias = r.values(3, 3, 4, 4, low=-1, high=1), r.values(4)
        y = raw_ops.BiasAdd(
            value=raw_ops.Conv2D(input=x, filter=weights, strides=[1, 1, 1, 1], padding="SAME"), bias=bias
        )
        y = raw_ops.Relu(features=y)
        return raw_ops.Relu(features=raw_ops.AddV2(x=y, y=x), name="out")

    r.record("bias_relu_residual", same_blocks, x=r.values(1, 6, 6, 4))
