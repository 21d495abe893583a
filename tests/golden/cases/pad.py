# SPDX-License-Identifier: Apache-2.0
"""Pad, PadV2 and both modes of MirrorPad."""

import numpy as np
from tensorflow import raw_ops


def cases(r):
    image = [[0, 0], [1, 2], [3, 0], [0, 0]]
    r.record("pad_image", lambda x: raw_ops.Pad(input=x, paddings=image, name="y"), x=r.values(1, 3, 4, 2))
    r.record("pad_channels", lambda x: raw_ops.Pad(input=x, paddings=[[0, 0], [2, 1]], name="y"), x=r.values(2, 3))
    r.record("pad_nothing", lambda x: raw_ops.Pad(input=x, paddings=[[0, 0]], name="y"), x=r.values(3))
    r.record(
        "pad_int64_int32",
        lambda x: raw_ops.Pad(input=x, paddings=np.array([[1, 1]]), name="y"),
        x=np.arange(3, dtype=np.int32),
    )
    padv2 = lambda x: raw_ops.PadV2(input=x, paddings=image, constant_values=-1.5, name="y")  # noqa: E731
    r.record("padv2", padv2, x=r.values(1, 3, 4, 2))
    r.record(
        "padv2_vector",
        lambda x: raw_ops.PadV2(input=x, paddings=[[0, 3]], constant_values=np.float32(9), name="y"),
        x=r.values(2),
    )
    for mode in ("REFLECT", "SYMMETRIC"):
        mirror = lambda x, mode=mode: raw_ops.MirrorPad(
            input=x, paddings=[[0, 0], [2, 1], [1, 2], [0, 0]], mode=mode, name="y"
        )  # noqa: E731
        r.record(f"mirror_{mode.lower()}", mirror, x=r.values(1, 4, 3, 2))
        vector = lambda x, mode=mode: raw_ops.MirrorPad(input=x, paddings=[[3, 3]], mode=mode, name="y")  # noqa: E731
        r.record(f"mirror_{mode.lower()}_vector", vector, x=r.values(4))
