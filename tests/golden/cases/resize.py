# SPDX-License-Identifier: Apache-2.0
"""ResizeNearestNeighbor and ResizeBilinear up and down in the three conventions for where a pixel's centre is."""

import numpy as np
from tensorflow import raw_ops

MODES = {
    "legacy": {"align_corners": False, "half_pixel_centers": False},
    "corners": {"align_corners": True, "half_pixel_centers": False},
    "half_pixel": {"align_corners": False, "half_pixel_centers": True},
}
SIZES = {"twice": [6, 8], "down": [2, 3], "uneven": [5, 7]}


def cases(r):
    for name, op in (("nearest", raw_ops.ResizeNearestNeighbor), ("bilinear", raw_ops.ResizeBilinear)):
        for mode, attributes in MODES.items():
            for size_name, size in SIZES.items():
                r.record(
                    f"{name}_{mode}_{size_name}",
                    lambda x, op=op, size=size, attributes=attributes: op(images=x, size=size, **attributes, name="y"),
                    x=r.values(1, 3, 4, 2),
                )
    bytes_in = r.values(1, 3, 4, 1, low=0, high=255, dtype=np.int32).astype(np.uint8)
    r.record(
        "bilinear_uint8",
        lambda x: raw_ops.ResizeBilinear(images=x, size=[5, 5], half_pixel_centers=True, name="y"),
        x=bytes_in,
    )
    one = lambda x: raw_ops.ResizeBilinear(images=x, size=[1, 1], align_corners=True, name="y")  # noqa: E731
    r.record("bilinear_corners_to_one", one, x=r.values(1, 3, 4, 2))
