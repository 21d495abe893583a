"""What an engine uses comes from TensorFlow's allocators: counted by them, bounded by them, refused by them."""

import json
import re

import pytest

tf = pytest.importorskip("tensorflow")

from engine_graphs import run_python  # noqa: E402

# Two products with 16 MiB of weights each, and what TensorFlow's CPU allocator says while they run as an engine.
PROGRAM = """
import gc, json
import numpy as np, tensorflow as tf
from engine_graphs import EngineSession, engine_graph, function_of
WEIGHTS = 2 * 2048 * 2048 * 4

def build(x):
    for seed in range(2):
        weights = np.random.default_rng(seed).normal(size=(2048, 2048)).astype(np.float32) / 32
        x = tf.nn.relu(tf.matmul(x, weights))
    return x

def allocator():
    return tf.config.experimental.get_memory_info("CPU:0")

def private_bytes():
    gc.collect()
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(lines["RssAnon"].split()[0]) * 1024

function = function_of(build, [tf.TensorSpec([None, 2048])])
session = EngineSession(engine_graph(function, max_cached_engines_count=4))
images = np.random.default_rng(9).normal(size=(64, 2048)).astype(np.float32)
"""
BOUNDED = {"TF_CPU_ALLOCATOR_USE_BFC": "true"}


def run(code: str, **environment: str) -> dict:
    printed = run_python(PROGRAM + code, **environment)
    return json.loads(next(line for line in printed.splitlines() if line.startswith("{")))


def test_tensorflow_counts_what_an_engine_holds():
    said = run(
        """
before = allocator()["current"]
session(images[:8])
held = allocator()["current"] - before
status = session.status()
engine = status["engines"][0]
print(json.dumps({"held": held, "said": status["allocated_bytes"], "weights": engine["weights_bytes"],
    "parts": engine["weights_bytes"] + engine["activation_bytes"] + engine["workspace_bytes"], "wanted": WEIGHTS}))
""",
        **BOUNDED,
    )
    # Constants below 4 KiB are kept.
    assert said["parts"] <= said["said"] <= said["parts"] + 64 * 1024
    # BFC counts a chunk whole even where less was asked for.
    assert said["said"] <= said["held"] <= said["said"] + 16 * 1024 * 1024
    # The weights once, in the form that kernels read, and no float copy of them.
    assert said["wanted"] <= said["weights"] <= 1.05 * said["wanted"]


def test_an_engine_in_the_graph_is_not_held_twice():
    """Its bytes lie in the node, and the packed weights in the engine."""
    said = run(
        """
from tfengine import trt_convert as trt
graph_def = function.graph.as_graph_def()
with tf.Graph().as_default():
    arguments = {"is_dynamic_op": False, "max_batch_size": 8, "nodes_denylist": [function.outputs[0].name]}
    static = trt.TrtGraphConverter(input_graph_def=graph_def, **arguments).convert()
(name,) = (node.name for node in static.node if node.op == "TRTEngineOp")
before = allocator()["current"]
with tf.Graph().as_default() as graph:
    tf.graph_util.import_graph_def(static, name="")
    import tfengine.tensorflow as tft
    status = tft.ops.tfengine_engine_status(name)
    with tf.compat.v1.Session(graph=graph) as opened:
        for size in (8, 4):
            opened.run(function.outputs[0].name, {function.inputs[0].name: images[:size]})
        told = json.loads(opened.run(status))
print(json.dumps({"held": told["allocated_bytes"], "engines": len(told["engines"]), "builds": told["builds"],
    "parts": sum(e["activation_bytes"] + e["workspace_bytes"] for e in told["engines"]), "wanted": WEIGHTS}))
""",
        **BOUNDED,
    )
    assert said["builds"] == 1  # of batch 4: the one of batch 8 came with the graph
    assert (
        said["held"] < 1.6 * said["wanted"] + said["parts"]
    )  # each shape may take a form of its own of one of the two


def test_weights_are_shared_between_shapes():
    said = run(
        """
session(images[:64])
one = session.status()["allocated_bytes"]
for size in (63, 62, 61):
    session(images[:size])
status = session.status()
print(json.dumps({"growth": status["allocated_bytes"] - one, "engines": len(status["engines"])}))
""",
        **BOUNDED,
    )
    assert said["engines"] == 4
    # Tactics are chosen by measurement: one shape may take another form of the weights, but not each its own copy of 32 MiB.
    assert said["growth"] < 48 << 20


