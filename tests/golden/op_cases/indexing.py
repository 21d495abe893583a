# SPDX-License-Identifier: Apache-2.0
"""Gathering, scattering, unique values, boxes that overlap, and parts of matrices."""

import numpy as np
from make_ops import ANY, NUMBER, RANKS, TYPES
from tensorflow import raw_ops


def gathers(r):
    i = np.array([2, 0, 2, 1], np.int32)
    gather = lambda x, i, axis=0, batch=0: raw_ops.GatherV2(params=x, indices=i, axis=axis, batch_dims=batch)  # noqa: E731
    r.types("GatherV2", lambda x, i: gather(x, i), ANY, x=lambda r, t: r.values((3, 4), t), i=i)
    for shape in RANKS[1:]:
        for axis in (0, -1):
            indices = r.values((2, 3), "i64", 0, shape[axis] - 1)
            r.case(
                "GatherV2",
                f"rank_{len(shape)}_{'last' if axis else 'first'}",
                lambda x, i, a=axis: gather(x, i, a),
                x=r.values(shape),
                i=indices,
                need=len(shape) < 8,
            )
    r.case("GatherV2", "scalar_index", gather, x=r.values((3, 4)), i=np.array(1, np.int32))
    r.case("GatherV2", "no_indices", gather, x=r.values((3, 4)), i=np.zeros(0, np.int32))
    for batch in (1, 2):
        r.case(
            "GatherV2",
            f"batch_{batch}",
            lambda x, i, b=batch: gather(x, i, 2, b),
            x=r.values((2, 3, 4, 2)),
            i=r.values((2, 3, 2), "i32", 0, 3),
        )
    r.case("GatherV2", "dynamic", lambda x, i: gather(x, i, 1), dynamic=True, x=r.values((3, 4)), i=i)
    r.types("Gather", lambda x, i: raw_ops.Gather(params=x, indices=i), ANY, x=lambda r, t: r.values((3, 4), t), i=i)
    nd = np.array([[[0, 1]], [[2, 3]]], np.int32)
    r.types(
        "GatherNd", lambda x, i: raw_ops.GatherNd(params=x, indices=i), ANY, x=lambda r, t: r.values((3, 4, 2), t), i=nd
    )
    for depth in (1, 2, 3):
        r.case(
            "GatherNd",
            f"depth_{depth}",
            lambda x, i: raw_ops.GatherNd(params=x, indices=i),
            x=r.values((2, 2, 2)),
            i=r.values((3, depth), "i64", 0, 1),
        )
    r.case(
        "GatherNd",
        "no_indices",
        lambda x, i: raw_ops.GatherNd(params=x, indices=i),
        x=r.values((2, 2)),
        i=np.zeros((0, 1), np.int32),
    )


def scatters(r):
    i = np.array([[4], [1], [4]], np.int32)
    build = lambda i, u: raw_ops.ScatterNd(indices=i, updates=u, shape=[6, 2])  # noqa: E731
    r.types("ScatterNd", lambda i, u: build(i, u), NUMBER, i=i, u=lambda r, t: r.values((3, 2), t))
    r.case(
        "ScatterNd",
        "indices_64",
        lambda i, u: raw_ops.ScatterNd(indices=i, updates=u, shape=np.array([6, 2])),
        i=i.astype(np.int64),
        u=r.values((3, 2)),
    )
    r.case(
        "ScatterNd",
        "elements",
        lambda i, u: raw_ops.ScatterNd(indices=i, updates=u, shape=[2, 3]),
        i=np.array([[1, 2], [0, 0]], np.int32),
        u=r.values((2,)),
    )
    r.case("ScatterNd", "dynamic", build, dynamic=True, i=i, u=r.values((3, 2)))
    for op in ("TensorScatterUpdate", "TensorScatterAdd", "TensorScatterSub", "TensorScatterMax", "TensorScatterMin"):
        run = lambda x, i, u, op=op: getattr(raw_ops, op)(tensor=x, indices=i, updates=u)  # noqa: E731
        unique = i if op != "TensorScatterUpdate" else np.array([[4], [1], [0]], np.int32)
        r.types(
            op,
            lambda x, i, u, run=run: run(x, i, u),
            ANY,
            x=lambda r, t: r.values((6, 2), t),
            i=unique,
            u=lambda r, t: r.values((3, 2), t),
        )
        r.case(op, "elements", run, x=r.values((2, 3)), i=np.array([[1, 2], [0, 0]]), u=r.values((2,)))
        r.case(
            op,
            "rank_7",
            run,
            x=r.values((3, 1, 2, 1, 2, 1, 1)),
            i=np.array([[2], [0]]),
            u=r.values((2, 1, 2, 1, 2, 1, 1)),
        )
        r.case(op, "none", run, x=r.values((3, 2)), i=np.zeros((0, 1), np.int32), u=r.values((0, 2)))


