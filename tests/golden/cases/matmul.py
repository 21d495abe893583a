# SPDX-License-Identifier: Apache-2.0
"""MatMul, BatchMatMulV2 and small Einsum."""

from tensorflow import raw_ops


def cases(r):
    for a in (False, True):
        for b in (False, True):
            r.record(
                f"matmul{'_ta' if a else ''}{'_tb' if b else ''}",
                lambda x, y, a=a, b=b: raw_ops.MatMul(a=x, b=y, transpose_a=a, transpose_b=b, name="z"),
                x=r.values(*((7, 4) if a else (4, 7))),
                y=r.values(*((5, 7) if b else (7, 5))),
            )
            r.record(
                f"batch{'_ta' if a else ''}{'_tb' if b else ''}",
                lambda x, y, a=a, b=b: raw_ops.BatchMatMulV2(x=x, y=y, adj_x=a, adj_y=b, name="z"),
                x=r.values(2, 3, *((6, 4) if a else (4, 6))),
                y=r.values(2, 3, *((5, 6) if b else (6, 5))),
            )
    weights, bias = r.values(9, 6), r.values(6)
    r.record("constant_weights", lambda x: raw_ops.MatMul(a=x, b=weights, name="z"), x=r.values(3, 9))

    def dense(x):
        y = raw_ops.BiasAdd(value=raw_ops.MatMul(a=x, b=weights), bias=bias)
        return raw_ops.Softmax(logits=raw_ops.Relu(features=y), name="z")

    r.record("dense_relu_softmax", dense, x=r.values(3, 9))
    batch = lambda x, y: raw_ops.BatchMatMulV2(x=x, y=y, name="z")  # noqa: E731
    r.record("batch_broadcast", batch, x=r.values(2, 1, 3, 4), y=r.values(5, 4, 2))
    r.record("batch_matrix_right", batch, x=r.values(2, 3, 4), y=r.values(4, 5))
    r.record("batch_row", batch, x=r.values(1, 4), y=r.values(4, 1))

    for case, equation, left, right in (
        ("matrix", "ij,jk->ik", (3, 4), (4, 5)),
        ("last_axis", "abc,cd->abd", (2, 3, 4), (4, 5)),
        ("attention", "bqhd,bkhd->bhqk", (2, 3, 2, 4), (2, 5, 2, 4)),
        ("attention_values", "bhqk,bkhd->bqhd", (2, 2, 3, 5), (2, 5, 2, 4)),
        ("transposed", "ij,kj->ki", (3, 4), (5, 4)),
        ("ellipsis", "...ij,jk->...ik", (2, 3, 4), (4, 5)),
    ):
        r.record(
            f"einsum_{case}",
            lambda x, y, equation=equation: raw_ops.Einsum(inputs=[x, y], equation=equation, name="z"),
            x=r.values(*left),
            y=r.values(*right),
        )
    r.record(
        "einsum_transpose_one", lambda x: raw_ops.Einsum(inputs=[x], equation="ijk->kij", name="z"), x=r.values(2, 3, 4)
    )
