# SPDX-License-Identifier: Apache-2.0
"""Convolutions, pooling, products of matrices, images of another size, Fourier transforms, quantization."""

import numpy as np
import tensorflow as tf
from make_ops import ANY, NUMBER, REAL, TYPES
from tensorflow import raw_ops


def convolutions(r):
    conv = lambda x, w, s=1, p="SAME", d=1: raw_ops.Conv2D(
        input=x, filter=w, strides=[1, s, s, 1], padding=p, dilations=[1, d, d, 1]
    )  # noqa: E731
    r.types(
        "Conv2D",
        lambda x, w: conv(x, w),
        REAL,
        x=lambda r, t: r.values((1, 5, 6, 3), t),
        w=lambda r, t: r.values((3, 3, 3, 4), t, -1, 1),
    )
    for name, a in {
        "valid": (1, "VALID"),
        "stride": (2, "SAME"),
        "dilated": (1, "SAME", 2),
        "dilated_valid": (1, "VALID", 2),
    }.items():
        r.case("Conv2D", name, lambda x, w, a=a: conv(x, w, *a), x=r.values((2, 7, 6, 3)), w=r.values((3, 3, 3, 4)))
    r.case("Conv2D", "grouped", conv, x=r.values((2, 5, 5, 6)), w=r.values((3, 3, 2, 9)))
    r.case(
        "Conv2D",
        "explicit",
        lambda x, w: raw_ops.Conv2D(
            input=x, filter=w, strides=[1, 2, 1, 1], padding="EXPLICIT", explicit_paddings=[0, 0, 1, 2, 0, 1, 0, 0]
        ),
        x=r.values((1, 5, 5, 2)),
        w=r.values((3, 2, 2, 3)),
    )
    r.case("Conv2D", "empty", conv, x=r.values((0, 5, 5, 2)), w=r.values((3, 3, 2, 3)))
    r.case("Conv2D", "dynamic", conv, dynamic=True, x=r.values((2, 5, 5, 2)), w=r.values((3, 3, 2, 3)))
    r.case(
        "Conv2D", "constant_filter", lambda x: conv(x, r.values((3, 3, 2, 3))), dynamic=True, x=r.values((2, 5, 5, 2))
    )
    dw = lambda x, w, s=1, p="SAME": raw_ops.DepthwiseConv2dNative(input=x, filter=w, strides=[1, s, s, 1], padding=p)  # noqa: E731
    r.types(
        "DepthwiseConv2dNative",
        lambda x, w: dw(x, w),
        REAL,
        x=lambda r, t: r.values((1, 5, 6, 3), t),
        w=lambda r, t: r.values((3, 3, 3, 2), t, -1, 1),
    )
    r.case(
        "DepthwiseConv2dNative",
        "stride",
        lambda x, w: dw(x, w, 2, "VALID"),
        x=r.values((2, 7, 7, 4)),
        w=r.values((3, 3, 4, 1)),
    )
    back = lambda w, g, s=2, p="SAME": raw_ops.Conv2DBackpropInput(
        input_sizes=[1, 8, 8, 2], filter=w, out_backprop=g, strides=[1, s, s, 1], padding=p
    )  # noqa: E731
    r.types(
        "Conv2DBackpropInput",
        lambda w, g: back(w, g),
        REAL,
        w=lambda r, t: r.values((3, 3, 2, 4), t, -1, 1),
        g=lambda r, t: r.values((1, 4, 4, 4), t),
    )
    r.case(
        "Conv2DBackpropInput",
        "valid",
        lambda w, g: back(w, g, 2, "VALID"),
        w=r.values((2, 2, 2, 3)),
        g=r.values((1, 4, 4, 3)),
    )
    conv3 = lambda x, w, s=1, p="SAME": raw_ops.Conv3D(input=x, filter=w, strides=[1, s, s, s, 1], padding=p)  # noqa: E731
    r.types(
        "Conv3D",
        lambda x, w: conv3(x, w),
        REAL,
        x=lambda r, t: r.values((1, 3, 4, 4, 2), t),
        w=lambda r, t: r.values((2, 3, 3, 2, 3), t, -1, 1),
    )
    r.case(
        "Conv3D",
        "stride_valid",
        lambda x, w: conv3(x, w, 2, "VALID"),
        x=r.values((2, 5, 5, 6, 2)),
        w=r.values((3, 2, 3, 2, 3)),
    )
    r.case("Conv3D", "dynamic", conv3, dynamic=True, x=r.values((2, 3, 3, 3, 2)), w=r.values((2, 2, 2, 2, 3)))
    r.case("Conv3D", "constant_filter", lambda x: conv3(x, r.values((2, 2, 3, 2, 5))), x=r.values((2, 3, 4, 5, 2)))
    r.case(
        "Conv3D",
        "constant_filter_stride",
        lambda x: conv3(x, r.values((3, 2, 3, 2, 5)), 2, "VALID"),
        x=r.values((2, 5, 6, 7, 2)),
    )
    for padding in ("SAME", "VALID"):
        for size, stride in ((8, 2), (7, 3), (5, 1)):
            out = -(-size // stride) if padding == "SAME" else (size - 3) // stride + 1
            run = lambda g, n=size, s=stride, p=padding: raw_ops.Conv2DBackpropInput(
                input_sizes=[2, n, n, 5], filter=r.values((3, 3, 5, 4)), out_backprop=g, strides=[1, s, s, 1], padding=p
            )  # noqa: E731
            r.case(
                "Conv2DBackpropInput", f"constant_filter_{padding.lower()}_{stride}", run, g=r.values((2, out, out, 4))
            )
    r.case(
        "Conv3DBackpropInputV2",
        "constant_filter",
        lambda g: raw_ops.Conv3DBackpropInputV2(
            input_sizes=[1, 4, 6, 6, 2],
            filter=r.values((3, 3, 3, 2, 3)),
            out_backprop=g,
            strides=[1, 2, 2, 2, 1],
            padding="SAME",
        ),
        g=r.values((1, 2, 3, 3, 3)),
    )
    r.case(
        "DepthwiseConv2dNative", "constant_filter", lambda x: dw(x, r.values((3, 3, 4, 2))), x=r.values((2, 7, 7, 4))
    )
    r.case("Conv2D", "constant_grouped", lambda x: conv(x, r.values((3, 3, 2, 9))), x=r.values((2, 5, 5, 6)))
    back3 = lambda w, g, p="SAME": raw_ops.Conv3DBackpropInputV2(
        input_sizes=[1, 4, 6, 6, 2], filter=w, out_backprop=g, strides=[1, 2, 2, 2, 1], padding=p
    )  # noqa: E731
    r.types(
        "Conv3DBackpropInputV2",
        lambda w, g: back3(w, g),
        REAL,
        w=lambda r, t: r.values((3, 3, 3, 2, 3), t, -1, 1),
        g=lambda r, t: r.values((1, 2, 3, 3, 3), t),
    )
    r.case(
        "Conv3DBackpropInputV2",
        "valid",
        lambda w, g: back3(w, g, "VALID"),
        w=r.values((2, 2, 2, 2, 3)),
        g=r.values((1, 2, 3, 3, 3)),
    )


def pools(r):
    for op in ("MaxPool", "AvgPool"):
        key = "input" if op == "MaxPool" else "value"
        run = lambda x, k=2, s=2, p="VALID", op=op, key=key: getattr(raw_ops, op)(
            **{key: x}, ksize=[1, k, k, 1], strides=[1, s, s, 1], padding=p
        )  # noqa: E731
        r.types(op, lambda x, run=run: run(x), NUMBER, x=lambda r, t: r.values((1, 4, 6, 3), t))
        r.case(op, "same", lambda x, run=run: run(x, 3, 2, "SAME"), x=r.values((2, 5, 7, 2)))
        r.case(op, "overlapping", lambda x, run=run: run(x, 3, 1, "SAME"), dynamic=True, x=r.values((2, 5, 7, 2)))
        r.case(op, "empty", run, x=r.values((0, 4, 4, 2)))
    for op in ("MaxPool3D", "AvgPool3D"):
        run = lambda x, p="VALID", k=2, s=2, op=op: getattr(raw_ops, op)(
            input=x, ksize=[1, k, k, k, 1], strides=[1, s, s, s, 1], padding=p
        )  # noqa: E731
        r.types(op, lambda x, run=run: run(x), REAL, x=lambda r, t: r.values((1, 4, 4, 6, 2), t))
        r.case(op, "same", lambda x, run=run: run(x, "SAME", 3), x=r.values((2, 5, 3, 4, 2)))
        r.case(op, "dynamic", lambda x, run=run: run(x, "SAME", 3, 1), dynamic=True, x=r.values((2, 5, 3, 4, 2)))
    patches = lambda x, k=2, s=1, d=1, p="VALID": raw_ops.ExtractImagePatches(
        images=x, ksizes=[1, k, k, 1], strides=[1, s, s, 1], rates=[1, d, d, 1], padding=p
    )  # noqa: E731
    r.types("ExtractImagePatches", lambda x: patches(x), ANY, x=lambda r, t: r.values((1, 4, 5, 2), t))
    for name, a in {"same": (3, 1, 1, "SAME"), "stride": (2, 2, 1, "VALID"), "rates": (2, 1, 2, "SAME")}.items():
        r.case("ExtractImagePatches", name, lambda x, a=a: patches(x, *a), x=r.values((2, 5, 6, 3)))


def products(r):
    mul = lambda a, b, ta=False, tb=False: raw_ops.MatMul(a=a, b=b, transpose_a=ta, transpose_b=tb)  # noqa: E731
    r.types(
        "MatMul", lambda a, b: mul(a, b), NUMBER, a=lambda r, t: r.values((3, 4), t), b=lambda r, t: r.values((4, 5), t)
    )
    for ta in (False, True):
        for tb in (False, True):
            r.case(
                "MatMul",
                f"transpose_{ta:d}{tb:d}",
                lambda a, b, ta=ta, tb=tb: mul(a, b, ta, tb),
                a=r.values((4, 3) if ta else (3, 4)),
                b=r.values((5, 4) if tb else (4, 5)),
            )
    r.case("MatMul", "empty", mul, a=r.values((0, 4)), b=r.values((4, 5)))
    r.case("MatMul", "inner_empty", mul, a=r.values((2, 0)), b=r.values((0, 5)))
    r.case("MatMul", "dynamic", mul, dynamic=True, a=r.values((2, 3)), b=r.values((3, 5)))
    r.case("MatMul", "tensor_left", lambda b: mul(r.values((2, 3)), b), b=r.values((3, 5)))
    for version in ("", "V2"):
        op = f"BatchMatMul{version}"
        run = lambda x, y, ax=False, ay=False, op=op: getattr(raw_ops, op)(x=x, y=y, adj_x=ax, adj_y=ay)  # noqa: E731
        r.types(
            op,
            lambda x, y, run=run: run(x, y),
            NUMBER,
            x=lambda r, t: r.values((2, 3, 4), t),
            y=lambda r, t: r.values((2, 4, 5), t),
        )
        r.case(op, "adjoint", lambda x, y, run=run: run(x, y, True, True), x=r.values((2, 4, 3)), y=r.values((2, 5, 4)))
        r.case(op, "rank_6", run, x=r.values((2, 1, 2, 1, 3, 4)), y=r.values((2, 1, 2, 1, 4, 2)))
    run = lambda x, y: raw_ops.BatchMatMulV2(x=x, y=y)  # noqa: E731
    r.case("BatchMatMulV2", "broadcast", run, x=r.values((2, 1, 3, 4)), y=r.values((5, 4, 2)))
    r.case("BatchMatMulV2", "dynamic", run, dynamic=True, x=r.values((2, 3, 4)), y=r.values((4, 2)))
    r.types(
        "BatchMatMulV3",
        lambda x, y, t: raw_ops.BatchMatMulV3(x=x, y=y, Tout=t),
        REAL + ("i32", "i64"),
        x=lambda r, t: r.values((2, 3, 4), t),
        y=lambda r, t: r.values((4, 5), t),
    )
    ein = lambda eq: lambda x, y: raw_ops.Einsum(inputs=[x, y], equation=eq)  # noqa: E731
    for name, (eq, a, b) in {
        "matmul": ("ij,jk->ik", (2, 3), (3, 4)),
        "attention": ("bqhd,bkhd->bhqk", (2, 3, 2, 4), (2, 5, 2, 4)),
        "outer": ("i,j->ij", (3,), (4,)),
        "sum": ("ijk,jk->i", (2, 3, 4), (3, 4)),
        "ellipsis": ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)),
        "transposed": ("abc,cd->dab", (2, 3, 4), (4, 5)),
        "to_scalar": ("ij,ij->", (2, 3), (2, 3)),
        "batch_last": ("ijb,jkb->ikb", (2, 3, 4), (3, 2, 4)),
        "empty": ("ij,jk->ik", (0, 3), (3, 4)),
    }.items():
        r.case("Einsum", name, ein(eq), x=r.values(a), y=r.values(b))
    r.types(
        "Einsum",
        lambda x, y: ein("bij,bjk->bik")(x, y),
        REAL + ("i32", "i64"),
        x=lambda r, t: r.values((2, 3, 4), t),
        y=lambda r, t: r.values((2, 4, 2), t),
    )
    r.case("Einsum", "dynamic", ein("bij,jk->bik"), dynamic=True, x=r.values((2, 3, 4)), y=r.values((4, 2)))
    for name, (eq, a) in {
        "trace": ("ii->", (3, 3)),
        "diagonal": ("bii->bi", (2, 3, 3)),
        "transpose": ("ijk->kij", (2, 3, 4)),
        "reduce": ("i...->...", (2, 3, 4)),
    }.items():
        r.case("Einsum", name, lambda x, eq=eq: raw_ops.Einsum(inputs=[x], equation=eq), x=r.values(a))


