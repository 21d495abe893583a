"""trt_convert's names, signatures and argument checks: TF-TRT's, so that its scripts run."""

import inspect

import pytest

tf = pytest.importorskip("tensorflow")

from tfengine import trt_convert as trt  # noqa: E402

GIB = 1 << 30

# What TF-TRT's last release had, in its order.
SIGNATURES = {
    trt.TrtConversionParams: {
        "max_workspace_size_bytes": GIB,
        "precision_mode": "FP32",
        "minimum_segment_size": 3,
        "maximum_cached_engines": 1,
        "use_calibration": True,
        "allow_build_at_runtime": True,
    },
    trt.TrtGraphConverter: {
        "input_saved_model_dir": None,
        "input_saved_model_tags": None,
        "input_saved_model_signature_key": None,
        "input_graph_def": None,
        "nodes_denylist": None,
        "max_batch_size": 1,
        "max_workspace_size_bytes": GIB,
        "precision_mode": "FP32",
        "minimum_segment_size": 3,
        "is_dynamic_op": False,
        "maximum_cached_engines": 1,
        "use_calibration": True,
    },
    trt.TrtGraphConverter.convert: {"self": ...},
    trt.TrtGraphConverter.calibrate: {
        "self": ...,
        "fetch_names": ...,
        "num_runs": ...,
        "feed_dict_fn": None,
        "input_map_fn": None,
    },
    trt.TrtGraphConverter.save: {"self": ..., "output_saved_model_dir": ...},
    trt.TrtGraphConverterV2: {
        "input_saved_model_dir": None,
        "input_saved_model_tags": None,
        "input_saved_model_signature_key": None,
        "use_dynamic_shape": None,
        "dynamic_shape_profile_strategy": None,
        "max_workspace_size_bytes": GIB,
        "precision_mode": "FP32",
        "minimum_segment_size": 3,
        "maximum_cached_engines": 1,
        "use_calibration": True,
        "allow_build_at_runtime": True,
        "conversion_params": None,
    },
    trt.TrtGraphConverterV2.convert: {"self": ..., "calibration_input_fn": None},
    trt.TrtGraphConverterV2.build: {"self": ..., "input_fn": ...},
    trt.TrtGraphConverterV2.save: {
        "self": ...,
        "output_saved_model_dir": ...,
        "save_gpu_specific_engines": True,
        "options": None,
    },
    trt.TrtGraphConverterV2.summary: {"self": ..., "line_length": 160, "detailed": True, "print_fn": None},
    trt.create_inference_graph: {
        "input_graph_def": ...,
        "outputs": ...,
        "max_batch_size": 1,
        "max_workspace_size_bytes": GIB,
        "precision_mode": "FP32",
        "minimum_segment_size": 3,
        "is_dynamic_op": False,
        "maximum_cached_engines": 1,
        "input_saved_model_dir": None,
        "input_saved_model_tags": None,
        "input_saved_model_signature_key": None,
        "output_saved_model_dir": None,
    },
    trt.calib_graph_to_infer_graph: {"calibration_graph_def": ..., "is_dynamic_op": False},
}


@pytest.mark.parametrize("callable_", SIGNATURES, ids=lambda each: each.__qualname__)
def test_signatures_are_tf_trts(callable_):
    parameters = inspect.signature(callable_).parameters.values()
    positional = {
        each.name: ... if each.default is each.empty else each.default
        for each in parameters
        if each.kind is each.POSITIONAL_OR_KEYWORD
    }
    assert list(positional.items()) == list(SIGNATURES[callable_].items())


def test_precision_modes():
    assert trt.TrtPrecisionMode.supported_precision_modes() == ["FP32", "FP16", "INT8", "fp32", "fp16", "int8"]
    assert trt.TrtPrecisionMode.INT8 == "INT8"


def test_profile_strategies():
    assert trt.supported_profile_strategies() == ["Range", "Optimal", "Range+Optimal", "ImplicitBatchModeCompatible"]


def test_conversion_params_are_a_named_tuple():
    params = trt.DEFAULT_TRT_CONVERSION_PARAMS
    assert params == (GIB, "FP32", 3, 1, True, True)
    changed = params._replace(precision_mode=trt.TrtPrecisionMode.INT8, maximum_cached_engines=16)
    assert isinstance(changed, trt.TrtConversionParams)
    assert (changed.precision_mode, changed.maximum_cached_engines) == ("INT8", 16)
    assert params.precision_mode == "FP32"


