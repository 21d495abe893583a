# SPDX-License-Identifier: Apache-2.0
"""DepthToSpace, SpaceToDepth, and the space-batch pair around dilated convolutions of older graphs."""

from tensorflow import raw_ops


def cases(r):
    for block in (2, 3):
        to_space = lambda x, block=block: raw_ops.DepthToSpace(input=x, block_size=block, name="y")  # noqa: E731
        to_depth = lambda x, block=block: raw_ops.SpaceToDepth(input=x, block_size=block, name="y")  # noqa: E731
        r.record(f"depth_to_space_{block}", to_space, x=r.values(2, 2, 3, 2 * block * block))
        r.record(f"space_to_depth_{block}", to_depth, x=r.values(2, 2 * block, 3 * block, 2))

    to_batch = lambda x: raw_ops.SpaceToBatchND(input=x, block_shape=[2, 2], paddings=[[0, 1], [1, 0]], name="y")  # noqa: E731
    to_image = lambda x: raw_ops.BatchToSpaceND(input=x, block_shape=[2, 2], crops=[[0, 1], [1, 0]], name="y")  # noqa: E731
    r.record("space_to_batch", to_batch, x=r.values(1, 3, 3, 2))
    r.record("batch_to_space", to_image, x=r.values(4, 2, 2, 2))
