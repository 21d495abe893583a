# SPDX-License-Identifier: Apache-2.0
"""GatherV2, its older form, GatherNd and OneHot."""

import numpy as np
from tensorflow import raw_ops


def cases(r):
    indices = np.array([2, 0, 2, 1], np.int32)
    gather = lambda axis, batch=0: (
        lambda x, i: raw_ops.GatherV2(params=x, indices=i, axis=axis, batch_dims=batch, name="y")
    )  # noqa: E731
    r.record("first", gather(0), x=r.values(3, 4), i=indices)
    r.record("last", gather(-1), x=r.values(2, 4), i=indices)
    r.record("middle_matrix", gather(1), x=r.values(2, 3, 4), i=indices.reshape(2, 2))
    r.record("scalar_index", gather(0), x=r.values(3, 4), i=np.array(1, np.int32))
    r.record("batch_dims", gather(1, 1), x=r.values(2, 3, 4), i=np.array([[0, 2], [1, 1]]))
    r.record("shape", gather(0), x=np.array([8, 9, 10], np.int32), i=np.array([0, 2], np.int64))
    r.record("v1", lambda x, i: raw_ops.Gather(params=x, indices=i, name="y"), x=r.values(3, 4), i=indices)
    r.record(
        "nd",
        lambda x, i: raw_ops.GatherNd(params=x, indices=i, name="y"),
        x=r.values(3, 4, 2),
        i=np.array([[0, 1], [2, 3]], np.int32),
    )

    def one_hot(case, values, **attributes):
        settings = {"depth": 4, "on_value": 1.0, "off_value": 0.0, **attributes}
        r.record(case, lambda i: raw_ops.OneHot(indices=i, **settings, name="y"), i=values)

    one_hot("onehot", indices)
    one_hot("onehot_out_of_range", np.array([3, -1, 9], np.int32))
    one_hot("onehot_axis_0", np.array([[1, 2], [0, 3]]), axis=0, on_value=5.0, off_value=-1.0)
