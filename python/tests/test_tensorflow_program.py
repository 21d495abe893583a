"""The op library in a C++ program of TensorFlow, without Python."""

import subprocess

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import tfengine.tensorflow as tft  # noqa: E402

from engine_graphs import ENGINE, ROOT, digits_function, engine_graph  # noqa: E402

PROGRAM = ROOT / "build/tests/plugin/plugin_load_library"


def run(library: str, graph: str, batch: int) -> subprocess.CompletedProcess:
    command = [PROGRAM, library, graph, "in_0", ENGINE, str(batch)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not PROGRAM.exists(), reason="the C++ tests are not built")
def test_a_program_loads_the_library_and_runs_a_graph(tmp_path):
    function = digits_function()
    path = tmp_path / "graph.pb"
    path.write_bytes(engine_graph(function).SerializeToString())
    done = run(tft.library_path(), str(path), 3)
    assert done.returncode == 0, done.stderr[-2000:]
    scores = np.array(done.stdout.split(), np.float32).reshape(3, 10)
    image = (np.arange(3 * 64, dtype=np.float32) % 17 / 16).reshape(3, 8, 8, 1)
    np.testing.assert_allclose(scores, function(tf.constant(image)).numpy(), atol=1e-5)


@pytest.mark.skipif(not PROGRAM.exists(), reason="the C++ tests are not built")
def test_without_the_library_the_operation_is_unknown(tmp_path):
    path = tmp_path / "graph.pb"
    path.write_bytes(engine_graph(digits_function()).SerializeToString())
    other = tft.library_path().replace("libtfengine_tensorflow.so", "libabsent.so")
    assert "TF_LoadLibrary" in run(other, str(path), 1).stderr
