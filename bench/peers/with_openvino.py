# SPDX-License-Identifier: Apache-2.0
"""OpenVINO, float and INT8 by NNCF's post-training quantization, its default preset; transformers are quantized as such.
"openvino-bf16" can be asked for by name.

If asked for by name, `openvino-int8-mixed` has asymmetric activations, and `openvino-int8-accurate` NNCF's accurate bias
correction, which runs the model once for each layer, in place of the fast one.

Without VNNI its 8-bit kernels saturate in 16 bits, and the outputs of a deep network mean nothing; NNCF's overflow fix,
which keeps weights to 7 bits, is then asked for. It costs no time.
"""

from .machine import cpu_has_vnni
from .model import count, part

CONTENDERS = ["openvino-fp32", "openvino-int8"]


def _path(contender, model, cache):
    precision = contender.removeprefix("openvino-")
    return cache / f"{model.name}.{'fp32' if precision == 'bf16' else precision}.xml"


def prepare(contender, model, cache, batches, threads):
    import openvino

    path = _path(contender, model, cache)
    if model.is_current(path):
        return
    network = openvino.convert_model(str(model.file("pb")))
    if "int8" in contender:
        network = _quantize(contender, model, network)
    openvino.save_model(network, str(path), compress_to_fp16=False)


def _quantize(contender, model, network):
    import nncf

    calibration = model.calibration()
    fix = nncf.OverflowFix.FIRST_LAYER if cpu_has_vnni() else nncf.OverflowFix.ENABLE
    preset = nncf.QuantizationPreset.MIXED if contender.endswith("-mixed") else nncf.QuantizationPreset.PERFORMANCE
    samples = [model.feed(part(calibration, slice(at, at + 1))) for at in range(count(calibration))]
    return nncf.quantize(
        network,
        nncf.Dataset(samples),
        preset=preset,
        target_device=nncf.TargetDevice.CPU,
        subset_size=len(samples),
        model_type=nncf.ModelType.TRANSFORMER if model.several else None,
        fast_bias_correction=not contender.endswith("-accurate"),
        advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=fix),
    )


def load(contender, model, cache, batch, threads):
    import openvino

    core = openvino.Core()
    network = core.read_model(str(_path(contender, model, cache)))
    network.reshape({each["tensor"]: [batch, *each["shape"][1:]] for each in model.inputs})
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        # bf16 and f16 would be another precision than the one named.
        "INFERENCE_PRECISION_HINT": "bf16" if contender == "openvino-bf16" else "f32",
    }
    request = core.compile_model(network, "CPU", settings).create_infer_request()
    return lambda images: request.infer(model.feed(images), share_inputs=True, share_outputs=True)[0]
