"""Calibration: the forms of data, and what comes out."""

import signal
import subprocess
import sys

import numpy as np
import pytest
import tfengine


class OnlyDLPack:
    """What another library's array looks like."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


def batches(images, size=16):
    return [images[at : at + size] for at in range(0, len(images), size)]


def saved(images, path):
    np.save(path, images)
    return path


FORMS = {
    "one array": lambda images, tmp_path: images,
    "one array of DLPack": lambda images, tmp_path: OnlyDLPack(images),
    "one dict": lambda images, tmp_path: {"image": images},
    "list of arrays": lambda images, tmp_path: batches(images),
    "generator of arrays": lambda images, tmp_path: (batch for batch in batches(images)),
    "generator of dicts": lambda images, tmp_path: ({"image:0": batch} for batch in batches(images)),
    "generator of tuples": lambda images, tmp_path: ((batch,) for batch in batches(images)),
    "generator of lists of DLPack": lambda images, tmp_path: ([OnlyDLPack(batch)] for batch in batches(images)),
    "path of .npy": lambda images, tmp_path: saved(images, tmp_path / "images.npy"),
    "text path of .npy": lambda images, tmp_path: str(saved(images, tmp_path / "images.npy")),
    "opened .npy": lambda images, tmp_path: tfengine.open_data(saved(images, tmp_path / "images.npy"), batch_size=16),
    "iterated data": lambda images, tmp_path: iter(
        tfengine.open_data(saved(images, tmp_path / "images.npy"), batch_size=16)
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_data_gives_the_same_ranges(form, model, images, calibration, tmp_path):
    got = tfengine.calibrate(model, FORMS[form](images, tmp_path), batch_size=16, threads=1)
    assert got.samples == 128
    assert got.ranges() == calibration.ranges()


@pytest.mark.parametrize("form", ["one array", "generator of arrays", "path of .npy", "opened .npy"])
def test_number_of_samples(form, model, images, tmp_path):
    data = FORMS[form](images[:48], tmp_path)
    got = tfengine.calibrate(model, data, batch_size=16, num_calibration_samples=32, threads=1)
    assert got.samples == 32


def test_the_last_batch_is_cut(model, images):
    assert tfengine.calibrate(model, batches(images), num_calibration_samples=20, threads=1).samples == 20


def test_records(model, digits, calibration):
    data = tfengine.open_data(
        digits / "data" / "calibration.tfrecord",
        batch_size=16,
        feature="image_raw",
        label_feature="label",
        feature_shape=(8, 8, 1),
        scale=1 / 16,
    )
    assert data.samples in (None, 128)
    assert [len(batch["label"]) for batch in data] == [16] * 8
    assert tfengine.calibrate(model, data, threads=1).ranges() == calibration.ranges()


CALIBRATORS = ["auto", "entropy", "entropy1", "legacy", "minmax", "moving_average", "percentile", "mse"]


@pytest.mark.parametrize("calibrator", CALIBRATORS)
def test_calibrators(calibrator, calibration):
    ranges = calibration.ranges(calibrator)
    assert len(ranges) >= 6
    assert all(row.max_abs > 0 and row.source in ("calibrated", "rule", "custom") for row in ranges)
    widest = {row.tensor: row.max_abs for row in calibration.ranges("minmax")}
    assert all(row.max_abs <= widest[row.tensor] * 1.01 for row in ranges)


def test_unknown_calibrator(calibration):
    with pytest.raises(tfengine.InvalidArgument, match="median"):
        calibration.ranges("median")


@pytest.fixture(scope="module")
def merged(model, images, tmp_path_factory):
    """Of two halves of the images, the first by way of a file."""
    path = tmp_path_factory.mktemp("merged") / "first.cal"
    tfengine.calibrate(model, images[:64], batch_size=16, threads=1).save(path)
    merged = tfengine.Calibration.load(path)
    merged.merge(tfengine.calibrate(model, images[64:], batch_size=16, threads=1))
    return merged


@pytest.mark.parametrize("calibrator", CALIBRATORS)
def test_merged_halves_are_the_whole(calibrator, merged, calibration):
    assert merged.samples == calibration.samples == 128
    assert merged.ranges(calibrator) == calibration.ranges(calibrator)


def test_merged_halves_save_as_the_whole(merged, calibration, tmp_path):
    merged.save(tmp_path / "merged.cal")
    calibration.save(tmp_path / "whole.cal")
    assert (tmp_path / "merged.cal").read_bytes() == (tmp_path / "whole.cal").read_bytes()


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_any_number_of_workers_saves_the_same(workers, model, images, calibration, tmp_path):
    """Whatever the shares, and the order in which they come back."""
    shares = [images[worker::workers] for worker in range(workers)]
    parts = [tfengine.calibrate(model, share, batch_size=5, threads=1) for share in reversed(shares)]
    for part in parts[1:]:
        parts[0].merge(part)
    parts[0].save(tmp_path / "merged.cal")
    calibration.save(tmp_path / "whole.cal")
    assert (tmp_path / "merged.cal").read_bytes() == (tmp_path / "whole.cal").read_bytes()
    assert parts[0].checkup()._replace(outliers=[]) == calibration.checkup()._replace(outliers=[])


def test_other_models_do_not_merge(calibration, digits, images):
    other = tfengine.calibrate(digits / "separable.pb", images[:8], batch_size=8, threads=1)
    with pytest.raises(tfengine.InvalidArgument):
        calibration.merge(other)


def test_table(calibration):
    lines = calibration.table().splitlines()
    assert lines[0].startswith("TRT-")
    assert len(lines) == 1 + len(calibration.ranges())


def test_warnings(calibration, model, images):
    assert calibration.warnings == []
    bad = images[:16].copy()
    bad[3, 0, 0, 0] = np.nan
    assert any("NaN" in text or "nan" in text for text in tfengine.calibrate(model, bad, batch_size=16).warnings)


def test_progress(model, images):
    calls = []
    tfengine.calibrate(model, images[:32], batch_size=16, threads=1, progress=lambda *call: calls.append(call))
    assert calls == [("calibrating", 16, 32), ("calibrating", 32, 32)]


def test_progress_bar(model, images, capsys):
    tfengine.calibrate(model, images[:32], batch_size=16, threads=1, progress=True)
    assert "calibrating" in capsys.readouterr().err


def test_an_error_of_the_callback_comes_back(model, images):
    def refuse(what, done, total):
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        tfengine.calibrate(model, images, batch_size=16, threads=1, progress=refuse)


def test_an_error_of_the_data_comes_back(model, images):
    def broken():
        yield images[:16]
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        tfengine.calibrate(model, broken(), threads=1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "^calibration: the data holds no sample$"),
        (np.empty((0, 8, 8, 1), np.float32), "^calibration: the data holds no sample$"),
        (np.float32(3), "first dimension of an array counts samples"),
        ({"a": np.zeros((2, 1)), "b": np.zeros((3, 1))}, r"the arrays have \[2, 3\] samples, expected equally many"),
        (7, "^calibration data: got int, expected an array"),
        ([np.zeros((2, 4, 4, 1), np.float32)], r"^input 'image': got shape \[2,4,4,1\], expected \[\?,8,8,1\]$"),
        ("nowhere.npy", r"^'nowhere\.npy': no such file$"),
    ],
)
def test_wrong_data(model, data, message):
    with pytest.raises(tfengine.InvalidArgument, match=message):
        tfengine.calibrate(model, data, threads=1)


def test_wrong_numbers(model, images):
    with pytest.raises(tfengine.InvalidArgument, match="^batch_size: got 0, expected at least 1$"):
        tfengine.calibrate(model, images, batch_size=0)
    with pytest.raises(tfengine.InvalidArgument, match="^num_calibration_samples: got -3, expected at least 1$"):
        tfengine.calibrate(model, images, num_calibration_samples=-3)


def test_a_run_that_was_cut_off_goes_on(model, images, calibration, tmp_path):
    checkpoint = tmp_path / "checkpoint"

    def killed():
        yield from batches(images)[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tfengine.calibrate(model, killed(), threads=1, resume=checkpoint, resume_samples=32)
    assert tfengine.Calibration.load(checkpoint).samples == 32
    resumed = tfengine.calibrate(model, batches(images), threads=1, resume=checkpoint)
    assert resumed.samples == 128
    assert resumed.ranges() == calibration.ranges()
    assert not checkpoint.exists()
    resumed.save(tmp_path / "resumed.cal")
    calibration.save(tmp_path / "whole.cal")
    assert (tmp_path / "resumed.cal").read_bytes() == (tmp_path / "whole.cal").read_bytes()


KILLED = """
import os, signal, sys
import numpy as np, tfengine
images = np.load(sys.argv[2])
def batches():
    for at in range(0, len(images), 16):
        if at == 96:
            os.kill(os.getpid(), signal.SIGKILL)
        yield images[at : at + 16]
