// SPDX-License-Identifier: Apache-2.0
#include "kernels/half.h"

#include <algorithm>
#include <bit>

#include "kernels/parallel.h"

namespace tfengine::kernels {
namespace {

// Loops without branches, which the compiler turns into vectors.
float half_to_float(uint16_t h) {
  const uint32_t bits = static_cast<uint32_t>(h & 0x7fff) << 13;
  // The exponents' biases differ by 112; the product is right for denormals, too.
  const float magnitude = std::bit_cast<float>(bits) * 0x1p112f;
  const uint32_t special = bits >= 0x0f800000u ? 0x7f800000u | bits : std::bit_cast<uint32_t>(magnitude);
  return std::bit_cast<float>(special | static_cast<uint32_t>(h & 0x8000) << 16);
}

uint16_t float_to_half(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x), sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  const uint32_t normal = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - (112u << 23)) >> 13;
  // Adding 0.5 leaves multiples of 2^-24 in the low bits, rounded.
  const uint32_t small = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  const uint32_t large = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
  const uint32_t half = magnitude < 0x38800000u ? small : magnitude >= 0x477ff000u ? large : normal;
  return static_cast<uint16_t>(sign | half);
}

float bfloat_to_float(uint16_t b) { return std::bit_cast<float>(static_cast<uint32_t>(b) << 16); }

uint16_t float_to_bfloat(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? (bits >> 16) | 0x40u : rounded);
}

template <class From, class To, class F>
void convert(int64_t count, const From* src, To* dst, int threads, F f) {
  constexpr int64_t kPiece = 8192;
  const int64_t pieces = (count + kPiece - 1) / kPiece;
  parallel_ranges(pieces, useful_threads(threads, 0.5 * static_cast<double>(count), pieces),
                  [&](int64_t begin, int64_t end, int) {
                    const int64_t last = std::min(end * kPiece, count);
                    for (int64_t i = begin * kPiece; i < last; ++i) dst[i] = f(src[i]);
                  });
}

}  // namespace

void widen(Short type, int64_t count, const uint16_t* src, float* dst, int threads) {
  type == Short::F16 ? convert(count, src, dst, threads, half_to_float)
                     : convert(count, src, dst, threads, bfloat_to_float);
}

void narrow(Short type, int64_t count, const float* src, uint16_t* dst, int threads) {
  type == Short::F16 ? convert(count, src, dst, threads, float_to_half)
                     : convert(count, src, dst, threads, float_to_bfloat);
}

}  // namespace tfengine::kernels
