"""Graphs with shapes that depend on data, converted whole and run without TensorFlow: results as TensorFlow's, of TensorFlow's
shapes."""

import threading

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tfengine
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)


def spec(shape, dtype=tf.float32, name="x"):
    return tf.TensorSpec(shape, dtype, name=name)


def load(function, folder):
    frozen = convert_variables_to_constants_v2(function.get_concrete_function())
    path = folder / "frozen.pb"
    path.write_bytes(frozen.graph.as_graph_def().SerializeToString())
    return tfengine.load_model(path)


def convert(function, folder, inputs, **options):
    names = [argument.name for argument in function.input_signature]
    return tfengine.convert(
        load(function, folder),
        input_shapes=dict(zip(names, map(np.shape, inputs))),
        time_tactics=False,
        **options,
    )


def compare(engine, function, inputs, tolerance=1e-5):
    names = [argument.name for argument in function.input_signature]
    expected = [np.asarray(value) for value in tf.nest.flatten(function(*map(tf.constant, inputs)))]
    results = list(engine.run(dict(zip(names, inputs))).values())
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected):
        assert result.dtype == wanted.dtype
        assert result.shape == wanted.shape
        np.testing.assert_allclose(result, wanted, rtol=tolerance, atol=tolerance)
    return results


def check(function, folder, *cases):
    """One engine for all cases, each a tuple of inputs; loaded from its file, it gives the same."""
    engine = convert(function, folder, cases[0])
    results = [compare(engine, function, case) for case in cases]
    engine.save(folder / "engine.tfe")
    loaded = tfengine.load(folder / "engine.tfe")
    names = [argument.name for argument in function.input_signature]
    for case, wanted in zip(cases, results):
        for result, first in zip(loaded.run(dict(zip(names, case))).values(), wanted):
            np.testing.assert_array_equal(result, first)
    return engine


def ramp(*shape):
    return np.sin(np.arange(np.prod(shape), dtype=np.float32) * 1.7).reshape(shape).astype(np.float32)


def test_places_and_what_lies_there(tmp_path):
    @tf.function(input_signature=[spec((None, 5))])
    def function(x):
        where = tf.where(x > 0.5)
        return where, tf.gather_nd(x, where) * 2.0, x + 1.0

    engine = check(function, tmp_path, (ramp(4, 5),), (ramp(7, 5),), (np.zeros((4, 5), np.float32),), (ramp(0, 5),))
    shapes = {output.name: tuple(output.shape) for output in engine.outputs}
    assert len(shapes) == 3


def test_unique(tmp_path):
    @tf.function(input_signature=[spec((None,), tf.int32)])
    def function(x):
        values, places, counts = tf.unique_with_counts(x)
        return tf.cast(values, tf.float32) / 2.0, places, counts

    check(
        function,
        tmp_path,
        (np.array([3, 1, 3, 7, 1], np.int32),),
        (np.array([5], np.int32),),
        (np.zeros(0, np.int32),),
    )


@pytest.mark.parametrize("version", ("V2", "V3", "V5"))
def test_boxes_that_are_left(version, tmp_path):
    @tf.function(input_signature=[spec((None, 4), name="boxes"), spec((None,), name="scores")])
    def function(boxes, scores):
        arguments = {"boxes": boxes, "scores": scores, "max_output_size": 10, "iou_threshold": 0.4}
        if version == "V2":
            chosen = tf.raw_ops.NonMaxSuppressionV2(**arguments)
        elif version == "V3":
            chosen = tf.raw_ops.NonMaxSuppressionV3(**arguments, score_threshold=0.3)
        else:
            chosen, soft, count = tf.raw_ops.NonMaxSuppressionV5(
                **arguments, score_threshold=0.3, soft_nms_sigma=0.2, pad_to_max_output_size=False
            )
            return tf.gather(boxes, chosen), soft, count
        return tf.gather(boxes, chosen), tf.gather(scores, chosen) * 100.0

    random = np.random.default_rng(1)
    corners = random.uniform(0, 1, (40, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + random.uniform(0.1, 0.4, (40, 2)).astype(np.float32)], 1)
    scores = random.uniform(0, 1, 40).astype(np.float32)
    check(function, tmp_path, (boxes, scores), (boxes, scores * 0.2), (boxes[:7], scores[:7]))


