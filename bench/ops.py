# SPDX-License-Identifier: Apache-2.0
"""Every op beside TensorFlow's kernel for it: the same graph of one op, the same inputs, the same threads.

    python bench/ops.py [--ops Tile,Cumsum] [--sizes 1000,100000] [--threads 2] [--json FILE]
    python bench/ops.py --chains [--sizes 1000000,10000000]

Run it with a Python that has TensorFlow and tfengine. TensorFlow runs in a session through a callable made once, which is
the least that a call of it costs; tfengine through Engine.run. Both go from numpy array to numpy array, in turns of
several calls; between turns all threads come to rest, since idle ones that still spin take a core from the other. A row is
an op at a size (elements of its largest tensor): the medians of the quietest turns, and TensorFlow's over tfengine's;
above 1 is faster. Rows
below 1.1 are measured again with engines and sessions of their own, --again times: the row has the medians of all of them,
and the least and the largest ratio. The last lines are the geometric mean, and what is below 1: "always" where each of the
measurements is, else it may be noise. With --chains a row is a chain of elementwise ops (bench/chains.py), and behind it
stand the number of steps that it became, their time, and the bytes of inputs and outputs over that time as a share of what
a plain copy of as many bytes moves.
"""

import argparse
import functools
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
import op_cases  # noqa: E402
import tensorflow as tf  # noqa: E402

import tfengine  # noqa: E402


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


# Threads of OpenMP spin for some 20 ms before they sleep.
REST_S = 0.02
TURNS = 4
# Below this a row is measured again.
CLOSE = 1.1


def turn(call, budget_s):
    """The median of calls in a row, behind one that is not counted."""
    time.sleep(REST_S)
    call()
    times = []
    end = time.perf_counter() + budget_s
    while True:
        start = time.perf_counter()
        call()
        now = time.perf_counter()
        times.append(now - start)
        if now > end:
            return statistics.median(times)


def in_turns(first, second, budget_s):
    """Of both the median of their quietest turn: a turn in which another process had a core says nothing of either."""
    medians = ([], [])
    for call in (first, second):
        call()
    for _ in range(TURNS):
        for kept, call in zip(medians, (first, second), strict=True):
            kept.append(turn(call, budget_s / TURNS / 2))
    return [min(kept) * 1e6 for kept in medians]


def measure(name, inputs, build, options):
    graph, names = graph_of(inputs, build)
    session, tensorflow, ours, engine = contenders(graph, names, inputs, options.threads)
    with session:
        tensorflow_us, ours_us = in_turns(tensorflow, ours, options.seconds)
        bytes_moved = sum(x.nbytes for x in inputs) + sum(np.asarray(y).nbytes for y in tensorflow())
    layers = engine.profile({f"x{i}": x for i, x in enumerate(inputs)}, runs=20) if options.chains else []
    return {
        "op": name,
        "elements": max(x.size for x in inputs),
        "tensorflow_us": tensorflow_us,
        "tfengine_us": ours_us,
        "ratio": tensorflow_us / ours_us,
        "bytes": bytes_moved,
        "steps": len(layers),
        "steps_us": sum(layer["time_us"] for layer in layers),
    }


def aligned(array):
    """A copy where TensorFlow takes it as it is: what does not lie on a line of the cache is copied in each call."""
    room = np.empty(array.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    copy = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def measure_often(name, make, build, options):
    """Once, and again where it is close: the medians."""
    inputs = [aligned(x) for x in make()]
    rows = [measure(name, inputs, build, options)]
    if rows[0]["ratio"] < CLOSE:
        rows += [measure(name, inputs, build, options) for _ in range(options.again)]
    ratios = [row["ratio"] for row in rows]
    row = rows[0]
    for key in ("tensorflow_us", "tfengine_us", "ratio", "steps_us"):
        row[key] = statistics.median(one[key] for one in rows)
    return row | {"least": min(ratios), "most": max(ratios), "measured": len(rows)}


def line_of(row, options):
    line = (
        f"{row['op']:24}{row['elements']:>10}{row['tensorflow_us']:>12.1f}{row['tfengine_us']:>12.1f} us"
        f"{row['ratio']:>8.2f}"
    )
    if row["measured"] > 1:
        line += f"  {row['least']:.2f} to {row['most']:.2f}"
    if not options.chains:
        return line
    row["copy_bytes_per_s"] = chains.bandwidth(row["bytes"], options.threads)
    share = row["bytes"] / (row["steps_us"] * 1e-6) / row["copy_bytes_per_s"]
    return f"{line}{row['steps']:>4} steps{row['steps_us']:>12.1f} us{share:>7.0%} of a copy's bandwidth"


def print_summary(rows):
    mean = math.exp(statistics.fmean(math.log(row["ratio"]) for row in rows))
    below = sorted((row for row in rows if row["ratio"] < 1.0), key=lambda row: row["ratio"])
    always = sum(row["most"] < 1.0 for row in below)
    print(f"geometric mean {mean:.2f} over {len(rows)} rows, {len(below)} below 1, {always} of them always:")
    for row in below:
        kind = "always" if row["most"] < 1.0 else "noise?"
        print(f"  {row['ratio']:.2f} {kind} {row['op']} at {row['elements']}: {row['least']:.2f} to {row['most']:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ops", default="", help="only these, separated by commas; names without what follows a space")
    parser.add_argument("--sizes", default="1000,10000,100000,1000000,10000000")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.05, help="per op and size")
    parser.add_argument("--again", type=int, default=4, help="how often rows below 1.1 are measured again")
    parser.add_argument("--chains", action="store_true", help="chains of elementwise ops instead of single ops")
    parser.add_argument("--json", help="write all rows to this file")
    options = parser.parse_args()
    wanted = set(filter(None, options.ops.split(",")))
    rows = []
    for name, make, build in chains.cases() if options.chains else op_cases.cases():
        if wanted and name.split()[0] not in wanted:
            continue
        for size in map(int, options.sizes.split(",")):
            try:
                row = measure_often(name, functools.partial(make, size), build, options)
            except (tfengine.Error, tf.errors.OpError, ValueError) as error:
                print(f"{name:24}{size:>10}  {str(error).splitlines()[0][:90]}", flush=True)
                continue
            rows.append(row)
            print(line_of(row, options), flush=True)
    if rows:
        print_summary(rows)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
