// SPDX-License-Identifier: Apache-2.0
// Instructions beyond the targets of the Highway that distributions carry. Not for use outside this folder.
#pragma once

namespace tfengine::kernels {

// Whether a CPU with AVX-512 adds products of pairs of 16-bit values (vpdpwssd) and of quads of bytes (vpdpbusd) in one
// instruction: AVX512_VNNI.
inline bool has_dot() {
#if defined(__x86_64__)
  static const bool has = __builtin_cpu_supports("avx512vnni") != 0;
  return has;
#else
  return false;
#endif
}

}  // namespace tfengine::kernels
