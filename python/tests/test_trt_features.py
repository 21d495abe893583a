"""Profiles, engines without native segments, and what is exported: TrtGraphConverterV2 on a trained SavedModel."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tfengine.tensorflow as plugin  # noqa: E402
from saved_models import engines, scores, serve  # noqa: E402
from tfengine import trt_convert as trt  # noqa: E402


PROFILES = {
    "Range": ({1, 2, 5, 9}, {10, 12}),
    "Optimal": ({1, 5, 9}, {2, 10}),
    "Range+Optimal": ({1, 2, 5, 9}, {10, 12}),
    "ImplicitBatchModeCompatible": ({1, 2, 5, 9}, {10, 12}),
}


@pytest.mark.parametrize("strategy", trt.supported_profile_strategies())
def test_profiles_say_which_shapes_run_in_the_engine(folder, original, images, tmp_path, strategy):
    """Even where nothing may be built when serving: a plan for a shape of the profile is part of the engine."""
    inside, outside = PROFILES[strategy]
    converter = trt.TrtGraphConverterV2(
        folder, use_dynamic_shape=True, dynamic_shape_profile_strategy=strategy, allow_build_at_runtime=False
    )
    converter.convert()
    converter.build(lambda: (images[:size] for size in (1, 5, 9)))
    (name,) = engines(converter)
    model = saved_and_loaded(converter, tmp_path)
    for function in (converter._converted_func, model.signatures["serving_default"]):
        before = plugin.engine_status(name)
        for size in inside | outside:
            np.testing.assert_allclose(scores(function, images[:size]), scores(original, images[:size]), atol=1e-5)
        after = plugin.engine_status(name)
        assert after["engine_calls"] - before["engine_calls"] == len(inside)
        native = sum(after["native_calls"].values()) - sum(before["native_calls"].values())
        assert native == len(outside)
    assert list(after["native_calls"]) == ["the shapes of its inputs lie outside of the profiles that it was built for"]


def saved_and_loaded(converter, tmp_path):
    converter.save(str(tmp_path / "saved"))
    return tf.saved_model.load(str(tmp_path / "saved"))


def test_native_segments_can_be_removed(folder, original, images, tmp_path, monkeypatch):
    monkeypatch.setenv("TF_TRT_EXPERIMENTAL_FEATURES", "remove_native_segments")
    converter = trt.TrtGraphConverterV2(folder)
    converter.convert()
    converter.build(lambda: [images[:6]])
    saved = tmp_path / "saved"
    converter.save(str(saved))
    weights = 267_000 * 4
    assert (saved / "saved_model.pb").stat().st_size < 0.2 * weights  # the engine's file has them
    results, (seen,) = serve(saved, images[:6], tmp_path, engines(converter))
    np.testing.assert_allclose(results["serve"], scores(original, images[:6]), atol=1e-5)
    assert (seen["engine_calls"], seen["native_calls"], seen["builds"]) == (2, {}, 0)
    # The engine has its constants: other shapes are planned from them.
    results, (seen,) = serve(saved, images[:7], tmp_path, engines(converter))
    np.testing.assert_allclose(results["serve"], scores(original, images[:7]), atol=1e-5)
    assert (seen["engine_calls"], seen["native_calls"], seen["builds"]) == (2, {}, 1)
    loaded = tf.saved_model.load(str(saved))  # with it go its engines
    with pytest.raises(
        tf.errors.FailedPreconditionError, match="its engine cannot run .an input is empty., and it has"
    ):
        loaded.signatures["serving_default"](image=tf.zeros([0, 8, 8, 1]))
    # In this process the function keeps its segment.
    assert converter._converted_func(image=tf.zeros([0, 8, 8, 1]))["output_0"].shape == (0, 10)


def test_engines_that_were_not_built_keep_their_segments(folder, original, images, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("TF_TRT_EXPERIMENTAL_FEATURES", "remove_native_segments")
    converter = trt.TrtGraphConverterV2(folder)
    converter.convert()
    model = saved_and_loaded(converter, tmp_path)
    assert "keeps its segment, as no engine of it is saved" in caplog.text
    np.testing.assert_allclose(
        scores(model.signatures["serving_default"], images[:3]), scores(original, images[:3]), atol=1e-5
    )


def test_engines_and_graphs_can_be_looked_at(folder, images, tmp_path, monkeypatch):
    import tfengine

    monkeypatch.setenv("TF_TRT_EXPORT_TRT_ENGINES_PATH", str(tmp_path / "exported" / "engines"))
    monkeypatch.setenv("TF_TRT_EXPORT_GRAPH_VIZ_PATH", str(tmp_path / "graph.dot"))
    converter = trt.TrtGraphConverterV2(folder)
    converter.convert()
    converter.build(lambda: [images[:6]])
    converter.save(str(tmp_path / "saved"), save_gpu_specific_engines=False)
    (name,) = engines(converter)
    engine = tfengine.load(tmp_path / "exported" / "engines" / f"{name}.tfe")
    (exported,) = engine.run(images[:6]).values()
    np.testing.assert_allclose(exported, scores(converter._converted_func, images[:6]), atol=1e-5)
    drawn = (tmp_path / "graph.dot").read_text().splitlines()
    assert drawn[0] == "digraph converted {" and drawn[-1] == "}"
    assert any(line.startswith(f'  "{name}" [label="{name}\\nTRTEngineOp" style=filled') for line in drawn)
    assert any(f'-> "{name}"' in line for line in drawn)


def test_the_saved_graph_has_the_channel_means(folder, batches, images, tmp_path):
    """So that an engine that is built where it is served has corrected biases, too."""
    converter = trt.TrtGraphConverterV2(folder, precision_mode="INT8")
    converter.convert(batches)
    (node,) = (node for node in converter._converted_graph_def.node if node.op == "TRTEngineOp")
    assert node.attr["_tfengine_channel_means"].s.startswith(b"TFEMEANS")
    converter.save(str(tmp_path / "saved"), save_gpu_specific_engines=False)
    model = tf.saved_model.load(str(tmp_path / "saved"))
    scores(model.signatures["serving_default"], images[:7])
    (name,) = engines(converter)
    plugin.ops.serialize_trt_resource(name, str(tmp_path / "served"))
    assert b"/corrected_bias" in (tmp_path / "served").read_bytes()
