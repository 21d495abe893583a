// SPDX-License-Identifier: Apache-2.0
#include "kernels/matmul_f32.h"

#include <cmath>

#include "kernels/eltwise_testing.h"
#include "kernels/guarded.h"

namespace tfengine::kernels {
namespace {

struct Problem {
  MatmulShape shape;
  bool transposed;
  std::vector<float> src, weights, bias, residual;

  Problem(int64_t rows, int64_t columns, int64_t depth, bool turned, Rng& rng) : transposed(turned) {
    shape = {rows, columns, depth, depth + 2, columns + 3};
    src = normals(rows * shape.src_stride, rng);
    weights = normals(depth * columns, rng);
    bias = normals(columns, rng);
    residual = normals(rows * shape.dst_stride, rng);
  }

  double sum(int64_t r, int64_t c) const {
    double total = 0.0;
    for (int64_t k = 0; k < shape.depth; ++k) {
      const float w = transposed ? weights[size_t(c * shape.depth + k)] : weights[size_t(k * shape.columns + c)];
      total += static_cast<double>(src[size_t(r * shape.src_stride + k)]) * w;
    }
    return total;
  }

  // relu(src * weights + bias + residual), written over the residual.
  std::vector<float> expected() const {
    std::vector<float> dst = residual;
    for (int64_t r = 0; r < shape.rows; ++r) {
      for (int64_t c = 0; c < shape.columns; ++c) {
        float& x = dst[size_t(r * shape.dst_stride + c)];
        x = static_cast<float>(std::max(sum(r, c) + bias[size_t(c)] + x, 0.0));
      }
    }
    return dst;
  }

  std::vector<float> computed(int threads) const {
    // The last row ends with its own columns: what is behind them is no part of the tensor.
    Guarded<float> dst(std::vector<float>(residual.begin(), residual.end() - 3));
    const Guarded<float> rows(std::vector<float>(src.begin(), src.end() - 2)), given(weights), biases(bias);
    Guarded<float> packed(matmul_f32_packed_bytes(shape) / sizeof(float));
    matmul_f32_pack(shape, given.data(), transposed, packed.data());
    Guarded<float> workspace(matmul_f32_workspace_bytes(threads) / sizeof(float), 64);
    Epilogue epilogue;
    epilogue.bias = biases.data();
    epilogue.residual = dst.data();
    epilogue.residual_pixel_stride = shape.dst_stride;
    epilogue.after_add = {ActKind::Relu, 0.0f, 0.0f};
    matmul_f32_run(shape, rows.data(), packed.data(), epilogue, dst.data(), workspace.data(), threads);
    return dst.values();
  }
};

// Columns that fill no panel, rows that fill no tile, several blocks of rows and of columns, and sums in several parts.
TEST(MatmulF32, EqualsThePlainSums) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  struct Case {
    int64_t rows, columns, depth;
  };
  const Case cases[] = {{1, 1, 1},    {13, 31, 5},    {29, 33, 64},   {300, 70, 48},
                        {9, 600, 20}, {31, 40, 2100}, {261, 35, 1500}};
  for_each_target([&] {
    for (const Case& c : cases) {
      for (const bool transposed : {false, true}) {
        const Problem problem(c.rows, c.columns, c.depth, transposed, rng);
        const std::vector<float> expected = problem.expected();
        for (const int threads : {1, 2, 5}) {
          const std::vector<float> dst = problem.computed(threads);
          double worst = 0.0;
          for (size_t i = 0; i < dst.size(); ++i) {
            worst = std::max(worst, static_cast<double>(std::abs(dst[i] - expected[i])));
          }
          EXPECT_LT(worst, 2e-6 * static_cast<double>(c.depth) + 1e-6)
              << c.rows << " x " << c.columns << ", depth " << c.depth << (transposed ? ", transposed, " : ", ")
              << threads << " threads";
        }
      }
    }
  });
}

}  // namespace
}  // namespace tfengine::kernels
