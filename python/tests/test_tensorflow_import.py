"""Converted GraphDefs that are imported inside of a tf.function, where TensorFlow leaves a graph's functions behind."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tfengine.tensorflow as plugin  # noqa: E402
from engine_graphs import frozen_digits  # noqa: E402
from tfengine import trt_convert as trt  # noqa: E402


@pytest.fixture(scope="module")
def converted():
    with tf.Graph().as_default():
        return trt.TrtGraphConverter(
            input_graph_def=frozen_digits(), nodes_denylist=["Identity"], is_dynamic_op=True
        ).convert()


def function_of(graph_def, importer):
    @tf.function
    def run(image):
        return importer(graph_def, {"image": image}, ["Identity:0"], name="")[0]

    return run


def in_a_session(graph_def, images):
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(graph_def, name="")
        with tf.compat.v1.Session(graph=graph) as session:
            return session.run("Identity:0", {"image:0": images})


def test_the_graph_runs(converted, images):
    run = function_of(converted, plugin.import_graph_def)
    np.testing.assert_allclose(run(images[:5]), in_a_session(frozen_digits(), images[:5]), atol=1e-4)
    (name,) = (node.name for node in converted.node if node.op == "TRTEngineOp")
    status = plugin.engine_status(name)
    assert status["engine_calls"] == 1 and status["native_calls"] == {}
    # A second function of the same graph, and shapes that run natively.
    assert function_of(converted, plugin.import_graph_def)(images[:0]).shape == (0, 10)


def test_another_graph_with_functions_of_the_same_names(converted, images):
    changed = tf.compat.v1.GraphDef.FromString(converted.SerializeToString())
    (segment,) = (f for f in changed.library.function if f.signature.name.endswith("_native_segment"))
    largest = max((node for node in segment.node_def if node.op == "Const"), key=lambda node: node.ByteSize())
    tensor = tf.make_ndarray(largest.attr["value"].tensor)
    largest.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(-tensor))
    before = changed.SerializeToString(deterministic=True)
    first = function_of(converted, plugin.import_graph_def)(images[:3])
    second = function_of(changed, plugin.import_graph_def)(images[:3])
    assert np.abs(first - second).max() > 0.1
    np.testing.assert_allclose(second, in_a_session(changed, images[:3]), atol=1e-4)
    assert changed.SerializeToString(deterministic=True) == before  # the caller's graph is as it was


def test_outside_of_functions_it_is_tensorflows_own(converted, images):
    with tf.Graph().as_default() as graph:
        (scores,) = plugin.import_graph_def(converted, return_elements=["Identity:0"], name="part")
        with tf.compat.v1.Session(graph=graph) as session:
            assert scores.name == "part/Identity:0"
            assert session.run(scores, {"part/image:0": images[:2]}).shape == (2, 10)


def test_tensorflows_own_import_says_what_to_do(converted, images):
    lost = tf.compat.v1.GraphDef.FromString(
        converted.SerializeToString().replace(b"_native_segment", b"_native_segmenu")
    )  # a name that this process has not heard of
    with pytest.raises(tf.errors.NotFoundError, match="use tfengine.tensorflow.import_graph_def there, or"):
        function_of(lost, tf.graph_util.import_graph_def)(images[:2])
