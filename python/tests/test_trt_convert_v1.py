"""TrtGraphConverter and the functions before it, on the digits' frozen graph in sessions."""

import itertools

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import json  # noqa: E402

import tfengine.tensorflow as plugin  # noqa: E402
from tfengine import trt_convert as trt  # noqa: E402

v1 = tf.compat.v1
HALF_A_POINT = 0.005


@pytest.fixture(scope="module")
def frozen(digits):
    """Outputs named as in TF-TRT's guide."""
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(v1.GraphDef.FromString((digits / "cnn.pb").read_bytes()), name="")
        logits = tf.identity(graph.get_tensor_by_name("cnn_1/dense_1/BiasAdd:0"), name="logits")
        tf.argmax(logits, axis=1, name="classes")
        return graph.as_graph_def()


@pytest.fixture(autouse=True)
def graph_mode():
    with tf.Graph().as_default():
        yield


def engines(graph_def):
    return [node for node in graph_def.node if node.op == "TRTEngineOp"]


class Program:
    """A graph in a session."""

    def __init__(self, graph_def, **config):
        self.graph = tf.Graph()
        self.names = [node.name for node in engines(graph_def)]
        with self.graph.as_default():
            tf.import_graph_def(graph_def, name="")
            self.name = v1.placeholder(tf.string, [])
            self.status_op = plugin.ops.tfengine_engine_status(self.name)
        self.session = v1.Session(graph=self.graph, config=v1.ConfigProto(**config))

    def __call__(self, images, output="logits:0"):
        return self.session.run(output, {"image:0": images})

    def status(self):
        (name,) = self.names
        return json.loads(self.session.run(self.status_op, {self.name: name}))


def accuracy(graph_def, split):
    images, labels = split
    return (Program(graph_def)(images, "classes:0") == labels).mean()


def feed(images, size=16):
    """A feed_dict_fn that goes round the images."""
    batches = itertools.cycle([images[at : at + size] for at in range(0, len(images), size)])
    return lambda: {"image:0": next(batches)}


def converter(frozen, **arguments):
    arguments = {"nodes_denylist": ["logits", "classes"], "is_dynamic_op": True, **arguments}
    return trt.TrtGraphConverter(input_graph_def=frozen, **arguments)


@pytest.mark.parametrize("dynamic", [True, False])
def test_float_engines_give_tensorflows_results(frozen, images, dynamic):
    before = frozen.SerializeToString(deterministic=True)
    converted = converter(frozen, is_dynamic_op=dynamic, max_batch_size=8).convert()
    assert frozen.SerializeToString(deterministic=True) == before
    (node,) = engines(converted)
    assert node.attr["static_engine"].b is not dynamic
    assert bool(node.attr["serialized_segment"].s) is not dynamic
    program = Program(converted)
    np.testing.assert_allclose(program(images[:8]), Program(frozen)(images[:8]), atol=1e-4)
    assert program.status()["engine_calls"] == 1 and program.status()["native_calls"] == {}


def test_native_segments_of_static_engines_can_be_removed(frozen, images, monkeypatch):
    monkeypatch.setenv("TF_TRT_EXPERIMENTAL_FEATURES", "remove_native_segments")
    converted = converter(frozen, is_dynamic_op=False, max_batch_size=8).convert()
    (node,) = engines(converted)
    assert node.attr["segment_func"].func.name == "" and not converted.library.function
    program = Program(converted)
    np.testing.assert_allclose(program(images[:8]), Program(frozen)(images[:8]), atol=1e-4)
    dynamic = converter(frozen).convert()
    (node,) = engines(dynamic)
    assert node.attr["segment_func"].func.name  # there is no engine yet that could replace it


def test_denied_nodes_and_outputs_keep_their_names(frozen, images):
    for arguments in ({"nodes_denylist": ["logits:0", "classes"]}, {"nodes_denylist": None, "nodes_blacklist": None}):
        converted = converter(frozen, **arguments).convert()
        program = Program(converted)
        if arguments["nodes_denylist"]:  # else they are inside an engine, like all that is read there alone
            np.testing.assert_allclose(program(images, "logits:0"), Program(frozen)(images), atol=1e-4)
        assert program(images, "classes:0").dtype == np.int64
        # An output that nothing reads is kept though nobody named it.
        assert program(images, "Identity:0").shape == (len(images), 10)


