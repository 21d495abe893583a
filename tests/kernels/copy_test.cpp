// SPDX-License-Identifier: Apache-2.0
#include "kernels/copy.h"

#include <array>
#include <cstring>
#include <utility>

#include "kernels/eltwise_testing.h"
#include "kernels/gather.h"
#include "kernels/guarded.h"
#include "kernels/resize.h"
#include "kernels/transpose.h"

namespace tfengine::kernels {
namespace {

std::vector<uint8_t> random_bytes(Rng& rng, int64_t n) {
  std::vector<uint8_t> v(static_cast<size_t>(n));
  for (uint8_t& x : v) x = uint8_t(rng());
  return v;
}

bool same_bytes(const std::vector<uint8_t>& a, int64_t at_a, const std::vector<uint8_t>& b, int64_t at_b, int64_t n) {
  return std::memcmp(a.data() + at_a * n, b.data() + at_b * n, size_t(n)) == 0;
}

TEST(Copy, RowsBetweenStrides) {
  Rng rng(1);
  for (int64_t bytes : {1, 2, 4, 8}) {
    for (int64_t cols : {1, 5, 64, 40000}) {
      const Rows rows{4, cols, cols + 3, cols + 7};
      const std::vector<uint8_t> src = random_bytes(rng, 4 * rows.src_stride * bytes);
      std::vector<uint8_t> dst = random_bytes(rng, 4 * rows.dst_stride * bytes);
      const std::vector<uint8_t> before = dst;
      copy_rows(bytes, rows, src.data(), dst.data(), 2);
      for (int64_t i = 0; i < 4 * rows.dst_stride; ++i) {
        const int64_t r = i / rows.dst_stride, c = i % rows.dst_stride;
        ASSERT_TRUE(c < cols ? same_bytes(dst, i, src, r * rows.src_stride + c, bytes)
                             : same_bytes(dst, i, before, i, bytes));
      }
    }
  }
}

TEST(Copy, StridedReversedAndRepeated) {
  std::vector<uint32_t> src(60), dst(60);
  for (size_t i = 0; i < 60; ++i) src[i] = uint32_t(i);
  // [3][4][5] with the last axis reversed.
  copy_strided(4, {3, {3, 4, 5}, {20, 5, -1}, {20, 5, 1}}, src.data() + 4, dst.data(), 1);
  for (uint32_t i = 0; i < 60; ++i) ASSERT_EQ(dst[i], i / 5 * 5 + 4 - i % 5);
  // One row repeated.
  copy_strided(4, {2, {12, 5}, {0, 1}, {5, 1}}, src.data(), dst.data(), 2);
  for (uint32_t i = 0; i < 60; ++i) ASSERT_EQ(dst[i], i % 5);
  // A scalar everywhere.
  copy_strided(4, {1, {60}, {0}, {1}}, src.data() + 7, dst.data(), 1);
  for (uint32_t x : dst) ASSERT_EQ(x, 7u);
  // Every second element, into every third.
  std::fill(dst.begin(), dst.end(), 99);
  copy_strided(4, {1, {20}, {2}, {3}}, src.data(), dst.data(), 1);
  for (uint32_t i = 0; i < 60; ++i) ASSERT_EQ(dst[i], i % 3 ? 99 : i / 3 * 2);
}

TEST(Copy, Pad) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for (int round = 0; round < 100; ++round) {
    const int64_t bytes_of[] = {1, 2, 4, 8};
    const int64_t bytes = bytes_of[rng() % 4];
    PadShape p;
    p.rank = int(rng() % 6);
    int64_t total = 1, padded = 1;
    for (int i = 0; i < p.rank; ++i) {
      p.dims[i] = int64_t(rng() % 5), p.before[i] = int64_t(rng() % 3), p.after[i] = int64_t(rng() % 3);
      total *= p.dims[i], padded *= p.dims[i] + p.before[i] + p.after[i];
    }
    const std::vector<uint8_t> src = random_bytes(rng, total * bytes), value = random_bytes(rng, bytes);
    std::vector<uint8_t> dst = random_bytes(rng, padded * bytes);
    pad_constant(bytes, p, src.data(), value.data(), dst.data(), 2);
    for (int64_t i = 0; i < padded; ++i) {
      int64_t index = i, at = 0, step = 1;
      bool inside = true;
      for (int k = p.rank - 1; k >= 0; --k) {
        const int64_t extent = p.dims[k] + p.before[k] + p.after[k], x = index % extent - p.before[k];
        index /= extent;
        inside = inside && x >= 0 && x < p.dims[k];
        at += x * step, step *= p.dims[k];
      }
      ASSERT_TRUE(inside ? same_bytes(dst, i, src, at, bytes) : same_bytes(dst, i, value, 0, bytes))
          << "round " << round;
    }
  }
}

TEST(Transpose, RandomPermutations) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for_each_target([&] {
    for (int round = 0; round < 300; ++round) {
      const int64_t bytes_of[] = {1, 2, 4, 8};
      const int64_t bytes = bytes_of[rng() % 4];
      TransposeShape s;
      s.rank = int(rng() % 7);
      int64_t total = 1;
      const bool large = s.rank <= 3;  // several tiles
      for (int i = 0; i < s.rank; ++i) {
        s.dims[i] = 1 + int64_t(rng() % (large ? 70 : 5)), s.perm[i] = i;
        total *= s.dims[i];
      }
      std::shuffle(s.perm, s.perm + s.rank, rng);
      const std::vector<uint8_t> src = random_bytes(rng, total * bytes);
      const Guarded<uint8_t> given(src);
      Guarded<uint8_t> made(src.size());
      transpose(bytes, s, given.data(), made.data(), 1 + int(rng() % 2));
      const std::vector<uint8_t> dst = made.values();
      int64_t stride[8] = {}, step = 1;
      for (int k = s.rank - 1; k >= 0; --k) stride[k] = step, step *= s.dims[k];
      for (int64_t i = 0; i < total; ++i) {
        int64_t index = i, at = 0;
        for (int k = s.rank - 1; k >= 0; --k) {
          at += index % s.dims[s.perm[k]] * stride[s.perm[k]];
          index /= s.dims[s.perm[k]];
        }
        ASSERT_TRUE(same_bytes(dst, i, src, at, bytes)) << "round " << round << " element " << i;
      }
    }
  });
}

