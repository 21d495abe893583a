// SPDX-License-Identifier: Apache-2.0
#include "kernels/quantize.h"

#include <cstring>
#include <limits>

#include "kernels/concat.h"
#include "kernels/eltwise_testing.h"
#include "kernels/lut.h"

namespace tfengine::kernels {
namespace {

TEST(Quantize, TiesGoToEvenAndEndsSaturate) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x = {0.5f, 1.5f, 2.5f, -0.5f,  -1.5f,  -2.5f,  1e30f,  -1e30f,
                                inf,  -inf, nan,  127.5f, 254.5f, 255.5f, -128.5f};
  const std::vector<int> s8 = {0, 2, 2, 0, -2, -2, 127, -128, 127, -128, 0, 127, 127, 127, -128};
  const std::vector<int> u8 = {0, 2, 2, 0, 0, 0, 255, 0, 255, 0, 0, 128, 254, 255, 0};
  for_each_target([&] {
    std::vector<uint8_t> dst(x.size());
    const Rows rows{1, int64_t(x.size()), 0, 0};
    quantize_f32(rows, x.data(), 1.0f, Elem::S8, dst.data(), 1);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(int(int8_t(dst[i])), s8[i]) << x[i];
    quantize_f32(rows, x.data(), 1.0f, Elem::U8, dst.data(), 1);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(int(dst[i]), u8[i]) << x[i];
  });
}

TEST(Quantize, EveryPairOfTypesAndEveryLength) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  const Elem elems[] = {Elem::F32, Elem::S8, Elem::U8};
  for_each_target([&] {
    for (int64_t cols = 1; cols <= 67; ++cols) {
      for (Elem from : elems) {
        for (Elem to : elems) {
          const Rows rows{7, cols, cols + 3, cols + 2};
          AnyTensor src(from, 0.031f, size_t(6 * rows.src_stride + cols)),
              dst(to, 1.0f, size_t(6 * rows.dst_stride + cols));
          src.fill(rng);
          const AnyTensor before = dst;
          convert_elem(rows, {from, src.scale}, src.data(), {to, 1.0f / 29.0f}, dst.data(), 2);
          for (size_t i = 0; i < dst.size(); ++i) {
            const int64_t r = int64_t(i) / rows.dst_stride, c = int64_t(i) % rows.dst_stride;
            const double expected =
                c >= cols ? before.raw(i) : to_steps(to, src.real(size_t(r * rows.src_stride + c)), 29.0);
            ASSERT_TRUE(close_enough(to, expected, dst.raw(i), 1e-6, 1e-6)) << "cols " << cols << " element " << i;
            if (c >= cols) {
              ASSERT_EQ(expected, dst.raw(i));
            }
          }
        }
      }
    }
  });
}

TEST(Quantize, ExactWhenScalesArePowersOfTwo) {
  // All 256 values, factor 1/2: every tie is a tie in float too, so the result is exact, not only within a step.
  std::vector<int8_t> src(256);
  for (int i = 0; i < 256; ++i) src[size_t(i)] = int8_t(i - 128);
  for_each_target([&] {
    std::vector<int8_t> dst(256);
    requantize({1, 256, 0, 0}, Elem::S8, src.data(), 0.5f, Elem::S8, dst.data(), 1);
    for (size_t i = 0; i < 256; ++i) ASSERT_EQ(dst[i], int8_t(std::nearbyint(src[i] * 0.5))) << int(src[i]);
  });
}

TEST(Quantize, LargeTensorsInThreads) {
  Rng rng(7);
  const std::vector<float> src = random_floats(rng, 300001, -3, 3);
  std::vector<int8_t> one(src.size()), two(src.size());
  const Rows rows{1, int64_t(src.size()), 0, 0};
  quantize_f32(rows, src.data(), 40.0f, Elem::S8, one.data(), 1);
  quantize_f32(rows, src.data(), 40.0f, Elem::S8, two.data(), 2);
  EXPECT_EQ(one, two);
  for (size_t i = 0; i < src.size(); ++i) ASSERT_EQ(one[i], int(std::nearbyint(src[i] * 40.0f)));
}