def sets(r):
    for op in ("Unique", "UniqueWithCounts"):
        run = lambda x, op=op: getattr(raw_ops, op)(x=x)  # noqa: E731
        r.types(
            op,
            lambda x, run=run: run(x),
            ANY,
            x=lambda r, t: (
                r.values((9,), t, -2, 2).astype(np.int8).astype(TYPES[t]) if t != "u8" else r.values((9,), t, 0, 3)
            ),
        )
        r.case(op, "empty", run, x=r.values((0,)))
    for op in ("UniqueV2", "UniqueWithCountsV2"):
        for axis in (0, 1):
            r.case(
                op,
                f"axis_{axis}",
                lambda x, op=op, a=axis: getattr(raw_ops, op)(x=x, axis=[a]),
                x=r.values((4, 4), "i32", 0, 1),
            )
        r.case(
            op,
            "no_axis",
            lambda x, op=op: getattr(raw_ops, op)(x=x, axis=np.zeros(0, np.int32)),
            x=r.values((7,), "i64", 0, 2),
        )
    where = lambda x: raw_ops.Where(condition=x)  # noqa: E731
    r.types(
        "Where",
        where,
        ANY,
        x=lambda r, t: (
            r.values((3, 4), t, -1, 1).astype(np.int8).astype(TYPES[t]) if t != "bool" else r.values((3, 4), t)
        ),
    )
    for shape in RANKS[1:]:
        r.case("Where", f"rank_{len(shape)}", where, x=r.values(shape, "bool"))
    r.case("Where", "none", where, x=np.zeros((2, 3), np.bool_))


def matrices(r):
    band = lambda x, a=1, b=0: raw_ops.MatrixBandPart(input=x, num_lower=a, num_upper=b)  # noqa: E731
    r.types("MatrixBandPart", lambda x: band(x), ANY, x=lambda r, t: r.values((2, 4, 3), t, 1, 3))
    for a, b in ((0, 0), (-1, 0), (0, -1), (2, 1), (-1, -1), (4, 3)):
        r.case(
            "MatrixBandPart",
            f"{a}_{b}".replace("-", "m"),
            lambda x, a=a, b=b: band(x, np.int64(a), np.int64(b)),
            x=r.values((4, 3)),
        )
    r.case("MatrixBandPart", "empty", lambda x: band(x), x=r.values((0, 2, 2)))
    r.types("MatrixDiag", lambda x: raw_ops.MatrixDiag(diagonal=x), ANY, x=lambda r, t: r.values((2, 3), t))
    r.types("MatrixDiagPart", lambda x: raw_ops.MatrixDiagPart(input=x), ANY, x=lambda r, t: r.values((2, 3, 4), t))
    r.types(
        "MatrixSetDiag",
        lambda x, d: raw_ops.MatrixSetDiag(input=x, diagonal=d),
        ANY,
        x=lambda r, t: r.values((2, 3, 4), t),
        d=lambda r, t: r.values((2, 3), t),
    )
    for version in ("V2", "V3"):
        aligns = ("LEFT_LEFT",) if version == "V2" else ("RIGHT_LEFT", "LEFT_RIGHT", "RIGHT_RIGHT", "LEFT_LEFT")
        for align in aligns:
            extra = {"align": align} if version == "V3" else {}
            for low, high in ((0, 0), (1, 1), (-1, 2), (-2, -1)):
                name = f"{align.lower()}_{low}_{high}".replace("-", "m")
                k = [low, high] if low != high else low
                diagonals = lambda x, k=k, e=extra, v=version: getattr(raw_ops, f"MatrixDiagPart{v}")(
                    input=x, k=k, padding_value=np.float32(7), **e
                )  # noqa: E731
                r.case(f"MatrixDiagPart{version}", name, diagonals, x=r.values((2, 4, 5)))
                width = min(4 + min(high, 0), 5 - max(low, 0))
                packed = (2, width) if low == high else (2, high - low + 1, width)
                r.case(
                    f"MatrixDiag{version}",
                    name,
                    lambda d, k=k, e=extra, v=version: getattr(raw_ops, f"MatrixDiag{v}")(
                        diagonal=d, k=k, num_rows=4, num_cols=5, padding_value=np.float32(7), **e
                    ),
                    d=r.values(packed),
                )
                r.case(
                    f"MatrixSetDiag{version}",
                    name,
                    lambda x, d, k=k, e=extra, v=version: getattr(raw_ops, f"MatrixSetDiag{v}")(
                        input=x, diagonal=d, k=k, **e
                    ),
                    x=r.values((2, 4, 5)),
                    d=r.values(packed),
                )
        r.case(
            f"MatrixDiag{version}",
            "square",
            lambda d, v=version: getattr(raw_ops, f"MatrixDiag{v}")(
                diagonal=d, k=1, num_rows=-1, num_cols=-1, padding_value=np.float32(0)
            ),
            d=r.values((3,)),
        )


