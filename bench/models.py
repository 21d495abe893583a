# SPDX-License-Identifier: Apache-2.0
"""Builds the Keras applications as frozen graphs with seeded random weights, for tests and benchmarks.

Nothing is downloaded. Batch-norm statistics are measured on seeded smooth-noise images, and the classifier is scaled so
that logits differ between inputs: so activations have the magnitudes of a trained network, and a wrong op or a wrong
range shows in the outputs. Written per model NAME into the output directory:

    NAME.pb                   frozen GraphDef (batch dimension unknown)
    NAME.json                 tensor names and shapes
    NAME.calibration.npy      64 preprocessed images
    NAME.test.npy             8 other images
    NAME.expected.npy         TensorFlow's FP32 outputs for the 8 test images
    NAME.expected_logits.npy  the same before the softmax
    NAME.saved_model/         with --saved-model

Transformers (transformers.py) have several inputs: NAME.calibration.npz and NAME.test.npz.
"""

import argparse
import json
import os
import sys
import zlib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parent))

import transformers  # noqa: E402

DEFAULT_DIR = Path(__file__).resolve().parent.parent / "build" / "bench" / "models"
CALIBRATION_IMAGES = 64
TEST_IMAGES = 8
FEW_IMAGES = 6
STATISTICS_BATCH = 32
LOGIT_STD = 3.0  # a trained ImageNet classifier's logits have a standard deviation of 2 to 4 over the classes

# name -> (Keras application, its module, image side)
APPLICATIONS = {
    "resnet50": ("ResNet50", "resnet", 224),
    "resnet101": ("ResNet101", "resnet", 224),
    "resnet50v2": ("ResNet50V2", "resnet_v2", 224),
    "mobilenet": ("MobileNet", "mobilenet", 224),
    "mobilenetv2": ("MobileNetV2", "mobilenet_v2", 224),
    "mobilenetv3large": ("MobileNetV3Large", "mobilenet_v3", 224),
    "mobilenetv3small": ("MobileNetV3Small", "mobilenet_v3", 224),
    "inceptionv3": ("InceptionV3", "inception_v3", 299),
    "efficientnetb0": ("EfficientNetB0", "efficientnet", 224),
    "efficientnetv2b0": ("EfficientNetV2B0", "efficientnet_v2", 224),
    "densenet121": ("DenseNet121", "densenet", 224),
    "vgg16": ("VGG16", "vgg16", 224),
    "nasnetmobile": ("NASNetMobile", "nasnet", 224),
    "convnexttiny": ("ConvNeXtTiny", "convnext", 224),
    "xception": ("Xception", "xception", 299),
}
MODELS = [*APPLICATIONS, "mlp"]
BY_NAME = list(transformers.TRANSFORMERS)  # built only if asked for: not all programs take several inputs


def natural_images(count, side, rng):
    """Images in 0..255 with a 1/f spectrum, correlated colours, hard edges, and their own brightness and contrast."""
    images = np.zeros((count, side, side, 3), np.float32)
    for image in images:
        image[:] = _smooth_noise(side, rng) @ _colour_mix(rng)
        for _ in range(rng.integers(1, 6)):
            _draw_rectangle(image, rng)
        image -= image.mean()
        image *= rng.uniform(20, 70) / (image.std() + 1e-6)
        image += rng.uniform(70, 180)
    return np.clip(np.rint(images), 0, 255)


def _smooth_noise(side, rng):
    total = np.zeros((side, side, 3), np.float32)
    cells = 2
    tilt = rng.uniform(0.7, 1.3)
    while cells <= side:
        grid = rng.standard_normal((cells + 1, cells + 1, 3)).astype(np.float32)
        total += _bilinear(grid, side) / cells**tilt
        cells *= 2
    return total / total.std()


def _bilinear(grid, side):
    at = np.linspace(0, grid.shape[0] - 1, side, dtype=np.float32)
    low = np.minimum(at.astype(int), grid.shape[0] - 2)
    part = at - low
    rows = grid[low] * (1 - part)[:, None, None] + grid[low + 1] * part[:, None, None]
    return rows[:, low] * (1 - part)[None, :, None] + rows[:, low + 1] * part[None, :, None]


def _colour_mix(rng):
    return (np.full((3, 3), 0.5) + 0.3 * rng.standard_normal((3, 3))).astype(np.float32)


