"""`_core.convert_graph_def`: GraphDefs with engines, checked against TensorFlow running their native segments."""

import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

import tfengine
from tfengine import _core


def convert(graph_def, outputs, **params):
    return _core.convert_graph_def(graph_def, outputs, **params)


@pytest.fixture(scope="module")
def cnn(digits):
    return (digits / "cnn.pb").read_bytes()


def test_what_comes_back(cnn):
    result = convert(cnn, ["Identity"], graph_number=3)
    (engine,) = result.engines
    assert engine.name == "TRTEngineOp_003_000"
    assert engine.inputs == [("image", "float32", [-1, 8, 8, 1])]
    assert engine.outputs[0][1:] == ("float32", [-1, 10])
    assert engine.ops["Conv2D"] == 5
    assert engine.nodes == sum(engine.ops.values()) == result.nodes_converted
    assert not engine.built
    report = json.loads(result.report_json)
    assert report["nodes_total"] == result.nodes_total == result.nodes_converted + 2
    assert report["refusals"] == []
    assert result.report_text().startswith("30 of 32 nodes are in 1 engine\n")
    assert isinstance(result.graph_def, bytes) and b"TRTEngineOp_003_000_native_segment" in result.graph_def


def test_large_constants_are_not_stored_twice(cnn):
    assert len(convert(cnn, ["Identity"]).graph_def) < 1.02 * len(cnn)


def test_numbers_are_not_used_twice(cnn):
    names = {convert(cnn, ["Identity"]).engines[0].name for _ in range(3)}
    assert len(names) == 3


def test_static_engines(cnn, images):
    result = convert(cnn, ["Identity"], is_dynamic_op=False, max_batch_size=4)
    assert result.engines[0].built
    assert len(result.graph_def) > 1.8 * len(cnn)


def test_static_engines_without_native_segments(cnn):
    both = convert(cnn, ["Identity"], is_dynamic_op=False, max_batch_size=4)
    alone = convert(cnn, ["Identity"], is_dynamic_op=False, max_batch_size=4, remove_native_segments=True)
    assert b"_native_segment" in both.graph_def and b"_native_segment" not in alone.graph_def
    assert len(alone.graph_def) < 0.6 * len(both.graph_def)
    taken = alone.take_graph_def()
    assert len(taken) > 0.8 * len(cnn) and alone.graph_def == b""


def test_calibration_outside_of_tensorflow(cnn, images):
    batches = _core.Source.of_iterator(lambda: iter([[("image", images[i : i + 32])] for i in range(0, 128, 32)]), 128)
    result = _core.convert_and_build_graph_def(cnn, ["image"], ["Identity"], batches, precision_mode="INT8")
    assert b"EntropyCalibration2" in result.graph_def
    assert b"TFEMEANS" in result.graph_def
    assert not result.engines[0].built, "is_dynamic_op is the default"


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (
            {"minimum_segment": 3},
            r"got the keyword arguments dict_keys\(\['minimum_segment'\]\), expected among: precision",
        ),
        ({"minimum_segment_size": "3"}, "minimum_segment_size: got '3', expected what GraphDefParams has"),
    ],
)
def test_keywords_are_checked(cnn, keywords, message):
    with pytest.raises(TypeError, match=message):
        convert(cnn, ["Identity"], **keywords)


def test_errors(cnn):
    with pytest.raises(tfengine.InvalidArgument, match="precision_mode 'FP8' is not supported"):
        convert(cnn, ["Identity"], precision_mode="FP8")
    with pytest.raises(tfengine.InvalidArgument, match="output 'logits' is not a tensor of the graph"):
        convert(cnn, ["logits"])
    with pytest.raises(tfengine.InvalidModel, match="the file is cut short or corrupt"):
        convert(cnn[:1000], ["Identity"])


# --- against TensorFlow ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


