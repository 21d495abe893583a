# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime, float and static INT8 quantization in QDQ form: per-channel weights, min/max calibration.

`onnxruntime-int8` is the setting that its documentation advises for the machine: unsigned activations and signed
weights where the CPU has VNNI; without VNNI the 8-bit multiply-add saturates, so weights are reduced to 7 bits. The
other settings can be asked for by name, to check that none of them is better here. Softmax stays in float: in INT8 it
keeps no small probability.
"""

from .machine import cpu_has_vnni

CONTENDERS = ["onnxruntime-fp32", "onnxruntime-int8"]

# name -> (activation type, weight type, reduce_range)
INT8_SETTINGS = {
    "u8s8": ("QUInt8", "QInt8", False),
    "u8s8_reduced": ("QUInt8", "QInt8", True),
    "s8s8": ("QInt8", "QInt8", False),
    "u8u8": ("QUInt8", "QUInt8", False),
}


def int8_setting(contender):
    if contender == "onnxruntime-int8":
        return "u8s8" if cpu_has_vnni() else "u8s8_reduced"
    return contender.removeprefix("onnxruntime-int8-")


def _path(contender, model, cache):
    if contender == "onnxruntime-fp32":
        return cache / f"{model.name}.onnx"
    return cache / f"{model.name}.{int8_setting(contender)}.onnx"


def prepare(contender, model, cache, batches, threads):
    float_path = cache / f"{model.name}.onnx"
    if not model.is_current(float_path):
        _export(model, float_path)
    path = _path(contender, model, cache)
    if not model.is_current(path):
        _quantize(int8_setting(contender), model, float_path, path)


def _export(model, path):
    import tf2onnx

    tf2onnx.convert.from_graph_def(
        _without_erfc(model.graph_def()),
        input_names=[model.input],
        output_names=[model.output],
        opset=17,
        output_path=str(path),
    )


def _without_erfc(graph_def):
    """tf2onnx hands TensorFlow's Erfc on, which gelu in Keras has and ONNX does not know: 1 - Erf in its place."""
    from tensorflow.core.framework.node_def_pb2 import NodeDef

    for node in [node for node in graph_def.node if node.op == "Erfc"]:
        one, difference = NodeDef(), NodeDef()
        one.name, one.op = f"{node.name}/one", "Const"
        one.attr["dtype"].CopyFrom(node.attr["T"])
        one.attr["value"].tensor.dtype = node.attr["T"].type
        one.attr["value"].tensor.float_val.append(1.0)
        one.attr["value"].tensor.tensor_shape.SetInParent()
        difference.name, difference.op = node.name, "Sub"
        difference.attr["T"].CopyFrom(node.attr["T"])
        node.name, node.op = f"{node.name}/erf", "Erf"
        difference.input.extend([one.name, node.name])
        graph_def.node.extend([one, difference])
    return graph_def


def _quantize(setting, model, float_path, path):
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    activation, weight, reduce_range = INT8_SETTINGS[setting]
    prepared = path.with_suffix(".prepared.onnx")
    quant_pre_process(str(float_path), str(prepared), skip_symbolic_shape=True)
    quantization.quantize_static(
        str(prepared),
        str(path),
        _Reader(model),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        reduce_range=reduce_range,
        activation_type=getattr(quantization.QuantType, activation),
        weight_type=getattr(quantization.QuantType, weight),
        op_types_to_quantize=[op for op in quantization.registry.QDQRegistry if op != "Softmax"],
        extra_options={"ActivationSymmetric": setting == "s8s8"},
    )
    prepared.unlink()


class _Reader:
    """The calibration images one by one, as onnxruntime.quantization.CalibrationDataReader wants them."""

    def __init__(self, model):
        self._batches = ({model.input: image[None]} for image in model.calibration())

    def get_next(self):
        return next(self._batches, None)


def load(contender, model, cache, batch, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    for dimension in _free_dimensions(_path(contender, model, cache)):
        options.add_free_dimension_override_by_name(dimension, batch)
    session = onnxruntime.InferenceSession(
        str(_path(contender, model, cache)), options, providers=["CPUExecutionProvider"]
    )
    return lambda images: session.run(None, {model.input: images})[0]


def _free_dimensions(path):
    import onnx

    graph = onnx.load(str(path)).graph
    return {dim.dim_param for value in graph.input for dim in value.type.tensor_type.shape.dim if dim.dim_param}
