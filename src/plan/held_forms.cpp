// SPDX-License-Identifier: Apache-2.0
#include "plan/held_forms.h"

#include <algorithm>

#include "base/host_memory.h"
#include "tfengine/error.h"

namespace tfengine::plan {

size_t held_constant_bytes(const StepSpec& spec, const PackedStore& packed) {
  constexpr size_t kLeastBytes = size_t{1} << 20;
  size_t bytes = 0;
  for (const Tensor& constant : spec.constants) {
    if (!constant.defined() || constant.bytes() < std::max(kLeastBytes, bytes)) continue;
    if (packed.holds(constant)) bytes = constant.bytes();
  }
  return bytes;
}

bool reads_held_form(const Tactic& tactic, const PackedStore& packed, size_t held_bytes) {
  try {
    PackedStore trial(scratch_allocator(), packed);
    const std::shared_ptr<const Kernel> kernel = tactic.prepare(trial);
    return trial.bytes() < held_bytes / 8;
  } catch (const OutOfMemory&) {
    return false;
  }
}

}  // namespace tfengine::plan