class MaskedNet(tf.Module):
    """Two convolutions, the pixels of which some are taken, and a dense layer on those."""

    def __init__(self):
        random = np.random.default_rng(5)
        self.first = tf.constant(random.normal(0, 0.3, (3, 3, 3, 16)).astype(np.float32))
        self.second = tf.constant(random.normal(0, 0.1, (3, 3, 16, 16)).astype(np.float32))
        self.dense = tf.constant(random.normal(0, 0.3, (16, 8)).astype(np.float32))

    @tf.function(input_signature=[spec((None, 8, 8, 3))])
    def serve(self, x):
        y = tf.nn.relu(tf.nn.conv2d(x, self.first, 1, "SAME"))
        y = tf.nn.relu(tf.nn.conv2d(y, self.second, 1, "SAME"))
        kept = tf.boolean_mask(y, x[..., 0] > 0.7)
        return tf.nn.relu(tf.linalg.matmul(kept, self.dense)), kept


def images(count, seed=0):
    return np.random.default_rng(seed).normal(0, 1, (count, 8, 8, 3)).astype(np.float32)


def test_a_mask_in_the_middle_of_a_net(tmp_path):
    net = MaskedNet()
    cases = [(images(2, seed),) for seed in range(3)] + [(-np.abs(images(2)),), (images(5),)]
    engine = check(net.serve, tmp_path, *cases)
    assert any("depends on data" in note for note in engine.report()["notes"])


def test_a_mask_in_the_middle_of_an_int8_net(tmp_path):
    net = MaskedNet()
    data = images(64)
    engine = convert(net.serve, tmp_path, (data[:2],), precision="int8", calibration_data=data, calibrator="minmax")
    int8 = {layer["name"] for layer in engine.profile(data[:2], runs=1) if layer["precision"] == "int8"}
    assert any("atMul" in name or "matmul" in name for name in int8), int8  # behind the mask, too
    for seed in (3, 4):
        batch = images(2, seed)
        expected = [np.asarray(value) for value in net.serve(batch)]
        for result, wanted in zip(engine.run(batch).values(), expected):
            assert result.shape == wanted.shape
            assert np.abs(result - wanted).max() < 0.05 * np.abs(wanted).max()
    engine.save(tmp_path / "int8.tfe")
    loaded = tfengine.load(tmp_path / "int8.tfe")
    for result, wanted in zip(loaded.run(data[:2]).values(), engine.run(data[:2]).values()):
        np.testing.assert_array_equal(result, wanted)


def test_histograms_do_not_depend_on_how_often_a_tensor_is_passed_on(tmp_path):
    net = MaskedNet()
    model = load(net.serve, tmp_path)
    data = images(8)
    calibration = tfengine.calibrate(model, data, batch_size=4)
    assert calibration.samples == 8
    counted = {row.tensor: row.max_abs for row in calibration.ranges("minmax")}
    assert np.isclose(counted["x"], np.abs(data).max())


def test_one_behind_another(tmp_path):
    @tf.function(input_signature=[spec((None,))])
    def function(x):
        values, _ = tf.unique(tf.round(x * 3.0))
        positive = tf.boolean_mask(values, values > 0.0)
        squares, places = tf.unique(positive * positive)
        return tf.exp(-squares), places, tf.shape(positive)

    check(function, tmp_path, (ramp(50),), (ramp(9),), (-np.abs(ramp(9)),))


