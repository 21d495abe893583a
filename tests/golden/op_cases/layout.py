# SPDX-License-Identifier: Apache-2.0
"""Ops that move, repeat and pick elements, make tensors of little, and tell of shapes."""

import itertools

import numpy as np
import tensorflow as tf
from make_ops import ANY, RANKS, TYPES
from tensorflow import raw_ops


def sweep(r, op, build, shape=(2, 3, 4), types=ANY, **more):
    """Every type on one shape, an empty tensor and unknown dimensions."""
    r.types(op, build, types, x=lambda r, t: r.values(shape, t), **more)
    r.case(op, "dynamic", build, dynamic=True, x=r.values(shape), **more)


def shapes(r):
    sweep(r, "Reshape", lambda x: raw_ops.Reshape(tensor=x, shape=[4, -1]))
    for shape in RANKS:
        r.case("Reshape", f"from_rank_{len(shape)}", lambda x: raw_ops.Reshape(tensor=x, shape=[-1]), x=r.values(shape))
        size = int(np.prod(shape))
        r.case(
            "Reshape",
            f"to_rank_{len(shape)}",
            lambda x, s=shape: raw_ops.Reshape(tensor=x, shape=s),
            x=r.values((size,)),
        )
    r.case("Reshape", "empty", lambda x: raw_ops.Reshape(tensor=x, shape=[3, 0]), x=r.values((0, 2)))
    r.case("Reshape", "by_shape", lambda x: tf.reshape(x, [tf.shape(x)[0], -1]), dynamic=True, x=r.values((2, 3, 4)))
    sweep(r, "Squeeze", lambda x: raw_ops.Squeeze(input=x, axis=[1]), (2, 1, 3, 1))
    r.case("Squeeze", "all", lambda x: raw_ops.Squeeze(input=x, axis=[]), x=r.values((1, 3, 1, 2)))
    r.case("Squeeze", "to_scalar", lambda x: raw_ops.Squeeze(input=x, axis=[-1]), x=r.values((1,)))
    r.case("Squeeze", "rank_8", lambda x: raw_ops.Squeeze(input=x, axis=[0, 7]), x=r.values((1, 2, 1, 1, 2, 1, 2, 1)))
    sweep(r, "ExpandDims", lambda x: raw_ops.ExpandDims(input=x, axis=1))
    for shape in RANKS[:8]:
        r.case("ExpandDims", f"rank_{len(shape)}", lambda x: raw_ops.ExpandDims(input=x, axis=-1), x=r.values(shape))
    for op, build in {
        "Shape": lambda x: raw_ops.Shape(input=x),
        "Size": lambda x: raw_ops.Size(input=x),
        "Rank": lambda x: raw_ops.Rank(input=x),
    }.items():
        sweep(r, op, build)
        for shape in RANKS:
            r.case(op, f"rank_{len(shape)}", build, x=r.values(shape))
        r.case(op, "empty", build, x=r.values((0, 2)))
    r.case("Shape", "int64", lambda x: raw_ops.Shape(input=x, out_type=tf.int64), x=r.values((2, 3)))
    r.case("Size", "int64", lambda x: raw_ops.Size(input=x, out_type=tf.int64), x=r.values((2, 3)))
    r.case("ShapeN", "two", lambda x, y: raw_ops.ShapeN(input=[x, y]), x=r.values((2, 3)), y=r.values((4,)))
    r.case(
        "IdentityN", "two", lambda x, y: raw_ops.IdentityN(input=[x, y]), x=r.values((2, 3)), y=r.values((4,), "i32")
    )
    sweep(r, "EnsureShape", lambda x: raw_ops.EnsureShape(input=x, shape=[2, None, 4]))
    sweep(r, "PlaceholderWithDefault", lambda x: raw_ops.PlaceholderWithDefault(input=x, shape=[2, 3, 4]))
    for source, target in itertools.permutations(("f32", "i32", "i64", "f64", "i16", "f16", "bf16", "u8", "i8"), 2):
        a, b = np.dtype(TYPES[source]).itemsize, np.dtype(TYPES[target]).itemsize
        shape = (2, 3) if a >= b else (2, 3, b // a)
        r.case(
            "Bitcast",
            f"{source}_to_{target}",
            lambda x, t=target: raw_ops.Bitcast(input=x, type=TYPES[t]),
            x=r.values(shape, source),
        )
    r.case("Bitcast", "scalar", lambda x: raw_ops.Bitcast(input=x, type=tf.int32), x=r.values(()))
    r.case("Bitcast", "empty", lambda x: raw_ops.Bitcast(input=x, type=tf.uint8), x=r.values((0, 2)))


def movement(r):
    sweep(r, "Transpose", lambda x: raw_ops.Transpose(x=x, perm=[2, 0, 1]))
    for shape in RANKS:
        rank = len(shape)
        r.case(
            "Transpose",
            f"reversed_{rank}",
            lambda x, n=rank: raw_ops.Transpose(x=x, perm=np.arange(n)[::-1].copy()),
            x=r.values(shape),
        )
        if rank > 2:
            perm = [*range(0, rank, 2), *range(1, rank, 2)]
            r.case(
                "Transpose", f"interleaved_{rank}", lambda x, p=perm: raw_ops.Transpose(x=x, perm=p), x=r.values(shape)
            )
    r.case("Transpose", "empty", lambda x: raw_ops.Transpose(x=x, perm=[1, 0]), x=r.values((0, 3)))
    sweep(r, "ReverseV2", lambda x: raw_ops.ReverseV2(tensor=x, axis=[0, -1]))
    for shape in RANKS[1:]:
        r.case("ReverseV2", f"rank_{len(shape)}", lambda x: raw_ops.ReverseV2(tensor=x, axis=[0]), x=r.values(shape))
    r.case("ReverseV2", "none", lambda x: raw_ops.ReverseV2(tensor=x, axis=np.zeros(0, np.int32)), x=r.values((2, 3)))
    sweep(r, "Roll", lambda x: raw_ops.Roll(input=x, shift=[1, -2], axis=[0, 2]))
    for shape in RANKS[1:]:
        for axis in (0, -1):
            r.case(
                "Roll",
                f"rank_{len(shape)}_{'last' if axis else 'first'}",
                lambda x, a=axis: raw_ops.Roll(input=x, shift=4, axis=a),
                x=r.values(shape),
            )
    r.case("Roll", "twice", lambda x: raw_ops.Roll(input=x, shift=[1, 5], axis=[1, 1]), x=r.values((2, 7)))
    r.case("Roll", "empty", lambda x: raw_ops.Roll(input=x, shift=1, axis=0), x=r.values((0, 2)))
    lengths = np.array([2, 0, 3], np.int32)
    sequence = lambda x, s=1, b=0, n=lengths: raw_ops.ReverseSequence(input=x, seq_lengths=n, seq_dim=s, batch_dim=b)  # noqa: E731
    sweep(r, "ReverseSequence", lambda x: sequence(x), (3, 4, 2))
    r.case("ReverseSequence", "time_major", lambda x: sequence(x, 0, 1), x=r.values((4, 3, 2)))
    r.case("ReverseSequence", "far", lambda x: sequence(x, 3, 1, lengths.astype(np.int64)), x=r.values((2, 3, 1, 4)))
    for dtype in ("i32", "i64"):
        r.case(
            "InvertPermutation",
            dtype,
            lambda x: raw_ops.InvertPermutation(x=x),
            x=np.array([3, 0, 2, 1]).astype(TYPES[dtype]),
        )
    tile = lambda x, m=(2, 1, 3): raw_ops.Tile(input=x, multiples=m)  # noqa: E731
    sweep(r, "Tile", lambda x: tile(x))
    for shape in RANKS:
        multiples = np.array([1 + (i % 2) for i in range(len(shape))], np.int32)
        r.case("Tile", f"rank_{len(shape)}", lambda x, m=multiples: tile(x, m), x=r.values(shape), need=False)
    r.case("Tile", "no_times", lambda x: tile(x, (0, 2)), x=r.values((2, 3)))
    both = lambda x, y: raw_ops.BroadcastArgs(s0=x, s1=y)  # noqa: E731
    for dtype in ("i32", "i64"):
        for name, x, y in (("sizes", (2, 1, 4), (3, 1)), ("longer", (5,), (1, 2, 1)), ("none", (), (3, 0))):
            sizes = {"x": np.array(x, TYPES[dtype]), "y": np.array(y, TYPES[dtype])}
            r.case("BroadcastArgs", f"{name}_{dtype}", both, **sizes)
    r.case(
        "BroadcastArgs",
        "of_tensors",
        lambda x, y: tf.broadcast_to(x, both(tf.shape(x), tf.shape(y))),
        x=r.values((3, 1)),
        y=r.values((2, 1, 4)),
    )
    sweep(r, "BroadcastTo", lambda x: raw_ops.BroadcastTo(input=x, shape=[2, 5, 3]), (1, 3))
    for shape in RANKS:
        r.case(
            "BroadcastTo",
            f"rank_{len(shape)}",
            lambda x, s=shape: raw_ops.BroadcastTo(input=x, shape=(*s[:-1], *s[-1:])),
            x=r.values([1] * len(shape)),
        )
    r.case("BroadcastTo", "empty", lambda x: raw_ops.BroadcastTo(input=x, shape=[0, 3]), x=r.values((1, 3)))
    for op in ("SpaceToDepth", "DepthToSpace"):
        shape = (2, 4, 6, 3) if op == "SpaceToDepth" else (2, 2, 3, 8)
        sweep(r, op, lambda x, op=op: getattr(raw_ops, op)(input=x, block_size=2), shape)
    s2b = lambda x, b=(2, 2), p=((1, 1), (0, 2)): raw_ops.SpaceToBatchND(input=x, block_shape=b, paddings=p)  # noqa: E731
    sweep(r, "SpaceToBatchND", lambda x: s2b(x), (1, 4, 6, 3))
    r.case("SpaceToBatchND", "rank_3", lambda x: s2b(x, (3,), ((1, 1),)), x=r.values((2, 4, 5)))
    r.case(
        "SpaceToBatchND",
        "three_axes",
        lambda x: s2b(x, (2, 1, 2), ((0, 0), (0, 0), (1, 1))),
        x=r.values((1, 4, 3, 2, 2)),
    )
    b2s = lambda x, b=(2, 2), c=((1, 0), (0, 1)): raw_ops.BatchToSpaceND(input=x, block_shape=b, crops=c)  # noqa: E731
    sweep(r, "BatchToSpaceND", lambda x: b2s(x), (4, 3, 2, 3))
    r.case("BatchToSpaceND", "rank_3", lambda x: b2s(x, (3,), ((1, 1),)), x=r.values((6, 2, 5)))


def joins(r):
    r.types(
        "ConcatV2",
        lambda x, y: raw_ops.ConcatV2(values=[x, y], axis=1),
        ANY,
        x=lambda r, t: r.values((2, 3), t),
        y=lambda r, t: r.values((2, 4), t),
    )
    for shape in RANKS[1:]:
        r.case(
            "ConcatV2",
            f"rank_{len(shape)}",
            lambda x, y: raw_ops.ConcatV2(values=[x, y, x], axis=-1),
            x=r.values(shape),
            y=r.values(shape),
        )
    r.case(
        "ConcatV2",
        "with_empty",
        lambda x, y: raw_ops.ConcatV2(values=[x, y], axis=0),
        x=r.values((0, 3)),
        y=r.values((2, 3)),
    )
    r.case(
        "ConcatV2",
        "dynamic",
        lambda x, y: raw_ops.ConcatV2(values=[x, y], axis=0),
        dynamic=True,
        x=r.values((1, 3)),
        y=r.values((2, 3)),
    )
    r.case(
        "Concat",
        "first_form",
        lambda x, y: raw_ops.Concat(concat_dim=1, values=[x, y]),
        x=r.values((2, 3)),
        y=r.values((2, 1)),
    )
    r.types(
        "Pack",
        lambda x, y: raw_ops.Pack(values=[x, y], axis=1),
        ANY,
        x=lambda r, t: r.values((2, 3), t),
        y=lambda r, t: r.values((2, 3), t),
    )
    for shape in RANKS[:8]:
        r.case(
            "Pack",
            f"rank_{len(shape)}",
            lambda x, y: raw_ops.Pack(values=[x, y, x], axis=-1),
            x=r.values(shape),
            y=r.values(shape),
        )
    sweep(r, "Unpack", lambda x: raw_ops.Unpack(value=x, num=3, axis=1))
    for shape in RANKS[1:]:
        r.case(
            "Unpack",
            f"rank_{len(shape)}",
            lambda x, n=shape[-1]: raw_ops.Unpack(value=x, num=n, axis=-1),
            x=r.values(shape),
        )
    sweep(r, "Split", lambda x: raw_ops.Split(axis=2, value=x, num_split=2))
    sweep(r, "SplitV", lambda x: raw_ops.SplitV(value=x, size_splits=[1, -1, 1], axis=2, num_split=3))
    for shape in RANKS[1:]:
        r.case(
            "Split",
            f"rank_{len(shape)}",
            lambda x, n=shape[0]: raw_ops.Split(axis=0, value=x, num_split=n),
            x=r.values(shape),
        )
    r.case(
        "SplitV",
        "with_empty",
        lambda x: raw_ops.SplitV(value=x, size_splits=[0, 4], axis=0, num_split=2),
        x=r.values((4, 2)),
    )
    sweep(r, "Slice", lambda x: raw_ops.Slice(input=x, begin=[0, 1, 1], size=[-1, 2, 3]))
    for shape in RANKS:
        rank = len(shape)
        r.case(
            "Slice",
            f"rank_{rank}",
            lambda x, n=rank: raw_ops.Slice(
                input=x, begin=[0] * n or np.zeros(0, np.int32), size=[1] * n or np.zeros(0, np.int32)
            ),
            x=r.values(shape),
        )
    strided = {
        "steps": lambda x: x[::2, 1:, ::-1],
        "dropped": lambda x: x[1, :, -1],
        "ellipsis": lambda x: x[..., 1:3],
        "new_axis": lambda x: x[:, tf.newaxis, 1:2],
        "out_of_bounds": lambda x: x[:, -9:9, 2:1],
    }
    for name, pick in strided.items():
        r.case("StridedSlice", name, pick, x=r.values((2, 3, 4)))
    sweep(r, "StridedSlice", lambda x: x[:, 1:, ::2])
    for shape in RANKS[1:]:
        r.case("StridedSlice", f"rank_{len(shape)}", lambda x: x[..., ::-1], x=r.values(shape))


def padding(r):
    pads = ((1, 0), (0, 2), (1, 1))
    sweep(r, "Pad", lambda x: raw_ops.Pad(input=x, paddings=pads))
    r.types(
        "PadV2",
        lambda x, v: raw_ops.PadV2(input=x, paddings=pads, constant_values=v),
        ANY,
        x=lambda r, t: r.values((2, 3, 4), t),
        v=lambda r, t: r.values((), t, 1, 2),
    )
    for shape in RANKS[:7]:
        some = [((i + 1) % 2, i % 3) for i in range(len(shape))] or np.zeros((0, 2), np.int32)
        r.case("Pad", f"rank_{len(shape)}", lambda x, p=some: raw_ops.Pad(input=x, paddings=p), x=r.values(shape))
    r.case("Pad", "empty", lambda x: raw_ops.Pad(input=x, paddings=((1, 1), (0, 1))), x=r.values((0, 2)))
    for mode in ("REFLECT", "SYMMETRIC"):
        build = lambda x, m=mode: raw_ops.MirrorPad(input=x, paddings=((1, 0), (2, 1), (0, 3)), mode=m)  # noqa: E731
        r.types(
            "MirrorPad", lambda x, b=build: b(x), ANY, prefix=f"{mode.lower()}_", x=lambda r, t: r.values((2, 3, 4), t)
        )
        for shape in ((4,), (3, 4), (2, 3, 2, 4), (2, 2, 3, 2, 3)):
            p = [(1, 0)] * len(shape)
            r.case(
                "MirrorPad",
                f"{mode.lower()}_rank_{len(shape)}",
                lambda x, m=mode, p=p: raw_ops.MirrorPad(input=x, paddings=p, mode=m),
                x=r.values(shape),
            )


def makers(r):
    r.types("Fill", lambda v: raw_ops.Fill(dims=[2, 3], value=v), ANY, v=lambda r, t: r.values((), t))
    r.case("Fill", "scalar", lambda v: raw_ops.Fill(dims=np.zeros(0, np.int32), value=v), v=r.values(()))
    r.case("Fill", "rank_8", lambda v: raw_ops.Fill(dims=[1, 2, 1, 2, 1, 2, 1, 2], value=v), v=r.values(()))
    r.case("Fill", "empty", lambda v: raw_ops.Fill(dims=[0, 2], value=v), v=r.values(()))
    r.case(
        "Fill",
        "by_shape",
        lambda v, x: raw_ops.Fill(dims=tf.shape(x), value=v),
        dynamic=True,
        v=r.values(()),
        x=r.values((2, 3)),
    )
    for dtype in ("f32", "f64", "i32", "i64", "f16", "bf16"):
        n = TYPES[dtype]
        r.case(
            "Range",
            dtype,
            lambda x, n=n: tf.cast(raw_ops.Range(start=n(1), limit=n(9), delta=n(2)), tf.float64) + x,
            need=False,
            x=r.values((), "f64"),
        )
        r.case(
            "LinSpace",
            dtype,
            lambda x, n=n: tf.cast(raw_ops.LinSpace(start=n(1), stop=n(9), num=5), tf.float64) + x,
            need=False,
            x=r.values((), "f64"),
        )
    r.case("Range", "falling", lambda x: raw_ops.Range(start=9, limit=0, delta=-2) + x, x=np.int32(3))
    r.case("LinSpace", "one", lambda x: raw_ops.LinSpace(start=x, stop=9.0, num=1), x=np.float32(2))
    r.case(
        "LinSpace", "computed", lambda x, y: raw_ops.LinSpace(start=x, stop=y, num=7), x=np.float32(2), y=np.float32(-3)
    )
    for dtype in ("i32", "i64", "u8"):
        r.case(
            "OneHot",
            f"indices_{dtype}",
            lambda i: raw_ops.OneHot(indices=i, depth=4, on_value=1.0, off_value=0.0),
            i=np.array([[2, 0, 3], [1, 9, 2]]).astype(TYPES[dtype]),
        )
    r.types(
        "OneHot",
        lambda i, a, b: raw_ops.OneHot(indices=i, depth=4, on_value=a, off_value=b, axis=1),
        ANY,
        i=np.array([[2, 0, 3], [1, 9, 2]]),
        a=lambda r, t: r.values((), t, 1, 2),
        b=lambda r, t: r.values((), t, -1, 0),
    )
    for shape in RANKS[:8]:
        r.case(
            "OneHot",
            f"rank_{len(shape)}",
            lambda i: raw_ops.OneHot(indices=i, depth=3, on_value=2.0, off_value=1.0),
            i=r.values(shape, "i32", 0, 3),
        )
    for dtype in ("i32", "i64"):
        for shape in ((4,), (4, 2), (2,)):
            r.case(
                "DataFormatVecPermute",
                f"{dtype}_{'x'.join(map(str, shape))}",
                lambda x: raw_ops.DataFormatVecPermute(x=x),
                x=r.values(shape, dtype, 0, 9),
            )
        r.case(
            "DataFormatDimMap",
            dtype,
            lambda x: raw_ops.DataFormatDimMap(x=x),
            x=np.array([0, 1, 2, 3, -1]).astype(TYPES[dtype]),
        )
    r.case(
        "DataFormatVecPermute",
        "back",
        lambda x: raw_ops.DataFormatVecPermute(x=x, src_format="NCHW", dst_format="NHWC"),
        x=np.array([1, 2, 3, 4], np.int32),
    )


def cases(r):
    shapes(r)
    movement(r)
    joins(r)
    padding(r)
    makers(r)
