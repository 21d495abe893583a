// SPDX-License-Identifier: Apache-2.0
// What the kernel tests share: every instruction set of this machine in turn, random data with a printed seed, and the
// arithmetic of 8-bit results.
#pragma once

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <vector>

#include "kernels/epilogue.h"

namespace tfengine::kernels {

// Runs f once per instruction set that this machine has and the kernels were compiled for.
template <class F>
void for_each_target(F&& f) {
  const int64_t all = hwy::SupportedTargets();
  for (int64_t bits = all & (HWY_AVX3 | HWY_AVX2 | HWY_SSE4 | HWY_NEON); bits != 0; bits &= bits - 1) {
    SCOPED_TRACE(hwy::TargetName(bits & -bits));
    hwy::GetChosenTarget().Update(bits & -bits);
    f();
  }
  hwy::GetChosenTarget().Update(all);
}

// A new seed each run unless TFE_TEST_SEED is set; printed with every failure.
inline uint64_t test_seed() {
  static const uint64_t seed = [] {
    const char* text = std::getenv("TFE_TEST_SEED");
    return text ? std::strtoull(text, nullptr, 10) : std::random_device()();
  }();
  return seed;
}
#define TFE_TRACE_SEED() SCOPED_TRACE("TFE_TEST_SEED=" + std::to_string(test_seed()))

using Rng = std::mt19937_64;

template <class T>
std::vector<T> random_ints(Rng& rng, size_t n, int low, int high) {
  std::uniform_int_distribution<int> value(low, high);
  std::vector<T> v(n);
  for (T& x : v) x = static_cast<T>(value(rng));
  return v;
}

inline std::vector<float> normals(int64_t count, Rng& rng) {
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& x : values) x = normal(rng);
  return values;
}

inline std::vector<float> random_floats(Rng& rng, size_t n, float low = -1.0f, float high = 1.0f) {
  std::uniform_real_distribution<float> value(low, high);
  std::vector<float> v(n);
  for (float& x : v) x = value(rng);
  return v;
}

// A buffer of any element type whose elements are read and written as doubles in real units.
struct AnyTensor {
  Elem elem = Elem::F32;
  float scale = 1.0f;
  std::vector<uint8_t> bytes;

  AnyTensor() = default;
  AnyTensor(Elem e, float s, size_t n) : elem(e), scale(s), bytes(n * (e == Elem::F32 ? 4 : 1), 0x5A) {}
  void* data() { return bytes.data(); }
  const void* data() const { return bytes.data(); }
  size_t size() const { return elem == Elem::F32 ? bytes.size() / 4 : bytes.size(); }
  void fill(Rng& rng) {
    if (elem == Elem::F32) {
      std::uniform_real_distribution<float> value(-4.0f, 4.0f);
      for (size_t i = 0; i < size(); ++i) reinterpret_cast<float*>(bytes.data())[i] = value(rng);
    } else {
      for (uint8_t& b : bytes) b = static_cast<uint8_t>(rng());
    }
  }
  double raw(size_t i) const {
    if (elem == Elem::F32) return reinterpret_cast<const float*>(bytes.data())[i];
    return elem == Elem::S8 ? static_cast<double>(static_cast<int8_t>(bytes[i])) : static_cast<double>(bytes[i]);
  }
  double real(size_t i) const { return elem == Elem::F32 ? raw(i) : raw(i) * static_cast<double>(scale); }
};

inline double apply_act_reference(const Act& act, double x) {
  switch (act.kind) {
    case ActKind::None:
      return x;
    case ActKind::Relu:
      return std::max(x, 0.0);
    case ActKind::Clip:
      return std::min<double>(std::max<double>(x, act.alpha), act.beta);
    case ActKind::LeakyRelu:
      return x > 0 ? x : x * act.alpha;
    case ActKind::Elu:
      return x > 0 ? x : act.alpha * std::expm1(x);
    case ActKind::Sigmoid:
      return 1 / (1 + std::exp(-x));
    case ActKind::Tanh:
      return std::tanh(x);
    case ActKind::Swish:
      return x / (1 + std::exp(-x));
    case ActKind::HardSwish:
      return x * std::min(std::max(x + 3, 0.0), 6.0) / 6;
    case ActKind::HardSigmoid:
      return std::min(std::max(x + 3, 0.0), 6.0) / 6;
    case ActKind::GeluErf:
      return 0.5 * x * (1 + std::erf(x * 0.70710678118654752));
    case ActKind::GeluTanh:
      return 0.5 * x * (1 + std::tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)));
    case ActKind::Softplus:
      return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
  }
  return x;
}

inline double to_steps(Elem elem, double real, double inv_scale) {
  if (elem == Elem::F32) return real;
  const double low = elem == Elem::S8 ? -128 : 0, high = elem == Elem::S8 ? 127 : 255;
  return std::nearbyint(std::min(std::max(real * inv_scale, low), high));
}

// The whole of epilogue.h for one result, in double; `acc` exact, `channel` and `pixel` of the output.
inline double epilogue_reference(const Epilogue& e, double acc, int64_t channel, int64_t pixel) {
  double r = acc * (e.scale ? static_cast<double>(e.scale[channel]) : 1.0) +
             (e.bias ? static_cast<double>(e.bias[channel]) : 0.0);
  r = apply_act_reference(e.before_add, r);
  if (e.residual) {
    const int64_t at = pixel * e.residual_pixel_stride + channel;
    const double x = e.residual_elem == Elem::F32  ? static_cast<const float*>(e.residual)[at]
                     : e.residual_elem == Elem::S8 ? static_cast<const int8_t*>(e.residual)[at]
                                                   : static_cast<const uint8_t*>(e.residual)[at];
    r += x * static_cast<double>(e.residual_scale);
  }
  return to_steps(e.dst_elem, apply_act_reference(e.after_add, r), static_cast<double>(e.dst_inv_scale));
}

// 8-bit results within one step, float results within `relative` of their size plus `absolute`.
inline ::testing::AssertionResult close_enough(Elem elem, double expected, double got, double relative = 1e-5,
                                               double absolute = 1e-5) {
  const double allowed = elem == Elem::F32 ? relative * std::abs(expected) + absolute : 1.0;
  if (std::abs(expected - got) <= allowed || (std::isnan(expected) && std::isnan(got)) || expected == got) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "expected " << expected << ", got " << got << ", allowed " << allowed;
}

}  // namespace tfengine::kernels
