# SPDX-License-Identifier: Apache-2.0
"""Converts one model for one contender, in the process that this starts: CONTENDER MODELS NAME CACHE THREADS BATCH..."""

import sys
from pathlib import Path

from . import engine
from .model import Model


def main():
    contender, models, name, cache, threads, *batches = sys.argv[1:]
    engine(contender).prepare(contender, Model(models, name), Path(cache), [int(b) for b in batches], int(threads))


if __name__ == "__main__":
    main()
