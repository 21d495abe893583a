# SPDX-License-Identifier: Apache-2.0
"""The engines that tfengine is measured against, one file each.

A file `with_<engine>.py` has CONTENDERS, the names that it answers to, and two functions:

    prepare(contender, model, cache, batches, threads)    converts the model into files under `cache`, once
    load(contender, model, cache, batch, threads) -> run  run(images) returns the outputs; timed as it stands

`run` takes the float images as TensorFlow would and returns float outputs, so every contender is timed from numpy array
to numpy array. A contender whose softmax is quantized also has `load_logits`, for the accuracy comparison.
"""

import importlib

FILES = ["tensorflow", "onnxruntime", "openvino", "litert", "tfengine"]


def engine(contender):
    """The module that runs `contender`, a name such as 'openvino-int8'."""
    return importlib.import_module(f"peers.with_{contender.split('-')[0]}")
