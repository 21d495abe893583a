// SPDX-License-Identifier: Apache-2.0
// A convolution and its epilogue written to be read, and the comparison of kernels with them. For the tests of this folder.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <ostream>
#include <random>
#include <vector>

#include "kernels/conv_shape.h"
#include "kernels/epilogue.h"

namespace tfengine::kernels {

inline std::ostream& operator<<(std::ostream& out, const ConvShape& s) {
  return out << s.batch << "x" << s.in_h << "x" << s.in_w << "x" << s.in_c << " -> " << s.out_h << "x" << s.out_w << "x"
             << s.out_c << ", kernel " << s.kernel_h << "x" << s.kernel_w << " stride " << s.stride_h << "x"
             << s.stride_w << " dilation " << s.dilation_h << "x" << s.dilation_w << " pad " << s.pad_top << ","
             << s.pad_left << " groups " << s.groups << " pixel strides " << s.src_pixel_stride << ","
             << s.dst_pixel_stride;
}

// Calls f(output index (pixel * out_c + channel), source element or -1 when padded, weight element).
template <class F>
void for_each_product(const ConvShape& s, F&& f) {
  const int64_t in_c = s.in_c / s.groups;
  const int64_t out_c = s.out_c / s.groups;
  for (int64_t n = 0, pixel = 0; n < s.batch; ++n)
    for (int64_t y = 0; y < s.out_h; ++y)
      for (int64_t x = 0; x < s.out_w; ++x, ++pixel)
        for (int64_t ky = 0; ky < s.kernel_h; ++ky)
          for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
            const int64_t sy = y * s.stride_h - s.pad_top + ky * s.dilation_h;
            const int64_t sx = x * s.stride_w - s.pad_left + kx * s.dilation_w;
            if (sy < 0 || sy >= s.in_h || sx < 0 || sx >= s.in_w) continue;
            const int64_t src_pixel = (n * s.in_h + sy) * s.in_w + sx;
            for (int64_t g = 0; g < s.groups; ++g)
              for (int64_t i = 0; i < in_c; ++i)
                for (int64_t o = 0; o < out_c; ++o)
                  f(pixel * s.out_c + g * out_c + o, src_pixel * s.src_pixel_stride + g * in_c + i,
                    ((ky * s.kernel_w + kx) * in_c + i) * s.out_c + g * out_c + o);
          }
}

inline double reference_act(const Act& act, double x) {
  const auto clamp = [](double v, double lo, double hi) { return std::min(std::max(v, lo), hi); };
  switch (act.kind) {
    case ActKind::None:
      return x;
    case ActKind::Relu:
      return std::max(x, 0.0);
    case ActKind::Clip:
      return clamp(x, act.alpha, act.beta);
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
      return x * clamp(x + 3, 0, 6) / 6;
    case ActKind::HardSigmoid:
      return clamp(x + 3, 0, 6) / 6;
    case ActKind::GeluErf:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case ActKind::GeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case ActKind::Softplus:
      return std::log1p(std::exp(-std::abs(x))) + std::max(x, 0.0);
  }
  return x;
}

inline double element(Elem elem, const void* p, int64_t i) {
  switch (elem) {
    case Elem::F32:
      return static_cast<const float*>(p)[i];
    case Elem::S8:
      return static_cast<const int8_t*>(p)[i];
    case Elem::U8:
      return static_cast<const uint8_t*>(p)[i];
  }
  return 0;
}

// The real value before it is stored; `pixel` and `channel` as in dst.
inline double reference_epilogue(const Epilogue& e, double acc, int64_t pixel, int64_t channel) {
  double r = acc * (e.scale ? e.scale[channel] : 1.0f) + (e.bias ? e.bias[channel] : 0.0f);
  r = reference_act(e.before_add, r);
  if (e.residual) {
    r += element(e.residual_elem, e.residual, pixel * e.residual_pixel_stride + channel) * e.residual_scale;
  }
  return reference_act(e.after_add, r);
}

inline double reference_stored(const Epilogue& e, double r) {
  if (e.dst_elem == Elem::F32) return r;
  const double q = std::nearbyint(r * e.dst_inv_scale);
  return e.dst_elem == Elem::S8 ? std::clamp(q, -128.0, 127.0) : std::clamp(q, 0.0, 255.0);
}

template <class T>
std::vector<T> random_bytes(size_t n, std::mt19937& rng, int low, int high) {
  std::uniform_int_distribution<int> pick(low, high);
  std::vector<T> v(n);
  for (T& x : v) x = static_cast<T>(pick(rng));
  return v;
}

inline std::vector<float> random_floats(size_t n, std::mt19937& rng, float low, float high) {
  std::uniform_real_distribution<float> pick(low, high);
  std::vector<float> v(n);
  for (float& x : v) x = pick(rng);
  return v;
}

}  // namespace tfengine::kernels