def _draw_rectangle(image, rng):
    side = image.shape[0]
    y, x = rng.integers(0, side - 8, 2)
    h, w = rng.integers(8, side // 2, 2)
    image[y : y + h, x : x + w] = 0.4 * image[y : y + h, x : x + w] + rng.standard_normal(3)


def build_keras(name):
    """Returns the untouched Keras model and a function from 0..255 images to its input."""
    import keras

    if name == "mlp":
        return _build_mlp(keras), lambda images: images.reshape(len(images), -1) / 255.0
    function, module, side = APPLICATIONS[name]
    model = getattr(keras.applications, function)(weights=None, input_shape=(side, side, 3))
    return model, getattr(keras.applications, module).preprocess_input


def _build_mlp(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(512, activation="relu"),
            layers.BatchNormalization(),
            layers.Dense(512, activation="gelu"),
            layers.Dense(256, use_bias=False),
            layers.LayerNormalization(),
            layers.Activation("tanh"),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ],
        name="mlp",
    )


def initialise(model, rng):
    """He initialisation, bent towards what training leaves behind so that the network does not amplify noise.

    A random network with batch norm is chaotic: a rounding error grows from layer to layer until INT8 outputs have
    nothing to do with the float ones. Trained networks are not, because their filters are smooth, most units are
    active, and residual branches are smaller than the stream that they are added to.
    """
    import keras

    has_batch_norm = any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)
    for layer in model.layers:
        ends_branch = any(isinstance(node.operation, keras.layers.Add) for node in layer._outbound_nodes)
        for weight in layer.weights:
            value = _initial(layer, weight.name, tuple(weight.shape), ends_branch, has_batch_norm, rng)
            if value is not None:
                weight.assign(value.astype(np.float32))


def _initial(layer, name, shape, ends_branch, has_batch_norm, rng):
    if "kernel" in name:
        return _kernel(name, shape, "Depthwise" in type(layer).__name__ or "depthwise" in name, has_batch_norm, rng)
    if type(layer).__name__ == "LayerScale":
        return rng.uniform(0.1, 0.5, shape)  # its default of 1e-6 would switch every ConvNeXt block off
    if name == "gamma":
        return rng.uniform(0.6, 1.4, shape) * (0.5 if ends_branch else 1.0)
    if name == "beta":
        return 0.25 * rng.standard_normal(shape) + (0.4 if ends_branch else 0.8)
    if name == "bias":
        return 0.05 * rng.standard_normal(shape)
    return None


def _kernel(name, shape, depthwise, smooth, rng):
    value = rng.standard_normal(shape)
    if smooth and len(shape) == 4 and shape[0] * shape[1] > 1:
        value = 0.95 * _bump(*shape[:2]) * rng.standard_normal((1, 1, *shape[2:])) + np.sqrt(1 - 0.95**2) * value
    depthwise = depthwise or (len(shape) == 4 and shape[2] == 1)
    value *= np.sqrt(2.0 / np.prod(shape[:2] if depthwise else shape[:-1]))
    return value if depthwise else value * np.exp(0.3 * rng.standard_normal(shape[-1]))


def _bump(height, width):
    """A Gaussian over the window with a mean square of one."""
    y, x = np.mgrid[:height, :width]
    squares = ((y - (height - 1) / 2) / max(height / 3, 1)) ** 2 + ((x - (width - 1) / 2) / max(width / 3, 1)) ** 2
    bump = np.exp(-squares / 2)
    return (bump / np.sqrt(np.mean(bump**2)))[:, :, None, None]


