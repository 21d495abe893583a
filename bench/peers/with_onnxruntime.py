# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime, float and static INT8 quantization in QDQ form: per-channel weights, min/max calibration.

`onnxruntime-int8` is the setting that its documentation advises for the machine: unsigned activations and signed
weights where the CPU has VNNI; without VNNI the 8-bit multiply-add saturates, so weights are reduced to 7 bits. The
other settings can be asked for by name, to check that none of them is better here. Softmax stays in float: in INT8 it
keeps no small probability.

For transformers, by name: "onnxruntime-fp32-fused" after its own optimizer of BERTs (attention, GELU and layer norm as its
own ops), and "onnxruntime-int8-dynamic", that graph with weights in INT8 and activations quantized in each run.
"""

from .machine import cpu_has_vnni
from .model import count, part

CONTENDERS = ["onnxruntime-fp32", "onnxruntime-int8"]
FUSED = "fused"  # by its own optimizer of transformers
DYNAMIC = "dynamic"
LARGE_BYTES = 1 << 16

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


def _setting(contender):
    parts = contender.split("-")
    return parts[2] if len(parts) > 2 else ""


def _path(contender, model, cache):
    if _setting(contender) in (FUSED, DYNAMIC):
        return cache / f"{model.name}.{_setting(contender)}.onnx"
    if contender == "onnxruntime-fp32":
        return cache / f"{model.name}.onnx"
    return cache / f"{model.name}.{int8_setting(contender)}.onnx"


def prepare(contender, model, cache, batches, threads):
    float_path = cache / f"{model.name}.onnx"
    if not model.is_current(float_path):
        _export(model, float_path)
    path = _path(contender, model, cache)
    if model.is_current(path):
        return
    if _setting(contender) == FUSED:
        _fuse(model, float_path, path)
    elif _setting(contender) == DYNAMIC:
        prepare("onnxruntime-fp32-fused", model, cache, batches, threads)
        _quantize_dynamically(_path("onnxruntime-fp32-fused", model, cache), path)
    else:
        _quantize(int8_setting(contender), model, float_path, path)


def _export(model, path):
    import onnx
    import tf2onnx

    graph_def = _without_erfc(model.graph_def())
    # Filters of convolutions have to be turned around before they are quantized, which takes tf2onnx.
    large = _take_large_constants(graph_def) if model.several else {}
    network, _ = tf2onnx.convert.from_graph_def(
        graph_def,
        input_names=[each["tensor"] for each in model.inputs] + list(large),
        output_names=[model.output],
        opset=17,
    )
    for value in [value for value in network.graph.input if value.name in large]:
        network.graph.input.remove(value)
    network.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in large.items())
    onnx.save(network, str(path))


def _take_large_constants(graph_def):
    """Makes inputs of constants that are large, and returns these by tensor name: tf2onnx copies what it has many times, for
    the 418 MiB of a BERT 12 GiB. ONNX Runtime folds what it would have folded."""
    import tensorflow as tf

    taken = {}
    for node in graph_def.node:
        if node.op != "Const" or len(node.attr["value"].tensor.tensor_content) < LARGE_BYTES:
            continue
        array = tf.make_ndarray(node.attr["value"].tensor)
        taken[f"{node.name}:0"] = array
        node.op = "Placeholder"
        del node.attr["value"]
        node.attr["shape"].shape.CopyFrom(tf.TensorShape(array.shape).as_proto())
    return taken


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


def _fuse(model, float_path, path):
    from onnxruntime.transformers import optimizer

    heads, hidden = model.heads_and_hidden()
    optimizer.optimize_model(
        str(float_path), model_type="bert_keras", num_heads=heads, hidden_size=hidden, opt_level=0
    ).save_model_to_file(str(path))


def _quantize_dynamically(float_path, path):
    from onnxruntime import quantization

    quantization.quantize_dynamic(
        str(float_path),
        str(path),
        per_channel=True,
        reduce_range=not cpu_has_vnni(),
        weight_type=quantization.QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Attention", "Gemm"],
    )


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
    """The calibration samples one by one, as onnxruntime.quantization.CalibrationDataReader wants them."""

    def __init__(self, model):
        calibration = model.calibration()
        self._batches = (model.feed(part(calibration, slice(at, at + 1))) for at in range(count(calibration)))

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
    return lambda images: session.run(None, model.feed(images))[0]


def _free_dimensions(path):
    import onnx

    graph = onnx.load(str(path)).graph
    return {dim.dim_param for value in graph.input for dim in value.type.tensor_type.shape.dim if dim.dim_param}
