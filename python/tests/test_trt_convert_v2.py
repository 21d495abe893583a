"""TrtGraphConverterV2 on a trained SavedModel, within TensorFlow: accuracy, engines, saving and serving."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tfengine.tensorflow as plugin  # noqa: E402
from saved_models import engines, scores, serve  # noqa: E402
from tfengine import trt_convert as trt  # noqa: E402

HALF_A_POINT = 0.005


def accuracy(function, split):
    images, labels = split
    return (scores(function, images).argmax(axis=1) == labels).mean()


def status(converter):
    """Of the only engine."""
    (name,) = engines(converter)
    return plugin.engine_status(name)


def test_float_engines_give_tensorflows_results(folder, original, images):
    converter = trt.TrtGraphConverterV2(folder)
    function = converter.convert()
    np.testing.assert_allclose(scores(function, images), scores(original, images), atol=1e-5)
    assert status(converter)["engine_calls"] == 1 and status(converter)["native_calls"] == {}


@pytest.mark.parametrize("mode", ["INT8", "int8"])
def test_int8_is_as_accurate_as_float(folder, original, batches, test_split, mode):
    converter = trt.TrtGraphConverterV2(folder, precision_mode=mode)
    function = converter.convert(calibration_input_fn=batches)
    assert accuracy(function, test_split) >= accuracy(original, test_split) - HALF_A_POINT
    seen = status(converter)
    assert seen["precision"] == "int8" and seen["native_calls"] == {} and seen["engine_calls"] == 1


def test_int8_differs_from_float_a_little(folder, original, batches, images):
    """So it is INT8 that is measured above."""
    function = trt.TrtGraphConverterV2(folder, precision_mode="INT8").convert(batches)
    difference = np.abs(scores(function, images) - scores(original, images)).max()
    assert 1e-4 < difference < 0.25


@pytest.mark.parametrize("calibrator", ["entropy", "auto", "mse", "percentile", "minmax"])
def test_each_calibrator(folder, original, batches, test_split, calibrator):
    converter = trt.TrtGraphConverterV2(folder, precision_mode="INT8", calibrator=calibrator)
    function = converter.convert(batches)
    assert accuracy(function, test_split) >= accuracy(original, test_split) - HALF_A_POINT


def table_of(converter):
    (node,) = (node for node in converter._converted_graph_def.node if node.op == "TRTEngineOp")
    header, *lines = node.attr["calibration_data"].s.decode().splitlines()
    return header, dict(line.split(": ") for line in lines)


def test_calibrators_choose_different_ranges(folder, batches):
    tables = []
    for calibrator in ("entropy", "minmax"):
        converter = trt.TrtGraphConverterV2(folder, precision_mode="INT8", calibrator=calibrator)
        converter.convert(batches)
        tables.append(table_of(converter))
    (entropy_header, entropy), (minmax_header, minmax) = tables
    assert entropy_header.startswith("TRT-") and entropy_header.endswith("-EntropyCalibration2")
    assert minmax_header.startswith("TRT-") and minmax_header.endswith("-MinMaxCalibration")
    assert entropy.keys() == minmax.keys() and entropy != minmax
    assert all(len(scale) == 8 and int(scale, 16) for scale in entropy.values())


def test_batches_of_any_size_count(folder, images):
    """TF-TRT skipped those that differed from the first."""

    def tables(sizes):
        def batches():
            at = 0
            for size in sizes:
                yield {"image": images[at : at + size]}
                at += size

        converter = trt.TrtGraphConverterV2(folder, precision_mode="INT8", calibrator="minmax")
        converter.convert(batches)
        return table_of(converter)

    assert tables([32, 32, 32, 32]) == tables([1, 100, 20, 7])


@pytest.mark.parametrize("form", ["tuple", "list", "dict", "array", "tensor"])
def test_forms_of_batches(folder, images, form):
    batch = images[:4]
    item = {
        "tuple": (batch,),
        "list": [batch],
        "dict": {"image": batch},
        "array": batch,
        "tensor": tf.constant(batch),
    }[form]
    converter = trt.TrtGraphConverterV2(folder, precision_mode="INT8")
    converter.convert(lambda: [item])
    converter.build(lambda: iter([item]))
    assert [engine["input_shapes"] for engine in status(converter)["engines"]] == [[[4, 8, 8, 1]]]


def test_batches_that_are_no_tensors(folder):
    converter = trt.TrtGraphConverterV2(folder)
    converter.convert()
    with pytest.raises(RuntimeError, match="^input function: got tuple, expected a dict of arrays"):
        converter.build(lambda: [(object(),)])
    with pytest.raises(RuntimeError, match="^input function: got 2 arrays, expected 1: image$"):
        converter.build(lambda: [(np.zeros((1, 8, 8, 1), np.float32),) * 2])


def test_calibration_without_data_names_the_engine(folder):
    converter = trt.TrtGraphConverterV2(folder, precision_mode="INT8")
    with pytest.raises(tf.errors.OpError, match="TRTEngineOp_"):
        converter.convert(lambda: [])


def test_build_plans_each_set_of_shapes_once(folder, images, caplog):
    converter = trt.TrtGraphConverterV2(folder, maximum_cached_engines=3)
    converter.convert()
    converter.build(lambda: (images[:size] for size in (1, 8, 1, 8, 8, 32)))
    assert status(converter)["builds"] == 3 and status(converter)["calls"] == 3
    assert "maximum_cached_engines" not in caplog.text
    with pytest.raises(NotImplementedError, match="called before"):
        converter.build(lambda: [])


def test_build_says_when_engines_are_dropped(folder, images, caplog):
    converter = trt.TrtGraphConverterV2(folder, maximum_cached_engines=2)
    converter.convert()
    converter.build(lambda: (images[:size] for size in (1, 2, 3)))
    assert "build(): 3 sets of input shapes, but maximum_cached_engines is 2" in caplog.text
    assert [engine["input_shapes"][0][0] for engine in status(converter)["engines"]].count(1) == 0


@pytest.mark.parametrize("strategy", trt.supported_profile_strategies())
def test_dynamic_shapes_keep_all_that_build_gave(folder, original, images, batches, strategy):
    converter = trt.TrtGraphConverterV2(
        folder, use_dynamic_shape=True, dynamic_shape_profile_strategy=strategy, precision_mode="INT8"
    )
    converter.convert(batches)
    converter.build(lambda: (images[:size] for size in (1, 5, 9)))
    (node,) = (node for node in converter._converted_graph_def.node if node.op == "TRTEngineOp")
    assert node.attr["profile_strategy"].s.decode() == strategy
    for size in (1, 5, 9):
        converter._converted_func(image=tf.constant(images[:size]))
    seen = status(converter)
    assert sorted(engine["input_shapes"][0][0] for engine in seen["engines"]) == [1, 5, 9]
    assert seen["evictions"] == 0 and seen["builds"] == 3 and seen["native_calls"] == {}


def assets(saved):
    return {path.name: path.stat().st_size for path in (saved / "assets").iterdir()}


def test_a_new_process_serves_without_conversion_or_calibration(folder, batches, images, test_split, tmp_path):
    converter = trt.TrtGraphConverterV2(folder, precision_mode="INT8")
    converter.convert(batches)
    converter.build(lambda: [images[:50]])
    saved = tmp_path / "saved"
    converter.save(str(saved))
    (name,) = engines(converter)
    assert list(assets(saved)) == [f"trt-serialized-engine.{name}"]
    expected = scores(converter._converted_func, test_split[0][:50])

    results, (seen,) = serve(saved, test_split[0][:50], tmp_path, [name])
    assert sorted(results) == ["serve", "serving_default"]
    for result in results.values():
        np.testing.assert_array_equal(result, expected)
    assert seen["precision"] == "int8" and seen["native_calls"] == {} and seen["engine_calls"] == 2
    assert seen["builds"] == 0
    # Nothing is kept twice: the weights are in the graph (for other shapes) and, as integers, in the engine.
    original_bytes = 267_000 * 4
    total = sum(path.stat().st_size for path in saved.rglob("*") if path.is_file())
    assert total < 1.6 * original_bytes


def test_the_function_still_runs_after_save_and_it_can_be_saved_again(folder, images, tmp_path):
    converter = trt.TrtGraphConverterV2(folder)
    function = converter.convert()
    before = scores(function, images)
    converter.save(str(tmp_path / "first"))
    np.testing.assert_array_equal(scores(function, images), before)
    converter.save(tmp_path / "second")
    assert assets(tmp_path / "first").keys() == assets(tmp_path / "second").keys()
    loaded = tf.saved_model.load(str(tmp_path / "second"))
    np.testing.assert_allclose(scores(loaded.signatures["serving_default"], images), before, atol=1e-6)


def test_engines_can_be_left_to_the_serving_machine(folder, batches, images, tmp_path, untimed):
    converter = trt.TrtGraphConverterV2(folder, precision_mode="INT8")
    converter.convert(batches)
    converter.build(lambda: [images[:20]])
    saved = tmp_path / "saved"
    converter.save(str(saved), save_gpu_specific_engines=False)
    assert list(assets(saved).values()) == [0]
    results, (seen,) = serve(saved, images[:20], tmp_path, engines(converter))
    np.testing.assert_array_equal(results["serving_default"], scores(converter._converted_func, images[:20]))
    assert seen["precision"] == "int8" and seen["builds"] == 1


def test_without_building_at_run_time(folder, original, images, tmp_path):
    """Shapes that build() gave run in the engine, others in TensorFlow."""
    converter = trt.TrtGraphConverterV2(folder, allow_build_at_runtime=False)
    converter.convert()
    converter.build(lambda: [images[:6]])
    saved = tmp_path / "saved"
    converter.save(str(saved))
    results, (seen,) = serve(saved, images[:6], tmp_path, engines(converter))
    assert (seen["engine_calls"], seen["native_calls"], seen["builds"]) == (2, {}, 0)
    results, (seen,) = serve(saved, images[:7], tmp_path, engines(converter))
    assert seen["engine_calls"] == 0 and sum(seen["native_calls"].values()) == 2
    np.testing.assert_allclose(results["serve"], scores(original, images[:7]), atol=1e-5)


def test_unbuilt_engines_are_no_error(folder, images, tmp_path):
    converter = trt.TrtGraphConverterV2(folder)
    converter.convert()
    converter.save(str(tmp_path / "saved"))
    assert not list((tmp_path / "saved").rglob("trt-serialized-engine*"))
    serve(tmp_path / "saved", images[:3], tmp_path, engines(converter))


def test_summary(folder):
    converter = trt.TrtGraphConverterV2(folder)
    converter.convert()
    lines = []
    converter.summary(print_fn=lines.append)
    (name,) = engines(converter)
    (row,) = (line for line in lines if line.startswith(name))
    assert "['float32']" in row and "[[-1, 8, 8, 1]]" in row and "[[-1, 10]]" in row
    assert "\t- DepthwiseConv2dNative: 5x" in lines and "\t- Conv2D: 6x" in lines
    assert "[*] Total number of TensorRT engines: 1" in lines
    assert lines[-1].startswith("[*] % of OPs Converted: ")
    assert all(len(line) <= 160 for line in lines)

    lines.clear()
    converter.summary(line_length=200, detailed=False, print_fn=lines.append)
    assert "=" * 200 in lines and not any("Conv2D" in line for line in lines)
    with pytest.raises(ValueError, match="^line_length: got 100, expected at least 160$"):
        converter.summary(line_length=100)


def test_report_says_what_stayed_and_why(folder):
    converter = trt.TrtGraphConverterV2(folder, minimum_segment_size=1000)
    converter.convert()
    assert engines(converter) == []
    assert "minimum_segment_size" in converter.report()


def test_denied_nodes_stay_in_tensorflow(folder, images, original):
    denied = "StatefulPartitionedCall/separable_1/dense_1/MatMul"
    converter = trt.TrtGraphConverterV2(folder, nodes_denylist=[denied])
    function = converter.convert()
    assert denied in [node.name for node in converter._converted_graph_def.node]
    np.testing.assert_allclose(scores(function, images), scores(original, images), atol=1e-5)


def test_op_denylist_of_the_environment(folder, monkeypatch):
    monkeypatch.setenv("TF_TRT_OP_DENYLIST", "Softmax,MatMul")
    converter = trt.TrtGraphConverterV2(folder)
    converter.convert()
    left = {node.op for node in converter._converted_graph_def.node}
    assert {"Softmax", "MatMul", "TRTEngineOp"} <= left


def test_engine_limit_of_the_environment(folder, monkeypatch):
    monkeypatch.setenv("TF_TRT_MAX_ALLOWED_ENGINES", "many")
    with pytest.raises(ValueError, match="^TF_TRT_MAX_ALLOWED_ENGINES: got 'many', expected an integer$"):
        trt.TrtGraphConverterV2(folder).convert()


def test_detailed_report_of_the_environment(folder, monkeypatch, caplog, tmp_path):
    monkeypatch.setenv("TF_TRT_SHOW_DETAILED_REPORT", "1")
    converter = trt.TrtGraphConverterV2(folder)
    converter.convert()
    assert converter.report() in caplog.text
    monkeypatch.setenv("TF_TRT_SHOW_DETAILED_REPORT", str(tmp_path / "report.txt"))
    converter = trt.TrtGraphConverterV2(folder)
    converter.convert()
    assert (tmp_path / "report.txt").read_text() == converter.report()


def test_calibration_can_be_kept(folder, batches, images, tmp_path):
    """The table for TensorRT, the histograms for another calibrator later."""
    import tfengine

    converter = trt.TrtGraphConverterV2(folder, precision_mode="INT8")
    with pytest.raises(AssertionError, match="comes after convert"):
        converter.save_calibration(tmp_path)
    converter.convert(batches)
    table, histograms = converter.save_calibration(tmp_path / "kept")
    header, scales = table_of(converter)
    assert open(table).read().splitlines()[0] == header
    calibration = tfengine.Calibration.load(histograms)
    assert calibration.samples == len(images)
    assert calibration.table("entropy").splitlines()[1:] == [f"{name}: {scale}" for name, scale in scales.items()]
    assert calibration.table("minmax") != calibration.table("entropy")
