"""tqdm bars for long work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Callback = Callable[[str, int, int], None]


class _Bars:
    """One bar for each kind of work, closed when the next begins."""

    def __init__(self) -> None:
        self._what: str | None = None
        self._bar = None

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self._what:
            self.close()
            from tqdm.auto import tqdm

            self._what = what
            self._bar = tqdm(desc=what, total=total if total >= 0 else None, leave=False)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = self._what = None


@contextmanager
def progress_callback(progress: bool | Callback) -> Iterator[Callback | None]:
    """True: tqdm bars; a function of (what, done, total): that; False: nothing. `total` is -1 when unknown."""
    if callable(progress):
        yield progress
    elif progress:
        bars = _Bars()
        try:
            yield bars
        finally:
            bars.close()
    else:
        yield None
