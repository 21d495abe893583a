"""The page of ops is what the command prints, and the check of models says what converts."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TFENGINE = pathlib.Path(os.environ.get("TFENGINE_BUILD", ROOT / "build")) / "tools" / "tfengine"
CNN = ROOT / "examples" / "digits" / "cnn.pb"


def tfengine(*arguments, code=0):
    done = subprocess.run([TFENGINE, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    return done.stdout


def archive(op):
    return ROOT / "tests" / "golden" / "ops" / f"{op}.npz"


def test_page_is_what_the_command_prints():
    assert (ROOT / "docs" / "ops.md").read_text() == tfengine("ops")


def test_every_op_is_on_the_page_once_and_has_cases():
    ops = json.loads(tfengine("ops", "--json"))["ops"]
    names = [op["name"] for op in ops]
    assert len(names) == len(set(names)) > 190
    for op in ops:
        assert "reference" in op["backends"]
        if op["own"]:
            continue
        assert op["types"], op["name"]
        assert op["ranks"], op["name"]
        if op["name"] in ("Case", "If", "While"):
            continue  # the tests of control flow have them
        cases = ["Dequantize" if op["name"] == "DequantizeRange" else op["name"], *op["aliases"]]
        assert any(archive(name).exists() for name in cases), op["name"]


def test_model_that_converts():
    check = json.loads(tfengine("check", CNN, "--json"))
    assert check["converts"]
    assert check["nodes"] > 0
    assert all(node["converts"] for node in check["findings"])
    assert "converts whole" in tfengine("check", CNN)


@pytest.fixture
def strange_graph(tmp_path):
    """A graph with an op that nobody knows, and one that stays outside by design."""
    tf = pytest.importorskip("tensorflow")
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, (2, 3), "x")
        tf.strings.as_string(x, name="text")
        tf.raw_ops.Betainc(a=x, b=x, x=x, name="beta")
    path = tmp_path / "strange.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def test_model_that_does_not_convert(strange_graph, tmp_path):
    table = tmp_path / "findings.csv"
    check = json.loads(tfengine("check", strange_graph, "--json", "--csv", table))
    assert not check["converts"]
    found = {node["node"]: node for node in check["findings"]}
    assert set(found) == {"text", "beta"}
    assert "by design" in found["text"]["reason"]
    assert "does not know" in found["beta"]["reason"]
    assert all(node["remedy"] for node in found.values())
    lines = table.read_text().splitlines()
    assert lines[0] == "OP|CONVERTS|COUNT|REASON|REMEDY|NODES"
    assert sorted(line.split("|")[0] for line in lines[1:]) == ["AsString", "Betainc"]
    assert "does not convert" in tfengine("check", strange_graph)


def test_model_whose_shapes_depend_on_data(tmp_path):
    tf = pytest.importorskip("tensorflow")
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, (2, 3), "x")
        places = tf.raw_ops.Where(condition=x > 0, name="places")
        tf.gather_nd(x, places, name="found")
    path = tmp_path / "places.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    check = json.loads(tfengine("check", path, "--json"))
    assert check["converts"]
    found = {node["node"]: node for node in check["findings"]}
    assert "depends on data" in found["places"]["reason"]
    assert found["places"]["remedy"]
    assert "found" not in found


def test_missing_model():
    tfengine("check", "/nowhere.pb", code=2)


def test_there_is_a_command():
    assert shutil.which(str(TFENGINE))