def test_sizes_that_are_computed(tmp_path):
    @tf.function(input_signature=[spec((None,), tf.float32), spec((), tf.int32, name="n")])
    def function(x, n):
        grid = tf.reshape(tf.cast(tf.range(n * 3), tf.float32), (n, 3))
        first = x[:n]
        return grid * 2.0, first + 1.0, tf.fill((n, 2), 7.0), tf.tile(first, tf.stack([n]))

    check(function, tmp_path, (ramp(6), np.int32(4)), (ramp(6), np.int32(2)), (ramp(6), np.int32(0)))


def test_segments_with_ids_from_data(tmp_path):
    @tf.function(input_signature=[spec((None, 3)), spec((None,), tf.int32, name="ids")])
    def function(x, ids):
        return tf.math.segment_sum(x, ids) * 0.5

    check(
        function,
        tmp_path,
        (ramp(4, 3), np.array([0, 0, 1, 3], np.int32)),
        (ramp(2, 3), np.array([0, 1], np.int32)),
    )


def test_a_loop_that_grows_a_list(tmp_path):
    @tf.function(input_signature=[spec((3,)), spec((), tf.int32, name="n")])
    def function(x, n):
        _, rows = tf.while_loop(
            lambda i, rows: i < n,
            lambda i, rows: (i + 1, tf.concat([rows, rows[-1:] * 0.5 + x], 0)),
            (0, x[None]),
            shape_invariants=(tf.TensorShape(()), tf.TensorShape((None, 3))),
        )
        return tf.tanh(rows)

    check(function, tmp_path, (ramp(3), np.int32(4)), (ramp(3), np.int32(0)), (ramp(3), np.int32(9)))


def test_many_calls_at_once(tmp_path):
    net = MaskedNet()
    engine = convert(net.serve, tmp_path, (images(2),), maximum_cached_engines=2)
    batches = [images(2, seed) for seed in range(8)]
    expected = [[np.asarray(value) for value in net.serve(batch)] for batch in batches]
    failures = []

    def work(first):
        for step in range(24):
            at = (first + step) % len(batches)
            for result, wanted in zip(engine.run(batches[at]).values(), expected[at]):
                if result.shape != wanted.shape or not np.allclose(result, wanted, atol=1e-5):
                    failures.append((first, step))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_memory_is_what_was_given(tmp_path):
    net = MaskedNet()
    engine = convert(net.serve, tmp_path, (images(2),))
    for seed in range(5):
        engine.run(images(2, seed))
    memory = engine.memory()
    assert memory["temporary_bytes"] > 0
    assert memory["cached_bytes"] == memory["allocated"]["in_use_bytes"]
    parts = ("weights_bytes", "activation_bytes", "workspace_bytes", "temporary_bytes")
    assert memory["peak_bytes"] == sum(memory[part] for part in parts)
    names = [layer["name"] for layer in engine.profile(images(2), runs=2)]
    assert len(names) == len(set(names))
    engine.release_memory()
    engine.run(images(2))


def test_budgets_are_refused(tmp_path):
    net = MaskedNet()
    with pytest.raises(tfengine.InvalidArgument, match="depends on data"):
        convert(net.serve, tmp_path, (images(2),), memory_budget_bytes=1 << 20)


