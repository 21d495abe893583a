"""Holds the include lines of the C++ sources against the table of folders in docs/architecture.md."""

import re
from pathlib import Path

from conftest import ROOT

# A folder may include itself, what it names here, and what those may include. Public headers are open to all.
MAY_INCLUDE = {
    "": [],
    "base": [],
    "io": ["base"],
    "kernels": ["base"],
    "ir": ["base"],
    "ops": ["ir"],
    "tfgraph": ["ops"],
    "passes": ["ops"],
    "segment": ["ops"],
    "quantize": ["ops"],
    "bridges": ["ops", "tfgraph"],
    "plan": ["ops"],
    "backends/reference": ["plan"],
    "backends/onednn": ["plan", "kernels"],
    "backends/cuda": ["plan"],
    "backends": ["backends/reference", "backends/onednn", "backends/cuda"],
    "runtime": ["plan", "backends"],
    "compiler": ["bridges", "tfgraph", "passes", "segment", "quantize", "runtime"],
    "plugin": ["compiler", "runtime"],
}

# Libraries that only these folders see.
ONLY_IN = {
    "protozero/": ["bridges", "tfgraph", "io"],
    "dnnl": ["backends/onednn"],
    "oneapi/dnnl": ["backends/onednn"],
    "hwy/": ["kernels"],
    "tensorflow/": ["plugin"],
    "cuda": ["backends/cuda"],
    "cudnn": ["backends/cuda"],
    "jpeglib.h": ["io"],
    "png.h": ["io"],
}

SOURCE = {".h", ".cpp", ".cu", ".cuh"}
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def includes_of(path: Path) -> list[str]:
    return [quoted or angled for quoted, angled in INCLUDE.findall((ROOT / path).read_text(encoding="utf-8"))]


def folder_of(path: str) -> str:
    """The row of the table that a path inside src/ belongs to."""
    parts = path.split("/")
    if len(parts) == 1:
        return ""
    nested = "/".join(parts[:2])
    return nested if len(parts) > 2 and nested in MAY_INCLUDE else parts[0]


def reachable(folder: str) -> set[str]:
    seen, todo = set(), [folder]
    while todo:
        current = todo.pop()
        if current not in seen:
            seen.add(current)
            todo += MAY_INCLUDE[current]
    return seen


def sources(files: list[Path], *tops: str) -> list[Path]:
    return [path for path in files if path.suffix in SOURCE and path.as_posix().startswith(tops)]


def test_src_keeps_the_table(files):
    broken = []
    for path in sources(files, "src/"):
        inside = path.as_posix().removeprefix("src/")
        folder = folder_of(inside)
        if folder not in MAY_INCLUDE:
            broken.append(f"{path}: folder '{folder}' is not in the table")
            continue
        for included in includes_of(path):
            target = folder_of(included)
            if (ROOT / "src" / included).is_file() and target not in reachable(folder):
                broken.append(f"{path}: includes {included}, but '{folder}' may not include '{target}'")
    assert not broken, "\n".join(broken)


def test_includes_are_spelled_from_src(files):
    """`#include "folder/file.h"`, so that the layering can be read (and checked) from the line."""
    broken = []
    for path in sources(files, "src/"):
        for included in includes_of(path):
            beside = (ROOT / path).parent / included
            if not (ROOT / "src" / included).is_file() and beside.is_file():
                broken.append(f"{path}: write {beside.resolve().relative_to(ROOT / 'src')} instead of {included}")
    assert not broken, "\n".join(broken)


def test_libraries_stay_in_their_folder(files):
    broken = []
    for path in sources(files, "src/"):
        folder = folder_of(path.as_posix().removeprefix("src/"))
        for included in includes_of(path):
            if (ROOT / "src" / included).is_file():
                continue
            for library, allowed in ONLY_IN.items():
                if included.startswith(library) and folder not in allowed:
                    broken.append(f"{path}: includes {included}, which only {allowed} may see")
    assert not broken, "\n".join(broken)


def test_outside_uses_the_public_api_alone(files):
    broken = []
    for path in sources(files, "python/src/", "tools/", "examples/", "include/"):
        for included in includes_of(path):
            if (ROOT / "src" / included).is_file():
                broken.append(f"{path}: includes {included}, expected headers of include/tfengine only")
    assert not broken, "\n".join(broken)


def test_no_backend_ifdefs_outside_its_folder(files):
    """A build without a backend compiles another file (absent.cpp), not other lines of the same file."""
    pattern = re.compile(
        r"^\s*#\s*(?:el)?if(?:n?def)?\b.*\b(?:TFE_)?(?:WITH|HAVE|USE|ENABLE)_(?:CUDA|ONEDNN|DNNL)",
        re.MULTILINE,
    )
    broken = [
        str(path)
        for path in sources(files, "src/", "include/", "tools/", "python/")
        if not path.as_posix().startswith("src/backends/") and pattern.search((ROOT / path).read_text(encoding="utf-8"))
    ]
    assert not broken, f"preprocessor choice of a backend in {broken}"
