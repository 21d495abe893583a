"""Measures that recover accuracy, the accuracy contract, and explanations: through the package and the command line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tfengine

ROOT = Path(__file__).resolve().parents[2]
TASKS = ROOT / "examples" / "tasks"
sys.path.insert(0, str(TASKS))

import data as task_data  # noqa: E402

# Timings would decide which nodes are INT8.
FIXED = {"precision": "int8", "avoid_slow_int8": False, "threads": 1}


def outputs(engine, images):
    return next(iter(engine.run(images).values()))


def decibels(reference, got):
    noise = np.square(reference.astype(np.float64) - got).sum()
    return 10 * np.log10(np.square(reference.astype(np.float64)).sum() / noise)


@pytest.fixture(scope="module")
def path(digits):
    return digits / "separable.pb"


@pytest.fixture(scope="module")
def exact(path, test_split):
    """The float model's outputs of the test images."""
    return outputs(tfengine.convert(path, threads=1), test_split[0])


def test_rounding_brings_results_nearer(path, images, test_split, exact):
    calibration = tfengine.calibrate(path, images, threads=1)
    plain = tfengine.convert(path, calibration=calibration, bias_correction=False, **FIXED)
    rounded = tfengine.convert(path, calibration_data=images, bias_correction=False, measures=["rounding"], **FIXED)
    assert rounded.report()["measures"] == ["rounding"]
    assert plain.report()["measures"] == []
    before, after = (decibels(exact, outputs(engine, test_split[0])) for engine in (plain, rounded))
    assert after > before + 1


def test_zero_points_pay_behind_swish():
    path, calibration = TASKS / "efficient.pb", task_data.digits("calibration")[0][:48]
    pictures = task_data.digits("test")[0][:32]
    exact = outputs(tfengine.convert(path, threads=1), pictures)
    calibration = tfengine.calibrate(path, calibration, threads=1)
    plain, asymmetric = (
        tfengine.convert(path, calibration=calibration, measures=measures, time_tactics=False, **FIXED)
        for measures in ([], ["asymmetric"])
    )
    assert "zero_point=" in asymmetric.dump() and "zero_point=" not in plain.dump()
    assert any("and zero point" in tensor.why for tensor in asymmetric.explain().tensors)
    assert decibels(exact, outputs(asymmetric, pictures)) > decibels(exact, outputs(plain, pictures)) + 2


def test_automatic_measures_are_tried_and_told(path, images):
    report = tfengine.convert(path, calibration_data=images, measures=["auto"], **FIXED).report()
    rungs = report["accuracy"]["rungs"]
    assert rungs[0]["what"] == "plain INT8" and rungs[0]["kept"]
    assert {"asymmetric", "rounding", "equalization", "weight_mse"} <= {rung["what"] for rung in rungs}
    kept = [rung["typical_db"] for rung in rungs if rung["kept"]]
    assert kept == sorted(kept)
    assert "holds" not in report["accuracy"]


def test_a_target_that_holds_takes_nothing(path, images, test_split):
    engine = tfengine.convert(
        path, calibration_data=images, target_accuracy="90%", accuracy_data=test_split[0], labels=test_split[1], **FIXED
    )
    accuracy = engine.report()["accuracy"]
    assert accuracy["holds"] and [rung["what"] for rung in accuracy["rungs"]] == ["plain INT8"]
    assert accuracy["terms"].startswith("top-1 on 400 samples: float 0.99")
    assert engine.report()["measures"] == []


class Hostile:
    """Channels around depthwise convolutions spread by a factor of 1000."""

    path = TASKS / "hostile.pb"

    def __init__(self):
        self.calibration = task_data.digits("calibration")[0]
        self.images, self.labels = task_data.digits("test")

    def accuracy(self, **options):
        options = {"threads": 1} | options
        engine = tfengine.convert(self.path, **options)
        return float(np.mean(outputs(engine, self.images).argmax(axis=1) == self.labels)), engine


def test_the_ladder_saves_a_hostile_network():
    hostile = Hostile()
    wanted, _ = hostile.accuracy()
    assert wanted > 0.97
    plain, _ = hostile.accuracy(calibration_data=hostile.calibration, **FIXED)
    assert plain < wanted - 0.1
    saved, engine = hostile.accuracy(calibration_data=hostile.calibration, target_accuracy=0.999, **FIXED)
    report = engine.report()
    assert report["accuracy"]["holds"]
    assert "equalization" in report["measures"]
    assert saved > wanted - 0.01
    # Not by leaving INT8.
    convolutions = [node for node in report["int8"]["nodes"] if "Conv" in node["op"]]
    assert sum(node["int8"] for node in convolutions) > 0.8 * len(convolutions)


