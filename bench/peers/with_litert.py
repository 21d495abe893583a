# SPDX-License-Identifier: Apache-2.0
"""LiteRT (TensorFlow Lite) with the XNNPACK delegate, float and full-integer INT8 with float input and output.

The batch size is fixed at conversion: XNNPACK does not take graphs with a dynamic shape. The softmax of the INT8 model
has steps of 1/256, which would say nothing of its accuracy, so that is measured on a second model that ends before the
softmax.
"""

CONTENDERS = ["litert-fp32", "litert-int8"]


def _path(contender, model, cache, batch, part="probabilities"):
    return cache / f"{model.name}.{contender.removeprefix('litert-')}.{part}.{batch}.tflite"


def prepare(contender, model, cache, batches, threads):
    for batch in batches:
        _convert(contender, model, model.output, batch, _path(contender, model, cache, batch))
    _convert(contender, model, model.logits, 1, _path(contender, model, cache, 1, "logits"))


def _convert(contender, model, output, batch, path):
    if model.is_current(path):
        return
    import tensorflow as tf

    function = model.function([output], batch)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    if contender == "litert-int8":
        calibration = model.calibration()
        groups = calibration[: len(calibration) // batch * batch].reshape(-1, batch, *calibration.shape[1:])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([group] for group in groups)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    path.write_bytes(converter.convert())


def load(contender, model, cache, batch, threads):
    return _interpreter(_path(contender, model, cache, batch), threads)


def load_logits(contender, model, cache, threads):
    return _interpreter(_path(contender, model, cache, 1, "logits"), threads)


def _interpreter(path, threads):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    result = interpreter.get_output_details()[0]["index"]

    def run(images):
        interpreter.set_tensor(source, images)
        interpreter.invoke()
        return interpreter.get_tensor(result)

    return run
