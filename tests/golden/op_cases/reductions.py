# SPDX-License-Identifier: Apache-2.0
"""Sums and their kin over axes, running totals, largest elements, segments, normalisations."""

import numpy as np
import tensorflow as tf
from make_ops import ANY, NUMBER, RANKS, REAL, TYPES
from tensorflow import raw_ops


def reductions(r):
    for op in ("Sum", "Prod", "Max", "Min", "Mean", "EuclideanNorm", "All", "Any"):
        base = "bool" if op in ("All", "Any") else "f32"

        def build(x, axis=(1,), keep=False, op=op):
            return getattr(raw_ops, op)(input=x, axis=np.array(axis, np.int32), keep_dims=keep)

        low, high = (0.5, 1.5) if op == "Prod" else (-3, 3)
        r.types(op, lambda x, build=build: build(x), ANY, x=lambda r, t, a=(low, high): r.values((3, 4, 2), t, *a))
        for shape in RANKS[1:]:
            x = r.values(shape, base, low, high)
            r.case(op, f"rank_{len(shape)}_last", lambda x, b=build: b(x, (-1,)), x=x)
            axes = tuple(range(0, len(shape), 2))
            r.case(op, f"rank_{len(shape)}_every_other", lambda x, b=build, a=axes: b(x, a, True), x=x)
        x = r.values((3, 4), base, low, high)
        r.case(op, "all", lambda x, b=build: b(x, (0, 1)), x=x)
        r.case(op, "none", lambda x, b=build: b(x, ()), x=x)
        r.case(op, "scalar", lambda x, b=build: b(x, ()), x=r.values((), base))
        r.case(op, "axis_64", lambda x, op=op: getattr(raw_ops, op)(input=x, axis=np.array(-2), keep_dims=False), x=x)
        r.case(op, "empty_result", lambda x, b=build: b(x, (1,)), x=r.values((0, 4), base))
        if op not in ("Max", "Min", "Mean"):
            r.case(op, "of_nothing", lambda x, b=build: b(x, (1,)), x=r.values((3, 0), base))
        r.case(
            op, "dynamic", lambda x, b=build: b(x, (0, 2), True), dynamic=True, x=r.values((3, 4, 2), base, low, high)
        )
    r.types("L2Loss", lambda x: raw_ops.L2Loss(t=x), REAL, x=lambda r, t: r.values((3, 4), t))
    r.case("L2Loss", "scalar", lambda x: raw_ops.L2Loss(t=x), x=r.values(()))
    r.case("L2Loss", "empty", lambda x: raw_ops.L2Loss(t=x), x=r.values((0,)))


def cumulative(r):
    for op in ("Cumsum", "Cumprod", "CumulativeLogsumexp"):

        def build(x, axis=1, exclusive=False, reverse=False, op=op):
            return getattr(raw_ops, op)(x=x, axis=axis, exclusive=exclusive, reverse=reverse)

        r.types(op, lambda x, b=build: b(x), NUMBER, x=lambda r, t: r.values((3, 4, 2), t, -2, 2))
        for shape in RANKS[1:]:
            r.case(op, f"rank_{len(shape)}", lambda x, b=build: b(x, -1), x=r.values(shape))
        for name, flags in {"exclusive": (True, False), "reverse": (False, True), "both": (True, True)}.items():
            r.case(op, name, lambda x, b=build, f=flags: b(x, 0, *f), x=r.values((5, 3)))
            r.case(op, f"{name}_middle", lambda x, b=build, f=flags: b(x, 1, *f), x=r.values((2, 5, 3)))
        r.case(op, "empty", lambda x, b=build: b(x, 0), x=r.values((0, 3)))
        r.case(op, "dynamic", lambda x, b=build: b(x, 1), dynamic=True, x=r.values((2, 3)))


def extremes(r):
    for op in ("ArgMax", "ArgMin"):
        build = lambda x, axis=1, t=tf.int64, op=op: getattr(raw_ops, op)(input=x, dimension=axis, output_type=t)  # noqa: E731
        r.types(op, lambda x, b=build: b(x), ANY, x=lambda r, t: r.values((3, 5, 2), t))
        for shape in RANKS[1:]:
            if len(shape) <= 7:
                r.case(op, f"rank_{len(shape)}", lambda x, b=build: b(x, -1, tf.int32), x=r.values(shape))
        r.case(op, "first", lambda x, b=build: b(x, 0), x=r.values((4, 3)))
        r.case(op, "dynamic", lambda x, b=build: b(x, -1), dynamic=True, x=r.values((4, 3)))
    top = lambda x, k=2: raw_ops.TopKV2(input=x, k=k)  # noqa: E731
    r.types("TopKV2", lambda x: top(x), NUMBER, x=lambda r, t: r.values((3, 6), t, -9, 9))
    for k in (0, 1, 3, 6):
        r.case("TopKV2", f"k_{k}", lambda x, k=k: top(x, k), x=r.values((2, 6)))
    for shape in RANKS[1:]:
        r.case("TopKV2", f"rank_{len(shape)}", lambda x: top(x, 1), x=r.values(shape))
    r.case("TopKV2", "wide", lambda x: top(x, 100), x=r.values((2, 300)))
    r.case("TopKV2", "dynamic", lambda x: top(x, 2), dynamic=True, x=r.values((2, 5)))
    r.case("TopKV2", "empty", lambda x: top(x, 2), x=r.values((0, 5)))


