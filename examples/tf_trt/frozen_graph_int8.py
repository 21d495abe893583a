#!/usr/bin/env python3
"""TensorFlow 1's flow: a frozen graph becomes INT8, calibrated on TFRecords by `input_map_fn`.

Converts examples/digits/cnn.pb, compares its accuracy before and after, and writes the converted graph and a calibration
table for each engine. With TF-TRT's own import line in place of the one below, it runs under `python -m tfengine.tf_trt`.
"""

import argparse
from pathlib import Path

import tensorflow.compat.v1 as tf

from tfengine import trt_convert as trt

DIGITS = Path(__file__).resolve().parents[1] / "digits"
BATCH_SIZE = 16
CALIBRATION_IMAGES = 128


def frozen_graph():
    """The trained network with its outputs named as classifiers often have them: 'logits' and 'classes'."""
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(tf.GraphDef.FromString((DIGITS / "cnn.pb").read_bytes()), name="")
        logits = tf.identity(graph.get_tensor_by_name("cnn_1/dense_1/BiasAdd:0"), name="logits")
        tf.argmax(logits, axis=1, name="classes")
        return graph.as_graph_def()


def read_records(split, batch_size):
    """A dataset of (images, labels) from TFRecords of tf.Example."""

    def parse(record):
        features = {"image_raw": tf.FixedLenFeature([], tf.string), "label": tf.FixedLenFeature([], tf.int64)}
        example = tf.parse_single_example(record, features)
        image = tf.reshape(tf.decode_raw(example["image_raw"], tf.uint8), [8, 8, 1])
        return tf.cast(image, tf.float32) / 16, example["label"]

    return tf.data.TFRecordDataset(str(DIGITS / "data" / f"{split}.tfrecord")).map(parse).batch(batch_size)


def input_map_fn():
    images, _ = tf.data.make_one_shot_iterator(read_records("calibration", BATCH_SIZE)).get_next()
    return {"image:0": images}


def accuracy(graph_def):
    with tf.Graph().as_default(), tf.Session() as session:
        images, labels = tf.data.make_one_shot_iterator(read_records("test", 50)).get_next()
        (classes,) = tf.import_graph_def(graph_def, {"image:0": images}, ["classes:0"])
        right = seen = 0
        while True:
            try:
                predicted, expected = session.run([classes, labels])
            except tf.errors.OutOfRangeError:
                return right / seen
            right += (predicted == expected).sum()
            seen += len(expected)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("digits_int8"), help="folder to write to")
    output = parser.parse_args().output
    tf.disable_eager_execution()

    graph_def = frozen_graph()
    converter = trt.TrtGraphConverter(
        input_graph_def=graph_def,
        nodes_blacklist=["logits", "classes"],
        precision_mode="INT8",
        is_dynamic_op=True,
        maximum_cached_engines=2,
        use_calibration=True,
    )
    converter.convert()
    int8_graph_def = converter.calibrate(
        fetch_names=["logits:0", "classes:0"],
        num_runs=CALIBRATION_IMAGES // BATCH_SIZE,
        input_map_fn=input_map_fn,
    )

    output.mkdir(parents=True, exist_ok=True)
    for node in int8_graph_def.node:
        if node.op == "TRTEngineOp":
            table = output / f"{node.name.replace('/', '_')}.calib_table"
            table.write_bytes(node.attr["calibration_data"].s)
            print(f"{table}: {table.read_text().splitlines()[0]}, {len(table.read_text().splitlines()) - 1} tensors")
    (output / "digits_int8.pb").write_bytes(int8_graph_def.SerializeToString())

    print(f"accuracy: float {accuracy(graph_def):.2%}, INT8 {accuracy(int8_graph_def):.2%}")


if __name__ == "__main__":
    main()
