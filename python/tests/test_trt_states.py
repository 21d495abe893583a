"""trt_convert's converters called in a wrong order or with wrong things: the kinds of errors that TF-TRT raised."""

import pytest

tf = pytest.importorskip("tensorflow")

from tfengine import trt_convert as trt  # noqa: E402


@pytest.fixture
def graph_def(digits):
    return tf.compat.v1.GraphDef.FromString((digits / "cnn.pb").read_bytes())


@pytest.fixture
def graph_mode():
    with tf.Graph().as_default():
        yield


def test_tensorflow_1s_converter_refuses_eager_mode(graph_def):
    with pytest.raises(RuntimeError, match="use TrtGraphConverterV2"):
        trt.TrtGraphConverter(input_graph_def=graph_def)


def test_tensorflow_2s_converter_refuses_graph_mode(graph_mode):
    with pytest.raises(AssertionError, match="use TrtGraphConverter"):
        trt.TrtGraphConverterV2("model")


def test_one_input_of_two(graph_mode, graph_def):
    with pytest.raises(ValueError, match="both are given, expected one of them"):
        trt.TrtGraphConverter(input_saved_model_dir="model", input_graph_def=graph_def)
    with pytest.raises(ValueError, match="none is given, expected one of them"):
        trt.TrtGraphConverter()


def test_tensorflow_2s_converter_needs_a_saved_model():
    with pytest.raises(ValueError, match="^input_saved_model_dir: got None, expected the folder of a SavedModel$"):
        trt.TrtGraphConverterV2()


def test_what_is_no_graph_def(graph_mode, digits):
    with pytest.raises(TypeError, match="^input_graph_def: got bytes, expected a tf.compat.v1.GraphDef$"):
        trt.TrtGraphConverter(input_graph_def=(digits / "cnn.pb").read_bytes())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"nodes_denylist": [], "nodes_blacklist": []}, ValueError, "both are given"),
        ({"nodes_denylist": "logits"}, TypeError, "got the string 'logits', expected a list of names"),
        ({"nodes_blacklist": [7]}, TypeError, "got 7, expected names of nodes or tf.Tensors"),
        ({"max_batch_size": None}, ValueError, "^max_batch_size: got None, expected an integer"),
        ({"max_batch_size": 0}, ValueError, "^max_batch_size: got 0, expected at least 1$"),
        ({"max_batch_size": True}, ValueError, "^max_batch_size: got True"),
        ({"cached_engine_batches": 8}, TypeError, "^cached_engine_batches: got int, expected a list"),
        ({"cached_engine_batches": [1, 8]}, ValueError, "^cached_engine_batches: got 2 sizes, expected at most .* 1$"),
    ],
)
def test_wrong_arguments_of_tensorflow_1s_converter(graph_mode, graph_def, arguments, error, message):
    with pytest.raises(error, match=message):
        trt.TrtGraphConverter(input_graph_def=graph_def, **arguments)


def test_max_batch_size_matters_to_static_engines_only(graph_mode, graph_def):
    trt.TrtGraphConverter(input_graph_def=graph_def, max_batch_size=None, is_dynamic_op=True)
    trt.TrtGraphConverter(input_graph_def=graph_def, max_batch_size=None, precision_mode="INT8")


def test_int8_calibration_makes_engines_dynamic_with_a_warning(graph_mode, graph_def, caplog):
    trt.TrtGraphConverter(input_graph_def=graph_def, precision_mode="INT8", is_dynamic_op=False)
    assert "is_dynamic_op is taken as True" in caplog.text


def test_unknown_names_in_the_denylist(graph_mode, graph_def):
    converter = trt.TrtGraphConverter(input_graph_def=graph_def, nodes_denylist=["logits", "Identity:0"])
    with pytest.raises(ValueError, match="^nodes_denylist: the graph has no node 'logits'$"):
        converter.convert()


def test_nothing_comes_before_convert(graph_mode, graph_def, tmp_path):
    converter = trt.TrtGraphConverter(input_graph_def=graph_def, precision_mode="INT8")
    with pytest.raises(AssertionError, match=r"^calibrate\(\) comes after convert\(\)$"):
        converter.calibrate(["Identity:0"], 1, feed_dict_fn=dict)
    with pytest.raises(AssertionError, match=r"^save\(\) comes after convert\(\)$"):
        converter.save(str(tmp_path / "out"))
    with pytest.raises(AssertionError, match="comes after calibrate"):
        converter.save_calibration(tmp_path)
    with pytest.raises(AssertionError, match="comes after convert"):
        converter.report()


def test_nothing_comes_before_convert_in_tensorflow_2(digits, tmp_path):
    converter = trt.TrtGraphConverterV2(digits / "separable_saved_model", precision_mode="INT8")
    with pytest.raises(RuntimeError, match=r"^build\(\) comes after convert\(\)$"):
        converter.build(lambda: [])
    with pytest.raises(RuntimeError, match="input_fn is None"):
        converter.build(None)
    with pytest.raises(AssertionError, match=r"^save\(\) comes after convert\(\)$"):
        converter.save(str(tmp_path / "out"))
    with pytest.raises(RuntimeError, match=r"^summary\(\) comes after convert\(\)$"):
        converter.summary()
    with pytest.raises(AssertionError, match="comes after convert"):
        converter.save_calibration(tmp_path)
    with pytest.raises(AssertionError, match="comes after convert"):
        converter.report()


def test_calibration_function_where_it_is_needed_and_only_there(digits):
    model = digits / "separable_saved_model"
    with pytest.raises(ValueError, match="^calibration_input_fn: got None"):
        trt.TrtGraphConverterV2(model, precision_mode="INT8").convert()
    for wanted in ({"precision_mode": "FP32"}, {"precision_mode": "INT8", "use_calibration": False}):
        with pytest.raises(ValueError, match="^calibration_input_fn is for precision_mode INT8"):
            trt.TrtGraphConverterV2(model, **wanted).convert(calibration_input_fn=lambda: [])


def test_unknown_signatures(digits):
    model = str(digits / "separable_saved_model")
    with pytest.raises(KeyError, match="no signature 'predict', expected one of .*'serving_default'"):
        trt.TrtGraphConverterV2(model, input_saved_model_signature_key="predict").convert()
    with tf.Graph().as_default(), pytest.raises(ValueError, match="no signature 'predict', expected one of"):
        trt.TrtGraphConverter(model, input_saved_model_signature_key="predict").convert()


def test_unknown_tags(digits):
    model = str(digits / "separable_saved_model")
    with pytest.raises(ValueError, match="gpu"):
        trt.TrtGraphConverterV2(model, input_saved_model_tags=["serve", "gpu"]).convert()
    with tf.Graph().as_default(), pytest.raises(RuntimeError, match="gpu"):
        trt.TrtGraphConverter(model, input_saved_model_tags=["serve", "gpu"]).convert()