// Results that are written past the caches, in runs that begin anywhere in a line.
TEST(Transpose, LargeResults) {
  for_each_target([] {
    for (const auto& [rows, columns] :
         {std::pair<int64_t, int64_t>{2051, 2053}, {300007, 16}, {16, 300007}, {1500011, 3}}) {
      TransposeShape s;
      s.rank = 2;
      s.dims[0] = rows, s.dims[1] = columns;
      s.perm[0] = 1, s.perm[1] = 0;
      Guarded<uint32_t> src(static_cast<size_t>(rows * columns)), dst(src.size());
      for (size_t i = 0; i < src.size(); ++i) src[i] = static_cast<uint32_t>(i);
      transpose(4, s, src.data(), dst.data(), 2);
      for (int64_t c = 0; c < columns; ++c) {
        for (int64_t r = 0; r < rows; ++r)
          ASSERT_EQ(dst[static_cast<size_t>(c * rows + r)], r * columns + c) << rows << " x " << columns;
      }
    }
  });
}

TEST(Transpose, ColumnsToPlacesOfTheirOwn) {
  Rng rng(7);
  for_each_target([&] {
    for (int64_t bytes : {1, 2, 4, 8}) {
      for (int64_t cols : {1, 2, 3, 4, 7, 16, 33}) {
        for (int64_t rows : {1, 5, 16, 65, 1023, 2050}) {
          const int64_t step = cols + int64_t(rng() % 3);
          const std::vector<uint8_t> src = random_bytes(rng, rows * step * bytes);
          std::vector<std::vector<uint8_t>> columns(static_cast<size_t>(cols),
                                                    std::vector<uint8_t>(size_t(rows * bytes)));
          std::vector<void*> dst;
          for (auto& column : columns) dst.push_back(column.data());
          take_columns(bytes, rows, cols, step, src.data(), dst.data(), 2);
          for (int64_t c = 0; c < cols; ++c) {
            for (int64_t r = 0; r < rows; ++r)
              ASSERT_TRUE(same_bytes(columns[size_t(c)], r, src, r * step + c, bytes)) << cols << " " << rows;
          }
        }
      }
    }
  });
}

