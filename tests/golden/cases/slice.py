# SPDX-License-Identifier: Apache-2.0
"""Slice and StridedSlice with each mask, negative strides, and the forms that Keras and NumPy indexing give."""

import numpy as np
from tensorflow import raw_ops


def cases(r):
    part = lambda begin, size: lambda x: raw_ops.Slice(input=x, begin=begin, size=size, name="y")  # noqa: E731
    r.record("slice", part([1, 0, 2], [1, 2, 3]), x=r.values(3, 4, 5))
    r.record("slice_to_end", part([0, 1], [-1, -1]), x=r.values(3, 4))
    r.record("slice_empty", part([1, 0], [0, 2]), x=r.values(3, 4))
    r.record("slice_int64", part(np.array([2]), np.array([2])), x=np.arange(6, dtype=np.int32))

    def strided(case, x, begin, end, strides=None, **masks):
        strides = strides or [1] * len(begin)
        r.record(
            case, lambda t: raw_ops.StridedSlice(input=t, begin=begin, end=end, strides=strides, name="y", **masks), x=x
        )

    cube = r.values(4, 5, 6)
    strided("strided", cube, [1, 0, 2], [3, 4, 6], [1, 2, 2])
    strided("negative_indices", cube, [-3, 0, 0], [-1, 5, -2])
    strided("negative_stride", cube, [3, 4, 0], [0, 1, 6], [-1, -2, 1])
    strided("reverse_all", cube, [0, 0, 0], [0, 0, 0], [-1, -1, -1], begin_mask=7, end_mask=7)
    strided("begin_mask", cube, [2, 1, 1], [4, 3, 3], begin_mask=5)
    strided("end_mask", cube, [1, 1, 1], [2, 2, 2], end_mask=6)
    strided("ellipsis", cube, [0, 1], [0, 3], ellipsis_mask=1)
    strided("ellipsis_middle", r.values(2, 3, 4, 5), [1, 0, 2], [2, 0, 5], ellipsis_mask=2)
    strided("new_axis", cube, [0, 0, 1], [0, 4, 3], new_axis_mask=1)
    strided("shrink", cube, [1, 0, -1], [2, 5, 0], shrink_axis_mask=5)
    strided("shrink_all", np.array([5, 6, 7], np.int32), [1], [2], shrink_axis_mask=1)
    strided(
        "shrink_ellipsis_new_axis", cube, [1, 0, 0], [2, 0, 0], shrink_axis_mask=1, ellipsis_mask=2, new_axis_mask=4
    )
    strided("out_of_range", cube, [-9, 2, 0], [9, 99, 6], [1, 1, 1])
    strided("empty", cube, [3, 0, 0], [1, 5, 6])
    strided("fewer_dimensions", cube, [1], [3])
    strided("crop_keras", r.values(1, 6, 6, 3), [0, 1, 1, 0], [0, 6, 6, 0], begin_mask=9, end_mask=9)
    strided("crop_keras_end", r.values(1, 6, 6, 3), [0, 0, 0, 0], [0, -1, -1, 0], begin_mask=9, end_mask=9)
    strided("int64_indices", cube, np.array([1]), np.array([3]), np.array([1]))