tfengine.calibrate(sys.argv[1], batches(), threads=1, resume=sys.argv[3], resume_samples=32)
"""


def test_a_run_that_was_killed_goes_on_to_the_same_bytes(model, images, calibration, digits, tmp_path):
    np.save(tmp_path / "images.npy", images)
    checkpoint = tmp_path / "checkpoint"
    arguments = [digits / "cnn.pb", tmp_path / "images.npy", checkpoint]
    done = subprocess.run([sys.executable, "-c", KILLED, *map(str, arguments)], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert tfengine.Calibration.load(checkpoint).samples == 64 + 32
    resumed = tfengine.calibrate(model, batches(images), threads=1, resume=checkpoint)
    resumed.save(tmp_path / "resumed.cal")
    calibration.save(tmp_path / "whole.cal")
    assert (tmp_path / "resumed.cal").read_bytes() == (tmp_path / "whole.cal").read_bytes()


def test_checkup_of_good_data(calibration):
    found = calibration.checkup()
    assert found.samples == 128
    assert found.enough_samples is not None and found.enough_samples <= 64
    assert found.outliers == [] and found.constant_samples == [] and found.repeated_samples == 0
    assert [text for text in found.findings if "zero" not in text] == []


def test_checkup_names_samples_by_index(model, images):
    odd = images.copy()
    odd[37] *= 50
    odd[90] = 0.25
    odd[11] = odd[10]
    calibration = tfengine.calibrate(model, odd, batch_size=16, threads=1)
    found = calibration.checkup()
    assert [outlier.sample.index for outlier in found.outliers] == [37]
    assert found.outliers[0].peak > 8 * found.outliers[0].typical
    assert [sample.index for sample in found.constant_samples] == [90]
    assert found.repeated_samples == 1
    assert len(found.findings) >= 3


def test_checkup_of_loaded_calibrations_knows_fingerprints(model, images, tmp_path):
    odd = images.copy()
    odd[37] *= 50
    calibration = tfengine.calibrate(model, odd, batch_size=16, threads=1)
    calibration.save(tmp_path / "odd.cal")
    loaded = tfengine.Calibration.load(tmp_path / "odd.cal").checkup()
    assert [outlier.sample.index for outlier in loaded.outliers] == [None]
    assert loaded.outliers[0].sample.fingerprint == calibration.checkup().outliers[0].sample.fingerprint


def test_checkup_after_a_resumed_run_knows_all_indices(model, images, tmp_path):
    odd = images.copy()
    odd[5] *= 50

    def killed():
        yield from batches(odd)[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tfengine.calibrate(model, killed(), threads=1, resume=tmp_path / "checkpoint", resume_samples=32)
    resumed = tfengine.calibrate(model, batches(odd), threads=1, resume=tmp_path / "checkpoint")
    assert [outlier.sample.index for outlier in resumed.checkup().outliers] == [5]


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda images: images * 255, "as the bytes of images do"),
        (lambda images: images / 255, "was it scaled twice"),
        (lambda images: np.zeros_like(images), "it holds nothing to calibrate with"),
        (lambda images: images[:4], "too few to tell"),
    ],
)
def test_checkup_finds_wrong_data(change, finding, model, images):
    found = tfengine.calibrate(model, change(images), batch_size=4, threads=1).checkup()
    assert any(finding in text for text in found.findings), found.findings


def test_a_checkpoint_of_another_model_is_refused(images, digits, calibration, tmp_path):
    calibration.save(tmp_path / "checkpoint")
    with pytest.raises(tfengine.InvalidArgument, match="another model"):
        tfengine.convert(
            digits / "separable.pb",
            precision="int8",
            calibration_data=images,
            threads=1,
            resume=tmp_path / "checkpoint",
        )


@pytest.mark.parametrize("name", ["separable.pb", "separable_saved_model"])
def test_checkup_knows_how_training_normalised_images(digits, images, name):
    def findings(data):
        found = tfengine.calibrate(digits / name, data, threads=1).checkup().findings
        return [finding for finding in found if "normalised as they were then" in finding]

    assert findings(images) == []
    for wrong in ((images - images.mean()) / images.std(), 2 * images - 1, 255 * images):
        (finding,) = findings(wrong.astype(np.float32))
        assert finding.startswith("behind 'separable_1/batch_normalization_1/batchnorm/add_1', channels lie ")
