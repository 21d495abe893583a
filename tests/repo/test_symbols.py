"""What our shared objects show to the dynamic linker.

TensorFlow's libraries export thousands of protobuf, oneDNN and flatbuffers symbols. Whatever we leave visible of the
same libraries can be bound to theirs, or theirs to ours, when both are in one process.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

FOREIGN = ("dnnl::", "flatbuffers::", "fmt::", "nlohmann::", "google::protobuf", "protozero::", "hwy::")


def shared_objects() -> list[Path]:
    build = Path(os.environ.get("TFENGINE_BUILD", ROOT / "build"))
    found = {path.resolve() for pattern in ("libtfengine*.so*", "_core*.so") for path in build.rglob(pattern)}
    return sorted(found)


@pytest.mark.skipif(not shared_objects(), reason="nothing built in build/")
@pytest.mark.skipif(shutil.which("nm") is None, reason="nm is not installed")
@pytest.mark.parametrize("path", shared_objects(), ids=lambda path: path.name)
def test_exports_only_our_own_symbols(path):
    listed = subprocess.run(["nm", "-DC", "--defined-only", path], capture_output=True, text=True, check=True).stdout
    names = [line.split(maxsplit=2)[2] for line in listed.splitlines() if len(line.split(maxsplit=2)) == 3]
    # A foreign type among the arguments of our own function is harmless; a function of theirs is not.
    foreign = [name for name in names if name.split("(")[0].startswith(FOREIGN)]
    assert not foreign, f"{path.name} exports {len(foreign)} foreign symbols, the first: {foreign[:5]}"


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed")
@pytest.mark.parametrize("order", [("tfengine", "tensorflow"), ("tensorflow", "tfengine")], ids="-then-".join)
def test_lives_in_one_process_with_tensorflow(order):
    pytest.importorskip("tfengine")
    code = f"""
import os; os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import {order[0]}
import {order[1]}
import numpy as np
x = np.ones((1, 8, 8, 1), np.float32)
definition = tensorflow.compat.v1.GraphDef.FromString(open("examples/digits/cnn.pb", "rb").read())
wrapped = tensorflow.compat.v1.wrap_function(lambda: tensorflow.import_graph_def(definition, name=""), [])
want = wrapped.prune("image:0", "Identity:0")(tensorflow.constant(x)).numpy()
(got,) = tfengine.convert("examples/digits/cnn.pb", precision="fp32", threads=1).run({{"image": x}}).values()
np.testing.assert_allclose(got, want, atol=1e-4)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
