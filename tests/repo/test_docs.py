"""Every command in the README and docs/ runs: each ```sh and ```python block, in a folder of its own."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HAS_TENSORFLOW = importlib.util.find_spec("tensorflow") is not None
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(sh|python)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks():
    for path in DOCS:
        for number, match in enumerate(BLOCK.finditer(path.read_text())):
            language, flags, text = match.groups()
            if "no-run" not in flags:
                yield pytest.param(language, text, id=f"{path.name}-{number}")


def environment():
    build = os.environ.get("TFENGINE_BUILD", ROOT / "build")
    paths = [pathlib.Path(sys.prefix) / "bin", pathlib.Path(build) / "tools"]
    return {**os.environ, "PATH": os.pathsep.join([*map(str, paths), os.environ["PATH"]]), "OMP_NUM_THREADS": "2"}


@pytest.mark.parametrize(("language", "text"), blocks())
def test_block_runs(language, text, tmp_path):
    if not HAS_TENSORFLOW and any(word in text for word in ("tensorflow", "tf_trt")):
        pytest.skip("TensorFlow is not installed")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    command = ["bash", "-euo", "pipefail", "-c", text] if language == "sh" else [sys.executable, "-c", text]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


def test_there_are_blocks():
    assert len(list(blocks())) >= 8