class Net:
    """Builds a frozen graph; what it computes is compared before and after conversion."""

    def __init__(self, tf):
        self.tf = tf
        self.random = np.random.RandomState(0)
        self.graph = tf.Graph()
        self.feeds = {}

    def weights(self, *shape):
        return self.tf.constant(self.random.randn(*shape).astype(np.float32) * 0.2)

    def input(self, shape, value, name="x"):
        self.feeds[f"{name}:0"] = value
        return self.tf.compat.v1.placeholder(value.dtype, shape, name)

    def image(self):
        return self.input((None, 8, 8, 3), self.random.rand(2, 8, 8, 3).astype(np.float32))

    def conv(self, x, channels):
        tf = self.tf
        y = tf.nn.conv2d(x, self.weights(3, 3, x.shape[-1], channels), 1, "SAME")
        return tf.nn.relu(tf.nn.bias_add(y, self.weights(channels)))


def natively(tf, graph_def):
    """The engines' native segments called in their place."""
    graph = tf.compat.v1.GraphDef.FromString(graph_def)
    for node in graph.node:
        if node.op == "TRTEngineOp":
            attrs = {"Tin": node.attr["InT"], "Tout": node.attr["OutT"], "f": node.attr["segment_func"]}
            attrs = {key: type(value).FromString(value.SerializeToString()) for key, value in attrs.items()}
            node.op = "PartitionedCall"
            node.ClearField("attr")
            for key, value in attrs.items():
                node.attr[key].CopyFrom(value)
    return graph


def run(tf, graph_def, fetches, feeds):
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        with tf.compat.v1.Session(graph=graph) as session:
            return session.run(fetches, feeds)


def diamond(net):
    x = net.conv(net.image(), 4)
    return [net.conv(net.conv(x, 4) + net.tf.math.bessel_i0e(net.conv(x, 4)), 4)]


def several_outputs(net):
    a, b = net.tf.split(net.conv(net.image(), 4), 2, axis=3)
    return [net.conv(a, 4), net.conv(b, 4), net.tf.identity(a)]


def dynamic_shapes(net):
    tf = net.tf
    x = net.conv(net.input((None, None, None, 3), net.random.rand(1, 7, 9, 3).astype(np.float32)), 4)
    y = net.conv(tf.image.resize(x, tf.shape(x)[1:3] * 2), 4)
    return [tf.identity(y), tf.reshape(tf.reduce_mean(y, [1, 2]), tf.stack([tf.shape(y)[0], -1]))]


def control_edges(net):
    tf = net.tf
    x = net.conv(net.image(), 4)
    with tf.control_dependencies([tf.math.bessel_i0e(x)]):
        y = net.conv(x, 4)
    with tf.control_dependencies([y]):
        z = tf.math.bessel_i0e(x)
    return [y, z]


def other_types(net):
    tf = net.tf
    ids = net.input((None,), np.array([1, 2, 3]), "ids")
    mask = net.input((None, 8), net.random.rand(3, 8) > 0.5, "mask")
    pixels = net.input((None, 8), net.random.randint(0, 255, (3, 8)).astype(np.uint8), "pixels")
    x = tf.gather(net.weights(10, 8), ids) + tf.cast(pixels, tf.float32) / 255.0
    y = tf.nn.relu(tf.matmul(x, net.weights(8, 8)) + net.weights(8))
    return [tf.where(mask, y, -y), tf.argmax(tf.nn.softmax(y), 1)]


def scalars(net):
    scale = net.input((), np.float32(2), "scale")
    x = net.conv(net.image() * scale, 4)
    return [x, net.tf.reduce_sum(x)]


def called_functions(net):
    tf = net.tf

    @tf.function
    def body(x, y):
        z = net.conv(x, 4)
        return z, z * 2 + y

    a, b = body(net.image(), tf.constant(1.0))
    return [net.conv(a + b, 4), b]


def loop(net):
    tf = net.tf
    _, x = tf.compat.v1.while_loop(
        lambda i, _: i < 3, lambda i, x: (i + 1, net.conv(x, 4)), [0, net.conv(net.image(), 4)]
    )
    return [net.conv(x, 4)]


def branch(net):
    x = net.conv(net.image(), 4)
    chosen = net.input((), np.bool_(True), "chosen")
    y = net.tf.compat.v1.cond(chosen, lambda: net.conv(x, 4) + x, lambda: x)
    return [net.conv(y, 4) + x]


