// SPDX-License-Identifier: Apache-2.0
#include "kernels/conv_winograd_f32.h"

#include <gtest/gtest.h>

#include <sstream>

#include "conv_testing.h"
#include "hwy/highway.h"

namespace tfengine::kernels {
namespace {

ConvShape same(int64_t batch, int64_t in_h, int64_t in_w, int64_t in_c, int64_t out_c) {
  ConvShape s;
  s.batch = batch;
  s.in_h = s.out_h = in_h;
  s.in_w = s.out_w = in_w;
  s.in_c = in_c;
  s.out_c = out_c;
  s.src_pixel_stride = in_c + 3;
  s.dst_pixel_stride = out_c + 1;
  s.kernel_h = s.kernel_w = 3;
  s.pad_top = s.pad_left = 1;
  return s;
}

ConvShape valid(ConvShape s) {
  s.pad_top = s.pad_left = 0;
  s.out_h -= 2;
  s.out_w -= 2;
  return s;
}

class Case {
 public:
  Case(const ConvShape& s, std::mt19937& rng) : shape_(s) {
    src_ = random_floats(static_cast<size_t>(s.batch * s.in_h * s.in_w * s.src_pixel_stride), rng, -1.0f, 1.0f);
    weights_ = random_floats(static_cast<size_t>(9 * s.in_c * s.out_c), rng, -1.0f, 1.0f);
    bias_ = random_floats(static_cast<size_t>(s.out_c), rng, -1.0f, 1.0f);
    const auto pixels = static_cast<size_t>(s.batch * s.out_h * s.out_w);
    residual_ = random_floats(pixels * static_cast<size_t>(s.out_c), rng, -1.0f, 1.0f);
    sums_.resize(pixels * static_cast<size_t>(s.out_c));
    for_each_product(s, [&](int64_t out, int64_t in, int64_t w) {
      sums_[static_cast<size_t>(out)] +=
          static_cast<double>(src_[static_cast<size_t>(in)]) * weights_[static_cast<size_t>(w)];
    });
  }

  void check(const char* target) const {
    const ConvShape& s = shape_;
    Epilogue e;
    e.bias = bias_.data();
    e.residual = residual_.data();
    e.residual_pixel_stride = s.out_c;
    e.after_add.kind = ActKind::Relu;
    std::vector<float> packed(conv_winograd_f32_packed_bytes(s) / sizeof(float));
    conv_winograd_f32_pack(s, weights_.data(), packed.data());
    for (const int threads : {1, 2, 3}) {
      std::vector<std::byte> workspace(conv_winograd_f32_workspace_bytes(s, threads) + 64);
      auto* aligned = reinterpret_cast<std::byte*>((reinterpret_cast<uintptr_t>(workspace.data()) + 63) / 64 * 64);
      std::vector<float> dst(static_cast<size_t>(s.batch * s.out_h * s.out_w * s.dst_pixel_stride), 77.0f);
      Epilogue given = e;
      // Where the results are dense, what is added lies where they come.
      if (s.dst_pixel_stride == s.out_c) {
        dst = residual_;
        given.residual = dst.data();
      }
      conv_winograd_f32_run(s, src_.data(), packed.data(), given, dst.data(), aligned, threads);
      // Sources and weights of variance 1/3: the sums' standard deviation is sqrt(9 in_c) / 3.
      const double tolerance = 1.5e-5 * std::sqrt(static_cast<double>(s.in_c)) + 1e-5;
      for (int64_t i = 0; i < static_cast<int64_t>(sums_.size()); ++i) {
        const int64_t pixel = i / s.out_c;
        const int64_t channel = i % s.out_c;
        const double want = reference_epilogue(e, sums_[static_cast<size_t>(i)], pixel, channel);
        ASSERT_NEAR(dst[static_cast<size_t>(pixel * s.dst_pixel_stride + channel)], want, tolerance)
            << s << ", " << target << ", " << threads << " threads, pixel " << pixel << " channel " << channel;
      }
      for (size_t i = static_cast<size_t>(s.out_c); i < dst.size(); i += static_cast<size_t>(s.dst_pixel_stride)) {
        ASSERT_EQ(dst[i], 77.0f) << "a channel of another tensor was written";
      }
    }
  }

 private:
  ConvShape shape_;
  std::vector<float> src_, weights_, bias_, residual_;
  std::vector<double> sums_;
};

TEST(ConvWinogradF32, MatchesTheDirectSums) {
  std::mt19937 rng(1);
  for (const ConvShape& s :
       {same(1, 4, 4, 16, 16), same(2, 7, 9, 17, 20), valid(same(1, 14, 11, 32, 48)), same(1, 1, 1, 16, 3),
        same(3, 5, 6, 64, 33), same(1, 30, 26, 40, 16), same(1, 7, 7, 512, 16), valid(same(1, 3, 3, 16, 16))}) {
    ASSERT_TRUE(conv_winograd_f32_supports(s));
    const Case c(s, rng);
    for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
      hwy::SetSupportedTargetsForTest(target);
      hwy::GetChosenTarget().Update(target);
      c.check(hwy::TargetName(target));
      if (HasFatalFailure()) break;
    }
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().DeInit();
  }
}

TEST(ConvWinogradF32, RefusesOtherShapes) {
  ConvShape s = same(1, 8, 8, 16, 16);
  s.stride_w = 2;
  EXPECT_FALSE(conv_winograd_f32_supports(s));
  s = same(1, 8, 8, 16, 16);
  s.dilation_h = 2;
  EXPECT_FALSE(conv_winograd_f32_supports(s));
  s = same(1, 8, 8, 32, 32);
  s.groups = 2;
  EXPECT_FALSE(conv_winograd_f32_supports(s));
}

}  // namespace
}  // namespace tfengine::kernels
