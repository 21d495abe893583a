# SPDX-License-Identifier: Apache-2.0
"""Ops whose results depend on the same element of their operands: every type, every rank, every way to broadcast."""

import numpy as np
import tensorflow as tf
from make_ops import ANY, NUMBER, RANKS, REAL
from tensorflow import raw_ops

# Operand's name, and the interval that the function is defined on.
UNARY = {
    "Abs": ("x", -3, 3),
    "Acos": ("x", -0.99, 0.99),
    "Acosh": ("x", 1.01, 9),
    "Asin": ("x", -0.99, 0.99),
    "Asinh": ("x", -9, 9),
    "Atan": ("x", -9, 9),
    "Atanh": ("x", -0.95, 0.95),
    "Ceil": ("x", -3, 3),
    "CheckNumerics": ("tensor", -3, 3),
    "Cos": ("x", -9, 9),
    "Cosh": ("x", -3, 3),
    "Elu": ("features", -3, 3),
    "Erf": ("x", -3, 3),
    "Erfc": ("x", -3, 3),
    "Exp": ("x", -3, 3),
    "Expm1": ("x", -3, 3),
    "Floor": ("x", -3, 3),
    "Identity": ("input", -3, 3),
    "Inv": ("x", 0.2, 3),
    "Invert": ("x", -9, 9),
    "IsFinite": ("x", -3, 3),
    "IsInf": ("x", -3, 3),
    "IsNan": ("x", -3, 3),
    "LeakyRelu": ("features", -3, 3),
    "Lgamma": ("x", 0.1, 9),
    "Log": ("x", 0.1, 9),
    "Log1p": ("x", -0.5, 9),
    "LogicalNot": ("x", 0, 1),
    "Neg": ("x", -3, 3),
    "OnesLike": ("x", -3, 3),
    "PreventGradient": ("input", -3, 3),
    "Reciprocal": ("x", 0.2, 3),
    "Relu": ("features", -3, 3),
    "Relu6": ("features", -9, 9),
    "Rint": ("x", -3, 3),
    "Round": ("x", -3, 3),
    "Rsqrt": ("x", 0.1, 9),
    "Selu": ("features", -3, 3),
    "Sigmoid": ("x", -6, 6),
    "Sign": ("x", -3, 3),
    "Sin": ("x", -9, 9),
    "Sinh": ("x", -3, 3),
    "Snapshot": ("input", -3, 3),
    "Softplus": ("features", -6, 6),
    "Softsign": ("features", -6, 6),
    "Sqrt": ("x", 0, 9),
    "Square": ("x", -3, 3),
    "StopGradient": ("input", -3, 3),
    "Tan": ("x", -1.4, 1.4),
    "Tanh": ("x", -4, 4),
    "ZerosLike": ("x", -3, 3),
}
BINARY = {
    "Add": (-3, 3),
    "AddV2": (-3, 3),
    "Atan2": (-3, 3),
    "BitwiseAnd": (-9, 9),
    "BitwiseOr": (-9, 9),
    "BitwiseXor": (-9, 9),
    "Div": (1, 4),
    "DivNoNan": (-1, 1),
    "Equal": (-1, 1),
    "FloorDiv": (1, 4),
    "FloorMod": (1, 4),
    "Greater": (-1, 1),
    "GreaterEqual": (-1, 1),
    "Less": (-1, 1),
    "LessEqual": (-1, 1),
    "LogicalAnd": (0, 1),
    "LogicalOr": (0, 1),
    "Maximum": (-3, 3),
    "Minimum": (-3, 3),
    "Mod": (1, 4),
    "Mul": (-3, 3),
    "MulNoNan": (-1, 1),
    "NotEqual": (-1, 1),
    "Pow": (0, 2),
    "RealDiv": (1, 4),
    "SquaredDifference": (-3, 3),
    "Sub": (-3, 3),
    "TruncateDiv": (1, 4),
    "TruncateMod": (1, 4),
    "Xdivy": (-2, 2),
    "Xlog1py": (0.1, 3),
    "Xlogy": (0.1, 3),
}
BROADCASTS = {
    "channel": ((2, 3, 4), (4,)),
    "outer": ((3, 1, 4), (1, 5, 1)),
    "scalar": ((2, 3), ()),
    "scalar_left": ((), (2, 3)),
    "rank_8": ((2, 1, 1, 2, 1, 1, 2, 1), (1, 2, 1, 1, 2, 1, 1, 3)),
    "empty": ((0, 3), (1, 3)),
    "rank_5": ((2, 1, 3, 1, 2), (1, 2, 1, 3, 1)),
    "gate": ((2, 3, 3, 4), (2, 1, 1, 4)),
}


