# SPDX-License-Identifier: Apache-2.0
"""BiasAdd on several ranks; NCHW means axis 1."""

from tensorflow import raw_ops


def cases(r):
    def bias_add(case, shape, layout="NHWC"):
        bias = r.values(shape[-1] if layout == "NHWC" else shape[1])
        r.record(case, lambda x: raw_ops.BiasAdd(value=x, bias=bias, data_format=layout, name="y"), x=r.values(*shape))

    bias_add("rank_2", (3, 5))
    bias_add("rank_3", (2, 3, 5))
    bias_add("rank_4", (2, 3, 4, 5))
    bias_add("nchw", (2, 3, 4, 5), "NCHW")
    r.record("v1", lambda x: raw_ops.BiasAddV1(value=x, bias=[1.0, -2.0, 0.5], name="y"), x=r.values(4, 3))
