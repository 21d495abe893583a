# SPDX-License-Identifier: Apache-2.0
"""Every op beside TensorFlow's kernel for it: the same graph of one op, the same inputs, the same threads.

    python bench/ops.py [--ops Tile,Cumsum] [--sizes 1000,100000] [--threads 2] [--json FILE]
    python bench/ops.py --chains [--sizes 1000000,10000000]

Run it with a Python that has TensorFlow and tfengine. TensorFlow runs in a session through a callable made once, which is
the least that a call of it costs; tfengine through Engine.run. Both go from numpy array to numpy array, in turns. A row is
an op at a size (elements of its largest tensor): median times, and TensorFlow's over tfengine's; above 1 is faster. The
last lines are the geometric mean and what is below 1. With --chains a row is a chain of elementwise ops (bench/chains.py),
and behind it stand the number of steps that it became, their time, and the bytes of inputs and outputs over that time as a
share of what a plain copy of as many bytes moves.
"""

import argparse
import json
import math
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import chains  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from tensorflow import raw_ops  # noqa: E402

import tfengine  # noqa: E402

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


def graph_of(inputs, build):
    graph = tf.Graph()
    with graph.as_default():
        placeholders = [tf.compat.v1.placeholder(x.dtype, x.shape, f"x{i}") for i, x in enumerate(inputs)]
        outputs = build(*placeholders)
        outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        names = [tf.identity(tensor, name=f"out_{i}").op.name for i, tensor in enumerate(outputs)]
    return graph, names


def contenders(graph, names, inputs, threads):
    config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1)
    session = tf.compat.v1.Session(graph=graph, config=config)
    call = session.make_callable([f"{name}:0" for name in names], [f"x{i}:0" for i in range(len(inputs))])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "op.pb"
        path.write_bytes(graph.as_graph_def().SerializeToString())
        engine = tfengine.convert(tfengine.load_model(path, outputs=names), threads=threads)
    named = {f"x{i}": x for i, x in enumerate(inputs)}
    return session, lambda: call(*inputs), lambda: engine.run(named), engine


def in_turns(first, second, budget_s):
    """Medians of both, measured in turns."""
    times = ([], [])
    for call in (first, second):
        call()
    end = time.perf_counter() + budget_s
    while time.perf_counter() < end or len(times[0]) < 5:
        for kept, call in zip(times, (first, second), strict=True):
            start = time.perf_counter()
            call()
            kept.append(time.perf_counter() - start)
    return [statistics.median(kept) * 1e6 for kept in times]


def measure(name, inputs, build, options):
    graph, names = graph_of(inputs, build)
    session, tensorflow, ours, engine = contenders(graph, names, inputs, options.threads)
    with session:
        tensorflow_us, ours_us = in_turns(tensorflow, ours, options.seconds)
        bytes_moved = sum(x.nbytes for x in inputs) + sum(np.asarray(y).nbytes for y in tensorflow())
    layers = engine.profile({f"x{i}": x for i, x in enumerate(inputs)}, runs=20)
    return {
        "op": name,
        "elements": max(x.size for x in inputs),
        "tensorflow_us": tensorflow_us,
        "tfengine_us": ours_us,
        "ratio": tensorflow_us / ours_us,
        "bytes": bytes_moved,
        "steps": len(layers),
        "steps_us": sum(layer["time_us"] for layer in layers),
        "tactics": "+".join(sorted({layer["tactic"] for layer in layers})),
    }


def line_of(row, options):
    line = (
        f"{row['op']:24}{row['elements']:>10}{row['tensorflow_us']:>12.1f}{row['tfengine_us']:>12.1f} us"
        f"{row['ratio']:>8.2f}  {row['tactics']}"
    )
    if not options.chains:
        return line
    row["copy_bytes_per_s"] = chains.bandwidth(row["bytes"], options.threads)
    share = row["bytes"] / (row["steps_us"] * 1e-6) / row["copy_bytes_per_s"]
    return f"{line}{row['steps']:>4} steps{row['steps_us']:>12.1f} us{share:>7.0%} of a copy's bandwidth"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ops", default="", help="only these, separated by commas; names without what follows a space")
    parser.add_argument("--sizes", default="1000,10000,100000,1000000,10000000")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.05, help="per op and size")
    parser.add_argument("--chains", action="store_true", help="chains of elementwise ops instead of single ops")
    parser.add_argument("--json", help="write all rows to this file")
    options = parser.parse_args()
    wanted = set(filter(None, options.ops.split(",")))
    rows = []
    for name, make, build in chains.cases() if options.chains else cases():
        if wanted and name.split()[0] not in wanted:
            continue
        for size in map(int, options.sizes.split(",")):
            try:
                row = measure(name, make(size), build, options)
            except (tfengine.Error, tf.errors.OpError, ValueError) as error:
                print(f"{name:24}{size:>10}  {str(error).splitlines()[0][:90]}", flush=True)
                continue
            rows.append(row)
            print(line_of(row, options), flush=True)
    if rows:
        mean = math.exp(statistics.fmean(math.log(row["ratio"]) for row in rows))
        below = sorted((row for row in rows if row["ratio"] < 1.0), key=lambda row: row["ratio"])
        print(f"geometric mean {mean:.2f} over {len(rows)} rows, {len(below)} below 1:")
        for row in below:
            print(f"  {row['ratio']:.2f} {row['op']} at {row['elements']} ({row['tactics']})")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
