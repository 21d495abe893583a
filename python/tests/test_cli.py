"""The command line, as scripts use it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tfengine

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "examples" / "digits"


def command() -> str | None:
    """TFENGINE_CLI, or what this checkout built, or what is installed."""
    build = Path(os.environ.get("TFENGINE_BUILD", ROOT / "build"))
    candidates = (os.environ.get("TFENGINE_CLI"), build / "tools" / "tfengine", shutil.which("tfengine"))
    return next((str(path) for path in candidates if path and Path(path).exists()), None)


pytestmark = pytest.mark.skipif(command() is None, reason="the command line is not built")

MODEL = str(DIGITS / "cnn.pb")
RECORDS = ["--feature=image_raw", "--feature-shape=8,8,1", "--scale=0.0625", "--batch-size=16"]
COMMANDS = (
    "convert",
    "convert-graph",
    "calibrate",
    "run",
    "bench",
    "eval",
    "inspect",
    "dump",
    "export",
    "table",
    "tune",
)


def call(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run([command(), *map(str, arguments)], capture_output=True, text=True, check=False)


def call_json(*arguments):
    done = call(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    path = tmp_path_factory.mktemp("engine") / "cnn.tfe"
    data = DIGITS / "data" / "calibration.tfrecord"
    result = call_json(
        "convert", MODEL, "-o", path, "--precision=int8", "--calibration-data", data, *RECORDS, "--threads=1"
    )
    assert result["precision"] == "int8"
    assert result["file_bytes"] == path.stat().st_size
    return path


def test_run_gives_what_the_library_gives(engine, tmp_path, images):
    np.save(tmp_path / "x.npy", images[:1])
    result = call_json("run", engine, "--input", f"image={tmp_path / 'x.npy'}", "--output-dir", tmp_path / "out")
    (row,) = result["outputs"]
    assert (row["name"], row["dtype"], row["shape"]) == ("Identity", "float32", [1, 10])
    got = np.load(row["file"])
    np.testing.assert_array_equal(got, tfengine.load(engine).run(images[:1])["Identity"])


def test_bench(engine):
    result = call_json("bench", engine, "--batch-size", 2, "--threads", 1, "--iterations", 5)
    latency = result["latency_ms"]
    assert 0 < latency["min"] <= latency["median"] <= latency["p90"] <= latency["p99"]
    assert result["throughput_per_s"] > 0
    assert result["precision"] == "int8"
    assert {"name", "op", "precision", "tactic", "time_us"} <= set(result["layers"][0])


def test_inspect_memory(engine):
    result = call_json("inspect", engine, "--memory")
    parts = [result[f"{part}_bytes"] for part in ("weights", "activation", "workspace")]
    assert result["peak_bytes"] == sum(parts)
    assert result["file_bytes"] == engine.stat().st_size


def test_inspect_model():
    result = call_json("inspect", MODEL)
    assert result["kind"] == "model"
    assert result["ops"]["Conv2D"] == 5


def test_eval(engine):
    data = DIGITS / "data" / "test.tfrecord"
    result = call_json("eval", engine, "--data", data, *RECORDS, "--label-feature=label", "--threads=1")
    assert result["samples"] == 400
    assert result["top1"] >= 0.98
    result = call_json("eval", engine, "--data", data, *RECORDS, "--reference", MODEL, "--threads=1")
    assert result["agreement"] >= 0.98
    assert result["signal_to_noise_db"] > 20


def test_convert_graph(tmp_path):
    graph = tmp_path / "graph.pb"
    data = ["--data", DIGITS / "data" / "calibration.tfrecord", *RECORDS]
    result = call_json(
        "convert-graph",
        MODEL,
        "-o",
        graph,
        "--outputs=Identity",
        "--precision=int8",
        "--build",
        "--inputs=image",
        *data,
    )
    assert result["file_bytes"] == graph.stat().st_size > Path(MODEL).stat().st_size
    assert result["engines"][0]["built"] and result["refusals"] == []
    assert b"EntropyCalibration2" in graph.read_bytes()
    done = call("convert-graph", MODEL, "-o", graph, "--op-denylist=Softmax")
    assert done.returncode == 0 and "Softmax is on the list of ops to leave to TensorFlow" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere.pb", "-o", "x.pb"), "'nowhere.pb' cannot be read; expected a frozen GraphDef (.pb)"),
        ((MODEL, "-o", "nowhere/x.pb"), "'nowhere/x.pb' cannot be written"),
        ((MODEL, "-o", "x.pb", "--data=x.npy"), "convert-graph: --data needs --inputs, the placeholders it is for"),
    ],
)
def test_convert_graph_errors(arguments, message):
    done = call("convert-graph", *arguments)
    assert done.returncode == 2
    assert done.stderr == f"tfengine: {message}\n"


def test_calibrate_then_convert(tmp_path, images):
    np.save(tmp_path / "images.npy", images)
    result = call_json("calibrate", MODEL, "--data", tmp_path / "images.npy", "--batch-size=16", "-o", tmp_path / "h")
    assert result["samples"] == 128
    fields = {"tensor", "max_abs", "non_negative", "source", "origin", "low", "high"}
    assert fields == set(result["ranges"][0])
    assert result["checkup"]["enough_samples"] <= 64 and result["checkup"]["outliers"] == []
    again = call_json("calibrate", "--from", tmp_path / "h", "--calibrator=minmax", "--table", tmp_path / "table")
    assert len(again["ranges"]) == len(result["ranges"])
    assert (tmp_path / "table").read_text().startswith("TRT-")
    call_json("calibrate", "--from", tmp_path / "h", "--table", tmp_path / "json", "--table-format=tfengine")
    calibration = tfengine.Calibration.load(tmp_path / "h")
    assert tfengine.RangeTable.load(tmp_path / "json").ranges == tfengine.RangeTable.of(calibration).ranges
    shown = call_json("table", "show", tmp_path / "json")["ranges"]
    assert [row["low"] for row in shown] == pytest.approx([row.low for row in calibration.ranges()])
    done = call("convert", MODEL, "-o", tmp_path / "m.tfe", "--precision=int8", "--calibration", tmp_path / "h")
    assert done.returncode == 0, done.stderr


def test_calibrate_tells_of_its_data(tmp_path, images):
    odd = images.copy()
    odd[37] *= 50
    np.save(tmp_path / "odd.npy", odd)
    arguments = ("calibrate", MODEL, "--data", tmp_path / "odd.npy", "--batch-size=16", "-o", tmp_path / "h")
    done = call(*arguments)
    assert "1 sample goes more than 8 times further than the median sample: look at it" in done.stdout
    assert "  sample 37: " in done.stdout
    (outlier,) = call_json(*arguments)["checkup"]["outliers"]
    assert outlier["sample"]["index"] == 37
    (outlier,) = call_json("calibrate", "--from", tmp_path / "h")["checkup"]["outliers"]
    assert "index" not in outlier["sample"]


def test_strict_ranges(tmp_path):
    done = call("convert", MODEL, "-o", tmp_path / "m.tfe", "--precision=int8", "--strict-ranges")
    assert done.returncode == 2
    assert done.stderr.startswith("tfengine: [quantize] ")
    assert "tensors have no INT8 range: " in done.stderr
    assert "'image'" in done.stderr
    assert not (tmp_path / "m.tfe").exists()


@pytest.fixture(scope="module")
def tables(tmp_path_factory, images):
    """The same ranges in two formats."""
    folder = tmp_path_factory.mktemp("tables")
    np.save(folder / "images.npy", images)
    call_json("calibrate", MODEL, "--data", folder / "images.npy", "--batch-size=16", "-o", folder / "h")
    call_json("calibrate", "--from", folder / "h", "--table", folder / "trt")
    call_json("calibrate", "--from", folder / "h", "--table", folder / "own", "--table-format=tfengine")
    return folder


def test_table_show(tables):
    shown = call_json("table", "show", tables / "trt")
    assert shown["format"] == "tensorrt"
    assert len(shown["ranges"]) >= 6
    assert shown["ranges"][0]["source"] == "calibrated"
    text = call("table", "show", tables / "own").stdout
    assert "format tfengine" in text and "calibrated" in text


@pytest.mark.parametrize(
    "to", ["tfengine", "tensorrt", "onnxruntime-json", "onnxruntime-text", "onnxruntime-flatbuffers"]
)
def test_table_convert(to, tables, tmp_path):
    call_json("table", "convert", tables / "trt", "-o", tmp_path / "t", "--to", to)
    assert call_json("table", "show", tmp_path / "t")["format"] == to
    assert call_json("table", "diff", tables / "trt", tmp_path / "t", "--tolerance=1e-6")["differences"] == []
    done = call(
        "convert",
        MODEL,
        "-o",
        tmp_path / "m.tfe",
        "--precision=int8",
        "--calibration-table",
        tmp_path / "t",
        "--strict-ranges",
    )
    assert done.returncode == 0, done.stderr


def test_table_merge_and_diff(tables, tmp_path):
    (tmp_path / "given").write_text("image 3.5\nnew 1\n")
    merged = call_json("table", "merge", tables / "trt", tmp_path / "given", "-o", tmp_path / "m")
    assert merged["tensors"] == len(call_json("table", "show", tables / "trt")["ranges"]) + 1
    found = call_json("table", "diff", tables / "trt", tmp_path / "m")["differences"]
    assert [(row["tensor"], row["second"]["max_abs"]) for row in found] == [("image", 3.5), ("new", 1.0)]
    assert found[1]["first"] is None
    text = call("table", "diff", tables / "trt", tmp_path / "m").stdout
    assert text.splitlines()[-1] == "2 tensors differ"
    assert call("table", "merge", tables / "trt", "-o", tmp_path / "m2", "--quiet").stdout == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello", "line 1: expected '<tensor> <range>', got 'hello'"),
        (b"TRT-8600-X\nx: zzzz\n", "line 2: the scale is 'zzzz', expected 8 hexadecimal digits"),
        (b'{"x": 1}', "tensor 'x' has no 'lowest' and 'highest'"),
        (bytes(64), "not a flatbuffer with a calibration table, or damaged"),
    ],
)
def test_bad_tables(content, message, tmp_path):
    (tmp_path / "bad").write_bytes(content)
    done = call("table", "show", tmp_path / "bad")
    assert done.returncode == 2
    assert done.stderr == f"tfengine: '{tmp_path / 'bad'}': {message}\n"


@pytest.mark.parametrize("to", ["onnx", "tensorflow"])
def test_export(to, engine, tmp_path):
    written = call_json("export", engine, "-o", tmp_path / "model", "--to", to)
    assert written["file_bytes"] == (tmp_path / "model").stat().st_size
    expected = getattr(tfengine.load(engine), "to_onnx" if to == "onnx" else "to_tensorflow")()
    assert (tmp_path / "model").read_bytes() == expected


def test_export_elsewhere(engine, tmp_path):
    done = call("export", engine, "-o", tmp_path / "model", "--to=caffe")
    assert done.returncode == 2
    assert done.stderr == "tfengine: --to: got 'caffe', expected onnx or tensorflow\n"


def test_dump(engine):
    assert "Conv2D" in call_json("dump", MODEL, "--after=optimize")["graph"]
    assert "Quantize" in call("dump", engine).stdout


def test_quiet_is_silent(tmp_path):
    done = call("convert", MODEL, "-o", tmp_path / "m.tfe", "--quiet", "--threads=1")
    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_help(name):
    done = call(*([name] if name else []), "--help")
    assert done.returncode == 0
    assert "--help" in done.stdout
    assert name is None or {"--json", "--quiet"} <= set(done.stdout.replace(",", " ").split())
    assert name or all(each in done.stdout for each in COMMANDS)


FILES = {
    "missing": None,
    "empty": b"",
    "text": b"hello, this is no model",
    "noise": bytes(range(256)) * 40,
    "cut": (DIGITS / "cnn.pb").read_bytes()[:5000],
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("name", ["convert", "calibrate", "run", "bench", "eval", "inspect", "dump"])
def test_bad_files_are_named_with_a_reason(name, kind, tmp_path, images):
    path = tmp_path / ("bad.tfe" if name == "run" else "bad.pb")
    if FILES[kind] is not None:
        path.write_bytes(FILES[kind])
    np.save(tmp_path / "x.npy", images[:1])
    more = {
        "convert": ["-o", tmp_path / "out.tfe"],
        "calibrate": ["--data", tmp_path / "x.npy"],
        "run": ["--input", f"image={tmp_path / 'x.npy'}"],
        "eval": ["--data", tmp_path / "x.npy"],
    }
    done = call(name, path, *more.get(name, []))
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("tfengine: ")
    assert path.name in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "out.tfe").exists()


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["convert"], ["convert", MODEL], ["bench", "--batch-size=many", "x"]]
)
def test_wrong_arguments(arguments):
    done = call(*arguments)
    assert done.returncode == 2
    assert done.stderr != ""


def test_float_precision_of_int8_engines(tmp_path):
    arguments = ["convert", MODEL, "-o", tmp_path / "m.tfe", "--precision=int8", "--calibration-data"]
    arguments += [DIGITS / "data" / "calibration.tfrecord", *RECORDS, "--threads=1", "--no-tactic-timing"]
    assert call_json(*arguments, "--float-precision=bf16")["precision"] == "int8"
    done = call(*arguments, "--float-precision=f16")
    assert done.returncode == 2
    assert "float_precision 'f16' is unknown, expected fp32, fp16 or bf16" in done.stderr