def test_nodes_blacklist_and_tensors(frozen, images):
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(frozen, name="")
    tensors = [graph.get_tensor_by_name("logits:0"), graph.get_operation_by_name("cnn_1/conv2d_2_1/convolution")]
    converted = trt.TrtGraphConverter(input_graph_def=frozen, nodes_blacklist=tensors, is_dynamic_op=True).convert()
    kept = {node.name: node for node in converted.node}
    assert kept["cnn_1/conv2d_2_1/convolution"].op == "Conv2D"
    assert len(engines(converted)) >= 1
    np.testing.assert_allclose(Program(converted)(images), Program(frozen)(images), atol=1e-4)


@pytest.mark.parametrize("mode", ["INT8", "int8"])
def test_int8_with_feeds(frozen, images, test_split, mode):
    made = converter(frozen, precision_mode=mode)
    calibrating = made.convert()
    assert all(not node.attr["calibration_data"].s for node in engines(calibrating))
    converted = made.calibrate(["logits:0", "classes:0"], num_runs=8, feed_dict_fn=feed(images))
    (node,) = engines(converted)
    header, *lines = node.attr["calibration_data"].s.decode().splitlines()
    assert header.startswith("TRT-") and header.endswith("-EntropyCalibration2") and len(lines) >= 6
    assert accuracy(converted, test_split) >= accuracy(frozen, test_split) - HALF_A_POINT
    program = Program(converted)
    program(images)
    assert program.status()["precision"] == "int8" and program.status()["native_calls"] == {}