TEST(Quantize, Bfloat16) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  std::vector<float> x(1003);
  for (float& v : x) {
    const uint32_t bits = uint32_t(rng());
    std::memcpy(&v, &bits, 4);
  }
  x[0] = std::numeric_limits<float>::quiet_NaN(), x[1] = std::numeric_limits<float>::infinity(), x[2] = 3.4e38f;
  const uint32_t tie_even = 0x3F808000, tie_odd = 0x3F818000, nan_low = 0x7F800001;
  std::memcpy(&x[3], &tie_even, 4), std::memcpy(&x[4], &tie_odd, 4), std::memcpy(&x[5], &nan_low, 4);
  const Rows rows{1, int64_t(x.size()), 0, 0};
  for_each_target([&] {
    std::vector<uint16_t> half(x.size());
    std::vector<float> back(x.size());
    f32_to_bf16(rows, x.data(), half.data(), 2);
    bf16_to_f32(rows, half.data(), back.data(), 2);
    for (size_t i = 0; i < x.size(); ++i) {
      uint32_t bits;
      std::memcpy(&bits, &x[i], 4);
      if (std::isnan(x[i])) {
        ASSERT_TRUE(std::isnan(back[i]));
        continue;
      }
      const uint16_t expected = uint16_t((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
      ASSERT_EQ(half[i], expected) << x[i];
    }
    EXPECT_EQ(half[3], 0x3F80);
    EXPECT_EQ(half[4], 0x3F82);
    EXPECT_TRUE(std::isinf(back[2]));
  });
}

TEST(Lut, EveryEntry) {
  for (Elem from : {Elem::S8, Elem::U8}) {
    for (Elem to : {Elem::S8, Elem::U8}) {
      const Lut lut = make_lut({from, 0.05f}, {to, 1.0f / 127.0f}, EltwiseOp::Tanh);
      std::vector<uint8_t> src(256 * 3 + 5), dst(src.size());
      for (size_t i = 0; i < src.size(); ++i) src[i] = uint8_t(i);
      lut_run(lut, {1, int64_t(src.size()), 0, 0}, src.data(), dst.data(), 1);
      for (size_t i = 0; i < src.size(); ++i) {
        const double x = (from == Elem::S8 ? double(int8_t(src[i])) : double(src[i])) * double(0.05f);
        const double got = to == Elem::S8 ? double(int8_t(dst[i])) : double(dst[i]);
        ASSERT_EQ(got, to_steps(to, std::tanh(x), 127.0)) << i;
      }
    }
  }
}

TEST(Lut, RowsInPlaceAndInThreads) {
  const Lut lut = make_lut({Elem::U8}, {Elem::U8}, EltwiseOp::Affine, -1.0f, 255.0f);
  std::vector<uint8_t> data(200 * 301);
  for (size_t i = 0; i < data.size(); ++i) data[i] = uint8_t(i * 7);
  const std::vector<uint8_t> before = data;
  lut_run(lut, {200, 300, 301, 301}, data.data(), data.data(), 2);
  for (size_t i = 0; i < data.size(); ++i) ASSERT_EQ(data[i], i % 301 == 300 ? before[i] : 255 - before[i]) << i;
}

TEST(Concat, CopiesAndRequantises) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for_each_target([&] {
    for (Elem to : {Elem::F32, Elem::S8, Elem::U8}) {
      AnyTensor a(to, 0.05f, 5 * 7), b(Elem::S8, 0.1f, 5 * 20), c(Elem::U8, 0.02f, 5 * 33), d(Elem::F32, 1.0f, 5 * 1);
      for (AnyTensor* t : {&a, &b, &c, &d}) t->fill(rng);
      const ConcatPiece pieces[] = {{a.data(), 7, 7, a.elem, a.scale},
                                    {b.data(), 19, 20, b.elem, b.scale},
                                    {c.data(), 33, 33, c.elem, c.scale},
                                    {d.data(), 1, 1, d.elem, d.scale}};
      AnyTensor dst(to, 0.05f, 5 * 64);
      const AnyTensor before = dst;
      concat_rows(5, pieces, 4, {to, 0.05f}, dst.data(), 64, 1);
      for (size_t r = 0; r < 5; ++r) {
        for (size_t i = 0; i < 64; ++i) {
          const double got = dst.raw(r * 64 + i);
          if (i < 7)
            ASSERT_EQ(got, a.raw(r * 7 + i));  // the same grid: copied
          else if (i < 26)
            ASSERT_TRUE(close_enough(to, to_steps(to, b.real(r * 20 + i - 7), 20.0), got));
          else if (i < 59)
            ASSERT_TRUE(close_enough(to, to_steps(to, c.real(r * 33 + i - 26), 20.0), got));
          else if (i < 60)
            ASSERT_TRUE(close_enough(to, to_steps(to, d.real(r), 20.0), got));
          else
            ASSERT_EQ(got, before.raw(r * 64 + i));
        }
      }
    }
  });
}

}  // namespace
}  // namespace tfengine::kernels
