"""The entry script: what its help names exists, and mistakes are told."""

import re
import subprocess

import pytest
from conftest import ROOT


def dev(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["bash", ROOT / "dev", *arguments], capture_output=True, text=True, check=False)


def test_help_names_every_command():
    text = dev("help").stdout
    scripts = "".join(path.read_text() for path in [ROOT / "dev", *(ROOT / "cmake/dev").glob("*.sh")])
    commands = re.findall(r"^cmd_(\w+)\(\)", scripts, re.MULTILINE)
    assert commands
    for command in commands:
        assert re.search(rf"^  {command} ", text, re.MULTILINE), f"'{command}' is missing in ./dev help"


@pytest.mark.parametrize("arguments", [("frobnicate",), ("test", "everything"), ("clean", "some")])
def test_mistakes_are_told(arguments):
    done = dev(*arguments)
    assert done.returncode == 1
    assert re.search(rf"dev: .*'{arguments[-1]}'", done.stderr)


@pytest.mark.parametrize(
    "script", ["dev", ".ci/run", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "cmake/dev").glob("*.sh"))]
)
def test_scripts_parse(script):
    subprocess.run(["bash", "-n", ROOT / script], check=True)
