"""Data of the harder tasks, with nothing but numpy and the Python standard library: the digits at 32 x 32 pixels, and
windows of the standard library's sources in which bytes are masked."""

import sys
import sysconfig
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "digits"))
from records import read_split  # noqa: E402

SIDE = 32
WINDOW = 64  # bytes
MASK = 256  # what stands in for a masked byte
MASKED_SHARE = 0.15


def enlarged(images: np.ndarray, side: int = SIDE) -> np.ndarray:
    """[n, 8, 8, 1] by bilinear interpolation to [n, side, side, 1]."""
    at = np.clip((np.arange(side) + 0.5) * images.shape[1] / side - 0.5, 0, images.shape[1] - 1)
    low = np.minimum(at.astype(int), images.shape[1] - 2)
    part = (at - low).astype(np.float32)
    rows = images[:, low] * (1 - part)[None, :, None, None] + images[:, low + 1] * part[None, :, None, None]
    return rows[:, :, low] * (1 - part)[None, None, :, None] + rows[:, :, low + 1] * part[None, None, :, None]


def digits(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images of "train", "calibration" or "test" as float32 [n, 32, 32, 1] in 0..1, and labels."""
    images, labels = read_split(split)
    return np.ascontiguousarray(enlarged(images), np.float32), labels


def sources(split: str) -> np.ndarray:
    """The bytes of the standard library's modules, in the order of their names: every tenth is for "test"."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    parts = []
    for index, path in enumerate(sorted(folder.glob("*.py"))):
        if (index % 10 == 0) == (split == "test"):
            parts.append(np.frombuffer(path.read_bytes(), np.uint8))
    return np.concatenate(parts)


def masked(windows: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Tokens [n, 64] with masks, and which they are."""
    hidden = rng.random(windows.shape) < MASKED_SHARE
    return np.where(hidden, MASK, windows).astype(np.int32), hidden


def text(split: str, count: int, seed: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`count` windows: masked tokens int32 [count, 64], the bytes themselves, and which are masked."""
    rng = np.random.default_rng(seed)
    data = sources(split)
    starts = rng.integers(0, len(data) - WINDOW, count)
    windows = data[starts[:, None] + np.arange(WINDOW)].astype(np.int32)
    tokens, hidden = masked(windows, rng)
    return tokens, windows, hidden
