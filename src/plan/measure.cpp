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
#include "base/host_memory.h"

namespace tfengine::plan {

namespace {

// Enough repetitions for a minimum that one interruption does not spoil, bounded so that a whole ResNet-50 at batch 16
// is measured in seconds.
constexpr int kMinRuns = 3;
constexpr int kMaxRuns = 15;
constexpr double kBudgetUs = 6000.0;
// On a busy machine: runs that were interrupted tell little, and a least time that no other run comes near may not be the
// least. So much is given to find better.
constexpr int kMaxBusyRuns = 60;
constexpr double kBusyBudgetUs = 24000.0;
constexpr double kNear = 1.05;

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

// Floats near 1: zeros and denormals would run at another speed.
void fill(std::byte* data, const TensorDesc& desc, size_t bytes) {
  if (desc.dtype == DType::F32) {
    auto* values = reinterpret_cast<float*>(data);
    for (size_t i = 0; i < bytes / sizeof(float); ++i) values[i] = 0.25f + static_cast<float>(i % 13) * 0.125f;
  } else if (desc.dtype == DType::BF16) {
    auto* values = reinterpret_cast<uint16_t*>(data);
    std::fill_n(values, bytes / 2, uint16_t{0x3f80});
  } else if (desc.dtype == DType::S8 || desc.dtype == DType::U8) {
    const std::vector<uint8_t>& typical = desc.dtype == DType::S8 ? signed_activations() : unsigned_activations();
    for (size_t i = 0; i < bytes; i += typical.size()) {
      std::memcpy(data + i, typical.data(), std::min(typical.size(), bytes - i));
    }
  } else {
    std::memset(data, 0, bytes);
  }
}

size_t strided_bytes(const TensorDesc& desc) {
  if (desc.dense()) return std::max<size_t>(desc.bytes(), 1);
  return desc.bytes() / static_cast<size_t>(desc.shape.back()) * static_cast<size_t>(desc.pixel_stride);
}

struct Run {
  double us = 0.0;
  bool interrupted = false;  // a thread of the process lost its core to another meanwhile
};

int64_t lost_cores() {
  rusage usage{};
  return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_nivcsw : 0;
}

Run timed_run(BoundKernel& kernel) {
  const int64_t lost = lost_cores();
  const auto start = std::chrono::steady_clock::now();
  kernel.run();
  const auto end = std::chrono::steady_clock::now();
  return {std::chrono::duration<double, std::micro>(end - start).count(), lost_cores() != lost};
}

}  // namespace

double measure_tactic(const StepSpec& spec, const Tactic& tactic, PackedStore& packed, double best_us) {
  std::vector<Buffer> buffers;
  StepArgs args;
  const auto scratch = [&](const TensorDesc& desc) {
    buffers.emplace_back(scratch_allocator(), strided_bytes(desc), Purpose::Temporary, "timing");
    fill(buffers.back().data(), desc, buffers.back().bytes());
    return buffers.back().data();
  };
  for (size_t i = 0; i < spec.inputs.size(); ++i) {
    args.src.push_back(spec.constants[i].defined() ? spec.constants[i].data() : scratch(spec.inputs[i]));
  }
  for (const TensorDesc& desc : spec.outputs) args.dst.push_back(scratch(desc));
  if (tactic.inplace_input != ir::kNone) args.src[static_cast<size_t>(tactic.inplace_input)] = args.dst[0];
  const Buffer workspace(scratch_allocator(), tactic.workspace_bytes, Purpose::Temporary, "timing");
  args.workspace = workspace.data();

  const std::shared_ptr<const Kernel> kernel = tactic.prepare(packed);
  const std::unique_ptr<BoundKernel> bound = kernel->bind(args);
  const Run first = timed_run(*bound);  // warm-up: page faults and cold code
  if (!first.interrupted && first.us > 4.0 * best_us) return first.us;
  double least = 1e30, second = 1e30, spent = 0.0;
  int calm = 0;
  for (int runs = 0; runs < kMinRuns || spent < (calm < kMinRuns ? kBusyBudgetUs : kBudgetUs); ++runs) {
    const Run run = timed_run(*bound);
    second = std::min(second, std::max(least, run.us));
    least = std::min(least, run.us);
    spent += run.us;
    calm += run.interrupted ? 0 : 1;
    if (calm > 0 && least > 2.0 * best_us) break;
    if (calm >= (second <= kNear * least ? kMaxRuns : kMaxBusyRuns)) break;
  }
  return least;
}

}  // namespace tfengine::plan
