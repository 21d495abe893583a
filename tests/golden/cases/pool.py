# SPDX-License-Identifier: Apache-2.0
"""MaxPool and AvgPool. SAME average pooling divides by the number of real pixels under the window."""

from tensorflow import raw_ops


def cases(r):
    def pool(case, op, image, window, strides, padding, explicit=None):
        extra = {} if explicit is None else {"explicit_paddings": explicit}
        operand = "input" if op is raw_ops.MaxPool else "value"
        r.record(
            case,
            lambda x: op(
                **{operand: x}, ksize=[1, *window, 1], strides=[1, *strides, 1], padding=padding, **extra, name="pool"
            ),
            x=r.values(*image) - 4.0,  # all negative: padding with zeros would win a maximum
        )

    for name, op in (("max", raw_ops.MaxPool), ("avg", raw_ops.AvgPool)):
        pool(f"{name}_valid", op, (2, 8, 6, 5), (2, 2), (2, 2), "VALID")
        pool(f"{name}_valid_remainder", op, (1, 9, 8, 3), (3, 3), (2, 2), "VALID")
        pool(f"{name}_same", op, (1, 7, 7, 4), (3, 3), (1, 1), "SAME")
        pool(f"{name}_same_stride_2", op, (1, 8, 7, 17), (3, 3), (2, 2), "SAME")
        pool(f"{name}_window_differs", op, (1, 6, 9, 2), (1, 4), (2, 3), "SAME")
        pool(f"{name}_whole_image", op, (2, 5, 5, 8), (5, 5), (1, 1), "VALID")
    pool("max_one_stride_2", raw_ops.MaxPool, (1, 7, 7, 4), (1, 1), (2, 2), "VALID")
    pool("max_explicit", raw_ops.MaxPool, (1, 6, 6, 3), (3, 3), (2, 2), "EXPLICIT", [0, 0, 1, 0, 0, 1, 0, 0])

    def padded(x):
        y = raw_ops.Pad(input=raw_ops.Relu(features=x), paddings=[[0, 0], [1, 1], [1, 1], [0, 0]])
        return raw_ops.MaxPool(input=y, ksize=[1, 3, 3, 1], strides=[1, 2, 2, 1], padding="VALID", name="pool")

    r.record("relu_pad_max", padded, x=r.values(1, 8, 8, 4))
