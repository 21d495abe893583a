# SPDX-License-Identifier: Apache-2.0
"""Nodes that TensorFlow's users or Grappler fused."""

import numpy as np
import tensorflow as tf
from make_ops import TYPES
from tensorflow import raw_ops


def grappler_node(op, inputs, fused_ops, **attrs):
    """A node that Python has no function for; `inputs` are two factors and the arguments of the fused ops."""
    attrs = {key: tf.compat.v1.AttrValue(**value) for key, value in attrs.items()}
    strings = tf.compat.v1.AttrValue.ListValue(s=[name.encode() for name in fused_ops])
    attrs["fused_ops"] = tf.compat.v1.AttrValue(list=strings)
    attrs["num_args"] = tf.compat.v1.AttrValue(i=len(inputs) - 2)
    attrs["T"] = tf.compat.v1.AttrValue(type=inputs[0].dtype.as_datatype_enum)
    if op == "_FusedConv2D":
        types = tf.compat.v1.AttrValue.ListValue(type=[tensor.dtype.as_datatype_enum for tensor in inputs[2:]])
        attrs["num_host_args"] = tf.compat.v1.AttrValue(i=0)
        attrs["TArgs"] = tf.compat.v1.AttrValue(list=types)
    graph = tf.compat.v1.get_default_graph()
    return graph.create_op(op, inputs, [inputs[0].dtype], attrs=attrs, name=op.strip("_")).outputs[0]


def ints(*values):
    return {"list": tf.compat.v1.AttrValue.ListValue(i=values)}


def grappler_convolutions(r):
    def conv(x, w, *arguments, fused_ops, stride=1, padding=b"SAME", **attrs):
        attrs.update(strides=ints(1, stride, stride, 1), padding={"s": padding})
        return grappler_node("_FusedConv2D", [x, w, *arguments], fused_ops, **attrs)

    image = {"x": r.values((2, 7, 6, 3)), "w": r.values((3, 3, 3, 4), "f32", -1, 1)}
    r.types(
        "_FusedConv2D",
        lambda x, w, b: conv(x, w, b, fused_ops=["BiasAdd", "Relu"]),
        ("f32", "f64"),
        x=lambda r, t: r.values((1, 5, 6, 3), t),
        w=lambda r, t: r.values((3, 3, 3, 4), t, -1, 1),
        b=lambda r, t: r.values((4,), t),
    )
    for activation in ("Relu6", "Elu", "LeakyRelu"):
        alpha = {"leakyrelu_alpha": {"f": 0.3}} if activation == "LeakyRelu" else {}
        r.case(
            "_FusedConv2D",
            f"bias_{activation}",
            lambda x, w, b, a=activation, k=alpha: conv(x, w, b, fused_ops=["BiasAdd", a], stride=2, **k),
            **image,
            b=r.values((4,)),
        )
    r.case("_FusedConv2D", "bias", lambda x, w, b: conv(x, w, b, fused_ops=["BiasAdd"]), **image, b=r.values((4,)))
    r.case(
        "_FusedConv2D",
        "batch_norm",
        lambda x, w, s, o, m, v: conv(
            x, w, s, o, m, v, fused_ops=["FusedBatchNorm", "Relu"], padding=b"VALID", epsilon={"f": 1e-2}
        ),
        **image,
        s=r.values((4,)),
        o=r.values((4,)),
        m=r.values((4,)),
        v=r.values((4,), "f32", 0.5, 2),
    )
    r.case(
        "_FusedConv2D",
        "explicit",
        lambda x, w, b: conv(
            x, w, b, fused_ops=["BiasAdd"], padding=b"EXPLICIT", explicit_paddings=ints(0, 0, 1, 2, 0, 1, 0, 0)
        ),
        **image,
        b=r.values((4,)),
    )
    r.case(
        "_FusedConv2D",
        "dynamic",
        lambda x, w, b: conv(x, w, b, fused_ops=["BiasAdd", "Relu"]),
        dynamic=True,
        **image,
        b=r.values((4,)),
    )


