"""Whole networks of the kinds that users convert, small but complete, with seeded weights: built with Keras, written as a
SavedModel and as a frozen graph, beside inputs and what TensorFlow answers. Run as a program it writes them to a folder:

    python python/tests/whole_nets.py OUT [NAME...]
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np


def _keras():
    import keras

    return keras, keras.layers


def bert_encoder(layers_count=2, hidden=32, heads=4, vocabulary=50, length=12, feed_forward=64):
    """Embeddings of words, places and segments, then encoder layers; two outputs, as BERT has."""
    keras, layers = _keras()
    ids = keras.Input((None,), dtype="int32", name="ids")
    mask = keras.Input((None,), dtype="int32", name="mask")
    segments = keras.Input((None,), dtype="int32", name="segments")

    class Places(keras.layers.Layer):
        def build(self, shape):
            self.table = self.add_weight(shape=(512, shape[-1]), initializer="random_normal", name="table")

        def call(self, x):
            return x + self.table[: keras.ops.shape(x)[1]]

    x = layers.Embedding(vocabulary, hidden)(ids) + layers.Embedding(2, hidden)(segments)
    x = layers.LayerNormalization(epsilon=1e-12)(Places()(x))
    allowed = keras.ops.cast(mask[:, None, :], "bool")
    for _ in range(layers_count):
        attention = layers.MultiHeadAttention(heads, hidden // heads)
        x = layers.LayerNormalization(epsilon=1e-12)(x + attention(x, x, attention_mask=allowed))
        y = layers.Dense(hidden)(layers.Dense(feed_forward, activation="gelu")(x))
        x = layers.LayerNormalization(epsilon=1e-12)(x + y)
    pooled = layers.Dense(hidden, activation="tanh", name="pooled")(x[:, 0])
    model = keras.Model([ids, mask, segments], {"sequence": x, "pooled": pooled})

    def inputs(rng, batch):
        lengths = rng.integers(3, length + 1, (batch, 1))
        return {
            "ids": rng.integers(0, vocabulary, (batch, length)).astype(np.int32),
            "mask": (np.arange(length)[None] < lengths).astype(np.int32),
            "segments": rng.integers(0, 2, (batch, length)).astype(np.int32),
        }

    return model, inputs


def bidirectional_lstm(vocabulary=40, width=12, units=10, length=9):
    """A classifier of padded token sequences."""
    keras, layers = _keras()
    ids = keras.Input((length,), dtype="int32", name="ids")
    x = layers.Embedding(vocabulary, width, mask_zero=True)(ids)
    x = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(x)
    x = layers.Bidirectional(layers.LSTM(units))(x)
    model = keras.Model(ids, layers.Dense(3, activation="softmax", name="classes")(x))

    def inputs(rng, batch):
        tokens = rng.integers(1, vocabulary, (batch, length))
        lengths = rng.integers(2, length + 1, (batch, 1))
        return {"ids": np.where(np.arange(length)[None] < lengths, tokens, 0).astype(np.int32)}

    return model, inputs


def gru_sequence(features=6, units=9):
    """One result per step of a sequence of any length."""
    keras, layers = _keras()
    x = keras.Input((None, features), name="x")
    y = layers.GRU(units, return_sequences=True)(x)
    y = layers.GRU(units, return_sequences=True, reset_after=False)(y)
    model = keras.Model(x, layers.Dense(4)(y))
    return model, lambda rng, batch: {"x": rng.standard_normal((batch, 11, features)).astype(np.float32)}


def unet(size=16):
    """Down and up again, with transposed convolutions on one level and a resize on the other."""
    keras, layers = _keras()
    image = keras.Input((size, size, 3), name="image")

    def block(x, channels):
        for _ in range(2):
            x = layers.Conv2D(channels, 3, padding="same", use_bias=False)(x)
            x = layers.ReLU()(layers.BatchNormalization()(x))
        return x

    first = block(image, 8)
    second = block(layers.MaxPool2D()(first), 12)
    bottom = block(layers.MaxPool2D()(second), 16)
    up = layers.Conv2DTranspose(12, 2, strides=2, padding="same")(bottom)
    up = block(layers.Concatenate()([up, second]), 12)
    up = layers.Conv2D(8, 1)(layers.UpSampling2D(interpolation="bilinear")(up))
    up = block(layers.Concatenate()([up, first]), 8)
    model = keras.Model(image, layers.Conv2D(2, 1, activation="sigmoid")(up))
    return model, lambda rng, batch: {"image": rng.random((batch, size, size, 3)).astype(np.float32)}


def conv3d_net():
    """A classifier of short clips."""
    keras, layers = _keras()
    clip = keras.Input((6, 12, 12, 2), name="clip")
    x = layers.Conv3D(6, 3, padding="same", activation="relu")(clip)
    x = layers.MaxPool3D((1, 2, 2))(x)
    x = layers.Conv3D(8, (3, 1, 1), padding="same")(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.AveragePooling3D(2)(x)
    x = layers.Conv3D(10, 3, strides=2, padding="same", activation="relu")(x)
    model = keras.Model(clip, layers.Dense(5)(layers.GlobalAveragePooling3D()(x)))
    return model, lambda rng, batch: {"clip": rng.standard_normal((batch, 6, 12, 12, 2)).astype(np.float32)}


def wavenet(length=64, channels=8):
    """Gated dilated causal convolutions with residual and skip connections."""
    keras, layers = _keras()
    wave = keras.Input((length, 1), name="wave")
    x = layers.Conv1D(channels, 2, padding="causal")(wave)
    skips = []
    for dilation in (1, 2, 4, 8, 16):
        gate = layers.Conv1D(channels, 2, padding="causal", dilation_rate=dilation, activation="sigmoid")(x)
        signal = layers.Conv1D(channels, 2, padding="causal", dilation_rate=dilation, activation="tanh")(x)
        y = layers.Multiply()([gate, signal])
        skips.append(layers.Conv1D(channels, 1)(y))
        x = layers.Add()([x, layers.Conv1D(channels, 1)(y)])
    y = layers.ReLU()(layers.Add()(skips))
    model = keras.Model(wave, layers.Conv1D(6, 1)(layers.ReLU()(layers.Conv1D(channels, 1)(y))))
    return model, lambda rng, batch: {"wave": rng.uniform(-1, 1, (batch, length, 1)).astype(np.float32)}


def _transformer_block(layers, x, heads, width, hidden):
    y = layers.LayerNormalization(epsilon=1e-6)(x)
    x = layers.Add()([x, layers.MultiHeadAttention(heads, width // heads)(y, y)])
    y = layers.LayerNormalization(epsilon=1e-6)(x)
    y = layers.Dense(hidden, activation="gelu")(y)
    return layers.Add()([x, layers.Dense(width)(y)])


def vision_transformer(size=16, patch=4, width=24, heads=3):
    """Patches, a class token, learned places."""
    keras, layers = _keras()

    class ClassToken(keras.layers.Layer):
        def build(self, shape):
            self.token = self.add_weight(shape=(1, 1, shape[-1]), initializer="random_normal", name="token")
            self.places = self.add_weight(
                shape=(1, shape[1] + 1, shape[-1]),
                initializer="random_normal",
                name="places",
            )

        def call(self, x):
            token = keras.ops.broadcast_to(self.token, (keras.ops.shape(x)[0], 1, x.shape[-1]))
            return keras.ops.concatenate([token, x], axis=1) + self.places

    image = keras.Input((size, size, 3), name="image")
    x = layers.Conv2D(width, patch, strides=patch)(image)
    x = ClassToken()(layers.Reshape((-1, width))(x))
    for _ in range(2):
        x = _transformer_block(layers, x, heads, width, 2 * width)
    x = layers.LayerNormalization(epsilon=1e-6)(x)[:, 0]
    model = keras.Model(image, layers.Dense(7)(x))
    return model, lambda rng, batch: {"image": rng.random((batch, size, size, 3)).astype(np.float32)}


def mobile_vit(size=32):
    """Inverted residuals, and a block that folds patches into sequences and back."""
    keras, layers = _keras()

    def inverted(x, channels, stride):
        y = layers.Conv2D(2 * x.shape[-1], 1, use_bias=False)(x)
        y = layers.Activation("swish")(layers.BatchNormalization()(y))
        y = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(y)
        y = layers.Activation("swish")(layers.BatchNormalization()(y))
        y = layers.BatchNormalization()(layers.Conv2D(channels, 1, use_bias=False)(y))
        return layers.Add()([x, y]) if stride == 1 and x.shape[-1] == channels else y

    def vit_block(x, width, patch=2):
        height, channels = x.shape[1], x.shape[-1]
        y = layers.Conv2D(channels, 3, padding="same", activation="swish")(x)
        y = layers.Conv2D(width, 1)(y)
        cells = height // patch
        y = layers.Reshape((cells, patch, cells, patch, width))(y)
        y = layers.Permute((2, 4, 1, 3, 5))(y)
        y = layers.Reshape((patch * patch, cells * cells, width))(y)
        y = _transformer_block(layers, y, 2, width, 2 * width)
        y = layers.LayerNormalization(epsilon=1e-6)(y)
        y = layers.Reshape((patch, patch, cells, cells, width))(y)
        y = layers.Permute((3, 1, 4, 2, 5))(y)
        y = layers.Reshape((height, height, width))(y)
        y = layers.Conv2D(channels, 1, activation="swish")(y)
        y = layers.Concatenate()([x, y])
        return layers.Conv2D(channels, 3, padding="same", activation="swish")(y)

    image = keras.Input((size, size, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="swish")(image)
    x = inverted(inverted(x, 8, 1), 12, 2)
    x = vit_block(x, 16)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(20, 1, activation="swish")(x))
    model = keras.Model(image, layers.Dense(6)(x))
    return model, lambda rng, batch: {"image": rng.random((batch, size, size, 3)).astype(np.float32)}


def efficient_det(size=32, channels=8, anchors=3, classes=4):
    """A pyramid whose levels are fused both ways by learned, normalized weights, with heads that levels share."""
    keras, layers = _keras()

    class Fusion(keras.layers.Layer):
        def build(self, shapes):
            self.weights_ = self.add_weight(shape=(len(shapes),), initializer="random_uniform", name="weights")
            self.weights_.assign(np.linspace(0.5, 1.5, len(shapes)))

        def call(self, maps):
            weights = keras.ops.relu(self.weights_)
            total = sum(weights[i] * x for i, x in enumerate(maps))
            return total / (keras.ops.sum(weights) + 1e-4)

    def fuse(*maps):
        y = keras.layers.Activation("swish")(Fusion()(list(maps)))
        return layers.BatchNormalization()(layers.SeparableConv2D(channels, 3, padding="same")(y))

    image = keras.Input((size, size, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="swish")(image)
    levels = []
    for width in (10, 12, 14):
        x = layers.DepthwiseConv2D(3, strides=2, padding="same")(x)
        x = layers.Activation("swish")(layers.BatchNormalization()(layers.Conv2D(width, 1)(x)))
        gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
        gate = layers.Conv2D(width, 1, activation="sigmoid")(layers.Conv2D(4, 1, activation="swish")(gate))
        x = layers.Multiply()([x, gate])
        levels.append(layers.Conv2D(channels, 1)(x))
    for _ in range(2):
        p3, p4, p5 = levels
        middle = fuse(p4, layers.UpSampling2D()(p5))
        low = fuse(p3, layers.UpSampling2D()(middle))
        middle = fuse(p4, middle, layers.MaxPool2D(3, 2, padding="same")(low))
        levels = [low, middle, fuse(p5, layers.MaxPool2D(3, 2, padding="same")(middle))]
    boxes = layers.SeparableConv2D(4 * anchors, 3, padding="same")
    scores = layers.SeparableConv2D(classes * anchors, 3, padding="same")
    outputs = {
        "boxes": layers.Concatenate(axis=1)([layers.Reshape((-1, 4))(boxes(x)) for x in levels]),
        "scores": layers.Concatenate(axis=1)([layers.Reshape((-1, classes))(scores(x)) for x in levels]),
    }
    model = keras.Model(image, outputs)
    return model, lambda rng, batch: {"image": rng.random((batch, size, size, 3)).astype(np.float32)}


def ssd_mobilenet(size=64, classes=4, detections=5):
    """Separable convolutions, heads on two maps, boxes decoded from anchors, scores, and suppression of doubles."""
    import tensorflow as tf

    keras, layers = _keras()

    def separable(x, channels, stride):
        x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
        x = layers.Conv2D(channels, 1, use_bias=False)(x)
        return layers.ReLU(6.0)(layers.BatchNormalization()(x))

    image = keras.Input((size, size, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(image)
    first = separable(separable(x, 12, 2), 16, 2)
    second = separable(first, 24, 2)
    boxes, scores, anchors = [], [], []
    for x in (first, second):
        cells = x.shape[1]
        places = (np.stack(np.meshgrid(np.arange(cells), np.arange(cells), indexing="ij"), -1) + 0.5) / cells
        for scale in (1.5, 3.0):
            anchors.append(
                np.concatenate(
                    [places.reshape(-1, 2), np.full((cells * cells, 2), scale / cells)],
                    1,
                )
            )
        # Anchors of one scale together, as they stand in `anchors`.
        for _ in range(2):
            boxes.append(layers.Reshape((-1, 4))(layers.Conv2D(4, 3, padding="same")(x)))
            scores.append(layers.Reshape((-1, classes))(layers.Conv2D(classes, 3, padding="same")(x)))
    anchors = np.concatenate(anchors).astype(np.float32)

    class Suppression(keras.layers.Layer):
        def call(self, arguments):
            offsets, logits = arguments
            centers = offsets[..., :2] * 0.1 * anchors[:, 2:] + anchors[:, :2]
            sizes = tf.exp(offsets[..., 2:] * 0.2) * anchors[:, 2:]
            corners = tf.concat([centers - sizes / 2, centers + sizes / 2], -1)
            return tf.image.combined_non_max_suppression(
                corners[:, :, None],
                tf.sigmoid(logits),
                detections,
                detections,
                0.5,
                0.3,
            )

    joined = layers.Concatenate(axis=1)(boxes), layers.Concatenate(axis=1)(scores)
    found = Suppression()(joined)
    names = ("boxes", "scores", "classes", "count")
    model = keras.Model(image, dict(zip(names, found)))
    return model, lambda rng, batch: {"image": rng.random((batch, size, size, 3)).astype(np.float32)}


def audio_front_end(samples=1600, frame=256, step=128, bands=20):
    """Short-time spectra, mel bands, logarithms, and a small classifier of them."""
    import tensorflow as tf

    keras, layers = _keras()

    class LogMel(keras.layers.Layer):
        def call(self, wave):
            spectrum = tf.abs(tf.signal.stft(wave, frame, step, fft_length=frame))
            mel = tf.signal.linear_to_mel_weight_matrix(bands, frame // 2 + 1, 16000, 60.0, 7600.0)
            return tf.math.log(tf.tensordot(tf.square(spectrum), mel, 1) + 1e-6)

    wave = keras.Input((samples,), name="wave")
    mels = LogMel()(wave)
    x = layers.Conv1D(16, 3, padding="same", activation="relu")(mels)
    classes = layers.Dense(4)(layers.GlobalAveragePooling1D()(x))
    model = keras.Model(wave, {"mels": mels, "classes": classes})
    return model, lambda rng, batch: {"wave": rng.uniform(-1, 1, (batch, samples)).astype(np.float32)}


NETS = {
    function.__name__: function
    for function in (
        bert_encoder,
        bidirectional_lstm,
        gru_sequence,
        unet,
        conv3d_net,
        wavenet,
        vision_transformer,
        mobile_vit,
        efficient_det,
        ssd_mobilenet,
        audio_front_end,
    )
}


def build(name, seed=1, **sizes):
    """The model with random but sensible state everywhere (statistics of normalizations included), and its inputs."""
    import keras

    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    model, inputs = NETS[name](**sizes)
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "moving_mean" in weight.path:
            weight.assign(rng.normal(0, 0.1, weight.shape))
        elif "moving_variance" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif "bias" in weight.path or "beta" in weight.path:
            weight.assign(rng.normal(0, 0.1, weight.shape))
    return model, inputs


def save(model, inputs, folder):
    """Writes saved_model/ and frozen.pb; the frozen graph has loops in TensorFlow 1's form, as TensorFlow lowers them."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    example = inputs(np.random.default_rng(0), 1)
    specs = {
        tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name)
        for tensor in model.inputs
        if tensor.name in example
    }

    @tf.function(input_signature=[specs])
    def serve(arguments):
        results = model([arguments[tensor.name] for tensor in model.inputs], training=False)
        return results if isinstance(results, dict) else {"result": results}

    folder = Path(folder)
    tf.saved_model.save(model, str(folder / "saved_model"), signatures=serve_by_name(tf, serve, specs))
    frozen = convert_variables_to_constants_v2(serve.get_concrete_function())
    (folder / "frozen.pb").write_bytes(frozen.graph.as_graph_def().SerializeToString())
    return frozen


def serve_by_name(tf, serve, specs):
    names = list(specs)

    @tf.function(input_signature=list(specs.values()))
    def by_name(*tensors):
        return serve(dict(zip(names, tensors)))

    return by_name


def main(arguments):
    folder = Path(arguments[0])
    for name in arguments[1:] or NETS:
        model, inputs = build(name)
        (folder / name).mkdir(parents=True, exist_ok=True)
        save(model, inputs, folder / name)
        batch = inputs(np.random.default_rng(2), 3)
        results = model([batch[tensor.name] for tensor in model.inputs], training=False)
        results = results if isinstance(results, dict) else {"result": results}
        np.savez(folder / name / "inputs.npz", **batch)
        np.savez(
            folder / name / "expected.npz",
            **{key: np.asarray(value) for key, value in results.items()},
        )
        print(name, {key: tuple(value.shape) for key, value in results.items()})


if __name__ == "__main__":
    main(sys.argv[1:])
