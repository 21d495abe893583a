// SPDX-License-Identifier: Apache-2.0
#include "plan/measure.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "base/buffer.h"
#include "base/caches.h"
#include "base/host_memory.h"
#include "tfengine/error.h"

namespace tfengine::plan {

namespace {

// Enough repetitions for a minimum that one interruption does not spoil, bounded so that a whole ResNet-50 at batch 16
// is measured in seconds.
constexpr int kFirstRuns = 3;
constexpr int kMaxRuns = 20;
constexpr double kBudgetUs = 6000.0;  // per tactic
// On a busy machine: runs that were interrupted tell little, and so much is given to find others.
constexpr double kBusyBudgetUs = 24000.0;
// The packed weights of all tactics of a step are held while they are compared, up to this; larger ones one at a time.
constexpr size_t kMostPackedBytes = size_t{256} << 20;

// Integers as activations have them: normally distributed, the range at five standard deviations, so that about one in a
// hundred unsigned ones exceeds half of it. Kernels whose speed depends on the values are judged by these. The number of
// values is prime, so that no pattern of channels meets the same ones.
std::vector<uint8_t> normal_bytes(double deviation, bool is_signed) {
  // The same values in every run: times are compared across runs.
  std::mt19937 random(static_cast<uint32_t>(deviation));
  std::normal_distribution<double> normal(0.0, deviation);
  std::vector<uint8_t> values(4099);
  for (uint8_t& value : values) {
    const double x = normal(random);
    value =
        static_cast<uint8_t>(static_cast<int>(is_signed ? std::clamp(x, -127.0, 127.0) : std::min(std::abs(x), 255.0)));
  }
  return values;
}
const std::vector<uint8_t>& signed_activations() {
  static const std::vector<uint8_t> values = normal_bytes(127.0 / 5.0, true);
  return values;
}
const std::vector<uint8_t>& unsigned_activations() {
  static const std::vector<uint8_t> values = normal_bytes(255.0 / 5.0, false);
  return values;
}

}  // namespace

void fill_typical(std::byte* data, const TensorDesc& desc, size_t bytes) {
  if (desc.dtype == DType::F32) {
    auto* values = reinterpret_cast<float*>(data);
    for (size_t i = 0; i < bytes / sizeof(float); ++i) values[i] = 0.25f + static_cast<float>(i % 13) * 0.125f;
  } else if (desc.dtype == DType::BF16 || desc.dtype == DType::F16) {
    auto* values = reinterpret_cast<uint16_t*>(data);
    std::fill_n(values, bytes / 2, desc.dtype == DType::BF16 ? uint16_t{0x3f80} : uint16_t{0x3c00});
  } else if (desc.dtype == DType::S8 || desc.dtype == DType::U8) {
    const std::vector<uint8_t>& typical = desc.dtype == DType::S8 ? signed_activations() : unsigned_activations();
    for (size_t i = 0; i < bytes; i += typical.size()) {
      std::memcpy(data + i, typical.data(), std::min(typical.size(), bytes - i));
    }
  } else {
    std::memset(data, 0, bytes);
  }
}

namespace {

constexpr double kUnknownUs = 1e30;

struct Run {
  double us = 0.0;
  bool interrupted = false;  // a thread of the process lost its core to another meanwhile
};

int64_t lost_cores() {
  rusage usage{};
  return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_nivcsw : 0;
}

// Scratch tensors for a step, the same for all of its tactics.
class Scratch {
 public:
  explicit Scratch(const StepSpec& spec) {
    const auto tensor = [&](const TensorDesc& desc) -> void* {
      buffers_.emplace_back(scratch_allocator(), std::max<size_t>(desc.storage_bytes(), 1), Purpose::Temporary,
                            "timing");
      fill_typical(buffers_.back().data(), desc, buffers_.back().bytes());
      return buffers_.back().data();
    };
    for (size_t i = 0; i < spec.inputs.size(); ++i) {
      args_.src.push_back(spec.constants[i].defined() ? spec.constants[i].data() : tensor(spec.inputs[i]));
    }
    for (const TensorDesc& desc : spec.outputs) args_.dst.push_back(tensor(desc));
  }

  // The largest of the tactics' workspaces that there is memory for.
  void take_workspace(std::span<const Tactic* const> tactics) {
    std::vector<size_t> sizes;
    for (const Tactic* tactic : tactics) sizes.push_back(tactic->workspace_bytes);
    std::sort(sizes.begin(), sizes.end(), std::greater<>());
    sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
    for (const size_t bytes : sizes) {
      try {
        workspace_ = Buffer(scratch_allocator(), bytes, Purpose::Temporary, "timing");
        break;
      } catch (const OutOfMemory&) {
        continue;
      }
    }
    args_.workspace = workspace_.data();
  }
  bool has_room_for(const Tactic& tactic) const { return tactic.workspace_bytes <= workspace_.bytes(); }

