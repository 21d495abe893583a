# SPDX-License-Identifier: Apache-2.0
"""Reductions over one, several, negative, all and no axes."""

import numpy as np
from tensorflow import raw_ops

AXES = {
    "spatial": [1, 2],
    "last": [-1],
    "first": 0,
    "apart": [0, 2],
    "all": [0, 1, 2, 3],
    "none": np.zeros(0, np.int32),
}


def cases(r):
    for op in ("Mean", "Sum", "Max", "Min", "Prod"):
        for name, axes in AXES.items():
            for keep in (False, True) if op in ("Mean", "Max") else (name == "spatial",):
                r.record(
                    f"{op.lower()}_{name}{'_keep' if keep else ''}",
                    lambda x, op=op, axes=axes, keep=keep: getattr(raw_ops, op)(
                        input=x, axis=axes, keep_dims=keep, name="y"
                    ),
                    x=r.values(2, 3, 4, 5, low=-1.5, high=1.5),
                )
        if op != "Mean":
            r.record(
                f"{op.lower()}_int32",
                lambda x, op=op: getattr(raw_ops, op)(input=x, axis=[0], name="y"),
                x=r.values(4, low=-5, high=5, dtype=np.int32),
            )
    r.record("mean_vector", lambda x: raw_ops.Mean(input=x, axis=[0], name="y"), x=r.values(7))
    r.record("sum_axes_int64", lambda x: raw_ops.Sum(input=x, axis=np.array([1, -1]), name="y"), x=r.values(2, 3, 4))
    for op in ("All", "Any"):
        flags = r.values(3, 4, dtype=np.bool_)
        r.record(op.lower(), lambda x, op=op: getattr(raw_ops, op)(input=x, axis=[1], name="y"), x=flags)
