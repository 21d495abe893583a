// SPDX-License-Identifier: Apache-2.0
#include "kernels/depthwise.h"

#include "kernels/eltwise_testing.h"

namespace tfengine::kernels {
namespace {

struct Case {
  DepthwiseShape s;
  Elem src_elem = Elem::U8;
  Elem dst_elem = Elem::U8;
  Act before = {}, after = {};
  bool residual = false;
  bool extreme = false;  // largest values everywhere: what overflows if anything does
};

std::string text(const Case& c) {
  const DepthwiseShape& s = c.s;
  std::ostringstream out;
  out << "n" << s.batch << " " << s.in_h << "x" << s.in_w << "x" << s.channels << "*" << s.multiplier << " -> "
      << s.out_h << "x" << s.out_w << " k" << s.kernel_h << "x" << s.kernel_w << " s" << s.stride_h << "," << s.stride_w
      << " d" << s.dilation_h << "," << s.dilation_w << " p" << s.pad_top << "," << s.pad_left << " ps"
      << s.src_pixel_stride << "," << s.dst_pixel_stride << " src" << int(c.src_elem) << " dst" << int(c.dst_elem)
      << " act" << int(c.before.kind) << "," << int(c.after.kind) << (c.residual ? " residual" : "")
      << (c.extreme ? " extreme" : "");
  return out.str();
}

DepthwiseShape same(int64_t h, int64_t w, int64_t c, int64_t k, int64_t stride = 1, int64_t dilation = 1) {
  DepthwiseShape s;
  s.in_h = h, s.in_w = w, s.channels = c;
  s.kernel_h = s.kernel_w = k;
  s.stride_h = s.stride_w = stride;
  s.dilation_h = s.dilation_w = dilation;
  s.out_h = (h + stride - 1) / stride, s.out_w = (w + stride - 1) / stride;
  const int64_t span = (k - 1) * dilation + 1;
  s.pad_top = std::max<int64_t>((s.out_h - 1) * stride + span - h, 0) / 2;
  s.pad_left = std::max<int64_t>((s.out_w - 1) * stride + span - w, 0) / 2;
  s.src_pixel_stride = s.dst_pixel_stride = c;
  return s;
}

template <class Acc, class Src, class Weight>
Acc sum_at(const DepthwiseShape& s, const Src* src, const Weight* weights, int64_t n, int64_t y, int64_t x,
           int64_t oc) {
  Acc acc = 0;
  const int64_t out_channels = s.channels * s.multiplier;
  for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
    for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
      const int64_t iy = y * s.stride_h - s.pad_top + ky * s.dilation_h;
      const int64_t ix = x * s.stride_w - s.pad_left + kx * s.dilation_w;
      if (iy < 0 || iy >= s.in_h || ix < 0 || ix >= s.in_w) continue;
      const Src value = src[((n * s.in_h + iy) * s.in_w + ix) * s.src_pixel_stride + oc / s.multiplier];
      acc += static_cast<Acc>(value) * static_cast<Acc>(weights[(ky * s.kernel_w + kx) * out_channels + oc]);
    }
  }
  return acc;
}

