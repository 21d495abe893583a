"""Tables of ranges from Python."""

import json
import math
import sys
from pathlib import Path

import pytest
import tfengine
from tfengine import RangeTable

TASKS = Path(__file__).resolve().parents[2] / "examples" / "tasks"
sys.path.insert(0, str(TASKS))

import data as task_data  # noqa: E402

FORMATS = ["tfengine", "tensorrt", "onnxruntime-json", "onnxruntime-text", "onnxruntime-flatbuffers"]


@pytest.fixture
def table():
    table = RangeTable()
    table.set("conv/Relu", 6.0, non_negative=True, source="calibrated")
    table.set("scores", 2.5)
    return table


def test_what_is_set_is_there(table):
    seen = (-math.inf, math.inf, "given")
    assert table.ranges == [("conv/Relu", 6.0, True, "calibrated", *seen), ("scores", 2.5, False, "custom", *seen)]
    table.set("scores", 2.5, low=-1.0, high=3.0)
    assert table.ranges[1] == ("scores", 2.5, False, "custom", -1.0, 3.0, "given")
    assert table.format == "tfengine"
    assert repr(table) == "<tfengine.RangeTable of 2 tensors>"


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_reads_back(format, table, tmp_path):
    table.save(tmp_path / "t", format=format)
    for again in (RangeTable.load(tmp_path / "t"), RangeTable.from_bytes(table.to_bytes(format))):
        assert again.format == format
        assert again.diff(table, tolerance=1e-6) == []


def test_onnx_runtimes_json_has_lowest_and_highest(table):
    data = json.loads(table.to_bytes("onnxruntime-json"))["data"]
    assert (data["conv/Relu"]["lowest"]["data"], data["conv/Relu"]["highest"]["data"]) == (0.0, 6.0)
    assert (data["scores"]["lowest"]["data"], data["scores"]["highest"]["data"]) == (-2.5, 2.5)


def test_given_ranges_win(table):
    other = RangeTable.from_bytes("scores 1.0\nconv/Relu 3.0\n")
    assert other.format == "onnxruntime-text"
    table.merge(other)
    assert [(row.tensor, row.max_abs) for row in table.ranges] == [("conv/Relu", 3.0), ("scores", 2.5)]


def test_differences(table):
    other = RangeTable.from_bytes("scores 2.5\nnew 1.0\n")
    assert [
        (row.tensor, row.first and row.first.max_abs, row.second and row.second.max_abs) for row in table.diff(other)
    ] == [
        ("conv/Relu", 6.0, None),
        ("new", None, 1.0),
    ]


def test_of_a_calibration(calibration):
    table = RangeTable.of(calibration, "minmax")
    assert table.ranges == calibration.ranges("minmax")
    for row in table.ranges:
        assert row.origin == "minmax"
        assert row.max_abs == max(abs(row.low), abs(row.high))


@pytest.mark.parametrize("format", ["tfengine", "onnxruntime-json"])
def test_least_and_largest_values_are_kept(calibration, format):
    table = RangeTable.of(calibration, "minmax")
    again = RangeTable.from_bytes(table.to_bytes(format))
    assert [(row.low, row.high) for row in again.ranges] == [(row.low, row.high) for row in table.ranges]
    if format == "tfengine":
        assert again.ranges == table.ranges


def test_a_table_allows_zero_points(tmp_path):
    path = TASKS / "efficient.pb"
    calibration = tfengine.calibrate(path, task_data.digits("calibration")[0][:16], threads=1)
    RangeTable.of(calibration).save(tmp_path / "t")
    engine = tfengine.convert(
        path,
        precision="int8",
        calibration_table=tmp_path / "t",
        measures=["asymmetric"],
        avoid_slow_int8=False,
        time_tactics=False,
        threads=1,
    )
    assert "zero_point=" in engine.dump()


def test_a_table_makes_an_engine(model, calibration, images, tmp_path):
    table = RangeTable.of(calibration)
    table.save(tmp_path / "t", format="onnxruntime-json")
    for given in (table, tmp_path / "t", str(tmp_path / "t")):
        engine = tfengine.convert(model, precision="int8", calibration_table=given, strict_ranges=True, threads=1)
        assert engine.precision == "int8"
        assert engine.report()["int8"]["missing_ranges"] == []
        engine.run(images[:1])


def test_strict_ranges_names_what_is_missing(model):
    given = RangeTable()
    given.set("image", 1.0)
    with pytest.raises(tfengine.InvalidArgument, match=r"^\[quantize\] \d+ tensors have no INT8 range: '.*', '.*';"):
        tfengine.convert(model, precision="int8", calibration_table=given, strict_ranges=True, threads=1)
    engine = tfengine.convert(model, precision="int8", calibration_table=given, threads=1)
    assert any("have no INT8 range, and what reads them stays in float" in note for note in engine.report()["notes"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.set("x", -1.0), "the range of tensor 'x' is -1, expected a finite number of at least 0"),
        (lambda table: table.set("x", float("nan")), "the range of tensor 'x' is nan"),
        (lambda table: table.set("x", 1.0, low=2.0, high=1.0), "the values of tensor 'x' go from 2 to 1, expected num"),
        (lambda table: table.set("x", 1.0, source="guess"), "expected custom, calibrated or rule"),
        (lambda table: table.to_bytes("csv"), "table format 'csv' is unknown, expected one of tfengine, tensorrt, "),
        (lambda table: table.diff(table, -1.0), "tolerance: got -1, expected at least 0"),
        (lambda table: RangeTable.load("nowhere"), "'nowhere': no such file"),
    ],
)
def test_errors(change, message, table):
    with pytest.raises(tfengine.InvalidArgument, match=message):
        change(table)


@pytest.mark.parametrize("data", [b"", b"hello", b"{", bytes(100), b"\xff" * 50])
def test_malformed_tables(data):
    with pytest.raises(tfengine.InvalidModel, match="^my table: "):
        RangeTable.from_bytes(data, "my table")