def unary(r, op, operand, low, high):
    extra = {"CheckNumerics": {"message": "no number"}}.get(op, {})
    build = lambda x: getattr(raw_ops, op)(**{operand: x}, **extra)  # noqa: E731
    # TensorFlow 2.21 rounds every integer to 0.
    types = REAL if op == "Round" else ANY
    r.types(op, build, types, x=lambda r, t: r.values((3, 5), t, low, high))
    base = "bool" if op == "LogicalNot" else "i32" if op == "Invert" else "f32"
    for shape in RANKS:
        r.case(op, f"rank_{len(shape)}", build, x=r.values(shape, base, low, high))
    r.case(op, "empty", build, x=r.values((0, 3), base))
    r.case(op, "dynamic", build, dynamic=True, x=r.values((2, 3), base, low, high))


def binary(r, op, low, high):
    operands = {"Atan2": ("y", "x")}.get(op, ("x", "y"))
    build = lambda x, y: getattr(raw_ops, op)(**dict(zip(operands, (x, y), strict=True)))  # noqa: E731
    left = (0, 2) if op == "Pow" else (-3, 3)
    r.types(
        op,
        build,
        ANY,
        x=lambda r, t: r.values((3, 5), t, *left),
        y=lambda r, t: r.values((3, 5), t, low, high),
    )
    base = "bool" if op.startswith("Logical") else "i32" if op.startswith("Bitwise") else "f32"
    for shape in RANKS:
        r.case(op, f"same_{len(shape)}", build, x=r.values(shape, base, *left), y=r.values(shape, base, low, high))
    for name, (a, b) in BROADCASTS.items():
        r.case(op, name, build, need=name != "rank_8", x=r.values(a, base, *left), y=r.values(b, base, low, high))
    shape = (2, 3)
    r.case(op, "dynamic", build, dynamic=True, x=r.values(shape, base, *left), y=r.values((3,), base, low, high))