// Runs the case for 1 and 2 threads, float or INT8 by src_elem, and compares every result and every byte between pixels.
void check(const Case& c, Rng& rng) {
  SCOPED_TRACE(text(c));
  const DepthwiseShape& s = c.s;
  const bool f32 = c.src_elem == Elem::F32;
  const int64_t out_channels = s.channels * s.multiplier;
  const int64_t src_size = (s.batch * s.in_h * s.in_w - 1) * s.src_pixel_stride + s.channels;
  const int64_t dst_pixels = s.batch * s.out_h * s.out_w;
  AnyTensor src(c.src_elem, 1.0f, size_t(src_size));
  src.fill(rng);
  const size_t taps = size_t(s.kernel_h * s.kernel_w);
  std::vector<int8_t> weights = random_ints<int8_t>(rng, taps * size_t(out_channels), -128, 127);
  const std::vector<float> float_weights = random_floats(rng, taps * size_t(out_channels));
  if (c.extreme) {
    std::fill(src.bytes.begin(), src.bytes.end(), c.src_elem == Elem::S8 ? 0x80 : 0xFF);
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = (i % size_t(out_channels)) % 2 ? 127 : -128;
  }
  const float spread = f32 ? 1.0f : 1.0f / (40.0f * 128.0f);
  const std::vector<float> scale = random_floats(rng, size_t(out_channels), 0.5f * spread, 1.5f * spread);
  const std::vector<float> bias = random_floats(rng, size_t(out_channels), -1, 1);
  Epilogue e;
  e.scale = scale.data(), e.bias = bias.data();
  e.before_add = c.before, e.after_add = c.after;
  e.dst_elem = c.dst_elem;
  e.dst_inv_scale = c.dst_elem == Elem::S8 ? 127.0f / 4 : 255.0f / 4;
  AnyTensor residual(c.dst_elem, 0.03f, size_t((dst_pixels - 1) * s.dst_pixel_stride + out_channels));
  residual.fill(rng);
  std::vector<uint8_t> packed(f32 ? depthwise_f32_packed_bytes(s) : depthwise_int8_packed_bytes(s));
  f32 ? depthwise_f32_pack(s, float_weights.data(), packed.data())
      : depthwise_int8_pack(s, weights.data(), packed.data());

  for (int threads : {1, 2}) {
    AnyTensor dst = residual;  // the residual lies in the destination, as fusion plans it
    const AnyTensor before = dst;
    if (c.residual) {
      e.residual = dst.data(), e.residual_elem = c.dst_elem, e.residual_scale = 0.03f;
      e.residual_pixel_stride = s.dst_pixel_stride;
    }
    const size_t bytes = f32 ? depthwise_f32_workspace_bytes(s, threads) : depthwise_int8_workspace_bytes(s, threads);
    std::vector<uint8_t> memory(bytes + 64, 0xCD);
    void* workspace = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
    if (f32) {
      depthwise_f32_run(s, static_cast<const float*>(src.data()), packed.data(), e, dst.data(), workspace, threads);
    } else {
      depthwise_int8_run(s, c.src_elem, src.data(), packed.data(), e, dst.data(), workspace, threads);
    }
    Epilogue reference = e;
    if (c.residual) reference.residual = before.data();
    for (int64_t p = 0; p < dst_pixels; ++p) {
      const int64_t n = p / (s.out_h * s.out_w), y = p / s.out_w % s.out_h, x = p % s.out_w;
      for (int64_t oc = 0; oc < s.dst_pixel_stride && p * s.dst_pixel_stride + oc < int64_t(dst.size()); ++oc) {
        const size_t at = size_t(p * s.dst_pixel_stride + oc);
        if (oc >= out_channels) {
          ASSERT_EQ(dst.raw(at), before.raw(at)) << "written between pixels, pixel " << p << " channel " << oc;
          continue;
        }
        double acc;
        if (f32) {
          acc = sum_at<double>(s, static_cast<const float*>(src.data()), float_weights.data(), n, y, x, oc);
        } else if (c.src_elem == Elem::S8) {
          acc = double(sum_at<int64_t>(s, static_cast<const int8_t*>(src.data()), weights.data(), n, y, x, oc));
        } else {
          acc = double(sum_at<int64_t>(s, static_cast<const uint8_t*>(src.data()), weights.data(), n, y, x, oc));
        }
        const double expected = epilogue_reference(reference, acc, oc, p);
        // Float sums: 2^-24 per addition of values up to 4.
        const double absolute = f32 ? 4 * 6e-8 * 4.0 * double(taps) + 1e-6 : 2e-6;
        ASSERT_TRUE(close_enough(c.dst_elem, expected, dst.raw(at), 2e-6, absolute))
            << "threads " << threads << " image " << n << " y " << y << " x " << x << " channel " << oc;
      }
    }
  }
}