def test_layers_return_to_float_where_measures_do_not_do(path, images):
    engine = tfengine.convert(
        path, calibration_data=images[:32], accuracy_data=images[:32], target_accuracy=1.0,
        metric=lambda outputs, batch: -float(engine_noise(path, outputs, batch)), **FIXED
    )  # fmt: skip
    accuracy = engine.report()["accuracy"]
    # Nothing but the float model scores 0: all layers leave INT8, and the last rung says so.
    assert accuracy["holds"] and accuracy["rungs"][-1]["what"].endswith("in float")
    assert accuracy["float_layers"]


_exact = {}


def engine_noise(path, outputs, batch):
    """How far the outputs are from the float model's, beyond float's own rounding."""
    if path not in _exact:
        _exact[path] = tfengine.convert(path, threads=1)
    wanted = next(iter(_exact[path].run({name: array for name, array in batch.items()}).values()))
    return max(0.0, float(np.abs(next(iter(outputs.values())) - wanted).max()) - 1e-4)


def test_a_score_of_ones_own(path, images, test_split):
    seen = []

    def score(outputs, batch):
        assert set(batch) == {"", "labels"}
        (scores,) = outputs.values()
        seen.append(len(scores))
        return np.mean(scores.argmax(axis=1) == batch["labels"])

    engine = tfengine.convert(
        path, calibration_data=images, accuracy_data=test_split[0], labels=test_split[1], metric=score, batch_size=50,
        target_accuracy=0.9, **FIXED
    )  # fmt: skip
    assert engine.report()["accuracy"]["terms"].startswith("the given score on 400 samples")
    assert seen == [50] * 16  # the float model, and plain INT8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_accuracy": "1999"}, "target_accuracy: got '1999', expected '99.9%' or 0.999"),
        ({"target_accuracy": "much"}, "target_accuracy: got 'much', expected '99.9%' or 0.999"),
        ({"target_accuracy": 0}, "target_accuracy: got 0, expected '99.9%' or 0.999"),
        (
            {"measures": ["magic"]},
            "measure 'magic' is unknown, expected asymmetric, equalization, smoothing, weight_mse, rounding or auto",
        ),
        (
            {"measures": ["asymmetric"], "int8_grid": "tensorrt"},
            "the measure asymmetric needs zero points, which int8_grid 'tensorrt' has not",
        ),
        ({"target_accuracy": 0.9, "metric": "f1"}, "target accuracy: metric 'f1' is unknown, expected top1 or top5"),
        (
            {"target_accuracy": 0.9, "labels": [0.5]},
            "labels: got float64 (1,), expected integers, a row or one row for each sample",
        ),
        ({"labels": [1]}, "convert: accuracy_data, labels and metric say how target_accuracy is judged; give one"),
        (
            {"target_accuracy": 0.9, "metric": lambda outputs, batch: None},
            "metric: the function gave None, expected a number",
        ),
        (
            {"target_accuracy": 0.9, "metric": lambda outputs, batch: float("nan")},
            "target accuracy: the metric gave nan for a batch, expected a finite number",
        ),
        (
            {"target_accuracy": 0.9, "metric": lambda outputs, batch: -1.0},
            "target accuracy: the float model scores -1; a share of that below 1 needs a score above 0",
        ),
        (
            {"measures": ["weight_mse"], "per_channel_weights": False},
            "the measure weight_mse looks for the range of each channel, which weights without per_channel_weights do not "
            "have",
        ),
        ({"target_accuracy": 0.9, "labels": [1, 2]}, "labels: got 2, fewer than the data has samples"),
        ({"target_accuracy": 0.9, "labels": [99] * 128}, "target accuracy: label 99 is out of range for 10 classes"),
    ],
)
def test_wrong_terms(path, images, options, message):
    with pytest.raises(tfengine.InvalidArgument) as error:
        tfengine.convert(path, calibration_data=images, **FIXED, **options)
    assert str(error.value) == message


