// SPDX-License-Identifier: Apache-2.0
// Fourier transforms of real rows whose length is a power of two, and magnitudes of complex numbers.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tfengine::kernels {

// What a length needs: roots of unity. Made once, shared by runs.
struct RfftPlan {
  int64_t length = 0;
  std::vector<float> stage_re, stage_im;  // of the complex transform of half the length, stage after stage
  std::vector<float> split_re, split_im;  // of the step from it to the real one
};
// `length`: a power of two from 4 on.
RfftPlan rfft_plan(int64_t length);
// Scratch that a run with so many threads needs.
size_t rfft_workspace_bytes(const RfftPlan& plan, int threads);
// dst[r][k] = sum over j of src[r][j] * exp(-2 pi i j k / length), k up to length / 2. Rows of `size` numbers are filled up
// with zeros, or cut.
void rfft(const RfftPlan& plan, int64_t rows, int64_t size, const float* src, std::complex<float>* dst, void* workspace,
          int threads);

void complex_abs(int64_t count, const std::complex<float>* src, float* dst, int threads);

}  // namespace tfengine::kernels
