# SPDX-License-Identifier: Apache-2.0
"""Softmax and LogSoftmax along the last axis, with values that overflow unless the maximum is taken off."""

import numpy as np
from tensorflow import raw_ops


def cases(r):
    for op in ("Softmax", "LogSoftmax"):
        apply = lambda x, op=op: getattr(raw_ops, op)(logits=x, name="y")  # noqa: E731
        r.record(op.lower(), apply, x=r.values(3, 10))
        r.record(op.lower() + "_large", apply, x=np.array([[1000, 999, -1000], [-1e4, -1e4, -1e4]], np.float32))
        r.record(op.lower() + "_one_class", apply, x=r.values(4, 1))
        r.record(op.lower() + "_4d", apply, x=r.values(2, 3, 4, 5))
        r.record(op.lower() + "_vector", apply, x=r.values(6))
