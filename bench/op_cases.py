# SPDX-License-Identifier: Apache-2.0
"""Single ops, in the shapes that networks have them: cases of `bench/ops.py`."""

import math

import numpy as np
from tensorflow import raw_ops

UNARY = """Abs Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Elu Erf Erfc Exp Expm1 Floor IsFinite IsInf IsNan LeakyRelu Log
Log1p Neg Reciprocal Relu Relu6 Rint Round Rsqrt Selu Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Square Tan Tanh""".split()
FEATURES = ("Elu", "LeakyRelu", "Relu", "Relu6", "Selu", "Softplus", "Softsign")
BINARY = """AddV2 Atan2 DivNoNan Equal FloorDiv FloorMod Greater GreaterEqual Less LessEqual Maximum Minimum Mul NotEqual Pow
RealDiv SquaredDifference Sub TruncateMod Xdivy Xlogy""".split()
INTEGER = "AddV2 Sub Mul Maximum Minimum FloorDiv FloorMod BitwiseAnd Equal Less".split()


def side(n, rank, last=None):
    """A shape of about n elements whose axes are alike."""
    if last is not None:
        return (*side(max(n // last, 1), rank - 1), last)
    edge = max(round(n ** (1 / rank)), 1)
    return (*[edge] * (rank - 1), max(n // edge ** (rank - 1), 1))


def image(n, channels=16):
    edge = max(round(math.sqrt(n / channels)), 2) // 2 * 2 or 2
    return (1, edge, edge, channels)


def cases():
    """(name, inputs of n elements, graph): every op in the shapes that networks have it."""
    rng = np.random.default_rng(1)
    reals = lambda *shape, low=0.1, high=0.9: rng.uniform(low, high, shape).astype(np.float32)  # noqa: E731
    ints = lambda *shape, low=1, high=100, t=np.int32: rng.integers(low, high, shape).astype(t)  # noqa: E731
    for op in UNARY:
        low, high = (1.1, 9) if op == "Acosh" else (0.1, 0.9)
        key = "features" if op in FEATURES else "x"
        yield (
            op,
            lambda n, a=low, b=high: [reals(n, low=a, high=b)],
            lambda x, op=op, k=key: getattr(raw_ops, op)(**{k: x}),
        )
    for op in BINARY:
        yield op, lambda n: [reals(*side(n, 2)), reals(*side(n, 2))], lambda x, y, op=op: getattr(raw_ops, op)(x=x, y=y)
    for op in INTEGER:
        yield f"{op} int32", lambda n: [ints(n), ints(n)], lambda x, y, op=op: getattr(raw_ops, op)(x=x, y=y)
    for op in ("AddV2", "Mul", "Maximum"):
        run = lambda x, y, op=op: getattr(raw_ops, op)(x=x, y=y)  # noqa: E731
        yield f"{op} channel", lambda n: [reals(*image(n)), reals(16)], run
        yield f"{op} float16", lambda n: [reals(n).astype(np.float16), reals(n).astype(np.float16)], run
    yield "LogicalAnd", lambda n: [reals(n) > 0.5, reals(n) > 0.5], lambda x, y: raw_ops.LogicalAnd(x=x, y=y)
    yield "LogicalNot", lambda n: [reals(n) > 0.5], lambda x: raw_ops.LogicalNot(x=x)
    yield (
        "SelectV2",
        lambda n: [reals(n) > 0.5, reals(n), reals(n)],
        lambda c, x, y: raw_ops.SelectV2(condition=c, t=x, e=y),
    )
    yield (
        "ClipByValue",
        lambda n: [reals(n)],
        lambda x: raw_ops.ClipByValue(t=x, clip_value_min=0.2, clip_value_max=0.7),
    )
    yield "AddN", lambda n: [reals(n), reals(n), reals(n)], lambda *xs: raw_ops.AddN(inputs=list(xs))
    for a, b in (
        ("float32", "int32"),
        ("int32", "float32"),
        ("float32", "float16"),
        ("uint8", "float32"),
        ("bool", "float32"),
    ):
        yield (
            f"Cast {a} {b}",
            lambda n, a=a: [reals(n, low=0, high=2).astype(a)],
            lambda x, b=b: raw_ops.Cast(x=x, DstT=b),
        )
    for op in ("Sum", "Mean", "Max", "Min", "Prod"):
        for name, axes in {"rows": (1,), "columns": (0,), "all": (0, 1)}.items():
            yield (
                f"{op} {name}",
                lambda n: [reals(*side(n, 2))],
                lambda x, op=op, a=axes: getattr(raw_ops, op)(input=x, axis=a),
            )
    yield "Sum int32", lambda n: [ints(*side(n, 2))], lambda x: raw_ops.Sum(input=x, axis=(1,))
    yield "All", lambda n: [reals(*side(n, 2)) > 0], lambda x: raw_ops.All(input=x, axis=(1,))
    yield "Any", lambda n: [reals(*side(n, 2)) > 1], lambda x: raw_ops.Any(input=x, axis=(1,))
    for name, axis in {"rows": 1, "columns": 0}.items():
        yield f"Cumsum {name}", lambda n: [reals(*side(n, 2))], lambda x, a=axis: raw_ops.Cumsum(x=x, axis=a)
        yield f"Cumprod {name}", lambda n: [reals(*side(n, 2))], lambda x, a=axis: raw_ops.Cumprod(x=x, axis=a)
        yield f"ArgMax {name}", lambda n: [reals(*side(n, 2))], lambda x, a=axis: raw_ops.ArgMax(input=x, dimension=a)
    yield "ArgMin", lambda n: [reals(*side(n, 2))], lambda x: raw_ops.ArgMin(input=x, dimension=1)
    yield "TopKV2", lambda n: [reals(*side(n, 2, 1000))], lambda x: raw_ops.TopKV2(input=x, k=5)
    yield "Softmax", lambda n: [reals(*side(n, 2, 1000))], lambda x: raw_ops.Softmax(logits=x)
    yield "LogSoftmax", lambda n: [reals(*side(n, 2, 1000))], lambda x: raw_ops.LogSoftmax(logits=x)
    yield "L2Loss", lambda n: [reals(n)], lambda x: raw_ops.L2Loss(t=x)
    yield "LRN", lambda n: [reals(*image(n))], lambda x: raw_ops.LRN(input=x)
    yield "BiasAdd", lambda n: [reals(*image(n))], lambda x: raw_ops.BiasAdd(value=x, bias=reals(16))
    yield "Transpose 2", lambda n: [reals(*side(n, 2))], lambda x: raw_ops.Transpose(x=x, perm=[1, 0])
    yield "Transpose 4", lambda n: [reals(*image(n))], lambda x: raw_ops.Transpose(x=x, perm=[0, 3, 1, 2])
    yield "ReverseV2", lambda n: [reals(*side(n, 2))], lambda x: raw_ops.ReverseV2(tensor=x, axis=[1])
    yield "Roll", lambda n: [reals(*side(n, 2))], lambda x: raw_ops.Roll(input=x, shift=[3], axis=[1])
    yield "Tile", lambda n: [reals(*side(n // 4, 2))], lambda x: raw_ops.Tile(input=x, multiples=[2, 2])
    yield (
        "BroadcastTo",
        lambda n: [reals(1, side(n, 2)[1])],
        lambda x: raw_ops.BroadcastTo(input=x, shape=[x.shape[1], x.shape[1]]),
    )
    yield (
        "ConcatV2",
        lambda n: [reals(*side(n // 2, 2)), reals(*side(n // 2, 2))],
        lambda x, y: raw_ops.ConcatV2(values=[x, y], axis=1),
    )
    yield "Pack", lambda n: [reals(n // 2), reals(n // 2)], lambda x, y: raw_ops.Pack(values=[x, y], axis=1)
    yield "Unpack", lambda n: [reals(*side(n, 2, 4))], lambda x: raw_ops.Unpack(value=x, num=4, axis=1)
    yield "Split", lambda n: [reals(*side(n, 2, 64))], lambda x: raw_ops.Split(axis=1, value=x, num_split=4)
    yield (
        "Slice",
        lambda n: [reals(*side(n, 2))],
        lambda x: raw_ops.Slice(input=x, begin=[1, 1], size=[x.shape[0] - 2, x.shape[1] - 2]),
    )
    yield "StridedSlice", lambda n: [reals(*side(n, 2))], lambda x: x[::2, 1:]
    yield "Pad", lambda n: [reals(*image(n))], lambda x: raw_ops.Pad(input=x, paddings=((0, 0), (1, 1), (1, 1), (0, 0)))
    yield (
        "MirrorPad",
        lambda n: [reals(*image(n))],
        lambda x: raw_ops.MirrorPad(input=x, paddings=((0, 0), (1, 1), (1, 1), (0, 0)), mode="REFLECT"),
    )
    yield "DepthToSpace", lambda n: [reals(*image(n))], lambda x: raw_ops.DepthToSpace(input=x, block_size=2)
    yield "SpaceToDepth", lambda n: [reals(*image(n))], lambda x: raw_ops.SpaceToDepth(input=x, block_size=2)
    yield (
        "SpaceToBatchND",
        lambda n: [reals(*image(n))],
        lambda x: raw_ops.SpaceToBatchND(input=x, block_shape=[2, 2], paddings=[[0, 0], [0, 0]]),
    )
    yield (
        "BatchToSpaceND",
        lambda n: [reals(4, *image(n // 4)[1:])],
        lambda x: raw_ops.BatchToSpaceND(input=x, block_shape=[2, 2], crops=[[0, 0], [0, 0]]),
    )
    yield (
        "GatherV2 rows",
        lambda n: [reals(1000, 64), ints(max(n // 64, 1), high=1000)],
        lambda x, i: raw_ops.GatherV2(params=x, indices=i, axis=0),
    )
    yield (
        "GatherV2 last",
        lambda n: [reals(*side(n, 2, 100)), ints(100)],
        lambda x, i: raw_ops.GatherV2(params=x, indices=i - 1, axis=1),
    )
    yield (
        "GatherNd",
        lambda n: [reals(1000, 64), ints(max(n // 64, 1), 1, high=1000)],
        lambda x, i: raw_ops.GatherNd(params=x, indices=i),
    )
    yield (
        "OneHot",
        lambda n: [ints(max(n // 100, 1))],
        lambda i: raw_ops.OneHot(indices=i, depth=100, on_value=1.0, off_value=0.0),
    )
    yield (
        "ScatterNd",
        lambda n: [ints(max(n // 64, 1), 1), reals(max(n // 64, 1), 64)],
        lambda i, u: raw_ops.ScatterNd(indices=i, updates=u, shape=[100, 64]),
    )
    yield (
        "MatrixBandPart",
        lambda n: [reals(*side(n, 2))],
        lambda x: raw_ops.MatrixBandPart(input=x, num_lower=-1, num_upper=0),
    )
    for op in ("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "ResizeArea"):
        extra = {} if op == "ResizeArea" else {"half_pixel_centers": True}
        yield (
            op,
            lambda n: [reals(*image(n // 4))],
            lambda x, op=op, e=extra: getattr(raw_ops, op)(images=x, size=[x.shape[1] * 2, x.shape[2] * 2], **e),
        )
    yield (
        "CropAndResize",
        lambda n: [reals(1, 64, 64, 16), reals(max(n // (14 * 14 * 16), 1), 4)],
        lambda x, b: raw_ops.CropAndResize(
            image=x, boxes=b, box_ind=np.zeros(b.shape[0], np.int32), crop_size=[14, 14]
        ),
    )
    yield (
        "MaxPool",
        lambda n: [reals(*image(n))],
        lambda x: raw_ops.MaxPool(input=x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME"),
    )
    yield (
        "AvgPool",
        lambda n: [reals(*image(n))],
        lambda x: raw_ops.AvgPool(value=x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME"),
    )
    yield (
        "ExtractImagePatches",
        lambda n: [reals(*image(n // 9))],
        lambda x: raw_ops.ExtractImagePatches(
            images=x, ksizes=[1, 3, 3, 1], strides=[1, 1, 1, 1], rates=[1, 1, 1, 1], padding="SAME"
        ),
    )
    yield (
        "Conv2D",
        lambda n: [reals(*image(n))],
        lambda x: raw_ops.Conv2D(input=x, filter=reals(3, 3, 16, 16), strides=[1, 1, 1, 1], padding="SAME"),
    )
    yield (
        "Conv2DBackpropInput",
        lambda n: [reals(*image(n // 4))],
        lambda g: raw_ops.Conv2DBackpropInput(
            input_sizes=[1, g.shape[1] * 2, g.shape[2] * 2, 16],
            filter=reals(3, 3, 16, 16),
            out_backprop=g,
            strides=[1, 2, 2, 1],
            padding="SAME",
        ),
    )
    yield "MatMul", lambda n: [reals(*side(n, 2, 256))], lambda x: raw_ops.MatMul(a=x, b=reals(256, 256))
    yield (
        "BatchMatMulV2",
        lambda n: [reals(*side(n, 3, 64)), reals(*side(n, 3, 64))],
        lambda x, y: raw_ops.BatchMatMulV2(x=x, y=y, adj_y=True),
    )
    yield (
        "RFFT",
        lambda n: [reals(*side(n, 2, 512))],
        lambda x: raw_ops.ComplexAbs(x=raw_ops.RFFT(input=x, fft_length=[512])),
    )