def test_data_that_can_be_read_once_only(path, images):
    batches = [images[:64], images[64:]]
    assert tfengine.convert(path, calibration_data=iter(batches), **FIXED).precision == "int8"
    with pytest.raises(tfengine.InvalidArgument, match="can be read more than once"):
        tfengine.convert(path, calibration_data=iter(batches), measures=["rounding"], **FIXED)
    with pytest.raises(tfengine.InvalidArgument, match="the data are read more than once"):
        tfengine.convert(path, calibration_data=iter(batches), target_accuracy=0.9, **FIXED)
    assert tfengine.convert(path, calibration_data=batches, measures=["rounding"], **FIXED).precision == "int8"
    calibration = tfengine.calibrate(path, images, threads=1)
    with pytest.raises(tfengine.InvalidArgument, match="the measures rounding run the model on samples"):
        tfengine.convert(path, calibration=calibration, measures=["rounding"], **FIXED)
    assert tfengine.convert(path, calibration=calibration, measures=["weight_mse"], **FIXED).precision == "int8"


def test_an_engine_explains_itself(path, images):
    engine = tfengine.convert(path, calibration_data=images, explain=True, **FIXED)
    tensors, layers = engine.explain()
    source = tensors[0]
    assert source.tensor == "image" and source.int8 and source.source == "calibrated" and source.clipped == 0
    assert source.max_abs == 1 and "unsigned grid" in source.why
    inner = [tensor for tensor in tensors if "Relu6" in tensor.tensor]
    assert len(inner) >= 10
    for tensor in inner:
        assert 20 < tensor.so_far_db < 60 and 30 < tensor.alone_db < 70
        # What came before adds to the tensor's own noise.
        assert tensor.so_far_db < tensor.alone_db + 3
        assert 0 <= tensor.clipped < 0.01 and tensor.dead_channels == 0
    assert {layer.op for layer in layers if not layer.int8} == {"Softmax"}
    assert all(layer.engine_us is None for layer in layers)  # nothing was timed
    assert tfengine.convert(path, threads=1).explain() == ([], [])


def test_dead_channels_are_counted(path, images):
    dark = np.zeros_like(images[:8])
    tensors, _ = tfengine.convert(path, calibration_data=dark, explain=True, **FIXED).explain()
    assert tensors[0].dead_channels == 1