void check_everywhere(const Case& c) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  for_each_target([&] { check(c, rng); });
}

const Act kRelu{ActKind::Relu, 0, 0};
const Act kRelu6{ActKind::Clip, 0, 6};

TEST(Depthwise, EveryChannelCount) {
  for (Elem elem : {Elem::U8, Elem::S8, Elem::F32}) {
    for (int64_t channels = 1; channels <= 67; ++channels) {
      check_everywhere({.s = same(5, 6, channels, 3), .src_elem = elem, .dst_elem = elem});
    }
  }
}

TEST(Depthwise, KernelsAndStrides) {
  for (Elem elem : {Elem::U8, Elem::S8, Elem::F32}) {
    for (int64_t kernel : {1, 2, 3, 4, 5, 7, 9}) {
      for (int64_t stride : {1, 2, 3}) {
        for (int64_t dilation : {1, 2, 3}) {
          check_everywhere({.s = same(11, 13, 24, kernel, stride, dilation), .src_elem = elem, .dst_elem = Elem::S8});
        }
      }
    }
  }
}

TEST(Depthwise, UnequalKernelAndStride) {
  DepthwiseShape s = same(12, 9, 33, 3);
  s.kernel_h = 1, s.kernel_w = 5, s.stride_w = 2, s.out_h = 14, s.out_w = 6, s.pad_top = 1, s.pad_left = 4;
  for (Elem elem : {Elem::U8, Elem::S8, Elem::F32}) check_everywhere({.s = s, .src_elem = elem, .dst_elem = Elem::F32});
  s = same(12, 9, 33, 3);
  s.kernel_h = 6, s.kernel_w = 2, s.stride_h = 5, s.out_h = 3, s.pad_top = 4;
  for (Elem elem : {Elem::U8, Elem::S8, Elem::F32}) check_everywhere({.s = s, .src_elem = elem, .dst_elem = Elem::U8});
}

TEST(Depthwise, ColumnTilesOfWideImages) {
  for (Elem elem : {Elem::U8, Elem::F32}) {
    check_everywhere({.s = same(4, 700, 20, 3), .src_elem = elem, .dst_elem = elem});
    check_everywhere({.s = same(5, 301, 17, 7, 2), .src_elem = elem, .dst_elem = elem});
  }
}

TEST(Depthwise, RowTilesOfTallImages) {
  for (Elem elem : {Elem::U8, Elem::S8, Elem::F32}) {
    check_everywhere({.s = same(61, 40, 96, 3), .src_elem = elem, .dst_elem = elem});
    check_everywhere({.s = same(61, 40, 72, 5, 2), .src_elem = elem, .dst_elem = elem});
  }
}

TEST(Depthwise, BatchAndChannelSlices) {
  for (Elem elem : {Elem::U8, Elem::S8, Elem::F32}) {
    DepthwiseShape s = same(6, 5, 40, 3);
    s.batch = 3, s.src_pixel_stride = 57, s.dst_pixel_stride = 49;
    check_everywhere({.s = s, .src_elem = elem, .dst_elem = elem});
  }
}

TEST(Depthwise, Multiplier) {
  for (Elem elem : {Elem::U8, Elem::S8, Elem::F32}) {
    for (int64_t multiplier : {2, 3, 8}) {
      DepthwiseShape s = same(6, 7, 13, 3);
      s.multiplier = multiplier;
      s.dst_pixel_stride = 13 * multiplier;
      check_everywhere({.s = s, .src_elem = elem, .dst_elem = elem});
    }
  }
}

TEST(Depthwise, ActivationsAndResidual) {
  const Act acts[] = {
      {}, kRelu, kRelu6, {ActKind::LeakyRelu, 0.2f, 0}, {ActKind::Swish, 0, 0}, {ActKind::HardSwish, 0, 0}};
  for (Elem elem : {Elem::U8, Elem::S8, Elem::F32}) {
    for (Elem dst_elem : {Elem::U8, Elem::S8, Elem::F32}) {
      for (const Act& act : acts) {
        check_everywhere({.s = same(5, 5, 24, 3), .src_elem = elem, .dst_elem = dst_elem, .before = act});
        check_everywhere({.s = same(5, 5, 19, 3),
                          .src_elem = elem,
                          .dst_elem = dst_elem,
                          .before = kRelu,
                          .after = act,
                          .residual = true});
      }
    }
  }
}