def test_nothing_large_is_allocated_behind_tensorflows_back():
    """The process grows by what TensorFlow's allocator gave at the peak of the build, which it pools, and little more."""
    said = run(
        """
import ctypes
trim = lambda: ctypes.CDLL("libc.so.6").malloc_trim(0)
session(images[:0])  # whatever the first run of a session costs, natively
tf.config.experimental.reset_memory_stats("CPU:0")
trim(); before, counted = private_bytes(), allocator()["current"]
session(images[:8])
trim()
print(json.dumps({"growth": private_bytes() - before, "peak": allocator()["peak"] - counted}))
""",
        **BOUNDED,
    )
    # 16 MiB: oneDNN's code, stacks of threads, TensorFlow's own first allocations.
    assert said["growth"] < said["peak"] + (16 << 20)
    # The weights packed, or one product's for a few tactics that are timed; nothing of the graph itself.
    assert said["peak"] < 2.5 * 2 * 2048 * 2048 * 4


def test_per_step_memory_is_in_the_run_metadata():
    said = run(
        """
options = tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE)
metadata = tf.compat.v1.RunMetadata()
session(images)
node = session.graph.get_operation_by_name(session.name)
session.session.run(node.outputs[0], {"in_0:0": images}, options=options, run_metadata=metadata)
outputs = [
    output.tensor_description.allocation_description.requested_bytes
    for device in metadata.step_stats.dev_stats for stats in device.node_stats
    if stats.node_name == session.name for output in stats.output
]
print(json.dumps({"outputs": outputs}))
"""
    )
    assert said["outputs"] == [64 * 2048 * 4]


def test_memory_that_tensorflow_refuses_is_resource_exhausted():
    said = run(
        """
hog = []
while allocator()["current"] < (104 << 20):  # what is left is less than the weights need
    hog.append(tf.zeros([1 << 19]))
try:
    session(images[:8])
    print(json.dumps({"error": None}))
except tf.errors.ResourceExhaustedError as error:
    print(json.dumps({"error": error.message, "status": session.status()}))
""",
        **BOUNDED,
        TF_CPU_BFC_MEM_LIMIT_IN_MB="128",
    )
    assert "TRTEngineOp 'TRTEngineOp_000_000': out of memory: " in said["error"]
    assert re.search(r"\d+ bytes of \w+ memory for .*; \d+ bytes in use, limit 134217728 bytes", said["error"])
    assert said["status"]["failed_builds"] == []  # tried again when there is memory


def test_a_refusal_leaves_everything_usable():
    """The engine's shapes go on; a batch whose activations do not fit is refused each time, and told."""
    said = run(
        """
small = session(images[:4])[0]
huge = np.ones((12000, 2048), np.float32)  # 94 MiB: TensorFlow itself has room to be fed with it
refused = 0
for _ in range(2):
    try:
        session(huge)
    except tf.errors.ResourceExhaustedError:
        refused += 1
np.testing.assert_array_equal(session(images[:4])[0], small)
status = session.status()
print(json.dumps({"refused": refused, "native": status["native_calls"], "engines": len(status["engines"])}))
""",
        **BOUNDED,
        TF_CPU_BFC_MEM_LIMIT_IN_MB="320",
    )
    assert said == {"refused": 2, "native": {}, "engines": 1}


def test_tensorflows_statistics_and_the_report_agree():
    """From one large free region, TensorFlow's allocator gives every request rounded up to 256 bytes: its number is the
    report's but for that, and but for constants of less than 4 KiB that the graph keeps. A run takes the outputs alone."""
    said = run(
        """
region = tf.zeros([1 << 27]); del region  # 512 MiB that are one free chunk from now on
session(images[:8])  # whatever the first run of a session costs
tf.config.experimental.reset_memory_stats("CPU:0")
start = allocator()
figures = []
for size in (16, 64):
    before = allocator()["current"]
    session(images[:size])
    figures.append(allocator()["current"] - before)
status = session.status()
tf.config.experimental.reset_memory_stats("CPU:0")
before = allocator()["current"]
session(images)
after = allocator()
print(json.dumps({"held": sum(figures), "run": after["peak"] - before, "left": after["current"] - before,
    "before": status["engines"][2]["weights_bytes"], "engines": status["engines"], "constants": status["constant_bytes"],
    "allocated": status["allocated_bytes"], "cached": status["cached_bytes"]}))
""",
        **BOUNDED,
        TFENGINE_TIME_TACTICS="0",
    )
    assert said["allocated"] == said["cached"] + said["constants"]
    contexts = [engine["activation_bytes"] + engine["workspace_bytes"] for engine in said["engines"]]
    assert said["cached"] == said["engines"][0]["weights_bytes"] + sum(contexts)
    # Untimed, all shapes take the same form of the weights: what comes with a shape is its context.
    blocks = 4
    assert sum(contexts[:2]) <= said["held"] <= sum(contexts[:2]) + blocks * 256
    output = 64 * 2048 * 4
    fed = output  # the placeholder's tensor
    assert output <= said["run"] <= output + fed + 2 * 256
    assert said["left"] == 0
