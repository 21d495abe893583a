"""What a SavedModel has besides its graph survives conversion: signatures, structure, tables, assets, collections."""

import os

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from tfengine import trt_convert as trt  # noqa: E402

v1 = tf.compat.v1
WORDS = ["ant", "bee", "cat"]


class Model(tf.Module):
    """Two inputs, a dict of outputs, a table read from a file, and a second signature that shares a weight."""

    def __init__(self, vocabulary):
        random = np.random.default_rng(3)
        self.first = tf.Variable(random.standard_normal((64, 96)).astype(np.float32))
        self.second = tf.Variable(random.standard_normal((96, 32)).astype(np.float32))
        self.table = tf.lookup.StaticVocabularyTable(
            tf.lookup.TextFileInitializer(
                vocabulary, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
            ),
            num_oov_buckets=1,
        )

    @tf.function(input_signature=[tf.TensorSpec([None, 64], name="x"), tf.TensorSpec([None], tf.string, name="words")])
    def main(self, x, words):
        y = tf.nn.relu(x @ self.first) @ self.second
        return {"y": y, "ids": self.table.lookup(words), "top": tf.argmax(y, axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None, 96], name="hidden")])
    def tail(self, hidden):
        return {"y": hidden @ self.second}


@pytest.fixture
def saved(tmp_path):
    vocabulary = tmp_path / "vocabulary.txt"
    vocabulary.write_text("\n".join(WORDS) + "\n")
    folder = tmp_path / "model"
    model = Model(str(vocabulary))
    signatures = {"serving_default": model.main, "again": model.main, "tail": model.tail}
    tf.saved_model.save(model, str(folder), signatures=signatures)
    vocabulary.unlink()
    return folder


X = np.random.default_rng(5).standard_normal((4, 64)).astype(np.float32)
HIDDEN = np.abs(np.random.default_rng(6).standard_normal((4, 96)).astype(np.float32))
FEED = {"x": tf.constant(X), "words": tf.constant(["bee", "dog", "ant", "cat"])}
IDS = [1, 3, 0, 2]


def convert(folder, target, **options):
    converter = trt.TrtGraphConverterV2(str(folder), **options)
    function = converter.convert()
    converter.save(str(target))
    return function


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("minimum_segment_size", [3, -1])
def test_signatures_and_tables(saved, tmp_path, minimum_segment_size):
    original = tf.saved_model.load(str(saved))
    expected = original.signatures["serving_default"](**FEED)
    function = convert(saved, tmp_path / "out", minimum_segment_size=minimum_segment_size)
    assert function.structured_input_signature == original.signatures["serving_default"].structured_input_signature
    assert sorted(function.structured_outputs) == ["ids", "top", "y"]

    loaded = tf.saved_model.load(str(tmp_path / "out"))
    assert sorted(loaded.signatures) == ["again", "serving_default", "tail"]
    for key in ("serving_default", "again"):
        signature = loaded.signatures[key]
        assert sorted(signature.structured_input_signature[1]) == ["words", "x"]
        assert sorted(signature.structured_outputs) == ["ids", "top", "y"]
        result = signature(**FEED)
        np.testing.assert_allclose(result["y"], expected["y"], rtol=1e-4, atol=1e-4)
        assert result["ids"].numpy().tolist() == IDS
        assert result["top"].numpy().tolist() == expected["top"].numpy().tolist()
    np.testing.assert_allclose(
        loaded.signatures["tail"](hidden=tf.constant(HIDDEN))["y"],
        original.signatures["tail"](hidden=tf.constant(HIDDEN))["y"],
        rtol=1e-5,
        atol=1e-5,
    )


def test_assets_come_along_and_variables_only_where_they_are_needed(saved, tmp_path):
    convert(saved, tmp_path / "out", minimum_segment_size=-1)
    assert "assets/vocabulary.txt" in files(tmp_path / "out")
    # The signature `tail` is not converted: its one variable stays, 96 x 32; the other, 64 x 96, is a constant.
    size = os.path.getsize(tmp_path / "out" / "variables" / "variables.data-00000-of-00001")
    assert 96 * 32 * 4 <= size < 64 * 96 * 4


