// SPDX-License-Identifier: Apache-2.0
#include "kernels/pool.h"

#include "kernels/eltwise_testing.h"

namespace tfengine::kernels {
namespace {

PoolShape make_shape(int64_t h, int64_t w, int64_t c, int64_t window, int64_t stride, int64_t pad) {
  PoolShape s;
  s.in_h = h, s.in_w = w, s.channels = c;
  s.window_h = s.window_w = window, s.stride_h = s.stride_w = stride, s.pad_top = s.pad_left = pad;
  s.out_h = (h + 2 * pad - window) / stride + 1, s.out_w = (w + 2 * pad - window) / stride + 1;
  s.src_pixel_stride = s.dst_pixel_stride = c;
  return s;
}

void check(Rng& rng, const PoolShape& s, Elem from, Elem to, bool same_scale, const Act& act, bool average) {
  const float src_scale = from == Elem::F32 ? 1.0f : 0.05f;
  AnyTensor src(from, src_scale, size_t((s.batch * s.in_h * s.in_w - 1) * s.src_pixel_stride + s.channels));
  src.fill(rng);
  PoolEpilogue e{from, src_scale, act, to, to == Elem::F32 ? 1.0f : (same_scale ? 1.0f / 0.05f : 31.0f)};
  const int64_t pixels = s.batch * s.out_h * s.out_w;
  for (int threads : {1, 2}) {
    AnyTensor dst(to, 1.0f, size_t((pixels - 1) * s.dst_pixel_stride + s.channels));
    const AnyTensor before = dst;
    average ? avg_pool(s, e, src.data(), dst.data(), threads) : max_pool(s, e, src.data(), dst.data(), threads);
    for (int64_t i = 0; i < int64_t(dst.size()); ++i) {
      const int64_t p = i / s.dst_pixel_stride, c = i % s.dst_pixel_stride;
      if (c >= s.channels) {
        ASSERT_EQ(dst.raw(size_t(i)), before.raw(size_t(i))) << "written between pixels";
        continue;
      }
      const int64_t n = p / (s.out_h * s.out_w), oy = p / s.out_w % s.out_h, ox = p % s.out_w;
      double most = -1e30, sum = 0;
      int64_t count = 0;
      for (int64_t y = oy * s.stride_h - s.pad_top; y < oy * s.stride_h - s.pad_top + s.window_h; ++y) {
        for (int64_t x = ox * s.stride_w - s.pad_left; x < ox * s.stride_w - s.pad_left + s.window_w; ++x) {
          if (y < 0 || y >= s.in_h || x < 0 || x >= s.in_w) continue;
          const double v = src.real(size_t(((n * s.in_h + y) * s.in_w + x) * s.src_pixel_stride + c));
          most = std::max(most, v), sum += v, ++count;
        }
      }
      const double r = apply_act_reference(act, average ? sum / double(count) : most);
      ASSERT_TRUE(close_enough(to, to_steps(to, r, double(e.dst_inv_scale)), dst.raw(size_t(i)), 2e-6, 4e-6))
          << (average ? "average " : "maximum ") << int(from) << " to " << int(to) << " channels " << s.channels
          << " of " << s.src_pixel_stride << " image " << n << " y " << oy << " x " << ox << " channel " << c
          << " threads " << threads;
    }
  }
}

const Elem kElems[] = {Elem::F32, Elem::S8, Elem::U8};

TEST(Pool, EveryChannelCount) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for_each_target([&] {
    for (int64_t channels = 1; channels <= 67; ++channels) {
      for (Elem elem : kElems) {
        for (bool average : {false, true}) {
          check(rng, make_shape(5, 6, channels, 3, 2, 1), elem, elem, true, {}, average);
          if (HasFatalFailure()) return;
        }
      }
    }
  });
}

TEST(Pool, TypesWindowsAndActivations) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  const PoolShape shapes[] = {make_shape(8, 9, 40, 2, 2, 0), make_shape(7, 7, 300, 3, 1, 1),
                              make_shape(6, 11, 17, 5, 3, 2), make_shape(7, 7, 64, 7, 1, 0),
                              make_shape(4, 4, 33, 1, 2, 0)};
  for_each_target([&] {
    for (PoolShape s : shapes) {
      s.batch = 2;
      s.src_pixel_stride += 5, s.dst_pixel_stride += 2;
      for (Elem from : kElems) {
        for (Elem to : kElems) {
          for (bool average : {false, true}) {
            check(rng, s, from, to, false, {}, average);
            check(rng, s, from, to, false, {ActKind::Relu, 0, 0}, average);
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  });
}

TEST(Pool, GlobalAverage) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for_each_target([&] {
    for (int64_t pixels : {1, 49, 64, 20000}) {
      for (int64_t channels : {1, 7, 64, 65, 200}) {
        if (pixels * channels > 2000000) continue;
        for (Elem from : kElems) {
          for (Elem to : kElems) {
            const GlobalPoolShape s{2, pixels, channels, channels + 1, channels + 3};
            AnyTensor src(from, 0.05f, size_t((2 * pixels - 1) * s.src_pixel_stride + channels));
            src.fill(rng);
            AnyTensor dst(to, 1.0f, size_t(s.dst_stride + channels));
            const PoolEpilogue e{from, 0.05f, {}, to, to == Elem::F32 ? 1.0f : 40.0f};
            global_avg_pool(s, e, src.data(), dst.data(), 2);
            for (int64_t n = 0; n < 2; ++n) {
              for (int64_t c = 0; c < channels; ++c) {
                double sum = 0;
                for (int64_t p = 0; p < pixels; ++p) sum += src.real(size_t((n * pixels + p) * s.src_pixel_stride + c));
                const double expected = to_steps(to, sum / double(pixels), double(e.dst_inv_scale));
                // Float sums of 20000 values of size 4.
                ASSERT_TRUE(close_enough(to, expected, dst.raw(size_t(n * s.dst_stride + c)), 1e-6, 1e-4))
                    << int(from) << " to " << int(to) << " pixels " << pixels << " channel " << c << " of " << channels;
              }
            }
          }
        }
      }
    }
  });
}

TEST(Pool, LargestValues) {
  for_each_target([&] {
    const std::vector<uint8_t> src(100000, 255);
    float mean = 0;
    global_avg_pool({1, 100000, 1, 1, 1}, {Elem::U8, 1.0f, {}, Elem::F32, 1.0f}, src.data(), &mean, 1);
    EXPECT_EQ(mean, 255.0f);
    const std::vector<int8_t> low(9 * 32, -128);
    std::vector<int8_t> dst(32);
    PoolShape s = make_shape(3, 3, 32, 3, 1, 0);
    avg_pool(s, {Elem::S8, 1.0f, {}, Elem::S8, 1.0f}, low.data(), dst.data(), 1);
    for (int8_t x : dst) EXPECT_EQ(x, -128);
    max_pool(s, {Elem::S8, 1.0f, {}, Elem::S8, 1.0f}, low.data(), dst.data(), 1);
    for (int8_t x : dst) EXPECT_EQ(x, -128);
  });
}

}  // namespace
}  // namespace tfengine::kernels