def segments(r):
    ids = np.array([0, 0, 1, 3, 3], np.int32)
    for op in ("SegmentSum", "SegmentMean", "SegmentProd", "SegmentMax", "SegmentMin"):
        build = lambda x, op=op: getattr(raw_ops, op)(data=x, segment_ids=ids)  # noqa: E731
        r.types(op, lambda x, b=build: b(x), NUMBER, x=lambda r, t: r.values((5, 3), t, -2, 2))
        r.case(op, "rank_1", build, x=r.values((5,)))
        r.case(op, "rank_8", build, x=r.values((5, 1, 2, 1, 1, 2, 1, 1)))
        r.case(
            op,
            "ids_64",
            lambda x, op=op: getattr(raw_ops, op)(data=x, segment_ids=ids.astype(np.int64)),
            x=r.values((5, 2)),
        )
        r.case(
            op,
            "computed_ids",
            lambda x, i, op=op: getattr(raw_ops, op)(data=x, segment_ids=i),
            x=r.values((5, 2)),
            i=ids,
        )
    ids = np.array([2, 0, -1, 2, 5], np.int32)
    for op in ("UnsortedSegmentSum", "UnsortedSegmentProd", "UnsortedSegmentMax", "UnsortedSegmentMin"):
        build = lambda x, i, op=op: getattr(raw_ops, op)(data=x, segment_ids=i, num_segments=6)  # noqa: E731
        r.types(op, lambda x, i, b=build: b(x, i), NUMBER, x=lambda r, t: r.values((5, 3), t, -2, 2), i=ids)
        r.case(op, "rank_1", build, x=r.values((5,)), i=ids)
        r.case(op, "ids_of_rank_2", build, x=r.values((2, 2, 3)), i=np.array([[0, 1], [1, 3]], np.int32))
        r.case(op, "empty", build, x=r.values((0, 3)), i=np.zeros(0, np.int32))
        r.case(op, "dynamic", build, dynamic=True, x=r.values((5, 3)), i=ids)
    values = np.array([1, 2, 2, 5, 9, 1], np.int32)
    for dtype in ("i32", "i64", "f32", "f64"):
        none = np.zeros(0, TYPES[dtype])
        r.case("Bincount", f"plain_{dtype}", lambda v, n=none: raw_ops.Bincount(arr=v, size=7, weights=n), v=values)
        r.case(
            "Bincount",
            f"weights_{dtype}",
            lambda v, w: raw_ops.Bincount(arr=v, size=7, weights=w),
            v=values,
            w=r.values((6,), dtype),
        )
        for name, shape in {"row": (6,), "rows": (2, 3)}.items():
            for binary in (False, True):
                r.case(
                    "DenseBincount",
                    f"{name}_{dtype}{'_binary' if binary else ''}",
                    lambda v, n=none, b=binary: raw_ops.DenseBincount(input=v, size=7, weights=n, binary_output=b),
                    v=values.reshape(shape),
                )
    r.case(
        "DenseBincount",
        "weights",
        lambda v, w: raw_ops.DenseBincount(input=v, size=7, weights=w, binary_output=False),
        v=values.reshape(2, 3).astype(np.int64),
        w=r.values((2, 3)),
    )


def normalisations(r):
    for op in ("Softmax", "LogSoftmax"):
        build = lambda x, op=op: getattr(raw_ops, op)(logits=x)  # noqa: E731
        r.types(op, lambda x, b=build: b(x), REAL, x=lambda r, t: r.values((3, 7), t))
        for shape in RANKS[1:]:
            r.case(op, f"rank_{len(shape)}", build, x=r.values(shape))
        r.case(op, "empty", build, x=r.values((0, 3)))
        r.case(op, "dynamic", build, dynamic=True, x=r.values((2, 3, 4)))
    lrn = lambda x, **a: raw_ops.LRN(input=x, **a)  # noqa: E731
    r.types("LRN", lambda x: lrn(x), REAL, x=lambda r, t: r.values((1, 2, 2, 12), t))
    r.case(
        "LRN", "attributes", lambda x: lrn(x, depth_radius=2, bias=2.0, alpha=0.5, beta=0.75), x=r.values((2, 2, 1, 7))
    )
    for version in ("", "V2", "V3"):
        op = f"FusedBatchNorm{version}"
        one = lambda low, high: lambda r, t: r.values((4,), "f32", low, high)  # noqa: E731
        r.types(
            op,
            lambda x, s, o, m, v, op=op: getattr(raw_ops, op)(
                x=x, scale=s, offset=o, mean=m, variance=v, epsilon=0.001, is_training=False
            )[0],
            REAL if version else ("f32",),
            x=lambda r, t: r.values((2, 3, 3, 4), t),
            s=one(0.5, 2),
            o=one(-1, 1),
            m=one(-1, 1),
            v=one(0.2, 2),
        )
    bias = lambda x, b: raw_ops.BiasAdd(value=x, bias=b)  # noqa: E731
    r.types("BiasAdd", bias, NUMBER, x=lambda r, t: r.values((2, 3, 4), t), b=lambda r, t: r.values((4,), t))
    for shape in RANKS[2:6]:
        r.case("BiasAdd", f"rank_{len(shape)}", bias, x=r.values(shape), b=r.values(shape[-1:]))
    r.case("BiasAddV1", "f32", lambda x, b: raw_ops.BiasAddV1(value=x, bias=b), x=r.values((2, 3)), b=r.values((3,)))


def cases(r):
    reductions(r)
    cumulative(r)
    extremes(r)
    segments(r)
    normalisations(r)
