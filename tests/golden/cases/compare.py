# SPDX-License-Identifier: Apache-2.0
"""Comparisons, logic, and choosing by a condition."""

import numpy as np
import tensorflow as tf
from tensorflow import raw_ops


def cases(r):
    for op in ("Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual"):
        apply = lambda x, y, op=op: getattr(raw_ops, op)(x=x, y=y, name="z")  # noqa: E731
        few = r.values(2, 3, 4, low=-2, high=2, dtype=np.int32)
        r.record(
            op.lower(),
            apply,
            x=few.astype(np.float32),
            y=r.values(4, low=-2, high=2, dtype=np.int32).astype(np.float32),
        )
        r.record(op.lower() + "_int32", apply, x=few, y=np.int32(0).reshape(()))
    nan = np.array([np.nan, 1, np.nan], np.float32)
    r.record("equal_nan", lambda x, y: raw_ops.Equal(x=x, y=y, name="z"), x=nan, y=nan)
    for op in ("LogicalAnd", "LogicalOr"):
        r.record(
            op.lower(),
            lambda x, y, op=op: getattr(raw_ops, op)(x=x, y=y, name="z"),
            x=r.values(4, 1, dtype=np.bool_),
            y=r.values(6, dtype=np.bool_),
        )
    r.record("logicalnot", lambda x: raw_ops.LogicalNot(x=x, name="z"), x=r.values(5, dtype=np.bool_))

    select = lambda c, x, y: raw_ops.Select(condition=c, x=x, y=y, name="z")  # noqa: E731
    r.record("select_same", select, c=r.values(3, 4, dtype=np.bool_), x=r.values(3, 4), y=r.values(3, 4) + 10)
    r.record("select_rows", select, c=np.array([True, False, True]), x=r.values(3, 4), y=r.values(3, 4) + 10)
    r.record("select_scalar", select, c=np.bool_(False).reshape(()), x=r.values(3, 4), y=r.values(3, 4) + 10)
    select2 = lambda c, x, y: raw_ops.SelectV2(condition=c, t=x, e=y, name="z")  # noqa: E731
    r.record("selectv2_broadcast", select2, c=r.values(3, 1, dtype=np.bool_), x=r.values(4), y=r.values(2, 3, 1) + 10)
    r.record("selectv2_scalar_branch", select2, c=r.values(2, 3, dtype=np.bool_), x=r.values(2, 3), y=r.values())
    r.record(
        "selectv2_int32",
        select2,
        c=r.values(4, dtype=np.bool_),
        x=r.values(4, low=0, high=9, dtype=np.int32),
        y=r.values(4, low=-9, high=0, dtype=np.int32),
    )

    clip = lambda x: raw_ops.ClipByValue(t=x, clip_value_min=-1.0, clip_value_max=1.5, name="z")  # noqa: E731
    r.record("clipbyvalue", clip, x=r.values(3, 4))
    r.record("clip_minimum_maximum", lambda x: tf.clip_by_value(x, 0.0, 6.0), x=r.values(3, 4, low=-9, high=9))