def test_lists_that_grow(tmp_path):
    @tf.function(input_signature=[spec((None, 3)), spec((), name="limit")])
    def function(x, limit):
        rows = tf.raw_ops.EmptyTensorList(element_shape=tf.constant([3]), max_num_elements=-1, element_dtype=tf.float32)
        _, rows, total = tf.while_loop(
            lambda i, rows, total: tf.logical_and(i < tf.shape(x)[0], total < limit),
            lambda i, rows, total: (
                i + 1,
                tf.raw_ops.TensorListPushBack(input_handle=rows, tensor=tf.tanh(x[i]) * 2.0),
                total + tf.reduce_sum(x[i]),
            ),
            (0, rows, 0.0),
        )
        shorter, last = tf.raw_ops.TensorListPopBack(
            input_handle=tf.raw_ops.TensorListPushBack(input_handle=rows, tensor=tf.zeros(3)),
            element_shape=tf.constant([3]),
            element_dtype=tf.float32,
        )
        stacked = tf.raw_ops.TensorListStack(
            input_handle=shorter, element_shape=tf.constant([-1]), element_dtype=tf.float32
        )
        return tf.reshape(stacked, (-1, 3)) + 1.0, last, total, tf.raw_ops.TensorListLength(input_handle=rows)

    x = np.abs(ramp(8, 3))
    check(function, tmp_path, (x, np.float32(4.0)), (x, np.float32(100.0)), (x, np.float32(1.5)))


def test_an_array_that_grows(tmp_path):
    @tf.function(input_signature=[spec((4,)), spec((), tf.int32, name="n")])
    def function(x, n):
        array = tf.TensorArray(tf.float32, size=0, dynamic_size=True, element_shape=(4,))
        for i in tf.range(n):
            array = array.write(array.size(), x * tf.cast(i, tf.float32))
        return array.stack()

    check(function, tmp_path, (ramp(4), np.int32(3)), (ramp(4), np.int32(12)))


def test_shapes_from_data_inside_of_a_loop(tmp_path):
    weights = tf.constant(ramp(5, 5))

    @tf.function(input_signature=[spec((None, 5)), spec((), tf.int32, name="n")])
    def function(x, n):
        def body(i, total, kept):
            rows = tf.boolean_mask(x, x[:, 0] > tf.cast(i, tf.float32) * 0.2 - 1.0)
            return i + 1, total + tf.reduce_sum(tf.linalg.matmul(rows, weights), 0), kept + tf.shape(rows)[0]

        _, total, kept = tf.while_loop(lambda i, total, kept: i < n, body, (0, tf.zeros(5), 0))
        return total, kept

    check(function, tmp_path, (ramp(20, 5), np.int32(6)), (ramp(20, 5), np.int32(0)), (ramp(3, 5), np.int32(12)))


def test_shapes_from_data_inside_of_a_branch(tmp_path):
    @tf.function(input_signature=[spec((None,)), spec((), tf.bool, name="which")])
    def function(x, which):
        return tf.cond(which, lambda: tf.boolean_mask(x, x > 0.0), lambda: x * 2.0) + 1.0

    check(function, tmp_path, (ramp(9), np.bool_(True)), (ramp(9), np.bool_(False)))


def test_a_loop_that_grows_in_int8(tmp_path):
    random = np.random.default_rng(3)
    weights = tf.constant(random.normal(0, 0.4, (16, 16)).astype(np.float32))

    @tf.function(input_signature=[spec((1, 16)), spec((), tf.int32, name="n")])
    def function(x, n):
        _, rows = tf.while_loop(
            lambda i, rows: i < n,
            lambda i, rows: (i + 1, tf.concat([rows, tf.nn.relu(tf.linalg.matmul(rows[-1:], weights)) + x], 0)),
            (0, x),
            shape_invariants=(tf.TensorShape(()), tf.TensorShape((None, 16))),
        )
        return tf.linalg.matmul(rows, weights)

    data = [{"x": random.normal(0, 1, (1, 16)).astype(np.float32), "n": np.int32(5)} for _ in range(16)]
    engine = convert(
        function, tmp_path, tuple(data[0].values()), precision="int8", calibration_data=data, calibrator="minmax"
    )
    for case in data[:3]:
        wanted = np.asarray(function(**{name: tf.constant(value) for name, value in case.items()}))
        result = next(iter(engine.run(case).values()))
        assert result.shape == wanted.shape
        assert np.abs(result - wanted).max() < 0.06 * np.abs(wanted).max()
    assert any(layer["precision"] == "int8" for layer in engine.profile(data[0], runs=1))
