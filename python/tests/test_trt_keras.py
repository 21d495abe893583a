"""A Keras model with all that makes graphs hard: a loop, a lookup, images of any size, several inputs and outputs."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

import tfengine.tensorflow as plugin  # noqa: E402
from tfengine import trt_convert as trt  # noqa: E402

layers = keras.layers


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    keras.utils.set_random_seed(2)
    tokens = layers.Input((12,), dtype="int32", name="tokens")
    image = layers.Input((None, None, 3), name="image")
    text = layers.LSTM(32)(layers.Embedding(50, 64)(tokens))
    x = layers.Conv2D(32, 3, activation="relu", padding="same")(image)
    x = layers.Conv2D(64, 3, activation="gelu")(layers.MaxPooling2D()(x))
    x = layers.GlobalAveragePooling2D()(x)
    scores = layers.Dense(7)(layers.Concatenate()([text, x]))
    model = keras.Model({"tokens": tokens, "image": image}, {"scores": scores, "features": x})
    path = tmp_path_factory.mktemp("keras") / "model"
    model.export(str(path), verbose=False)
    return str(path)


@pytest.fixture(scope="module")
def original(folder):
    return tf.saved_model.load(folder).signatures["serving_default"]


def feed(batch, height, width):
    random = np.random.default_rng(batch)
    return {
        "tokens": tf.constant(random.integers(0, 50, (batch, 12)), tf.int32),
        "image": tf.constant(random.random((batch, height, width, 3), np.float32)),
    }


def largest_error(function, original, batch):
    result, expected = function(**batch), original(**batch)
    assert sorted(result) == sorted(expected) == ["features", "scores"]
    return max(float(tf.reduce_max(tf.abs(result[key] - expected[key]))) for key in expected)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize(("mode", "tolerance"), [("FP32", 1e-5), ("INT8", 0.02)])
def test_every_shape_of_input(folder, original, tmp_path, mode, tolerance, dynamic):
    converter = trt.TrtGraphConverterV2(
        folder, precision_mode=mode, use_dynamic_shape=dynamic, maximum_cached_engines=2
    )
    batches = [feed(3, 20, 24), feed(2, 31, 17), feed(1, 8, 8)]
    function = converter.convert(calibration_input_fn=(lambda: batches) if mode == "INT8" else None)
    assert function.structured_input_signature == original.structured_input_signature
    for batch in batches:
        assert largest_error(function, original, batch) < tolerance
    (node,) = (node for node in converter._converted_graph_def.node if node.op == "TRTEngineOp")
    status = plugin.engine_status(node.name)
    assert status["native_calls"] == {} and status["engine_calls"] == 3 and len(status["engines"]) == 2
    # What engines cannot run is still there.
    left = {node.op for node in converter._converted_graph_def.node}
    assert left & {"While", "StatelessWhile"}

    converter.save(str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    assert largest_error(loaded, original, batches[0]) < tolerance


def test_empty_batches_run_in_tensorflow(folder, original):
    converter = trt.TrtGraphConverterV2(folder)
    function = converter.convert()
    result = function(tokens=tf.zeros([0, 12], tf.int32), image=tf.zeros([0, 9, 9, 3]))
    assert result["scores"].shape == (0, 7)
    (node,) = (node for node in converter._converted_graph_def.node if node.op == "TRTEngineOp")
    assert plugin.engine_status(node.name)["native_calls"] == {"an input is empty": 1}


def test_the_converted_function_inside_another(folder, original):
    converter = trt.TrtGraphConverterV2(folder)
    converted = converter.convert()

    @tf.function
    def outer(batch):
        return {key: 2 * value for key, value in converted(**batch).items()}

    batch = feed(4, 12, 12)
    for key, value in outer(batch).items():
        np.testing.assert_allclose(value, 2 * original(**batch)[key], atol=1e-5)