def test_int8_with_tensors_in_place_of_inputs(frozen, images, test_split):
    calls = []

    def input_map_fn():
        calls.append(v1.get_default_graph())
        dataset = tf.data.Dataset.from_tensor_slices(images).batch(16)
        return {"image:0": v1.data.make_one_shot_iterator(dataset).get_next()}

    made = converter(frozen, precision_mode="INT8")
    made.convert()
    converted = made.calibrate(["logits:0"], num_runs=len(images) // 16, input_map_fn=input_map_fn)
    assert len(calls) == 1
    assert accuracy(converted, test_split) >= accuracy(frozen, test_split) - HALF_A_POINT


def test_initializable_iterators_are_initialized(frozen, images):
    def input_map_fn():
        dataset = tf.data.Dataset.from_tensor_slices(images[:32]).batch(16)
        iterator = v1.data.make_initializable_iterator(dataset)
        v1.add_to_collection(v1.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
        return {"image:0": iterator.get_next()}

    made = converter(frozen, precision_mode="INT8")
    made.convert()
    made.calibrate(["logits:0"], num_runs=2, input_map_fn=input_map_fn)


def test_calibration_leaves_channel_means_beside_the_table(frozen, images):
    trt_converter = converter(frozen, precision_mode="INT8")
    trt_converter.convert()
    (node,) = engines(trt_converter.calibrate(["Identity:0"], 4, feed_dict_fn=feed(images)))
    assert node.attr["calibration_data"].s.startswith(b"TRT-")
    assert node.attr["_tfengine_channel_means"].s.startswith(b"TFEMEANS")


def test_both_ways_of_giving_data_calibrate_alike(frozen, images):
    def tables(**data):
        made = converter(frozen, precision_mode="INT8")
        made.convert()
        return [node.attr["calibration_data"].s for node in engines(made.calibrate(["logits:0"], 8, **data))]

    def input_map_fn():
        dataset = tf.data.Dataset.from_tensor_slices(images).batch(16)
        return {"image": v1.data.make_one_shot_iterator(dataset).get_next()}

    assert tables(feed_dict_fn=feed(images)) == tables(input_map_fn=input_map_fn)


def test_wrong_data(frozen, images):
    made = converter(frozen, precision_mode="INT8")
    made.convert()
    with pytest.raises(ValueError, match="^feed_dict_fn, input_map_fn: none is given"):
        made.calibrate(["logits:0"], 1)
    with pytest.raises(ValueError, match="^feed_dict_fn, input_map_fn: both are given"):
        made.calibrate(["logits:0"], 1, feed_dict_fn=dict, input_map_fn=dict)
    with pytest.raises(ValueError, match="^input_map_fn: got the key 7"):
        made.calibrate(["logits:0"], 1, input_map_fn=lambda: {7: tf.constant(images)})
    with pytest.raises(ValueError, match="^input_map_fn: 'image:0' is ndarray, expected a tf.Tensor$"):
        made.calibrate(["logits:0"], 1, input_map_fn=lambda: {"image:0": images})
    with pytest.raises(ValueError, match="^num_runs: got 0, expected at least 1$"):
        made.calibrate(["logits:0"], 0, feed_dict_fn=feed(images))
    with pytest.raises(AssertionError, match="save.. comes after calibrate"):
        made.save("out")


def test_an_engine_that_saw_no_data_is_named(frozen, images):
    """What is fetched does not need it."""
    made = converter(frozen, precision_mode="INT8")
    (node,) = engines(made.convert())
    with pytest.raises(tf.errors.OpError, match=node.name):
        made.calibrate(["image:0"], 1, feed_dict_fn=feed(images))


def test_once_each(frozen, images):
    made = converter(frozen, precision_mode="INT8")
    made.convert()
    with pytest.raises(AssertionError, match="was called before"):
        made.convert()
    made.calibrate(["logits:0"], 1, feed_dict_fn=feed(images))
    with pytest.raises(AssertionError, match="was called before"):
        made.calibrate(["logits:0"], 1, feed_dict_fn=feed(images))
    with pytest.raises(ValueError, match="it was a GraphDef$"):
        made.save("out")
    floating = converter(frozen)
    floating.convert()
    with pytest.raises(AssertionError, match="is for precision_mode INT8"):
        floating.calibrate(["logits:0"], 1, feed_dict_fn=feed(images))


def test_calibration_can_be_kept(frozen, images, tmp_path):
    import tfengine

    made = converter(frozen, precision_mode="INT8", calibrator="minmax")
    made.convert()
    (node,) = engines(made.calibrate(["logits:0"], 8, feed_dict_fn=feed(images)))
    table, histograms = made.save_calibration(tmp_path)
    assert open(table, "rb").read() == node.attr["calibration_data"].s
    assert tfengine.Calibration.load(histograms).samples == len(images)
    assert node.attr["calibration_data"].s.splitlines()[0].endswith(b"-MinMaxCalibration")


def with_ranges(frozen, largest):
    """Quantization nodes behind the input and what convolutions and matrix products read."""
    result = v1.GraphDef()
    result.CopyFrom(frozen)
    names = ["image", *(f"cnn_1/conv2d_{layer}/Relu" for layer in ("1", "1_2", "2_1", "3_1", "4_1"))]
    names.append("cnn_1/global_average_pooling2d_1/Mean")
    for node in result.node:
        node.input[:] = [f"{name}/q" if name in names else name for name in node.input]
    for name in names:
        node = result.node.add(name=f"{name}/q", op="FakeQuantWithMinMaxArgs", input=[name])
        node.attr["min"].f, node.attr["max"].f = -largest, largest
        node.attr["narrow_range"].b = True
        node.attr["num_bits"].i = 8
    return result


def test_custom_ranges_need_no_calibration(frozen, images, test_split):
    quantized = with_ranges(frozen, 3.0)
    converted = converter(quantized, precision_mode="INT8", use_calibration=False).convert()
    assert not any(node.op == "FakeQuantWithMinMaxArgs" for node in converted.node)
    program = Program(converted)
    # TensorFlow simulates the same ranges.
    difference = np.abs(program(images) - Program(quantized)(images)).max()
    assert difference < 0.1 * np.abs(Program(quantized)(images)).max()
    assert program.status()["precision"] == "int8" and program.status()["native_calls"] == {}


def test_custom_ranges_are_obeyed(frozen, images):
    """A range that is far too small clips, as in TensorFlow's simulation."""
    exact = Program(frozen)(images)
    clipped = Program(converter(with_ranges(frozen, 0.1), precision_mode="INT8", use_calibration=False).convert())
    simulated = Program(with_ranges(frozen, 0.1))(images)
    assert np.abs(clipped(images) - exact).max() > 1.0
    assert np.abs(clipped(images) - simulated).max() < 0.1 * np.abs(simulated).max()


def test_create_inference_graph_with_float_engines(frozen, images):
    converted = trt.create_inference_graph(frozen, ["logits", "classes"], max_batch_size=16, is_dynamic_op=True)
    assert len(engines(converted)) == 1
    np.testing.assert_allclose(Program(converted)(images), Program(frozen)(images), atol=1e-4)


def test_create_inference_graph_finds_quantization_nodes(frozen):
    (node,) = engines(trt.create_inference_graph(with_ranges(frozen, 3.0), ["logits"], precision_mode="INT8"))
    assert node.attr["use_calibration"].b is False
    (node,) = engines(trt.create_inference_graph(frozen, ["logits"], precision_mode="INT8"))
    assert node.attr["use_calibration"].b is True


def test_create_inference_graph_from_and_to_a_saved_model(digits, tmp_path, images):
    folder = str(digits / "separable_saved_model")
    trt.create_inference_graph(
        None, None, input_saved_model_dir=folder, is_dynamic_op=True, output_saved_model_dir=str(tmp_path / "out")
    )

    def run(path):
        with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
            signature = v1.saved_model.load(session, ["serve"], path).signature_def["serving_default"]
            ops = {node.op for node in graph.as_graph_def().node}
            names = signature.outputs["output_0"].name, signature.inputs["image"].name
            return session.run(names[0], {names[1]: images}), ops

    (expected, before), (result, after) = run(folder), run(str(tmp_path / "out"))
    assert "TRTEngineOp" not in before and "TRTEngineOp" in after
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_contribs_calibration(frozen, images, test_split):
    """The session that saw the data is closed before the tables are read."""
    calibrating = trt.create_inference_graph(
        frozen, ["logits", "classes"], max_batch_size=16, precision_mode="INT8", minimum_segment_size=2
    )
    program = Program(calibrating)
    for at in range(0, len(images), 16):
        program(images[at : at + 16])
    program.session.close()
    del program
    converted = trt.calib_graph_to_infer_graph(calibrating)
    assert all(node.attr["calibration_data"].s for node in engines(converted))
    assert all(not node.attr["calibration_data"].s for node in engines(calibrating))
    assert accuracy(converted, test_split) >= accuracy(frozen, test_split) - HALF_A_POINT


def test_contribs_calibration_without_anything_to_calibrate(frozen, caplog):
    assert trt.calib_graph_to_infer_graph(frozen) is None
    assert "no TRTEngineOp that waits for calibration" in caplog.text
    waiting = trt.create_inference_graph(frozen, ["logits"], precision_mode="INT8")
    with pytest.raises(RuntimeError, match="calib_graph_to_infer_graph: .*TRTEngineOp_"):
        trt.calib_graph_to_infer_graph(waiting)


def test_sessions_take_the_given_configuration(frozen, images):
    """A session of one thread has engines of one thread."""
    made = converter(frozen, session_config=v1.ConfigProto(intra_op_parallelism_threads=1), precision_mode="INT8")
    made.convert()
    made.calibrate(["logits:0"], 1, feed_dict_fn=feed(images))


def test_import_under_a_prefix(frozen, images):
    converted = converter(frozen).convert()
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(converted, name="some/scope")
        with v1.Session(graph=graph) as session:
            result = session.run("some/scope/logits:0", {"some/scope/image:0": images})
    np.testing.assert_allclose(result, Program(frozen)(images), atol=1e-4)