def grappler_products(r):
    def product(a, b, c, fused_ops, **attrs):
        attrs = {key: {"b": value} for key, value in attrs.items()}
        return grappler_node("_FusedMatMul", [a, b, c], fused_ops, **attrs)

    r.types(
        "_FusedMatMul",
        lambda a, b, c: product(a, b, c, ["BiasAdd", "Relu"]),
        ("f32", "bf16"),
        a=lambda r, t: r.values((3, 5), t),
        b=lambda r, t: r.values((5, 4), t),
        c=lambda r, t: r.values((4,), t),
    )
    turned = {"a": r.values((5, 3)), "b": r.values((4, 5)), "c": r.values((4,))}
    for activation in ((), ("Relu6",), ("Elu",), ("LeakyRelu",), ("Tanh",), ("Sigmoid",)):
        r.case(
            "_FusedMatMul",
            "_".join(("transposed", *activation)),
            lambda a, b, c, f=activation: product(a, b, c, ["BiasAdd", *f], transpose_a=True, transpose_b=True),
            **turned,
        )


def cudnn_convolutions(r):
    def nchw(tensor):
        return tf.transpose(tensor, [0, 3, 1, 2])

    def nhwc(tensor):
        return tf.transpose(tensor, [0, 2, 3, 1])

    def case(name, data, *, side=1.0, scale=1.0, layout="NHWC", filters="HWIO", mode="Relu", dtype="f32", **conv):
        conv = {"strides": [1, 1, 1, 1], "padding": "SAME", "dilations": [1, 1, 1, 1], **conv}

        def build(x, w, b, z, a, c):
            x, z = (nhwc(x), nhwc(z)) if layout == "NCHW" else (x, z)
            w = tf.transpose(w, [2, 3, 1, 0]) if filters == "OIHW" else w
            result = tf.cast(a, x.dtype) * raw_ops.Conv2D(input=x, filter=w, **conv)
            result += tf.cast(c, x.dtype) * z if side else 0
            result = tf.nn.bias_add(result, tf.cast(b, x.dtype))
            result = tf.nn.relu(result) if mode == "Relu" else result
            return nchw(result) if layout == "NCHW" else result

        def order(values):
            return [values[i] for i in (0, 3, 1, 2)] if layout == "NCHW" else values

        written = {"T": tf.as_dtype(TYPES[dtype]), "Tbias": tf.as_dtype(TYPES[dtype])}
        written |= {key: order(conv[key]) for key in ("strides", "dilations")} | {"padding": conv["padding"]}
        written |= {"data_format": layout, "filter_format": filters, "activation_mode": mode}
        scales = {"a": np.float32(scale), "c": np.float32(side)}
        r.case("FusedConv2DBiasActivation", name, build, written=written, **data, **scales)

    def data(dtype="f32", x=(2, 6, 5, 3), w=(3, 3, 3, 4), z=(2, 6, 5, 4)):
        b = r.values((4,), dtype)
        return {"x": r.values(x, dtype), "w": r.values(w, dtype, -1, 1), "b": b, "z": r.values(z, dtype)}

    case("f32", data(), scale=0.5, side=2.0)
    case("f16", data("f16"), dtype="f16")
    case("linear", data(), mode="None")
    case("strided", data(z=(2, 3, 3, 4)), strides=[1, 2, 2, 1])
    case("valid", data(z=(2, 4, 3, 4)), padding="VALID")
    case("dilated", data(), dilations=[1, 2, 1, 1])
    case("filters_first", data(w=(4, 3, 3, 3)), filters="OIHW")
    case("channels_first", data(x=(2, 3, 6, 5), z=(2, 4, 6, 5)), layout="NCHW")
    case(
        "all_first",
        data(x=(2, 3, 6, 5), w=(4, 3, 3, 3), z=(2, 4, 3, 5)),
        layout="NCHW",
        filters="OIHW",
        strides=[1, 2, 1, 1],
    )


def cases(r):
    grappler_convolutions(r)
    grappler_products(r)
    cudnn_convolutions(r)
