// SPDX-License-Identifier: Apache-2.0
// Float product of a matrix with constant weights, with bias, activation and residual. Weights are packed into panels of
// columns; a block of rows stays in the second-level cache while all panels pass by. Allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/ahead.h"
#include "kernels/epilogue.h"

namespace tfengine::kernels {

struct MatmulShape {
  int64_t rows = 0, columns = 0;
  int64_t depth = 0;                       // columns of the source, rows of the weights
  int64_t src_stride = 0, dst_stride = 0;  // elements from row to row
};

// Packed weights depend on the CPU's instruction set: they are not for files. `transposed`: given as [columns][depth].
int64_t matmul_f32_packed_columns(int64_t columns);
size_t matmul_f32_packed_bytes(const MatmulShape& shape);
void matmul_f32_pack(const MatmulShape& shape, const float* weights, bool transposed, float* packed);

// `workspace` is aligned to 64 bytes. epilogue.scale, bias: one value per column; epilogue.residual may be `dst` itself.
// `ahead` is fetched meanwhile.
size_t matmul_f32_workspace_bytes(int threads);
void matmul_f32_run(const MatmulShape& shape, const float* src, const float* packed, const Epilogue& epilogue,
                    void* dst, void* workspace, int threads, Ahead ahead = {});

}  // namespace tfengine::kernels