def boxes(r):
    corners = r.values((12, 4), low=0, high=1)
    scores = r.values((12,), low=0, high=1)
    n = np.int32(8)
    runs = {
        "NonMaxSuppression": lambda b, s, **k: raw_ops.NonMaxSuppression(
            boxes=b, scores=s, max_output_size=n, iou_threshold=0.4
        ),
        "NonMaxSuppressionV2": lambda b, s, **k: raw_ops.NonMaxSuppressionV2(
            boxes=b, scores=s, max_output_size=n, iou_threshold=0.4
        ),
        "NonMaxSuppressionV3": lambda b, s, **k: raw_ops.NonMaxSuppressionV3(
            boxes=b, scores=s, max_output_size=n, iou_threshold=0.4, score_threshold=0.3
        ),
    }
    for pad in (False, True):
        name = "padded" if pad else "plain"
        runs[f"NonMaxSuppressionV4 {name}"] = lambda b, s, p=pad: raw_ops.NonMaxSuppressionV4(
            boxes=b, scores=s, max_output_size=n, iou_threshold=0.3, score_threshold=0.3, pad_to_max_output_size=p
        )
        for sigma in (0.0, 0.5):
            runs[f"NonMaxSuppressionV5 {name}_{'soft' if sigma else 'hard'}"] = lambda b, s, p=pad, g=sigma: (
                raw_ops.NonMaxSuppressionV5(
                    boxes=b,
                    scores=s,
                    max_output_size=n,
                    iou_threshold=0.3,
                    score_threshold=0.2,
                    soft_nms_sigma=g,
                    pad_to_max_output_size=p,
                )
            )
    for key, run in runs.items():
        op, _, name = key.partition(" ")
        r.case(op, f"{name or 'plain'}_f32", run, b=corners, s=scores)
        r.case(op, f"{name or 'plain'}_ties", run, b=corners, s=np.round(scores, 1))
        r.case(op, f"{name or 'plain'}_none", run, b=corners[:0], s=scores[:0])
    r.case(
        "NonMaxSuppressionWithOverlaps",
        "f32",
        lambda o, s: raw_ops.NonMaxSuppressionWithOverlaps(
            overlaps=o, scores=s, max_output_size=n, overlap_threshold=0.6, score_threshold=0.2
        ),
        o=r.values((12, 12), low=0, high=1),
        s=scores,
    )
    for sets in (1, 3):
        for per_class in (False, True):
            for clip in (False, True):
                r.case(
                    "CombinedNonMaxSuppression",
                    f"sets_{sets}{'_pad_per_class' if per_class else ''}{'_clip' if clip else ''}",
                    lambda b, s, p=per_class, c=clip: list(
                        raw_ops.CombinedNonMaxSuppression(
                            boxes=b,
                            scores=s,
                            max_output_size_per_class=2,
                            max_total_size=8,
                            iou_threshold=0.3,
                            score_threshold=0.2,
                            pad_per_class=p,
                            clip_boxes=c,
                        )
                    ),
                    b=r.values((2, 10, sets, 4), low=-0.2, high=1.2),
                    s=r.values((2, 10, 3), low=0, high=1),
                )


def cases(r):
    gathers(r)
    scatters(r)
    sets(r)
    matrices(r)
    boxes(r)