def measure_batch_norm(model, inputs):
    """Sets every moving mean and variance to the average over the batches of `inputs`."""
    import keras

    batch_norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if not batch_norms:
        return
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0  # dropped activations would change the statistics
    for index in range(len(inputs) // STATISTICS_BATCH):
        for layer in batch_norms:
            layer.momentum = index / (index + 1.0)
        model(inputs[index * STATISTICS_BATCH : (index + 1) * STATISTICS_BATCH], training=True)


def scale_classifier(model, inputs):
    """Centres and scales the last layer, so that its outputs tell the inputs apart."""
    import keras

    last = [layer for layer in model.layers if {"kernel", "bias"} <= {weight.name for weight in layer.weights}][-1]
    activation, last.activation = last.activation, keras.activations.linear
    logits_model = keras.Model(model.inputs, last.output)
    logits = np.concatenate(
        [np.asarray(logits_model(inputs[at : at + 16], training=False)) for at in range(0, len(inputs), 16)]
    )
    last.activation = activation
    logits = logits.reshape(len(logits), -1)
    mean = logits.mean(axis=0)
    scale = LOGIT_STD / (logits - mean).std()
    last.kernel.assign(last.kernel * scale)
    last.bias.assign((last.bias - mean) * scale)


def freeze(model):
    """Returns the frozen GraphDef and the names of its input and output tensors."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    spec = tf.TensorSpec((None, *model.inputs[0].shape[1:]), tf.float32, name="input")
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec)
    frozen = convert_variables_to_constants_v2(function, lower_control_flow=False)
    return frozen.graph.as_graph_def(), frozen.inputs[0].name, frozen.outputs[0].name


def logits_tensor(graph_def, output):
    """Name of the tensor that enters the final softmax, or the output itself."""
    nodes = {node.name: node for node in graph_def.node}
    node = nodes[output.split(":")[0]]
    while node.op in ("Identity", "Reshape", "Squeeze"):
        node = nodes[node.input[0].split(":")[0]]
    if node.op != "Softmax":
        return output
    source = node.input[0]
    return source if ":" in source else source + ":0"


def import_frozen(graph_def, inputs, outputs):
    """The frozen graph as a callable that returns the list of outputs."""
    import tensorflow as tf

    wrapped = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(graph_def, name=""), [])
    graph = wrapped.graph
    return wrapped.prune(
        [graph.as_graph_element(name) for name in inputs], [graph.as_graph_element(name) for name in outputs]
    )


def build(name, output_dir, saved_model=False, structure_only=False):
    import keras
    import tensorflow as tf

    keras.backend.clear_session()
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    model, preprocess = build_keras(name)
    side = 28 if name == "mlp" else model.inputs[0].shape[1]
    calibration_images = FEW_IMAGES if structure_only else CALIBRATION_IMAGES
    images = natural_images(calibration_images + TEST_IMAGES, side, rng)
    if name == "mlp":
        images = images[..., :1]
    inputs = np.ascontiguousarray(preprocess(images.copy()), np.float32)
    calibration, test = inputs[:calibration_images], inputs[calibration_images:]

    if not structure_only:
        initialise(model, rng)
        measure_batch_norm(model, calibration)
        scale_classifier(model, calibration)

    graph_def, input_name, output_name = freeze(model)
    logits_name = logits_tensor(graph_def, output_name)
    expected, logits = (
        value.numpy() for value in import_frozen(graph_def, [input_name], [output_name, logits_name])(tf.constant(test))
    )
    _replace(output_dir / f"{name}.pb", graph_def.SerializeToString(deterministic=True))
    np.save(output_dir / f"{name}.calibration.npy", calibration)
    np.save(output_dir / f"{name}.test.npy", test)
    np.save(output_dir / f"{name}.expected.npy", expected)
    np.save(output_dir / f"{name}.expected_logits.npy", logits.reshape(len(logits), -1))
    description = {
        "name": name,
        "input": input_name,
        "input_shape": [None, *calibration.shape[1:]],
        "output": output_name,
        "logits": logits_name,
    }
    (output_dir / f"{name}.json").write_text(json.dumps(description, indent=1) + "\n")
    if saved_model:
        model.export(str(output_dir / f"{name}.saved_model"), verbose=False)
    spread = logits.reshape(len(logits), -1).std(axis=0).mean()
    print(f"{name}: {len(graph_def.node)} nodes, logit deviation over the test images {spread:.2f}", flush=True)


def _replace(path, content):
    """Nobody who reads `path` meanwhile sees half a file."""
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--models",
        default="all",
        help=f"comma-separated names, or 'all' (default): {','.join(MODELS)}; also {','.join(BY_NAME)}",
    )
    parser.add_argument("--output-dir", type=Path, default=DEFAULT_DIR)
    parser.add_argument("--saved-model", action="store_true", help="also write NAME.saved_model")
    parser.add_argument(
        "--structure-only",
        action="store_true",
        help="weights as Keras draws them and 6 calibration images, for memory.py: quick, and of no use for accuracy",
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help="skip models whose files exist")
    arguments = parser.parse_args()
    names = MODELS if arguments.models == "all" else arguments.models.split(",")
    unknown = sorted(set(names) - {*MODELS, *BY_NAME})
    if unknown:
        sys.exit(f"models.py: unknown model {', '.join(unknown)}; known: {', '.join([*MODELS, *BY_NAME])}")

    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    arguments.output_dir.mkdir(parents=True, exist_ok=True)
    for name in names:
        if arguments.keep and (arguments.output_dir / f"{name}.json").exists():
            continue
        if name in transformers.TRANSFORMERS:
            transformers.build(name, arguments.output_dir, CALIBRATION_IMAGES, TEST_IMAGES, import_frozen)
            continue
        build(name, arguments.output_dir, arguments.saved_model, arguments.structure_only)


if __name__ == "__main__":
    main()
