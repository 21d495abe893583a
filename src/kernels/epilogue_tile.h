// SPDX-License-Identifier: Apache-2.0
// Applies an Epilogue to a tile of accumulators: compiled once, in epilogue_tile.cpp, for the kernels that finish many
// results at a time. Not for use outside this folder.
#pragma once

#include <cstdint>

#include "kernels/epilogue.h"

namespace tfengine::kernels {

// Rows are neighbouring pixels, columns neighbouring channels.
template <class Acc>
struct EpilogueTile {
  const Acc* acc;      // row r starts at acc + r * acc_stride; int32_t or float
  int64_t acc_stride;  // elements
  int64_t rows, channels;
  int64_t first_pixel, first_channel;  // of dst and residual
  void* dst;                           // the tensor's pixel 0, channel 0
  int64_t dst_pixel_stride;            // elements
};

// Reads exactly the tile's channels. Choosing code costs some 30 cycles: tiles should have dozens of rows.
void finish_tile(const Epilogue& epilogue, const EpilogueTile<int32_t>& tile);
void finish_tile(const Epilogue& epilogue, const EpilogueTile<float>& tile);

}  // namespace tfengine::kernels
