// SPDX-License-Identifier: Apache-2.0
// Discrete Fourier transforms of any length.
#pragma once

#include <complex>
#include <cstdint>
#include <memory>
#include <vector>

namespace tfengine::ops {

// A transform of one length: y[k] = sum over j of x[j] * exp(-+ 2 pi i j k / n), the sign minus forward and plus backward,
// not scaled. n * log(n) operations for lengths of any factors.
class Fft {
 public:
  explicit Fft(int64_t length);
  ~Fft();
  Fft(const Fft&) = delete;
  Fft& operator=(const Fft&) = delete;
  int64_t length() const { return length_; }
  // In place.
  void forward(std::complex<double>* data) const;
  void backward(std::complex<double>* data) const;

 private:
  struct Chirp;
  void mixed_radix(const std::complex<double>* in, std::complex<double>* out, int64_t n, int64_t stride,
                   size_t factor) const;

  int64_t length_;
  std::vector<int64_t> factors_;
  std::vector<std::complex<double>> roots_;
  std::unique_ptr<Chirp> chirp_;  // for lengths with a large prime factor
};

}  // namespace tfengine::ops