def test_another_signature_can_be_chosen(saved, tmp_path):
    function = convert(saved, tmp_path / "out", input_saved_model_signature_key="tail")
    assert sorted(function.structured_outputs) == ["y"]
    loaded = tf.saved_model.load(str(tmp_path / "out"))
    assert sorted(loaded.signatures) == ["again", "serving_default", "tail"]
    assert loaded.signatures["again"](**FEED)["ids"].numpy().tolist() == IDS


def test_inputs_are_given_by_name_or_in_order(saved):
    function = trt.TrtGraphConverterV2(str(saved)).convert()
    np.testing.assert_array_equal(function(FEED["words"], FEED["x"])["ids"], function(**FEED)["ids"])


def in_tensorflow_1(folder, feed, signature="serving_default"):
    """What TensorFlow 1's loader makes of a SavedModel."""
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        meta_graph = v1.saved_model.load(session, ["serve"], str(folder))
        described = meta_graph.signature_def[signature]
        feeds = {described.inputs[name].name: value for name, value in feed.items()}
        return session.run({name: info.name for name, info in described.outputs.items()}, feeds)


NUMPY_FEED = {name: value.numpy() for name, value in FEED.items()}


@pytest.mark.parametrize("minimum_segment_size", [3, -1])
def test_tensorflow_2s_saved_model_through_tensorflow_1s_converter(saved, tmp_path, minimum_segment_size):
    expected = in_tensorflow_1(saved, NUMPY_FEED)
    with tf.Graph().as_default():
        converter = trt.TrtGraphConverter(str(saved), is_dynamic_op=True, minimum_segment_size=minimum_segment_size)
        converter.convert()
        converter.save(str(tmp_path / "out"))
    result = in_tensorflow_1(tmp_path / "out", NUMPY_FEED)
    assert result["ids"].tolist() == IDS
    np.testing.assert_allclose(result["y"], expected["y"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        in_tensorflow_1(tmp_path / "out", {"hidden": HIDDEN}, "tail")["y"],
        in_tensorflow_1(saved, {"hidden": HIDDEN}, "tail")["y"],
        rtol=1e-4,
        atol=1e-4,
    )
    assert "assets/vocabulary.txt" in files(tmp_path / "out")


@pytest.fixture
def saved_by_tensorflow_1(tmp_path):
    """Reference variables, a table with an asset, and collections."""
    vocabulary = tmp_path / "words.txt"
    vocabulary.write_text("\n".join(WORDS) + "\n")
    folder = tmp_path / "model_1"
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        x = v1.placeholder(tf.float32, [None, 64], name="x")
        words = v1.placeholder(tf.string, [None], name="words")
        weights = v1.get_variable("weights", [64, 96], use_resource=False)
        bias = v1.get_variable("bias", [96], use_resource=True, initializer=v1.ones_initializer())
        logits = tf.nn.relu(tf.nn.bias_add(tf.matmul(x, weights), bias), name="logits")
        table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                str(vocabulary),
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            default_value=3,
        )
        ids = table.lookup(words)
        graph.add_to_collection("my_numbers", 7)
        graph.add_to_collection("my_nodes", x)
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        builder = v1.saved_model.Builder(str(folder))
        signature = v1.saved_model.predict_signature_def({"x": x, "words": words}, {"y": logits, "ids": ids})
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {"serving_default": signature},
            assets_collection=graph.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
            main_op=v1.tables_initializer(),
        )
        builder.save()
    vocabulary.unlink()
    return folder


def test_tensorflow_1s_saved_model(saved_by_tensorflow_1, tmp_path):
    expected = in_tensorflow_1(saved_by_tensorflow_1, NUMPY_FEED)
    with tf.Graph().as_default():
        converter = trt.TrtGraphConverter(str(saved_by_tensorflow_1), is_dynamic_op=True)
        converter.convert()
        converter.save(str(tmp_path / "out"))
    result = in_tensorflow_1(tmp_path / "out", NUMPY_FEED)
    assert result["ids"].tolist() == IDS == expected["ids"].tolist()
    np.testing.assert_allclose(result["y"], expected["y"], rtol=1e-4, atol=1e-4)
    assert "assets/words.txt" in files(tmp_path / "out")
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        v1.saved_model.load(session, ["serve"], str(tmp_path / "out"))
        assert graph.get_collection("my_numbers") == [7]
        assert [tensor.name for tensor in graph.get_collection("my_nodes")] == ["x:0"]
        assert not graph.get_collection("variables")
