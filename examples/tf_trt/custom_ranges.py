#!/usr/bin/env python3
"""INT8 with ranges that you choose: quantization nodes in the graph, no calibration.

Puts a FakeQuantWithMinMaxArgs node behind the input and every activation of examples/digits/cnn.pb, with the largest
value seen on some images as its range, as quantization-aware training would have left them. Then converts with
use_calibration=False, and compares accuracies.
"""

import argparse
from pathlib import Path

import tensorflow.compat.v1 as tf

from tfengine import trt_convert as trt

DIGITS = Path(__file__).resolve().parents[1] / "digits"
OUTPUT = "Identity"
# The input and the activations: what convolutions and matrix products read. Pooling keeps its input's range.
QUANTIZED = ["image", *(f"cnn_1/conv2d_{layer}/Relu" for layer in ("1", "1_2", "2_1", "3_1", "4_1"))]
QUANTIZED.append("cnn_1/global_average_pooling2d_1/Mean")


def read_split(split):
    """Images and labels as arrays."""
    images, labels = [], []
    for record in tf.io.tf_record_iterator(str(DIGITS / "data" / f"{split}.tfrecord")):
        feature = tf.train.Example.FromString(record).features.feature
        images.append([value / 16 for value in feature["image_raw"].bytes_list.value[0]])
        labels.append(feature["label"].int64_list.value[0])
    return tf.make_ndarray(tf.make_tensor_proto(images, tf.float32)).reshape(-1, 8, 8, 1), labels


def run(graph_def, names, images):
    with tf.Graph().as_default(), tf.Session() as session:
        fetched = tf.import_graph_def(graph_def, return_elements=["image:0", *(f"{name}:0" for name in names)])
        return session.run(fetched[1:], {fetched[0]: images})


def with_quantization_nodes(graph_def, ranges):
    """The graph with a quantization node behind each named node: what read the node reads the quantized value."""
    result = tf.GraphDef()
    result.CopyFrom(graph_def)
    for node in result.node:
        for index, name in enumerate(node.input):
            if name in ranges:
                node.input[index] = f"{name}/quantized"
    for name, largest in ranges.items():
        node = result.node.add(name=f"{name}/quantized", op="FakeQuantWithMinMaxArgs", input=[name])
        node.attr["min"].f = -largest
        node.attr["max"].f = largest
        node.attr["num_bits"].i = 8
        node.attr["narrow_range"].b = True
    return result


def accuracy(graph_def, images, labels):
    (scores,) = run(graph_def, [OUTPUT], images)
    return (scores.argmax(axis=1) == labels).mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("digits_custom_ranges.pb"), help="file to write")
    output = parser.parse_args().output
    tf.disable_eager_execution()

    graph_def = tf.GraphDef.FromString((DIGITS / "cnn.pb").read_bytes())
    images, _ = read_split("calibration")
    ranges = {name: float(abs(values).max()) for name, values in zip(QUANTIZED, run(graph_def, QUANTIZED, images))}
    quantized = with_quantization_nodes(graph_def, ranges)

    converter = trt.TrtGraphConverter(
        input_graph_def=quantized,
        nodes_denylist=[OUTPUT],
        precision_mode="INT8",
        is_dynamic_op=True,
        use_calibration=False,
    )
    converted = converter.convert()
    output.write_bytes(converted.SerializeToString())

    test = read_split("test")
    print(
        f"accuracy: float {accuracy(graph_def, *test):.2%}, simulated by TensorFlow {accuracy(quantized, *test):.2%}, "
        f"INT8 {accuracy(converted, *test):.2%}"
    )


if __name__ == "__main__":
    main()
