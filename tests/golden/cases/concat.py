# SPDX-License-Identifier: Apache-2.0
"""Joining and dividing: ConcatV2, Pack, Unpack, Split, SplitV."""

import numpy as np
from tensorflow import raw_ops


def cases(r):
    def concat(case, axis, *shapes):
        values = {f"x{number}": r.values(*shape) + number for number, shape in enumerate(shapes)}
        r.record(case, lambda *xs: raw_ops.ConcatV2(values=list(xs), axis=axis, name="y"), **values)

    concat("concat_channels", 3, (2, 3, 4, 5), (2, 3, 4, 2), (2, 3, 4, 7))
    concat("concat_first", 0, (1, 4), (3, 4))
    concat("concat_minus_one", -1, (2, 3), (2, 1))
    concat("concat_middle", 1, (2, 3, 4), (2, 1, 4))
    concat("concat_with_empty", 1, (2, 3), (2, 0))
    ints = {"x": np.array([1, 2], np.int32), "y": np.array([3], np.int32)}
    r.record("concat_int32", lambda x, y: raw_ops.ConcatV2(values=[x, y], axis=0, name="z"), **ints)
    r.record(
        "concat_v1",
        lambda x, y: raw_ops.Concat(concat_dim=1, values=[x, y], name="z"),
        x=r.values(2, 3),
        y=r.values(2, 2),
    )

    for axis in (0, 1, -1):
        name = f"pack_{axis}".replace("-", "minus_")
        r.record(
            name,
            lambda x, y, axis=axis: raw_ops.Pack(values=[x, y], axis=axis, name="z"),
            x=r.values(2, 3),
            y=r.values(2, 3) + 9,
        )
    scalars = {name: np.array(value, np.int32) for name, value in (("a", 3), ("b", -1), ("c", 7))}
    r.record("pack_scalars_int32", lambda *xs: raw_ops.Pack(values=list(xs), name="y"), **scalars)
    r.record("unpack_first", lambda x: raw_ops.Unpack(value=x, num=3, axis=0, name="y"), x=r.values(3, 4))
    r.record("unpack_last", lambda x: raw_ops.Unpack(value=x, num=2, axis=-1, name="y"), x=r.values(3, 4, 2))
    r.record(
        "unpack_shape", lambda x: raw_ops.Unpack(value=raw_ops.Shape(input=x), num=3, name="y"), x=r.values(2, 3, 4)
    )

    r.record("split", lambda x: raw_ops.Split(axis=1, value=x, num_split=3, name="y"), x=r.values(2, 6, 2))
    r.record("split_last", lambda x: raw_ops.Split(axis=-1, value=x, num_split=2, name="y"), x=r.values(2, 3, 4))
    splitv = lambda sizes, axis: (
        lambda x: raw_ops.SplitV(value=x, size_splits=sizes, axis=axis, num_split=len(sizes), name="y")
    )  # noqa: E731
    r.record("splitv", splitv([1, 4, 2], 1), x=r.values(3, 7))
    r.record("splitv_rest", splitv([2, -1], 0), x=r.values(5, 2))