TEST(Gather, IndicesInsideAndOutside) {
  Rng rng(2);
  const std::vector<uint8_t> src = random_bytes(rng, 3 * 10 * 7);
  const std::vector<int32_t> indices = {9, 0, -1, 4, 10, 4};
  const std::vector<int64_t> wide(indices.begin(), indices.end());
  std::vector<uint8_t> a(3 * 6 * 7, 1), b(a.size(), 2);
  gather({3, 10, 7, 6}, src.data(), indices.data(), a.data(), 1);
  gather({3, 10, 7, 6}, src.data(), wide.data(), b.data(), 2);
  EXPECT_EQ(a, b);
  for (size_t i = 0; i < a.size(); ++i) {
    const int32_t at = indices[i / 7 % 6];
    ASSERT_EQ(a[i], at < 0 || at >= 10 ? 0 : src[i / 42 * 70 + size_t(at) * 7 + i % 7]) << i;
  }
}

TEST(Resize, NearestAndBilinear) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for_each_target([&] {
    for (int mode = 0; mode < 3; ++mode) {
      for (auto [h, w, oh, ow] : {std::array{4, 5, 8, 10}, {7, 9, 3, 4}, {1, 1, 3, 2}, {6, 6, 6, 6}, {5, 4, 1, 9}}) {
        ResizeShape s{2, h, w, 19, oh, ow, mode == 1, mode == 2, 20, 22};
        const std::vector<float> src = random_floats(rng, size_t(2 * h * w * 20));
        std::vector<float> nearest(size_t(2 * oh * ow * 22)), bilinear = nearest;
        resize_nearest(4, s, src.data(), nearest.data(), 2);
        resize_bilinear_f32(s, src.data(), bilinear.data(), 2);
        const auto scale = [&](int in, int out) {
          return s.align_corners && out > 1 ? float(in - 1) / float(out - 1) : float(in) / float(out);
        };
        const auto position = [&](int i, int in, int out) {
          return s.half_pixel_centers ? (float(i) + 0.5f) * scale(in, out) : float(i) * scale(in, out);
        };
        const auto pixel = [&](int n, int y, int x, int c) {
          return double(src[size_t(((n * h + std::clamp(y, 0, h - 1)) * w + std::clamp(x, 0, w - 1)) * 20 + c)]);
        };
        for (int i = 0; i < 2 * oh * ow * 19; ++i) {
          const int c = i % 19, ox = i / 19 % ow, oy = i / 19 / ow % oh, n = i / 19 / ow / oh;
          const size_t at = size_t(((n * oh + oy) * ow + ox) * 22 + c);
          const float y = position(oy, h, oh), x = position(ox, w, ow);
          const int ny = int(s.align_corners ? std::round(y) : std::floor(y));
          const int nx = int(s.align_corners ? std::round(x) : std::floor(x));
          ASSERT_EQ(double(nearest[at]), pixel(n, ny, nx, c)) << mode << " " << oy << " " << ox;
          const float by = s.half_pixel_centers ? y - 0.5f : y, bx = s.half_pixel_centers ? x - 0.5f : x;
          const int y0 = int(std::floor(by)), x0 = int(std::floor(bx));
          const double fy = double(by) - y0, fx = double(bx) - x0;
          const double top = pixel(n, y0, x0, c) * (1 - fx) + pixel(n, y0, x0 + 1, c) * fx;
          const double bottom = pixel(n, y0 + 1, x0, c) * (1 - fx) + pixel(n, y0 + 1, x0 + 1, c) * fx;
          ASSERT_NEAR(bilinear[at], top * (1 - fy) + bottom * fy, 2e-6) << mode << " " << oy << " " << ox;
        }
      }
    }
  });
}

}  // namespace
}  // namespace tfengine::kernels
