# SPDX-License-Identifier: Apache-2.0
"""BERT-base as a frozen graph with seeded weights: what models.py writes under the names of TRANSFORMERS.

Written with Keras's own layers, as KerasHub's backbone is: embeddings of words, places and segments, and in each layer
MultiHeadAttention with a padding mask, GELU by the error function, and layer norm behind each sum. Inputs are int32
token ids, mask and segments of 128 places, the result is the last hidden state. Files are models.py's, but samples are
.npz archives of the inputs by name.
"""

import json
import zlib

import numpy as np

TRANSFORMERS = {
    # name -> (layers, hidden, heads, width of the feed-forward layer, words, places)
    "bert": (12, 768, 12, 3072, 30522, 128),
    "bert-tiny": (2, 128, 2, 512, 1000, 32),
}
SEGMENTS = 2
EPSILON = 1e-12
OUTLIER_CHANNELS = 3  # trained BERTs have a few channels of the hidden state that are several times the others
OUTLIER_FACTOR = 5.0


def build_keras(name):
    """The model with Keras's own initial weights."""
    import keras

    layers = keras.layers
    depth, hidden, heads, feed_forward, words, places = TRANSFORMERS[name]
    inputs = {each: keras.Input((places,), dtype="int32", name=each) for each in ("ids", "mask", "segments")}
    x = layers.Embedding(words, hidden, name="words")(inputs["ids"])
    x = x + layers.Embedding(places, hidden, name="places")(keras.ops.arange(places))
    x = x + layers.Embedding(SEGMENTS, hidden, name="segments_table")(inputs["segments"])
    x = layers.LayerNormalization(epsilon=EPSILON, name="embeddings_norm")(x)
    mask = keras.ops.expand_dims(inputs["mask"], 1)
    for index in range(depth):
        attention = layers.MultiHeadAttention(heads, hidden // heads, name=f"attention_{index}")
        y = attention(x, x, attention_mask=mask)
        x = layers.LayerNormalization(epsilon=EPSILON, name=f"attention_norm_{index}")(x + y)
        y = layers.Dense(feed_forward, activation="gelu", name=f"wide_{index}")(x)
        y = layers.Dense(hidden, name=f"narrow_{index}")(y)
        x = layers.LayerNormalization(epsilon=EPSILON, name=f"narrow_norm_{index}")(x + y)
    return keras.Model(list(inputs.values()), x)


def initialise(model, rng):
    """Weights that make activations as a trained BERT's: attention that picks a few places, and outlying channels."""
    outliers = {}
    for weight in model.weights:
        shape = tuple(weight.shape)
        weight.assign(_initial(weight.path, shape, outliers, rng).astype(np.float32))


def _initial(path, shape, outliers, rng):
    leaf = path.rsplit("/", 1)[-1]
    if leaf == "embeddings":
        return 0.05 * rng.standard_normal(shape)
    if leaf == "gamma":
        return rng.uniform(0.6, 1.1, shape)
    if leaf in ("beta", "bias"):
        return 0.05 * rng.standard_normal(shape)
    if leaf != "kernel":
        raise ValueError(f"transformers.py: weight {path} is of no known kind")
    to_width = shape[-1] if len(shape) == 2 else shape[-2:]
    fan_in = np.prod(shape) / np.prod(to_width) if "attention_output" not in path else np.prod(shape[:-1])
    value = rng.standard_normal(shape) / np.sqrt(fan_in)
    if "/query/" in path or "/key/" in path:
        value *= 1.5  # scores with a deviation of about 2: a few places have most of the weight
    if "narrow" in path:
        channels = outliers.setdefault(shape[-1], rng.choice(shape[-1], OUTLIER_CHANNELS, replace=False))
        value[:, channels] *= OUTLIER_FACTOR
    return value


def samples(name, count, rng):
    """Token ids as texts have them (a few words are most of a text), padded to the full length."""
    words, places = TRANSFORMERS[name][4:]
    length = rng.integers(places // 2, places + 1, (count, 1))
    inside = np.arange(places)[None] < length
    ids = np.minimum(rng.zipf(1.3, (count, places)), words - 1)
    second = np.arange(places)[None] >= length * rng.uniform(0.3, 0.7, (count, 1))
    arrays = {"ids": np.where(inside, ids, 0), "mask": inside, "segments": inside & second}
    return {key: np.ascontiguousarray(value, np.int32) for key, value in arrays.items()}


def freeze(model):
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    specs = [tf.TensorSpec((None, *tensor.shape[1:]), tf.int32, name=tensor.name) for tensor in model.inputs]
    function = tf.function(lambda *inputs: model(list(inputs), training=False)).get_concrete_function(*specs)
    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False)
    return frozen.graph.as_graph_def(), [tensor.name for tensor in frozen.inputs], frozen.outputs[0].name


def build(name, output_dir, calibration_count, test_count, import_frozen):
    import keras
    import tensorflow as tf

    keras.backend.clear_session()
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    model = build_keras(name)
    initialise(model, rng)
    graph_def, inputs, output = freeze(model)
    calibration, test = samples(name, calibration_count, rng), samples(name, test_count, rng)
    arguments = [tf.constant(test[tensor.split(":")[0]]) for tensor in inputs]
    expected = import_frozen(graph_def, inputs, [output])(*arguments)[0].numpy()
    (output_dir / f"{name}.pb").write_bytes(graph_def.SerializeToString(deterministic=True))
    np.savez(output_dir / f"{name}.calibration.npz", **calibration)
    np.savez(output_dir / f"{name}.test.npz", **test)
    np.save(output_dir / f"{name}.expected.npy", expected)
    np.save(output_dir / f"{name}.expected_logits.npy", expected.reshape(len(expected), -1))
    places = TRANSFORMERS[name][-1]
    description = {
        "name": name,
        "inputs": [{"tensor": tensor, "shape": [None, places], "dtype": "int32"} for tensor in inputs],
        "output": output,
        "logits": output,
        "attention": {"heads": TRANSFORMERS[name][2], "hidden": TRANSFORMERS[name][1]},
    }
    (output_dir / f"{name}.json").write_text(json.dumps(description, indent=1) + "\n")
    print(
        f"{name}: {len(graph_def.node)} nodes, largest of the last hidden state {np.abs(expected).max():.2f}",
        flush=True,
    )
