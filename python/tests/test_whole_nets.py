"""Whole networks without TensorFlow against TensorFlow: FP32 to 1e-4 of the range from a SavedModel and from a frozen graph, INT8
calibrated and near the float results, and the same from an engine file."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tfengine
from whole_nets import NETS, build, save

# Skipped as long as tfengine lacks an op of theirs.
WAITING = ("audio_front_end", "conv3d_net", "ssd_mobilenet")


def skip_without_ops(name, folder, shapes):
    if name not in WAITING:
        return
    try:
        tfengine.convert(folder / "saved_model", input_shapes=shapes, time_tactics=False)
    except tfengine.InvalidModel as error:
        if "that tfengine does not know" not in str(error):
            raise
        pytest.skip(str(error).splitlines()[1].strip())


@pytest.fixture(scope="module", params=sorted(NETS))
def net(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    model, inputs = build(request.param)
    save(model, inputs, folder)
    example = inputs(np.random.default_rng(0), 1)
    skip_without_ops(request.param, folder, {name: value.shape for name, value in example.items()})
    batch = inputs(np.random.default_rng(2), 3)
    results = model([tf.constant(batch[tensor.name]) for tensor in model.inputs], training=False)
    results = results if isinstance(results, dict) else {"result": results}
    return (
        folder,
        inputs,
        batch,
        {key: np.asarray(value) for key, value in results.items()},
    )


def named(results, expected):
    """Results under TensorFlow's names; a frozen graph calls them Identity, Identity_1 in alphabetical order."""
    if set(results) == set(expected):
        return results
    return dict(zip(sorted(expected), (results[key] for key in sorted(results))))


def worst(results, expected):
    results = named(results, expected)
    return max(np.abs(results[key] - wanted).max() / np.ptp(wanted) for key, wanted in expected.items())


@pytest.mark.parametrize("form", ["saved_model", "frozen.pb"])
def test_results_are_tensorflows(net, form):
    folder, _inputs, batch, expected = net
    model = tfengine.load_model(folder / form)
    shapes = {name: value.shape for name, value in batch.items()}
    engine = tfengine.convert(model, input_shapes=shapes, time_tactics=False)
    assert worst(engine.run(batch), expected) < 1e-4
    assert engine.memory(shapes)["activation_bytes"] > 0
    engine.save(folder / "net.tfe")
    for key, value in tfengine.load(folder / "net.tfe").run(batch).items():
        np.testing.assert_array_equal(value, engine.run(batch)[key])
    # A batch of another size is planned when it comes.
    other = {name: value[:1] for name, value in batch.items()}
    assert worst(engine.run(other), {key: value[:1] for key, value in expected.items()}) < 1e-4


def test_int8_is_near(net):
    folder, inputs, batch, expected = net
    samples = inputs(np.random.default_rng(3), 16)
    engine = tfengine.convert(
        folder / "saved_model",
        precision="int8",
        calibration_data=samples,
        input_shapes={name: value.shape for name, value in batch.items()},
        time_tactics=False,
    )
    assert engine.precision == "int8" and "quant(" in engine.dump()
    results = named(engine.run(batch), expected)
    for key, wanted in expected.items():
        if "boxes" in expected:  # which boxes are selected hangs on the smallest differences of untrained scores
            assert results[key].shape == wanted.shape and np.isfinite(results[key]).all(), key
            continue
        noise = np.square(results[key] - wanted).mean()
        assert 10 * np.log10(np.square(wanted - wanted.mean()).mean() / noise) > 15, key
