// SPDX-License-Identifier: Apache-2.0
// The largest finite magnitude of a float matrix, for calibration.
#pragma once

#include <cstdint>

namespace tfengine::kernels {

// Over `rows` rows of `columns` floats, `stride` apart; NaNs and infinities are passed over, and 0 is the result of none.
float peak_magnitude(const float* src, int64_t rows, int64_t columns, int64_t stride, int threads);

}  // namespace tfengine::kernels