def test_fields_of_former_releases_are_taken_when_they_ask_for_nothing():
    former = {"rewriter_config_template": None, "is_dynamic_op": True, "max_batch_size": None}
    assert trt.TrtConversionParams(precision_mode="FP16", **former).precision_mode == "FP16"
    assert trt.DEFAULT_TRT_CONVERSION_PARAMS._replace(is_dynamic_op=True) == trt.DEFAULT_TRT_CONVERSION_PARAMS
    with pytest.raises(ValueError, match="^TrtConversionParams.is_dynamic_op: got False, expected it left out"):
        trt.DEFAULT_TRT_CONVERSION_PARAMS._replace(is_dynamic_op=False)
    with pytest.raises(ValueError, match="^TrtConversionParams.max_batch_size: got 8"):
        trt.TrtConversionParams(max_batch_size=8)
    with pytest.raises(TypeError, match="^TrtConversionParams has no field 'batch'"):
        trt.TrtConversionParams(batch=8)


WRONG = [
    ({"precision_mode": "INT4"}, ValueError, r"^precision_mode: got 'INT4', expected one of \['FP32', .*'int8'\]$"),
    ({"precision_mode": None}, ValueError, "^precision_mode: got None"),
    ({"minimum_segment_size": 0}, ValueError, "^minimum_segment_size: got 0, expected a positive number, or -1"),
    ({"minimum_segment_size": -2}, ValueError, "^minimum_segment_size: got -2"),
    ({"minimum_segment_size": 2.5}, TypeError, "^minimum_segment_size: got 2.5, expected an integer$"),
    ({"maximum_cached_engines": 0}, ValueError, "^maximum_cached_engines: got 0, expected at least 1$"),
    ({"max_workspace_size_bytes": -1}, ValueError, "^max_workspace_size_bytes: got -1, expected at least 0$"),
    ({"max_workspace_size_bytes": "1G"}, TypeError, "^max_workspace_size_bytes: got '1G', expected an integer$"),
    ({"percentile": 0}, ValueError, "^percentile: got 0, expected a number above 0 and up to 100$"),
    ({"calibrator": "magic"}, ValueError, r"^calibrator: got 'magic', expected one of \['entropy', "),
]


@pytest.mark.parametrize(("arguments", "error", "message"), WRONG)
def test_wrong_values_in_tensorflow_1s_converter(arguments, error, message):
    with tf.Graph().as_default(), pytest.raises(error, match=message):
        trt.TrtGraphConverter(input_graph_def=tf.compat.v1.GraphDef(), **arguments)


@pytest.mark.parametrize(("arguments", "error", "message"), WRONG)
def test_wrong_values_in_tensorflow_2s_converter(arguments, error, message):
    with pytest.raises(error, match=message):
        trt.TrtGraphConverterV2("model", **arguments)


@pytest.mark.parametrize("size", [1, 3, -1])
@pytest.mark.parametrize("mode", ["fp32", "FP16", "int8"])
def test_right_values(size, mode):
    trt.TrtGraphConverterV2("model", precision_mode=mode, minimum_segment_size=size)


def test_conversion_params_replace_the_single_arguments():
    params = trt.TrtConversionParams(minimum_segment_size=0)
    with pytest.raises(ValueError, match="^minimum_segment_size: got 0"):
        trt.TrtGraphConverterV2("model", minimum_segment_size=3, conversion_params=params)


@pytest.mark.parametrize("strategy", ["Range", "optimal", "RANGE+OPTIMAL", "implicitbatchmodecompatible", None])
def test_profile_strategies_in_either_case(strategy):
    trt.TrtGraphConverterV2("model", use_dynamic_shape=True, dynamic_shape_profile_strategy=strategy)


def test_wrong_profile_strategy():
    with pytest.raises(ValueError, match=r"^dynamic_shape_profile_strategy: got 'Best', expected one of \['Range'"):
        trt.TrtGraphConverterV2("model", use_dynamic_shape=True, dynamic_shape_profile_strategy="Best")


def test_a_feature_that_is_not_there_is_said_to_be(monkeypatch, caplog):
    monkeypatch.setenv("TF_TRT_EXPERIMENTAL_FEATURES", "disable_graph_freezing")
    trt.TrtGraphConverterV2("model")
    assert "'disable_graph_freezing' changes nothing" in caplog.text
