// SPDX-License-Identifier: Apache-2.0
// libFuzzer knows clang's counters, not g++'s calls at each edge. It also watches counters of a program's own, in a section
// of a given name: each edge counts in the one that its address falls on.
#include <cstdint>

namespace {
constexpr uintptr_t kCounters = 1 << 17;
__attribute__((section("__libfuzzer_extra_counters"), used)) uint8_t counters[kCounters];
}  // namespace

// The linker leads calls of __sanitizer_cov_trace_pc here.
extern "C" void __wrap___sanitizer_cov_trace_pc() {
  const auto edge = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  ++counters[(edge ^ edge >> 17) % kCounters];
}

// g++ also reports comparisons of floats, which libFuzzer does not take.
extern "C" void __sanitizer_cov_trace_cmpf(float, float) {}
extern "C" void __sanitizer_cov_trace_cmpd(double, double) {}