TEST(Depthwise, LargestValues) {
  for (Elem elem : {Elem::U8, Elem::S8}) {
    for (int64_t kernel : {3, 7}) {
      check_everywhere({.s = same(9, 9, 35, kernel), .src_elem = elem, .dst_elem = Elem::F32, .extreme = true});
      check_everywhere({.s = same(9, 9, 35, kernel), .src_elem = elem, .dst_elem = Elem::S8, .extreme = true});
    }
  }
}

TEST(Depthwise, ScaleThatLeavesTheFastRange) {
  // Results of 1e12 steps must saturate, not wrap.
  const DepthwiseShape s = same(3, 3, 16, 3);
  for_each_target([&] {
    const std::vector<uint8_t> src(9 * 16, 255);
    std::vector<int8_t> weights(9 * 16, 127);
    for (size_t i = 1; i < weights.size(); i += 2) weights[i] = -127;
    const std::vector<float> scale(16, 1e6f);
    Epilogue e;
    e.scale = scale.data();
    e.dst_elem = Elem::S8;
    std::vector<int8_t> dst(9 * 16);
    std::vector<uint8_t> packed(depthwise_int8_packed_bytes(s));
    depthwise_int8_pack(s, weights.data(), packed.data());
    std::vector<uint8_t> memory(depthwise_int8_workspace_bytes(s, 1) + 64);
    void* workspace = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
    depthwise_int8_run(s, Elem::U8, src.data(), packed.data(), e, dst.data(), workspace, 1);
    for (size_t i = 0; i < dst.size(); ++i) ASSERT_EQ(dst[i], i % 2 ? -128 : 127) << i;
  });
}

TEST(Depthwise, RandomShapes) {
  TFE_TRACE_SEED();
  Rng rng(test_seed());
  const auto pick = [&](int low, int high) { return std::uniform_int_distribution<int64_t>(low, high)(rng); };
  for (int i = 0; i < 150; ++i) {
    DepthwiseShape s;
    s.batch = pick(1, 2), s.channels = pick(1, 80), s.multiplier = pick(0, 9) == 0 ? pick(2, 4) : 1;
    s.kernel_h = pick(1, 7), s.kernel_w = pick(1, 7), s.stride_h = pick(1, 3), s.stride_w = pick(1, 3);
    s.dilation_h = pick(0, 3) == 0 ? pick(2, 3) : 1, s.dilation_w = pick(0, 3) == 0 ? pick(2, 3) : 1;
    s.in_h = pick(1, 20), s.in_w = pick(1, 40);
    s.pad_top = pick(0, (s.kernel_h - 1) * s.dilation_h), s.pad_left = pick(0, (s.kernel_w - 1) * s.dilation_w);
    s.out_h = std::max<int64_t>(1, (s.in_h + 2 * s.pad_top - (s.kernel_h - 1) * s.dilation_h - 1) / s.stride_h + 1);
    s.out_w = std::max<int64_t>(1, (s.in_w + 2 * s.pad_left - (s.kernel_w - 1) * s.dilation_w - 1) / s.stride_w + 1);
    s.src_pixel_stride = s.channels + pick(0, 5), s.dst_pixel_stride = s.channels * s.multiplier + pick(0, 5);
    const Elem elems[] = {Elem::U8, Elem::S8, Elem::F32};
    Case c{.s = s, .src_elem = elems[pick(0, 2)], .dst_elem = elems[pick(0, 2)]};
    c.residual = pick(0, 3) == 0;
    if (pick(0, 1)) c.before = kRelu;
    for_each_target([&] { check(c, rng); });
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace tfengine::kernels
