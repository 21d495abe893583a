# SPDX-License-Identifier: Apache-2.0
"""Quantization nodes: what they compute in float, which is also what their ranges must mean."""

import numpy as np
from tensorflow import raw_ops


def cases(r):
    x = np.concatenate(
        [r.values(40, low=-8, high=8), np.array([0, -0.0, 6, -6, 1e-3, 2.5 / 127, 0.5, 1.5], np.float32)]
    )
    image = r.values(2, 3, 3, 4, low=-3)

    def fake_args(case, low, high, bits=8, narrow=False):
        op = raw_ops.FakeQuantWithMinMaxArgs
        r.record(
            f"args_{case}", lambda t: op(inputs=t, min=low, max=high, num_bits=bits, narrow_range=narrow, name="y"), x=x
        )

    fake_args("symmetric", -6.0, 6.0)
    fake_args("relu6", 0.0, 6.0)
    fake_args("narrow", -6.0, 6.0, narrow=True)
    fake_args("zero_is_nudged", -1.0, 3.3)
    fake_args("four_bits", -4.0, 4.0, bits=4)

    def fake_vars(case, low, high, bits=8, narrow=False):
        op = raw_ops.FakeQuantWithMinMaxVars
        r.record(
            f"vars_{case}", lambda t: op(inputs=t, min=low, max=high, num_bits=bits, narrow_range=narrow, name="y"), x=x
        )

    fake_vars("symmetric", -5.5, 5.5)
    fake_vars("asymmetric", -0.7, 4.1)
    fake_vars("narrow", -2.0, 2.0, narrow=True)

    lows, highs = np.array([-1, -2, -0.5, 0], np.float32), np.array([1, 3, 0.5, 6], np.float32)
    per_channel = raw_ops.FakeQuantWithMinMaxVarsPerChannel
    r.record("vars_per_channel", lambda t: per_channel(inputs=t, min=lows, max=highs, name="y"), x=image)
    r.record(
        "vars_per_channel_narrow",
        lambda t: per_channel(inputs=t, min=lows, max=highs, narrow_range=True, name="y"),
        x=image,
    )

    def qdq(case, op, low, high, value=x, **attributes):
        settings = {"signed_input": True, "range_given": True, **attributes}
        if op is not raw_ops.QuantizeAndDequantizeV2:
            settings["num_bits"] = 8
        r.record(case, lambda t: op(input=t, input_min=low, input_max=high, **settings, name="y"), x=value)

    v2, v3, v4 = raw_ops.QuantizeAndDequantizeV2, raw_ops.QuantizeAndDequantizeV3, raw_ops.QuantizeAndDequantizeV4
    qdq("qdq_v2", v2, -6.0, 6.0)
    qdq("qdq_v2_half_to_even", v2, -6.0, 6.0, round_mode="HALF_TO_EVEN")
    qdq("qdq_v2_narrow", v2, -6.0, 6.0, narrow_range=True)
    qdq("qdq_v2_unsigned", v2, 0.0, 6.0, signed_input=False)
    qdq("qdq_v2_uneven_range", v2, -1.0, 6.0)
    qdq("qdq_v2_range_from_data", v2, 0.0, 0.0, range_given=False)
    qdq(
        "qdq_v3_per_channel", v3, -1 - highs, 1 + highs, image, axis=3
    )  # on the CPU only version 3 takes given ranges per channel
    qdq("qdq_v3", v3, -4.0, 4.0)
    qdq("qdq_v4", v4, -4.0, 4.0)
