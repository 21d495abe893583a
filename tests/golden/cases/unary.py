# SPDX-License-Identifier: Apache-2.0
"""Elementwise ops of one operand, with the points where they bend, and infinities where the op defines them."""

import numpy as np
from tensorflow import raw_ops

SPECIAL = np.array(
    [0.0, -0.0, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 6.0, 6.5, 1e-6, -1e-6, 30.0, -30.0, 100.0, -100.0], np.float32
)
POSITIVE = np.array([1e-30, 1e-3, 0.25, 0.5, 1.0, 2.0, 3.7, 100.0, 1e20], np.float32)

ANYWHERE = {
    "Relu": "features",
    "Relu6": "features",
    "LeakyRelu": "features",
    "Elu": "features",
    "Selu": "features",
    "Softplus": "features",
    "Softsign": "features",
    "Sigmoid": "x",
    "Tanh": "x",
    "Erf": "x",
    "Erfc": "x",
    "Exp": "x",
    "Expm1": "x",
    "Square": "x",
    "Abs": "x",
    "Neg": "x",
    "Floor": "x",
    "Ceil": "x",
    "Round": "x",
    "Rint": "x",
    "Sign": "x",
    "Sin": "x",
    "Cos": "x",
    "Identity": "input",
}
POSITIVE_ONLY = {"Log": "x", "Log1p": "x", "Sqrt": "x", "Rsqrt": "x", "Reciprocal": "x", "Inv": "x"}


def cases(r):
    for op, operand in ANYWHERE.items():
        apply = lambda x, op=op, operand=operand: getattr(raw_ops, op)(**{operand: x}, name="y")  # noqa: E731
        case = op.lower()
        r.record(case, apply, x=np.concatenate([SPECIAL, r.values(24, low=-8, high=8)]))
        r.record(case + "_4d", apply, x=r.values(2, 3, 4, 5, low=-8, high=8))
    for op, operand in POSITIVE_ONLY.items():
        apply = lambda x, op=op, operand=operand: getattr(raw_ops, op)(**{operand: x}, name="y")  # noqa: E731
        r.record(op.lower(), apply, x=np.concatenate([POSITIVE, r.values(15, low=0.1, high=8)]))
        r.record(op.lower() + "_2d", apply, x=r.values(3, 5, low=0.1, high=8))

    r.record("leakyrelu_alpha", lambda x: raw_ops.LeakyRelu(features=x, alpha=0.01, name="y"), x=r.values(3, 7))
    r.record("reciprocal_negative", lambda x: raw_ops.Reciprocal(x=x, name="y"), x=r.values(7, low=-3, high=-0.1))
    r.record("scalar", lambda x: raw_ops.Tanh(x=x, name="y"), x=np.float32(0.7).reshape(()))
    r.record("empty", lambda x: raw_ops.Relu(features=x, name="y"), x=np.zeros((0, 4), np.float32))
    for op in ("Abs", "Neg", "Square", "Sign"):
        r.record(
            op.lower() + "_int32",
            lambda x, op=op: getattr(raw_ops, op)(x=x, name="y"),
            x=r.values(5, low=-9, high=9, dtype=np.int32),
        )
    for op in ("IsNan", "IsInf", "IsFinite"):
        special = np.array([0, 1, np.inf, -np.inf, np.nan], np.float32)
        r.record(op.lower(), lambda x, op=op: getattr(raw_ops, op)(x=x, name="y"), x=special)
