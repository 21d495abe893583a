"""Small rules of the repository that no compiler sees."""

import re
import warnings
from pathlib import Path

from conftest import ROOT

GOOD_LINES = 400
MOST_LINES = 600
MOST_BYTES = 2_500_000
CODE = {".cpp", ".h", ".cu", ".cuh", ".py"}
TEXT = CODE | {".md", ".txt", ".cmake", ".sh", ".toml", ".json", ".fbs", ".yml", ".pyi", ""}

# Paths of one machine, or of one person's home, have no place in what others clone.
PLACES = ["/wo" + r"rk/\w", "/tm" + "p/bash_jobs", "/ho" + r"me/(?!user\b|you\b)\w+/", "/ro" + r"ot/\w"]
MACHINE_PATHS = re.compile(r"(?<![\w.])(?:" + "|".join(PLACES) + ")")


def text_of(path: Path) -> str | None:
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def test_files_are_of_a_readable_size(files):
    lines = {path: text_of(path).count("\n") for path in files if path.suffix in CODE}
    for path, count in lines.items():
        if GOOD_LINES < count <= MOST_LINES:
            warnings.warn(f"{path} has {count} lines; up to {GOOD_LINES} is a good size", stacklevel=1)
    long = {str(path): count for path, count in lines.items() if count > MOST_LINES}
    assert not long, f"more than {MOST_LINES} lines: {long}"


def test_no_machine_paths(files):
    found = []
    for path in files:
        if path.suffix in TEXT and (text := text_of(path)) is not None:
            found += [
                f"{path}:{text.count(chr(10), 0, m.start()) + 1}: {m.group()}" for m in MACHINE_PATHS.finditer(text)
            ]
    assert not found, "\n".join(found)


def test_no_large_files(files):
    large = {str(path): size for path in files if (size := (ROOT / path).stat().st_size) > MOST_BYTES}
    assert not large, f"more than {MOST_BYTES} bytes: {large}"


def test_headers_have_a_guard(files):
    """Except those that Highway compiles once per instruction set (*-inl.h): they toggle their own."""
    headers = [path for path in files if path.suffix in {".h", ".cuh"} and not path.name.endswith("-inl.h")]
    bare = [str(path) for path in headers if "#pragma once" not in text_of(path)]
    assert not bare, f"headers without #pragma once: {bare}"


def test_cpp_files_name_the_licence(files):
    bare = [
        str(p)
        for p in files
        if p.suffix in {".cpp", ".h", ".cu", ".cuh"} and "SPDX-License-Identifier" not in text_of(p)[:200]
    ]
    assert not bare, f"C++ files without the SPDX line: {bare}"


def test_markdown_links_lead_somewhere(files):
    broken = []
    link = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
    for path in files:
        if path.suffix == ".md":
            for target in link.findall(text_of(path)):
                if (
                    "://" not in target
                    and not target.startswith("mailto:")
                    and not ((ROOT / path).parent / target).exists()
                ):
                    broken.append(f"{path}: {target}")
    assert not broken, "\n".join(broken)
