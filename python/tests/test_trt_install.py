"""install_tf_trt(): TF-TRT's own import lines lead to tfengine. In processes of their own, as it changes TensorFlow."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("tensorflow")


def run(arguments, **options):
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        **options,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


IMPORTS = """
import tensorflow as tf
from tensorflow.python.compiler.tensorrt import trt_convert as trt
import tensorflow.python.compiler.tensorrt.trt_convert as by_path
assert trt.__name__ == "tfengine.trt_convert" and by_path is trt
assert tf.experimental.tensorrt.Converter is trt.TrtGraphConverterV2
assert tf.experimental.tensorrt.ConversionParams is trt.TrtConversionParams
assert tf.compat.v2.experimental.tensorrt.Converter is trt.TrtGraphConverterV2
"""


@pytest.mark.parametrize("before", ["", "import tensorflow as tf; tf.experimental.tensorrt.Converter\n"])
def test_names_lead_to_tfengine(before):
    run(["-c", f"{before}import tfengine; tfengine.install_tf_trt(); tfengine.install_tf_trt()\n{IMPORTS}"])


def test_importing_tfengine_changes_nothing_and_loads_no_tensorflow():
    run(["-c", "import sys, tfengine; assert 'tensorflow' not in sys.modules"])
    run(
        [
            "-c",
            "import tensorflow as tf, tfengine.trt_convert\n"
            "assert 'tfengine' not in tf.experimental.tensorrt.Converter.__module__",
        ]
    )


def test_a_whole_script_runs_unchanged(tmp_path):
    (tmp_path / "beside.py").write_text("value = 7\n")
    script = tmp_path / "old_script.py"
    script.write_text(f"import sys, beside\n{IMPORTS}print(__name__, sys.argv[1:], beside.value)\n")
    assert run(["-m", "tfengine.tf_trt", str(script), "--flag", "1"], cwd=tmp_path.parent).splitlines()[-1] == (
        "__main__ ['--flag', '1'] 7"
    )


def test_the_runner_says_how_it_is_used():
    assert "python -m tfengine.tf_trt SCRIPT" in run(["-m", "tfengine.tf_trt", "--help"])


def test_without_tensorflow_the_import_error_is_pythons():
    """As in an environment that has none."""
    run(
        [
            "-c",
            "import sys; sys.modules['tensorflow'] = None\n"
            "import tfengine\n"
            "try:\n    tfengine.install_tf_trt()\nexcept ImportError as error:\n    assert 'tensorflow' in str(error)\n"
            "else:\n    raise SystemExit('no error')",
        ]
    )
