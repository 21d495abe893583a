# SPDX-License-Identifier: Apache-2.0
"""Ops that change or compute shapes, on data and on the int32 vectors that shapes are."""

import numpy as np
import tensorflow as tf
from tensorflow import raw_ops


def cases(r):
    reshape = lambda shape: lambda x: raw_ops.Reshape(tensor=x, shape=shape, name="y")  # noqa: E731
    r.record("reshape", reshape([4, 6]), x=r.values(2, 3, 4))
    r.record("reshape_minus_one", reshape([2, -1]), x=r.values(2, 3, 4))
    r.record("reshape_to_scalar", reshape(np.zeros(0, np.int32)), x=r.values(1, 1))
    r.record("reshape_int64", reshape(np.array([-1, 2])), x=r.values(4, low=0, high=9, dtype=np.int32))
    r.record(
        "reshape_by_input",
        lambda x, s: raw_ops.Reshape(tensor=x, shape=s, name="y"),
        x=r.values(6),
        s=np.array([3, 2], np.int32),
    )

    def flatten(x):
        batch = tf.strided_slice(raw_ops.Shape(input=x), [0], [1], [1], shrink_axis_mask=1)
        return raw_ops.Reshape(tensor=x, shape=raw_ops.Pack(values=[batch, -1]), name="y")

    r.record("reshape_keras_flatten", flatten, x=r.values(3, 2, 4))

    squeeze = lambda axes: lambda x: raw_ops.Squeeze(input=x, axis=axes, name="y")  # noqa: E731
    r.record("squeeze_all", squeeze([]), x=r.values(1, 3, 1, 4))
    r.record("squeeze_axes", squeeze([1, 2]), x=r.values(1, 1, 1, 4))
    r.record("squeeze_negative", squeeze([-2]), x=r.values(1, 3, 1, 4))
    for axis in (0, 2, -1):
        name = f"expanddims_{axis}".replace("-", "minus_")
        r.record(name, lambda x, axis=axis: raw_ops.ExpandDims(input=x, axis=axis, name="y"), x=r.values(3, 4))

    for case, shape, permutation in (
        ("transpose_matrix", (3, 4), [1, 0]),
        ("transpose_nhwc_nchw", (2, 3, 4, 5), [0, 3, 1, 2]),
        ("transpose_nchw_nhwc", (2, 3, 4, 5), [0, 2, 3, 1]),
        ("transpose_rank_5", (2, 1, 3, 2, 4), [4, 0, 3, 1, 2]),
        ("transpose_nothing", (2, 3), [0, 1]),
    ):
        r.record(case, lambda x, p=permutation: raw_ops.Transpose(x=x, perm=p, name="y"), x=r.values(*shape))
    r.record(
        "transpose_int32",
        lambda x: raw_ops.Transpose(x=x, perm=[1, 0], name="y"),
        x=np.arange(6, dtype=np.int32).reshape(2, 3),
    )

    r.record("shape", lambda x: raw_ops.Shape(input=x, name="y"), x=r.values(2, 3, 4))
    r.record("shape_int64", lambda x: raw_ops.Shape(input=x, out_type=tf.int64, name="y"), x=r.values(2, 0))
    r.record("shape_scalar", lambda x: raw_ops.Shape(input=x, name="y"), x=r.values())
    r.record("rank", lambda x: raw_ops.Rank(input=x, name="y"), x=r.values(2, 3, 4))
    r.record("size", lambda x: raw_ops.Size(input=x, name="y"), x=r.values(2, 3, 4))
    r.record("shapen", lambda x, y: raw_ops.ShapeN(input=[x, y], name="z"), x=r.values(2, 3), y=r.values(4))

    fill = lambda s: raw_ops.Fill(dims=s, value=2.5, name="y")  # noqa: E731
    r.record("fill", fill, s=np.array([2, 3], np.int32))
    r.record("fill_scalar", fill, s=np.zeros(0, np.int32))
    r.record("fill_int32", lambda s: raw_ops.Fill(dims=s, value=7, name="y"), s=np.array([4], np.int32))
    r.record("zeroslike", lambda x: raw_ops.ZerosLike(x=x, name="y"), x=r.values(2, 3))
    r.record("oneslike", lambda x: raw_ops.OnesLike(x=x, name="y"), x=r.values(2, 3))

    span = lambda a, b, c: raw_ops.Range(start=a, limit=b, delta=c, name="y")  # noqa: E731
    scalar = lambda value, dtype=np.int32: np.array(value, dtype)  # noqa: E731
    r.record("range", span, a=scalar(0), b=scalar(5), c=scalar(1))
    r.record("range_down", span, a=scalar(10), b=scalar(1), c=scalar(-3))
    r.record("range_empty", span, a=scalar(3), b=scalar(3), c=scalar(1))
    r.record("range_float", span, a=scalar(0, np.float32), b=scalar(1, np.float32), c=scalar(0.25, np.float32))

    r.record("broadcastto", lambda x: raw_ops.BroadcastTo(input=x, shape=[2, 3, 4], name="y"), x=r.values(3, 1))
    r.record("broadcastto_scalar", lambda x: raw_ops.BroadcastTo(input=x, shape=[2, 2], name="y"), x=r.values())
    r.record("tile", lambda x: raw_ops.Tile(input=x, multiples=[2, 1, 3], name="y"), x=r.values(2, 3, 2))
    r.record("tile_int32", lambda x: raw_ops.Tile(input=x, multiples=[3], name="y"), x=np.arange(4, dtype=np.int32))
    r.record("reverse", lambda x: raw_ops.ReverseV2(tensor=x, axis=[0, -1], name="y"), x=r.values(2, 3, 4))