def images(r):
    sizes = {"up": (7, 9), "down": (2, 3), "same": (4, 5), "one": (1, 1)}
    corners = {"legacy": (False, False), "aligned": (True, False), "half_pixel": (False, True)}
    for op in ("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "ResizeArea"):
        for mode, (aligned, half) in corners.items():
            if op == "ResizeArea" and half:
                continue
            extra = {"align_corners": aligned} | ({} if op == "ResizeArea" else {"half_pixel_centers": half})
            run = lambda x, size=(7, 3), op=op, e=extra: getattr(raw_ops, op)(images=x, size=size, **e)  # noqa: E731
            r.types(op, lambda x, run=run: run(x), NUMBER, prefix=f"{mode}_", x=lambda r, t: r.values((1, 4, 5, 2), t))
            for name, size in sizes.items():
                r.case(op, f"{mode}_{name}", lambda x, run=run, s=size: run(x, s), x=r.values((2, 4, 5, 3)))
    for method in ("bilinear", "nearest"):
        run = lambda x, b, i, m=method: raw_ops.CropAndResize(
            image=x, boxes=b, box_ind=i, crop_size=[3, 4], method=m, extrapolation_value=-1.0
        )  # noqa: E731
        boxes = np.array([[0, 0, 1, 1], [0.2, 0.3, 0.9, 0.6], [0.8, 0.7, 0.1, -0.2], [-0.5, 0, 1.5, 1]], np.float32)
        owner = np.array([0, 1, 0, 1], np.int32)
        r.types(
            "CropAndResize",
            lambda x, b, i, run=run: run(x, b, i),
            NUMBER,
            prefix=f"{method}_",
            x=lambda r, t: r.values((2, 5, 6, 2), t),
            b=boxes,
            i=owner,
        )
        r.case(
            "CropAndResize",
            f"{method}_one",
            lambda x, b, i, m=method: raw_ops.CropAndResize(image=x, boxes=b, box_ind=i, crop_size=[1, 1], method=m),
            x=r.values((2, 5, 6, 2)),
            b=boxes,
            i=owner,
        )
        r.case("CropAndResize", f"{method}_no_boxes", run, x=r.values((2, 5, 6, 2)), b=boxes[:0], i=owner[:0])


def spectra(r):
    for length in (1, 2, 3, 4, 5, 8, 12, 16, 25, 37, 60, 74, 127):
        n = [length]
        r.case("RFFT", f"length_{length}", lambda x, n=n: raw_ops.RFFT(input=x, fft_length=n), x=r.values((2, length)))
        r.case(
            "IRFFT",
            f"length_{length}",
            lambda x, n=n: raw_ops.IRFFT(input=x, fft_length=n),
            x=r.values((2, length // 2 + 1), "c64"),
        )
        r.case("FFT", f"length_{length}", lambda x: raw_ops.FFT(input=x), x=r.values((2, length), "c64"))
        r.case("IFFT", f"length_{length}", lambda x: raw_ops.IFFT(input=x), x=r.values((2, length), "c64"))
    for name, (size, length) in {"cropped": (16, 10), "odd": (16, 7)}.items():
        r.case("RFFT", name, lambda x, n=length: raw_ops.RFFT(input=x, fft_length=[n]), x=r.values((2, 3, size)))
        r.case(
            "IRFFT",
            name,
            lambda x, n=length: raw_ops.IRFFT(input=x, fft_length=[n]),
            x=r.values((2, size // 2 + 1), "c64"),
        )
    r.case("RFFT", "empty", lambda x: raw_ops.RFFT(input=x, fft_length=[8]), x=r.values((0, 8)))
    r.case("RFFT", "rank_5", lambda x: raw_ops.RFFT(input=x, fft_length=[8]), x=r.values((2, 1, 2, 1, 8)))
    r.case("RFFT", "dynamic", lambda x: raw_ops.RFFT(input=x, fft_length=[8]), dynamic=True, x=r.values((2, 8)))
    for op in ("Real", "Imag", "ComplexAbs", "Angle", "Conj"):
        key = "x" if op == "ComplexAbs" else "input"
        run = lambda x, op=op, key=key: getattr(raw_ops, op)(**{key: x})  # noqa: E731
        r.case(op, "c64", run, x=r.values((3, 4), "c64"))
        r.case(op, "scalar", run, x=r.values((), "c64"))
        r.case(op, "empty", run, x=r.values((0, 2), "c64"))
    r.case("Complex", "f32", lambda a, b: raw_ops.Complex(real=a, imag=b), a=r.values((3, 4)), b=r.values((3, 4)))


def quantization(r):
    for mode in ("MIN_COMBINED", "MIN_FIRST", "SCALED"):
        for name, dtype in {"qint8": tf.qint8, "quint8": tf.quint8, "qint32": tf.qint32}.items():
            if name == "qint32" and mode != "MIN_COMBINED":
                continue
            for low, high in ((-2.0, 3.0), (0.5, 2.0)):
                if name == "qint32" and low > 0:  # TensorFlow's integers overflow at the range's end
                    continue
                r.case(
                    "QuantizeV2",
                    f"{mode.lower()}_{name}_{'signed' if low < 0 else 'positive'}",
                    lambda x, m=mode, t=dtype, a=low, b=high: [
                        tf.bitcast(part, {tf.qint8: tf.int8, tf.quint8: tf.uint8, tf.qint32: tf.int32}[t])
                        if k == 0
                        else part
                        for k, part in enumerate(
                            raw_ops.QuantizeV2(
                                input=x,
                                min_range=a,
                                max_range=b,
                                T=t,
                                mode=m,
                                round_mode="HALF_TO_EVEN" if m == "SCALED" else "HALF_AWAY_FROM_ZERO",
                            )
                        )
                    ],
                    need=name != "qint32",
                    x=r.values((3, 5)),
                )
            plain = {"qint8": "i8", "quint8": "u8", "qint32": "i32"}[name]
            high = {"i8": 127, "u8": 255, "i32": 2**31 - 2}[plain]
            for out in ("f32", "bf16"):
                r.case(
                    "Dequantize",
                    f"{mode.lower()}_{name}_{out}",
                    lambda x, m=mode, t=dtype, o=out: raw_ops.Dequantize(
                        input=tf.bitcast(x, t), min_range=-2.0, max_range=3.0, mode=m, dtype=TYPES[o]
                    ),
                    need=False,
                    x=r.values((3, 5), plain, -high - 1, high),
                )
    args = lambda x, n=False: raw_ops.FakeQuantWithMinMaxArgs(inputs=x, min=-1.0, max=2.0, narrow_range=n)  # noqa: E731
    r.case("FakeQuantWithMinMaxArgs", "f32", args, x=r.values((3, 5)))
    r.case("FakeQuantWithMinMaxArgs", "narrow", lambda x: args(x, True), x=r.values((3, 5)))
    r.case(
        "FakeQuantWithMinMaxVars",
        "f32",
        lambda x: raw_ops.FakeQuantWithMinMaxVars(inputs=x, min=-1.0, max=2.0),
        x=r.values((3, 5)),
    )
    r.case(
        "FakeQuantWithMinMaxVarsPerChannel",
        "f32",
        lambda x: raw_ops.FakeQuantWithMinMaxVarsPerChannel(inputs=x, min=[-1.0, -2, 0], max=[2.0, 1, 3]),
        x=r.values((4, 3)),
    )
    for version in ("V2", "V3", "V4"):
        bits = {"num_bits": 8} if version != "V3" else {"num_bits": np.int32(8)}
        r.types(
            f"QuantizeAndDequantize{version}",
            lambda x, v=version, b=bits: getattr(raw_ops, f"QuantizeAndDequantize{v}")(
                input=x, input_min=tf.cast(-1.0, x.dtype), input_max=tf.cast(2.0, x.dtype), range_given=True, **b
            ),
            ("f32",),
            x=lambda r, t: r.values((3, 5), t),
        )


def cases(r):
    convolutions(r)
    pools(r)
    products(r)
    images(r)
    spectra(r)
    quantization(r)
