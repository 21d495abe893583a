"""Ranges that TensorFlow's own quantization ops give: trained networks with simulated quantization, saved and converted."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tfengine  # noqa: E402
from records import read_split  # noqa: E402


class QuantizedDense:
    """A dense layer in the form that quantization-aware training gives it: weights rounded per channel, results rounded to
    a range that follows moving averages of what was seen."""

    def __init__(self, inputs, outputs, seed, relu=True):
        rng = np.random.default_rng(seed)
        self.weights = tf.Variable(rng.normal(0, np.sqrt(2 / inputs), (inputs, outputs)).astype(np.float32))
        self.bias = tf.Variable(np.zeros(outputs, np.float32))
        self.low = tf.Variable(-1e-3, trainable=False)
        self.high = tf.Variable(1e-3, trainable=False)
        self.relu = relu

    def __call__(self, x, training):
        most = tf.reduce_max(tf.abs(self.weights), axis=0)
        weights = tf.quantization.fake_quant_with_min_max_vars_per_channel(
            self.weights, -most, most, num_bits=8, narrow_range=True
        )
        y = x @ weights + self.bias
        y = tf.nn.relu(y) if self.relu else y
        if training:
            self.low.assign(0.9 * self.low + 0.1 * tf.minimum(tf.reduce_min(y), 0.0))
            self.high.assign(0.9 * self.high + 0.1 * tf.reduce_max(y))
        return tf.quantization.fake_quant_with_min_max_vars(y, self.low, self.high, num_bits=8)


class Network(tf.Module):
    def __init__(self):
        super().__init__()
        self.low = tf.Variable(0.0, trainable=False)
        self.high = tf.Variable(1.0, trainable=False)
        self.first = QuantizedDense(64, 32, 1)
        self.second = QuantizedDense(32, 24, 2)
        self.last = QuantizedDense(24, 10, 3, relu=False)
        self.layers = [self.first, self.second, self.last]
        # Modules find variables in attributes of their own.
        self.all = [v for layer in self.layers for v in (layer.weights, layer.bias, layer.low, layer.high)]

    def logits(self, image, training=False):
        x = tf.reshape(image, [-1, 64])
        x = tf.quantization.fake_quant_with_min_max_vars(x, self.low, self.high)
        for layer in self.layers:
            x = layer(x, training)
        return x

    @tf.function(input_signature=[tf.TensorSpec([None, 8, 8, 1], tf.float32, name="image")])
    def serve(self, image):
        return {"logits": self.logits(image)}


def train(network, images, labels):
    variables = [v for layer in network.layers for v in (layer.weights, layer.bias)]
    optimizer = tf.keras.optimizers.Adam(0.01)
    rng = np.random.default_rng(4)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, network.logits(x, training=True)))
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))

    for _ in range(150):
        chosen = rng.choice(len(images), 64)
        step(tf.constant(images[chosen]), tf.constant(labels[chosen].astype(np.int32)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    images, labels = read_split("train")
    network = Network()
    train(network, images, labels)
    folder = str(tmp_path_factory.mktemp("trained"))
    tf.saved_model.save(network, folder, signatures=network.serve)
    return network, folder


def custom_ranges(engine):
    rows = engine.report()["int8"]["tensors"]
    return {row["name"]: row["max_abs"] for row in rows if row.get("source") == "custom"}


def test_a_trained_network_keeps_its_ranges(trained, test_split):
    network, folder = trained
    images, labels = test_split
    engine = tfengine.convert(
        folder, precision="int8", strict_ranges=True, avoid_slow_int8=False, threads=1, batch_size=len(images)
    )
    report = engine.report()["int8"]
    assert [node["int8"] for node in report["nodes"] if node["op"] == "MatMul"] == [True] * 3 or all(
        node["int8"] for node in report["nodes"] if node["op"] in ("MatMul", "Conv2D")
    )
    expected = [max(-layer.low.numpy(), layer.high.numpy()) for layer in network.layers] + [1.0]
    found = sorted(set(custom_ranges(engine).values()))
    np.testing.assert_allclose(found, sorted(expected), rtol=1e-6)
    logits = network.serve(tf.constant(images))["logits"].numpy()
    got = next(iter(engine.run(images).values()))
    accuracy = np.mean(logits.argmax(1) == labels)
    assert accuracy > 0.9
    assert np.mean(got.argmax(1) == labels) >= 0.999 * accuracy
    # Both round to 8 bits, on grids that are not the same: the trained one spends no number on what is below its minimum.
    noise = np.sum((got - logits) ** 2) / np.sum(logits**2)
    assert 10 * np.log10(1 / noise) > 25


QUANTIZERS = {
    "fake_quant_args": lambda x, r: tf.quantization.fake_quant_with_min_max_args(x, -r, r),
    "fake_quant_vars": lambda x, r: tf.quantization.fake_quant_with_min_max_vars(x, tf.Variable(-r), tf.Variable(r)),
    "fake_quant_per_channel": lambda x, r: tf.quantization.fake_quant_with_min_max_vars_per_channel(
        x, [-r / 2, -r, -r / 4], [r / 2, r, r / 4]
    ),
    "v2": lambda x, r: tf.raw_ops.QuantizeAndDequantizeV2(input=x, input_min=-r, input_max=r, range_given=True),
    "v3": lambda x, r: tf.raw_ops.QuantizeAndDequantizeV3(
        input=x, input_min=-r, input_max=r, num_bits=8, range_given=True
    ),
    "v4": lambda x, r: tf.quantization.quantize_and_dequantize_v2(x, -r, r, range_given=True),
    "v4_axis": lambda x, r: tf.quantization.quantize_and_dequantize_v2(
        x, [-r / 2, -r, -r / 4], [r / 2, r, r / 4], range_given=True, axis=1
    ),
}


@pytest.mark.parametrize("name", QUANTIZERS)
def test_every_op_of_tensorflow_gives_its_range(name, tmp_path):
    class Model(tf.Module):
        def __init__(self):
            super().__init__()
            self.range = tf.Variable(2.5)
            self.low = tf.Variable(-2.5)
            self.weights = tf.Variable(np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32))

        @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
        def serve(self, x):
            if name == "fake_quant_vars":
                x = tf.quantization.fake_quant_with_min_max_vars(x, self.low, self.range)
            else:
                x = QUANTIZERS[name](x, 2.5)
            return {"y": x @ self.weights}

    model = Model()
    tf.saved_model.save(model, str(tmp_path / "m"), signatures=model.serve)
    engine = tfengine.convert(tmp_path / "m", precision="int8", strict_ranges=True, avoid_slow_int8=False, threads=1)
    assert custom_ranges(engine) == {"x": 2.5}
    per_channel = [note for note in engine.report()["notes"] if "one per channel" in note]
    assert len(per_channel) == (name in ("fake_quant_per_channel", "v4_axis"))
    x = np.linspace(-4, 4, 24, dtype=np.float32).reshape(8, 3)
    steps = np.clip(np.rint(x / (2.5 / 127)), -128, 127) * (2.5 / 127)
    expected = steps @ model.weights.numpy()
    # Weights are rounded too: half a step of each.
    step = np.abs(model.weights.numpy()).max(axis=0) / 127
    got = next(iter(engine.run(x).values()))
    assert np.all(np.abs(got - expected) <= 3 * 2.6 * step / 2 + 1e-5)
