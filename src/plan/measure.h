// SPDX-License-Identifier: Apache-2.0
// Times the tactics of one step on this machine, on scratch tensors.
#pragma once

#include <span>
#include <vector>

#include "plan/backend.h"

namespace tfengine::plan {

// A tactic this much slower than the best at first, when all of them find their weights in the caches, is not looked at
// again.
inline constexpr double kClearlySlower = 1.3;

// Microseconds of one run of each tactic: the minimum over repetitions, of which clearly slower tactics get few. With
// cold_weights the close ones are compared as they run in a large network, their weights in memory (not when weights are so
// large that tactics are measured one at a time). The first `eligible` tactics are what is chosen from: they say what is slow. 0 for a tactic that there was no memory to time. Scratch memory is that of
// scratch_allocator(), and freed before returning; `packed` is looked at for weights that are packed already.
std::vector<double> measure_tactics(const StepSpec& spec, std::span<const Tactic* const> tactics, size_t eligible,
                                    const PackedStore& packed);

// Values as tensors of the type have them: floats near 1, since zeros and denormals run at another speed, and normally
// distributed integers.
void fill_typical(std::byte* data, const TensorDesc& desc, size_t bytes);
// The same on the spec's device: each tactic's runs are recorded and replayed, and the device's own clock counts. What the
// oracle of the list (Tactic::oracle) contradicts is given an endless time, so that it is not chosen; the oracle itself has
// one where there are others. 0 where there was no memory to time.
std::vector<double> measure_tactics_on_device(const StepSpec& spec, std::span<const Tactic* const> tactics,
                                              const PackedStore& packed);

}  // namespace tfengine::plan
