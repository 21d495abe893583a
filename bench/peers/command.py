# SPDX-License-Identifier: Apache-2.0
"""What the programs of bench/ that measure contenders share: options, and how contenders are converted and loaded."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from . import compare
from .machine import cpu_has_vnni, cpu_model

BENCH = Path(__file__).resolve().parents[1]
BUILD = BENCH.parent / "build" / "bench"


def comma_list(convert=str):
    return lambda text: [convert(part) for part in text.split(",")]


def parser(description, models, cache="peers", rounds=8):
    """The options of every such program: `models` are the default ones, `cache` names the folder of converted models."""
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--models", type=comma_list(), default=models, help="default: " + ",".join(models))
    result.add_argument("--threads", type=int, default=2)
    result.add_argument("--rounds", type=int, default=rounds, help="turns of each contender; 0 for accuracy alone")
    result.add_argument("--models-dir", type=Path, default=BUILD / "models", help="where models.py wrote them")
    result.add_argument("--cache-dir", type=Path, default=BUILD / cache, help="where converted models go")
    result.add_argument("--json", type=Path, help="also write the figures here")
    only = result.add_mutually_exclusive_group()
    only.add_argument("--prepare-only", action="store_true", help="convert the models and stop")
    only.add_argument("--measure-only", action="store_true", help="measure what was converted before")
    return result


def parse(options):
    arguments = options.parse_args()
    arguments.cache_dir = arguments.cache_dir.resolve()
    arguments.models_dir = arguments.models_dir.resolve()
    arguments.cache_dir.mkdir(parents=True, exist_ok=True)
    return arguments


def prepare(contender, model, batches, arguments):
    """Converts in a process of its own: converters leave threads, memory and settings behind. Says on stderr what came
    of it, and returns whether there is a model now."""
    started = time.perf_counter()
    settings = [model.directory, model.name, arguments.cache_dir, arguments.threads, *batches]
    command = [sys.executable, "-m", "peers.prepare", contender, *map(str, settings)]
    done = subprocess.run(command, cwd=BENCH, capture_output=True, text=True)
    if done.returncode:
        print(f"{model.name} {contender}: no model, left out:\n{done.stderr[-1500:]}", file=sys.stderr)
        return False
    print(f"{model.name} {contender}: ready in {time.perf_counter() - started:.1f} s", file=sys.stderr)
    return True


def load(contender, model, batch, arguments, stack):
    """A worker that `stack` closes. RuntimeError with what the contender said when it does not load."""
    worker = compare.Worker(contender, model, arguments.cache_dir, batch, arguments.threads)
    stack.callback(worker.close)
    return worker


def machine(arguments):
    """What figures have to be read with."""
    return {"machine": cpu_model(), "vnni": cpu_has_vnni(), "threads": arguments.threads}


def write_json(figures, arguments):
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
