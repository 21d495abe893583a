# SPDX-License-Identifier: Apache-2.0
"""Cast between the types that inference graphs use; float to integer truncates toward zero."""

import numpy as np
import tensorflow as tf
from tensorflow import raw_ops


def cases(r):
    def cast(case, value, to):
        r.record(case, lambda x: raw_ops.Cast(x=x, DstT=to, name="y"), x=value)

    cast("float_int32", np.array([1.9, -1.9, 0.5, -0.5, 7.0], np.float32), tf.int32)
    cast("int32_float", np.array([1, -5, 1 << 25], np.int32), tf.float32)
    cast("uint8_float", np.array([0, 1, 200, 255], np.uint8), tf.float32)
    cast("float_uint8", np.array([0.4, 1.6, 200.9, 255.0], np.float32), tf.uint8)
    cast("bool_float", np.array([True, False]), tf.float32)
    cast("float_bool", np.array([0.0, -0.0, 0.1, -3.0], np.float32), tf.bool)
    cast("int64_int32", np.array([5, -7]), tf.int32)
    cast("int32_int64", np.array([5, -7], np.int32), tf.int64)
    cast("float_half", np.array([1.0, 0.1, 65504.0], np.float32), tf.float16)
    cast("half_float", np.array([1.0, 0.1, 65504.0], np.float16), tf.float32)
    cast("double_float", np.array([0.1, 1e-50, 3.0]), tf.float32)
    r.record(
        "float_bfloat16_float",
        lambda x: tf.cast(tf.cast(x, tf.bfloat16), tf.float32),
        x=np.array([1.0, 0.1, 1.00390625, 3.14159], np.float32),
    )
