// SPDX-License-Identifier: Apache-2.0
#include "ops/fft.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tfengine::ops {

namespace {

using Complex = std::complex<double>;

// A butterfly of a prime factor p costs p^2; above this the chirp transform is cheaper.
constexpr int64_t kLargestFactor = 31;

std::vector<int64_t> factors_of(int64_t n) {
  std::vector<int64_t> factors;
  for (int64_t p = 2; p * p <= n; ++p) {
    for (; n % p == 0; n /= p) factors.push_back(p);
  }
  if (n > 1) factors.push_back(n);
  return factors;
}

// exp(-2 pi i k / n), k in [0, n).
Complex root(int64_t k, int64_t n) {
  const double angle = -2.0 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n);
  return {std::cos(angle), std::sin(angle)};
}

// std::complex's product checks for infinities, which takes most of its time.
Complex times(Complex a, Complex b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

}  // namespace

// Bluestein: j k = (j^2 + k^2 - (k - j)^2) / 2 makes the transform a convolution, of a length that is a power of two.
struct Fft::Chirp {
  explicit Chirp(int64_t n) : padded(convolution_length(n)), chirp(static_cast<size_t>(n)) {
    for (int64_t k = 0; k < n; ++k) chirp[static_cast<size_t>(k)] = root(square_mod(k, 2 * n), 2 * n);
    kernel.assign(static_cast<size_t>(padded.length()), Complex{});
    for (int64_t k = 0; k < n; ++k) {
      kernel[static_cast<size_t>(k)] = std::conj(chirp[static_cast<size_t>(k)]);
      if (k > 0) kernel[kernel.size() - static_cast<size_t>(k)] = kernel[static_cast<size_t>(k)];
    }
    padded.forward(kernel.data());
  }
  static int64_t convolution_length(int64_t n) {
    int64_t length = 1;
    while (length < 2 * n - 1) length *= 2;
    return length;
  }
  static int64_t square_mod(int64_t k, int64_t m) {
    return static_cast<int64_t>(static_cast<unsigned __int128>(k) * static_cast<unsigned __int128>(k) %
                                static_cast<unsigned __int128>(m));
  }
  void forward(Complex* data) const {
    std::vector<Complex> work(kernel.size());
    for (size_t k = 0; k < chirp.size(); ++k) work[k] = times(data[k], chirp[k]);
    padded.forward(work.data());
    for (size_t k = 0; k < work.size(); ++k) work[k] = times(work[k], kernel[k]);
    padded.backward(work.data());
    const double scale = 1.0 / static_cast<double>(work.size());
    for (size_t k = 0; k < chirp.size(); ++k) data[k] = times(work[k], chirp[k]) * scale;
  }

  Fft padded;
  std::vector<Complex> chirp, kernel;
};

Fft::Fft(int64_t length) : length_(length), factors_(factors_of(length)) {
  if (!factors_.empty() && factors_.back() > kLargestFactor) {
    chirp_ = std::make_unique<Chirp>(length);
    return;
  }
  roots_.resize(static_cast<size_t>(length));
  for (int64_t k = 0; k < length; ++k) roots_[static_cast<size_t>(k)] = root(k, length);
}

Fft::~Fft() = default;

// Decimation in time: `n` values `stride` apart become p transforms of n / p values, which butterflies join.
void Fft::mixed_radix(const Complex* in, Complex* out, int64_t n, int64_t stride, size_t factor) const {
  if (n == 1) {
    *out = *in;
    return;
  }
  const int64_t p = factors_[factor], part = n / p;
  for (int64_t i = 0; i < p; ++i) mixed_radix(in + i * stride, out + i * part, part, stride * p, factor + 1);
  const auto twiddle = [&](int64_t k) { return roots_[static_cast<size_t>(k % n * stride)]; };
  if (p == 2) {
    for (int64_t k = 0; k < part; ++k) {
      const Complex a = out[k], b = times(out[k + part], twiddle(k));
      out[k] = a + b;
      out[k + part] = a - b;
    }
    return;
  }
  Complex terms[kLargestFactor];
  for (int64_t k = 0; k < part; ++k) {
    for (int64_t i = 0; i < p; ++i) terms[i] = out[k + i * part];
    for (int64_t j = 0; j < p; ++j) {
      Complex sum = terms[0];
      for (int64_t i = 1; i < p; ++i) sum += times(terms[i], twiddle(i * (k + j * part)));
      out[k + j * part] = sum;
    }
  }
}

void Fft::forward(Complex* data) const {
  if (chirp_) return chirp_->forward(data);
  const std::vector<Complex> in(data, data + length_);
  mixed_radix(in.data(), data, length_, 1, 0);
}

void Fft::backward(Complex* data) const {
  for (int64_t k = 0; k < length_; ++k) data[k] = std::conj(data[k]);
  forward(data);
  for (int64_t k = 0; k < length_; ++k) data[k] = std::conj(data[k]);
}

}  // namespace tfengine::ops