def cases(r):
    for op, row in UNARY.items():
        unary(r, op, *row)
    for op, row in BINARY.items():
        binary(r, op, *row)
    special = np.array([-3, -1, 0, 1, 3], np.float32)
    for op in ("DivNoNan", "Xdivy", "Xlogy", "Xlog1py", "MulNoNan"):
        build = lambda x, y, op=op: getattr(raw_ops, op)(x=x, y=y)  # noqa: E731
        r.case(op, "zeros", build, x=np.array([0, 0, 2, 0, 1], np.float32), y=np.abs(special))
    for op in ("FloorDiv", "FloorMod", "TruncateDiv", "TruncateMod", "Mod"):
        build = lambda x, y, op=op: getattr(raw_ops, op)(x=x, y=y)  # noqa: E731
        for dtype in ("i32", "i64"):
            signs = (
                r.values((4, 4), dtype, -9, 9),
                np.array([3, -2, 5, -7]).astype(np.int32 if dtype == "i32" else np.int64),
            )
            r.case(op, f"signs_{dtype}", build, x=signs[0], y=signs[1])
    r.case("LeakyRelu", "alpha", lambda x: raw_ops.LeakyRelu(features=x, alpha=0.01), x=r.values((3, 4)))
    r.types(
        "AddN",
        lambda x, y, z: raw_ops.AddN(inputs=[x, y, z]),
        ANY,
        **{k: lambda r, t: r.values((2, 3), t) for k in "xyz"},
    )
    for shape in RANKS:
        x = r.values(shape)
        r.case("AddN", f"rank_{len(shape)}", lambda x, y: raw_ops.AddN(inputs=[x, y]), x=x, y=x + 1)
        r.case(
            "ClipByValue",
            f"rank_{len(shape)}",
            lambda x: raw_ops.ClipByValue(t=x, clip_value_min=-1.0, clip_value_max=2.0),
            x=x,
        )
    for op in ("IsNan", "IsInf", "IsFinite", "Sign", "Abs", "Floor", "Relu", "Maximum"):
        odd = np.array([0, np.inf, -np.inf, np.nan, -0.0, 1e-42], np.float32)
        operand = UNARY.get(op, ("x",))[0]
        if op not in ("Maximum", "Relu", "Sign"):
            r.case(op, "special", lambda x, op=op, k=operand: getattr(raw_ops, op)(**{k: x}), x=odd)
    r.types(
        "ClipByValue",
        lambda x, low, high: raw_ops.ClipByValue(t=x, clip_value_min=low, clip_value_max=high),
        NUMBER,
        x=lambda r, t: r.values((3, 5), t, -4, 9),
        low=lambda r, t: r.values((), t, 1, 2),
        high=lambda r, t: r.values((), t, 4, 6),
    )
    r.case(
        "ClipByValue",
        "full",
        lambda x, low, high: raw_ops.ClipByValue(t=x, clip_value_min=low, clip_value_max=high),
        x=r.values((3, 5)),
        low=r.values((3, 5), low=-2, high=-1),
        high=r.values((3, 5), low=1, high=2),
    )
    cast_to = {
        "f32": tf.float32,
        "f64": tf.float64,
        "f16": tf.float16,
        "bf16": tf.bfloat16,
        "i8": tf.int8,
        "u8": tf.uint8,
    }
    cast_to |= {"i16": tf.int16, "i32": tf.int32, "i64": tf.int64, "bool": tf.bool}
    for name, target in cast_to.items():
        build = lambda x, target=target: raw_ops.Cast(x=x, DstT=target)  # noqa: E731
        for source in ANY:
            r.case("Cast", f"{source}_to_{name}", build, x=r.values((3, 5), source, 0 if name == "u8" else -3, 3))
    for shape in (RANKS[0], RANKS[8], (0, 2)):
        name = f"shape_{'x'.join(map(str, shape)) or 'scalar'}"
        r.case("Cast", name, lambda x: raw_ops.Cast(x=x, DstT=tf.int32), x=r.values(shape))
    select(r)


def select(r):
    v2 = lambda c, x, y: raw_ops.SelectV2(condition=c, t=x, e=y)  # noqa: E731
    v1 = lambda c, x, y: raw_ops.Select(condition=c, x=x, y=y)  # noqa: E731
    for op, build in (("SelectV2", v2), ("Select", v1)):
        r.types(
            op,
            build,
            ANY,
            c=lambda r, t: r.values((3, 5), "bool"),
            x=lambda r, t: r.values((3, 5), t),
            y=lambda r, t: r.values((3, 5), t),
        )
        for shape in RANKS:
            r.case(op, f"rank_{len(shape)}", build, c=r.values(shape, "bool"), x=r.values(shape), y=r.values(shape))
    r.case("SelectV2", "broadcast", v2, c=r.values((3, 1), "bool"), x=r.values((4,)), y=r.values((2, 1, 1)))
    r.case("SelectV2", "empty", v2, c=r.values((0, 1), "bool"), x=r.values((4,)), y=r.values(()))
    r.case("SelectV2", "dynamic", v2, dynamic=True, c=r.values((3, 1), "bool"), x=r.values((4,)), y=r.values((3, 4)))
    r.case("Select", "rows", v1, c=r.values((3,), "bool"), x=r.values((3, 2, 2)), y=r.values((3, 2, 2)))
    r.case("Select", "scalar", v1, c=np.array(True), x=r.values((3, 2)), y=r.values((3, 2)))
