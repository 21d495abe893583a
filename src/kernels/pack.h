// SPDX-License-Identifier: Apache-2.0
// Weights as the INT8 convolutions read them: blocks of kOcBlock output channels, neighbouring inputs of a channel side by
// side. An engine packs all its weights when it is loaded, so this is written for speed. Not for use outside this folder.
#pragma once

#include <cstdint>

namespace tfengine::kernels {

// Takes `rows` rows of `channels` (at most kOcBlock) values, `stride` bytes apart, and writes groups of `depth` (2 or 4)
// rows as [group][kOcBlock][depth]; rows and channels that are missing are zeros. Returns the end of what it wrote.
int8_t* interleave_rows(const int8_t* src, int64_t stride, int64_t rows, int64_t channels, int depth, int8_t* dst);

// For eight inputs as two groups [kOcBlock][4]: whether the sum of a channel's positive, or of its negative values among
// inputs 0, 1, 4, 5 or 2, 3, 6, 7 is further from zero than `largest`.
bool octet_exceeds(const int8_t* octet, int16_t largest);

}  // namespace tfengine::kernels