def shared_weights(net):
    tf = net.tf
    kernel = net.weights(3, 3, 8, 8)
    x = net.conv(net.image(), 8)
    for _ in range(3):
        x = tf.math.bessel_i0e(tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME") + net.weights(8)))
    return [x * tf.reduce_sum(tf.math.bessel_i0e(kernel))]


def fake_quantized(net):
    tf = net.tf
    x = tf.quantization.fake_quant_with_min_max_args(net.conv(net.image(), 4), -3, 3)
    kernel = tf.quantization.fake_quant_with_min_max_vars(net.weights(3, 3, 4, 4), -1.0, 1.0)
    return [tf.quantization.fake_quant_with_min_max_vars(tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME")), 0.0, 6.0)]


NETS = {
    diamond: 2,
    several_outputs: 1,
    dynamic_shapes: 1,
    control_edges: 2,
    other_types: 1,
    scalars: 1,
    called_functions: 1,
    loop: 3,
    branch: 3,
    shared_weights: 3,
    fake_quantized: 1,
}


@pytest.mark.parametrize("add_shapes", [True, False], ids=["shapes", "no_shapes"])
@pytest.mark.parametrize("build", NETS, ids=lambda build: build.__name__)
def test_native_segments_compute_what_the_graph_did(tf, build, add_shapes):
    tf.compat.v1.disable_control_flow_v2()
    net = Net(tf)
    with net.graph.as_default():
        outputs = [tensor.name for tensor in build(net)]
    graph_def = net.graph.as_graph_def(add_shapes=add_shapes)
    want = run(tf, graph_def, outputs, net.feeds)
    result = convert(graph_def.SerializeToString(), outputs)
    assert len(result.engines) == NETS[build], result.report_text()
    got = run(tf, natively(tf, result.graph_def), outputs, net.feeds)
    for wanted, gotten in zip(want, got, strict=True):
        np.testing.assert_allclose(gotten, wanted, atol=1e-5)


def test_quantization_nodes_join_int8_engines(tf):
    net = Net(tf)
    with net.graph.as_default():
        outputs = [tensor.name for tensor in fake_quantized(net)]
    graph_def = net.graph.as_graph_def(add_shapes=True).SerializeToString()
    (engine,) = convert(graph_def, outputs, precision_mode="INT8").engines
    assert engine.ops["FakeQuantWithMinMaxVars"] == 2 and engine.ops["FakeQuantWithMinMaxArgs"] == 1


def test_every_signature_is_tensorflows(tf):
    """The table in src/tfgraph/op_signatures.cpp against the op registry."""
    import re

    from conftest import ROOT
    from tensorflow.python.framework import op_def_registry

    types = {1: "f32", 3: "s32", 4: "u8", 8: "c64", 9: "s64", 10: "bool", 19: "f16"}

    def text(arg):
        if arg.type_list_attr:
            return arg.type_list_attr + "[]"
        base = arg.type_attr or types[arg.type]
        return f"{arg.number_attr}*{base}" if arg.number_attr else base

    source = (ROOT / "src/tfgraph/op_signatures.cpp").read_text()
    source = re.sub(r'"\s*\n\s*"', "", source)
    rows = re.findall(r'\{"(\w+)",\s*"([^"]*)",\s*"([^"]*)",\s*"([^"]*)"\}', source)
    assert len(rows) > 140
    for name, inputs, outputs, defaults in rows:
        op = op_def_registry.get(name)
        assert inputs == " ".join(map(text, op.input_arg)), name
        assert outputs == " ".join(f"{arg.name}:{text(arg)}" for arg in op.output_arg), name
        counts = {arg.number_attr for arg in op.input_arg}
        wanted = [
            f"{a.name}={types[a.default_value.type] if a.type == 'type' else a.default_value.i}"
            for a in op.attr
            if (a.type == "type" or a.name in counts) and a.HasField("default_value")
        ]
        assert defaults == " ".join(wanted), name
