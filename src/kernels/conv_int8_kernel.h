// SPDX-License-Identifier: Apache-2.0
// What each of the algorithms of conv_int8.h consists of, whose contracts hold. Not for use outside this folder.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/ahead.h"
#include "kernels/conv_shape.h"
#include "kernels/epilogue.h"
#include "kernels/parallel.h"

namespace tfengine::kernels {

struct ConvInt8Call {
  Elem src_elem;
  const uint8_t* src;
  const int8_t* packed;
  const Epilogue* epilogue;
  void* dst;
  std::byte* workspace;
  int threads;
  Ahead ahead;
};

struct ConvInt8Kernel {
  const char* name;
  bool (*supports)(const ConvShape& shape, Elem src_elem, const int8_t* weights);
  size_t (*packed_bytes)(const ConvShape& shape);
  void (*pack)(const ConvShape& shape, const int8_t* weights, int8_t* packed);
  size_t (*workspace_bytes)(const ConvShape& shape, Elem src_elem, int threads);
  void (*run)(const ConvShape& shape, const ConvInt8Call& call);
};

extern const ConvInt8Kernel kConvDotInt8;
extern const ConvInt8Kernel kConvDirectInt8;
extern const ConvInt8Kernel kConvSplitInt8;
extern const ConvInt8Kernel kConvWinogradInt8;

// A thread's part of a call.
template <class Plan>
struct ConvInt8Part {
  const Plan* plan;
  bool src_signed;
  const uint8_t* src;
  const int8_t* packed;
  const Epilogue* epilogue;
  void* dst;
  int64_t chunk_begin, chunk_end;
  int64_t block_begin, block_end;  // columns of the grid: of output channels, over all groups
  std::byte* scratch;              // the part's own
  Ahead ahead;                     // for when the last weights are being multiplied
};

// Calls f(part) for the grid of threads that `plan` chose, in parallel.
template <class Plan, class F>
void for_each_conv_part(const Plan& plan, const ConvInt8Call& call, int64_t chunks, int64_t blocks,
                        size_t scratch_bytes, F&& f) {
  for_each_grid_part(plan.threads_m, plan.threads_n, chunks, blocks, call.threads, [&](const GridPart& part) {
    f(ConvInt8Part<Plan>{&plan, call.src_elem == Elem::S8, call.src, call.packed, call.epilogue, call.dst,
                         part.chunk_begin, part.chunk_end, part.block_begin, part.block_end,
                         call.workspace + static_cast<size_t>(part.index) * scratch_bytes,
                         call.ahead.part(part.index, int64_t{plan.threads_m} * plan.threads_n)});
  });
}

}  // namespace tfengine::kernels
