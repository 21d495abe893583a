# SPDX-License-Identifier: Apache-2.0
"""ArgMax, ArgMin and TopKV2; the first of equal values wins."""

import numpy as np
import tensorflow as tf
from tensorflow import raw_ops


def cases(r):
    ties = np.array([[1, 3, 3, 0], [2, 2, 2, 2]], np.float32)
    for op in ("ArgMax", "ArgMin"):
        apply = lambda axis, kind=tf.int64, op=op: (
            lambda x: getattr(raw_ops, op)(input=x, dimension=axis, output_type=kind, name="y")
        )  # noqa: E731
        r.record(op.lower() + "_last", apply(-1), x=r.values(3, 5))
        r.record(op.lower() + "_middle_int32", apply(1, tf.int32), x=r.values(2, 3, 4))
        r.record(op.lower() + "_ties", apply(1), x=ties)
        r.record(op.lower() + "_first", apply(0), x=r.values(6))
    top = lambda count: lambda x: raw_ops.TopKV2(input=x, k=count, name="y")  # noqa: E731
    r.record("topk", top(3), x=r.values(2, 7))
    r.record("topk_all", top(5), x=r.values(5))
    r.record("topk_ties", top(2), x=ties)
