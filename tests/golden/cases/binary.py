# SPDX-License-Identifier: Apache-2.0
"""Elementwise ops of two operands with every way to broadcast, in float32 and int32."""

import numpy as np
from tensorflow import raw_ops

OPS = ["Add", "AddV2", "Sub", "Mul", "RealDiv", "Maximum", "Minimum", "SquaredDifference", "FloorDiv", "FloorMod"]
SHAPES = {
    "same": ((2, 3, 4), (2, 3, 4)),
    "channel": ((2, 3, 4, 5), (5,)),
    "both": ((3, 1, 4), (1, 5, 1)),
    "scalar": ((2, 3), ()),
}


def cases(r):
    for op in OPS:
        apply = lambda x, y, op=op: getattr(raw_ops, op)(x=x, y=y, name="z")  # noqa: E731
        for name, (left, right) in SHAPES.items():
            divisor_low = 0.5 if op in ("RealDiv", "FloorDiv", "FloorMod") else -3.0
            r.record(f"{op.lower()}_{name}", apply, x=r.values(*left), y=r.values(*right, low=divisor_low))
    r.record("sub_scalar_left", lambda x, y: raw_ops.Sub(x=x, y=y, name="z"), x=r.values(), y=r.values(2, 3))
    r.record("mul_rank_differs", lambda x, y: raw_ops.Mul(x=x, y=y, name="z"), x=r.values(4, 1), y=r.values(2, 3, 4, 5))
    r.record("add_gate", lambda x, y: raw_ops.Mul(x=x, y=y, name="z"), x=r.values(2, 4, 4, 6), y=r.values(2, 1, 1, 6))
    r.record("addv2_empty", lambda x, y: raw_ops.AddV2(x=x, y=y, name="z"), x=r.values(0, 3), y=r.values(3))

    r.record("pow", lambda x, y: raw_ops.Pow(x=x, y=y, name="z"), x=r.values(2, 5, low=0.1), y=r.values(5))
    r.record("pow_negative_base", lambda x: raw_ops.Pow(x=x, y=3.0, name="z"), x=r.values(2, 5))
    r.record("pow_half", lambda x: raw_ops.Pow(x=x, y=0.5, name="z"), x=r.values(2, 5, low=0.0))
    r.record("atan2", lambda x, y: raw_ops.Atan2(y=x, x=y, name="z"), x=r.values(7), y=r.values(7))
    r.record(
        "divnonan", lambda x, y: raw_ops.DivNoNan(x=x, y=y, name="z"), x=r.values(3), y=np.array([0, 2, -1], np.float32)
    )

    for op in ("AddV2", "Sub", "Mul", "Maximum", "Minimum", "FloorDiv", "FloorMod"):
        divisor = np.array([3, -2, 5, -7], np.int32)
        r.record(
            f"{op.lower()}_int32",
            lambda x, y, op=op: getattr(raw_ops, op)(x=x, y=y, name="z"),
            x=r.values(2, 4, low=-9, high=9, dtype=np.int32),
            y=divisor,
        )
    r.record("mul_int64", lambda x, y: raw_ops.Mul(x=x, y=y, name="z"), x=np.array([1 << 33, -3]), y=np.array([4, 5]))

    for count in (1, 2, 4):
        r.record(
            f"addn_{count}",
            lambda *xs: raw_ops.AddN(inputs=list(xs), name="z"),
            **{f"x{number}": r.values(2, 3, 4) + number for number in range(count)},
        )
