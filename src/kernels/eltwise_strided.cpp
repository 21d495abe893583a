// SPDX-License-Identifier: Apache-2.0
// Binary operations with any broadcast: neighbouring axes that step alike are merged, the innermost one becomes a run, and
// runs are gathered into blocks for eltwise_block.h.
#include <algorithm>
#include <cstring>

#include "kernels/eltwise.h"
#include "kernels/eltwise_block.h"
#include "kernels/parallel.h"

namespace tfengine::kernels {
namespace {

// Drops axes of extent 1 and merges an axis into its inner neighbour where both operands allow it.
StridedShape merge_axes(const StridedShape& s) {
  StridedShape m;
  for (int i = 0; i < s.rank; ++i) {
    if (s.dims[i] == 1) continue;
    if (m.rank > 0) {
      const int last = m.rank - 1;
      if (m.a_strides[last] == s.a_strides[i] * s.dims[i] && m.b_strides[last] == s.b_strides[i] * s.dims[i]) {
        m.dims[last] *= s.dims[i];
        m.a_strides[last] = s.a_strides[i];
        m.b_strides[last] = s.b_strides[i];
        continue;
      }
    }
    m.dims[m.rank] = s.dims[i];
    m.a_strides[m.rank] = s.a_strides[i];
    m.b_strides[m.rank] = s.b_strides[i];
    ++m.rank;
  }
  if (m.rank == 0) m.rank = 1, m.dims[0] = 1;
  return m;
}

void load_run(const EltwiseInput& info, const void* src, int64_t first, int64_t stride, int64_t n, float* to) {
  const auto load = [&](int64_t from, int64_t count, float* into) {
    block_load(info.elem, count, offset(info.elem, src, from), info.scale, info.zero, into);
  };
  if (stride == 1) return load(first, n, to);
  if (stride == 0) {
    load(first, 1, to);
    std::fill_n(to + 1, n - 1, to[0]);
    return;
  }
  for (int64_t i = 0; i < n; ++i) load(first + i * stride, 1, to + i);
}

}  // namespace

void eltwise_binary_strided(EltwiseOp op, const StridedShape& shape, const EltwiseInput& a_info, const void* a,
                            const EltwiseInput& b_info, const void* b, const EltwiseOutput& output, void* dst,
                            int threads) {
  const StridedShape s = merge_axes(shape);
  int64_t runs = 1;
  for (int i = 0; i + 1 < s.rank; ++i) runs *= s.dims[i];
  const int64_t run = s.dims[s.rank - 1];
  const int64_t total = runs * run;
  if (total == 0) return;
  constexpr int64_t kBlock = 512;
  const int64_t units = (total + kBlock - 1) / kBlock;
  const double ns = 0.6 * static_cast<double>(total);
  parallel_ranges(units, useful_threads(threads, ns, units), [&](int64_t begin, int64_t end, int) {
    alignas(64) float x[kBlock], y[kBlock];
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t first = unit * kBlock, count = std::min(kBlock, total - first);
      for (int64_t i = 0; i < count;) {
        int64_t index = (first + i) / run, at_a = 0, at_b = 0;
        const int64_t inside = (first + i) % run;
        for (int k = s.rank - 2; k >= 0; --k) {
          at_a += index % s.dims[k] * s.a_strides[k];
          at_b += index % s.dims[k] * s.b_strides[k];
          index /= s.dims[k];
        }
        const int64_t n = std::min(run - inside, count - i);
        const int64_t step_a = s.a_strides[s.rank - 1], step_b = s.b_strides[s.rank - 1];
        load_run(a_info, a, at_a + inside * step_a, step_a, n, x + i);
        load_run(b_info, b, at_b + inside * step_b, step_b, n, y + i);
        i += n;
      }
      block_op(op, count, x, y, 0.0f, 0.0f, x);
      block_act(output.act, count, x);
      block_store(output.elem, count, x, output.inv_scale, output.zero, offset(output.elem, dst, first));
    }
  });
}

}  // namespace tfengine::kernels