def run(*arguments):
    command = [str(Path(sys.prefix) / "bin" / "tfengine"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def data_flags(digits):
    return ["--feature", "image_raw", "--feature-shape", "8,8,1", "--scale", "0.0625", "--calibration-data"] + [
        digits / "data" / "calibration.tfrecord"
    ]


def test_the_contract_on_the_command_line(path, digits, test_split, data_flags, tmp_path):
    np.save(tmp_path / "labels.npy", test_split[1])
    engine = tmp_path / "engine.tfe"
    contract = ["--target-accuracy", "99%", "--accuracy-data", digits / "data" / "test.tfrecord"]
    options = ["-o", engine, "--precision", "int8", *data_flags, *contract, "--explain", "--keep-slow-int8"]
    done = run("convert", path, *options, "--labels", tmp_path / "labels.npy", "--batch-size", 16)
    assert done.returncode == 0, done.stderr
    assert "accuracy: top-1 on 400 samples: float 0.99" in done.stdout
    assert "the target holds" in done.stdout
    shown = run("inspect", engine, "--explain").stdout
    assert "alone dB" in shown and "unsigned grid" in shown and "Relu6: INT8" in shown
    document = json.loads(run("inspect", engine, "--json").stdout)
    assert document["report"]["accuracy"]["holds"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target-accuracy", "2"], "--target-accuracy: got '2', expected 99.9% or 0.999"),
        (["--target-accuracy", "99x"], "--target-accuracy: got '99x', expected 99.9% or 0.999"),
        (["--measures", "magic"], "measure 'magic' is unknown"),
    ],
)
def test_wrong_flags(path, data_flags, tmp_path, options, message):
    done = run("convert", path, "-o", tmp_path / "x.tfe", "--precision", "int8", *data_flags, *options)
    assert done.returncode == 2 and message in done.stderr


@pytest.mark.parametrize("name", ["mobile", "efficient", "vision", "bytes"])
def test_harder_tasks_keep_their_accuracy_by_calibration_alone(name):
    path = TASKS / f"{name}.pb"
    if name == "bytes":
        calibration = task_data.text("train", 128)[0]
        tokens, wanted, hidden = task_data.text("test", 512)
    else:
        calibration, (tokens, wanted) = (task_data.digits("calibration")[0], task_data.digits("test"))
        hidden = np.ones(wanted.shape, bool)

    def accuracy(engine):
        found = np.concatenate([outputs(engine, tokens[at : at + 64]) for at in range(0, len(tokens), 64)])
        return np.mean((found.argmax(axis=-1) == wanted)[hidden])

    exact = accuracy(tfengine.convert(path, threads=1))
    engine = tfengine.convert(path, calibration_data=calibration, measures=["auto"], **FIXED)
    layers = [node for node in engine.report()["int8"]["nodes"] if "Conv" in node["op"] or node["op"] == "MatMul"]
    # Squeeze-and-excitation stays in float by choice; everything else with weights is INT8.
    assert layers and [node for node in layers if not node["int8"] and node["reason"] != "gate"] == []
    assert accuracy(engine) >= 0.999 * exact


def test_options_of_int8_need_int8(path, images):
    judged = {"target_accuracy": 0.9, "accuracy_data": images}
    for options in ({"measures": ["rounding"]}, {"strict_ranges": True}, {"explain": True}, judged):
        with pytest.raises(tfengine.InvalidArgument, match="expected int8, whose options these are"):
            tfengine.convert(path, precision="fp32", **options)


def test_ranges_that_fit_no_layer_are_an_error(digits):
    table = tfengine.RangeTable()
    table.set("another/net", 1.0)
    with pytest.raises(tfengine.InvalidArgument, match="no node has the ranges that it needs: .*'another/net'"):
        tfengine.convert(digits / "cnn.pb", calibration_table=table, **FIXED)


def test_every_measure_says_what_it_gains(path, images):
    engine = tfengine.convert(path, calibration_data=images, measures=["rounding"], explain=True, **FIXED)
    gains = {gain["what"]: gain["db"] for gain in engine.report()["gains"]}
    assert set(gains) == {"bias correction", "unsigned grids", "rounding"}
    assert gains["rounding"] > 0 and gains["unsigned grids"] > 1
    plain = tfengine.convert(path, calibration_data=images, explain=True, **FIXED)
    gains = {gain["what"]: gain["db"] for gain in plain.report()["gains"]}
    assert set(gains) == {"weights with a scale per channel", "bias correction", "unsigned grids"}
    assert gains["weights with a scale per channel"] > 1
    # As an engine without it has it.
    per_tensor = tfengine.convert(path, calibration_data=images, per_channel_weights=False, **FIXED)
    exact = outputs(tfengine.convert(path, threads=1), images)
    lost = [decibels(exact, outputs(engine, images)) for engine in (plain, per_tensor)]
    assert lost[0] > lost[1] + 1
    assert "gains" not in per_tensor.report()


def test_ranges_of_a_table_are_explained_with_samples(path, images):
    calibration = tfengine.calibrate(path, images, threads=1)
    given = {"calibration_table": tfengine.RangeTable.of(calibration), **FIXED}
    silent = tfengine.convert(path, explain=True, **given)
    assert any("without samples" in note for note in silent.report()["notes"])
    engine = tfengine.convert(path, explain=True, measure_data=images, **given)
    rows = [row for row in engine.explain().tensors if row.int8]
    assert rows and all(row.clipped is not None and row.alone_db > 20 for row in rows)
    counted = tfengine.convert(path, calibration_data=images, explain=True, **FIXED)
    for row, other in zip(rows, [row for row in counted.explain().tensors if row.int8], strict=True):
        assert row.tensor == other.tensor and abs(row.alone_db - other.alone_db) < 1


def test_smoothing_reaches_the_layers_behind_normalisations():
    path, calibration = TASKS / "vision.pb", task_data.digits("calibration")[0][:64]
    pictures = task_data.digits("test")[0][:64]
    exact = outputs(tfengine.convert(path, threads=1), pictures)
    plain, smooth = (
        tfengine.convert(path, calibration_data=calibration, measures=measures, time_tactics=False, **FIXED)
        for measures in ([], ["smoothing"])
    )
    assert "equalized" in smooth.dump() and "equalized" not in plain.dump()
    assert decibels(exact, outputs(smooth, pictures)) > decibels(exact, outputs(plain, pictures)) - 1