  StepArgs args_of(const Tactic& tactic) const {
    StepArgs args = args_;
    if (tactic.inplace_input != ir::kNone) args.src[static_cast<size_t>(tactic.inplace_input)] = args.dst[0];
    return args;
  }

 private:
  std::vector<Buffer> buffers_;
  Buffer workspace_;
  StepArgs args_;
};

struct Contender {
  Contender(const Tactic& tactic, const Scratch& scratch, PackedStore& packed, double* least)
      : kernel(tactic.prepare(packed)), bound(kernel->bind(scratch.args_of(tactic))), least_us(least) {}

  Run timed_run() {
    drop_from_caches(cold);
    const int64_t lost = lost_cores();
    const auto start = std::chrono::steady_clock::now();
    bound->run();
    const auto end = std::chrono::steady_clock::now();
    return {std::chrono::duration<double, std::micro>(end - start).count(), lost_cores() != lost};
  }

  // From now on each run finds its weights in memory; earlier times do not count.
  void go_cold() {
    cold = kernel->weights();
    *least_us = kUnknownUs;
    spent_us = 0.0;
  }

  // The first run pays page faults and cold code. False when even so it is clear that this is much slower than the best.
  bool hopeful(double best_us) {
    const Run run = timed_run();
    if (run.interrupted || run.us <= 4.0 * best_us) return true;
    *least_us = run.us;
    return false;
  }

  // Runs until `wanted` runs were not interrupted, or the budget is spent, or this is much slower than the best so far.
  void run(int wanted, double best_us) {
    int calm = 0;
    double us = 0.0;
    for (int runs = 0; calm < wanted; ++runs) {
      if (runs >= std::min(wanted, kFirstRuns) && us > (calm > 0 ? kBudgetUs : kBusyBudgetUs)) break;
      const Run run = timed_run();
      *least_us = std::min(*least_us, run.us);
      us += run.us;
      calm += run.interrupted ? 0 : 1;
      if (calm > 0 && *least_us > 2.0 * best_us) break;
    }
    spent_us += us;
  }

  std::shared_ptr<const Kernel> kernel;
  std::unique_ptr<BoundKernel> bound;
  double* least_us;
  double spent_us = 0.0;
  std::span<const std::byte> cold;
};

size_t constant_bytes(const StepSpec& spec) {
  size_t bytes = 0;
  for (const Tensor& constant : spec.constants) bytes += constant.defined() ? constant.bytes() : 0;
  return bytes;
}

// Those that there is memory for.
void compare_tactics(const StepSpec& spec, std::span<const Tactic* const> tactics, size_t eligible,
                     const PackedStore& packed, std::vector<double>& least) {
  Scratch scratch(spec);
  scratch.take_workspace(tactics);
  PackedStore trial(scratch_allocator(), packed);
  const bool hold = constant_bytes(spec) * tactics.size() <= kMostPackedBytes;
  double best_us = kUnknownUs;
  std::vector<Contender> contenders;
  for (size_t i = 0; i < tactics.size(); ++i) {
    if (!scratch.has_room_for(*tactics[i])) continue;
    try {
      Contender contender(*tactics[i], scratch, trial, &least[i]);
      if (contender.hopeful(best_us)) contender.run(hold ? kFirstRuns : kMaxRuns, best_us);
      if (i < eligible) best_us = std::min(best_us, least[i]);
      if (hold) contenders.push_back(std::move(contender));
    } catch (const OutOfMemory&) {
      least[i] = kUnknownUs;
    } catch (const InvalidModel&) {
      least[i] = kUnknownUs;  // the step refuses what it was filled with: integers are divided by zeros
    }
  }
  // Those that are close take turns, so that a busy moment of the machine slows all of them.
  std::erase_if(contenders, [&](const Contender& c) { return *c.least_us > kClearlySlower * best_us; });
  if (spec.cold_weights) {
    for (Contender& contender : contenders) contender.go_cold();
  } else if (contenders.size() < 2) {
    return;
  }
  for (int done = kFirstRuns; done < kMaxRuns; done += 2) {
    for (Contender& contender : contenders) {
      if (contender.spent_us < kBudgetUs) contender.run(2, kUnknownUs);
    }
  }
}

}  // namespace

std::vector<double> measure_tactics(const StepSpec& spec, std::span<const Tactic* const> tactics, size_t eligible,
                                    const PackedStore& packed) {
  std::vector<double> least(tactics.size(), kUnknownUs);
  try {
    compare_tactics(spec, tactics, eligible, packed, least);
  } catch (const OutOfMemory&) {
    // No room for the step's own tensors: nothing can be said.
    std::fill(least.begin(), least.end(), kUnknownUs);
  }
  std::replace(least.begin(), least.end(), kUnknownUs, 0.0);
  return least;
}

}  // namespace tfengine::plan
