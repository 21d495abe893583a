// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/buffer.h"
#include "base/check.h"
#include "base/host_memory.h"
#include "ops/numeric.h"
#include "plan/measure.h"

namespace tfengine::plan {

namespace {

// Runs in one recording: enough that the time between two of them, a microsecond or two, is measured as a network has it.
constexpr int kRuns = 8;
constexpr int kReplays = 4;
// A tactic this much slower than the best after one replay is not looked at again.
constexpr double kHopeless = 1.5;
constexpr double kUnknownUs = 1e30;
// Of each element, relative to the largest one: half precision keeps eleven bits, and TF32 as many.
constexpr double kFloatTolerance = 2e-2;

class Scratch {
 public:
  Scratch(const StepSpec& spec, size_t workspace_bytes, Queue& queue)
      : spec_(spec), workspace_(spec.device->memory(), workspace_bytes, Purpose::Temporary, "timing") {
    const auto tensor = [&](const TensorDesc& desc) -> void* {
      const size_t bytes = std::max<size_t>(desc.storage_bytes(), 1);
      buffers_.emplace_back(spec.device->memory(), bytes, Purpose::Temporary, "timing");
      const auto host = host_bytes(bytes, "timing");
      fill_typical(static_cast<std::byte*>(host.get()), desc, bytes);
      queue.upload(buffers_.back().data(), host.get(), bytes);
      queue.wait();
      return buffers_.back().data();
    };
    for (size_t i = 0; i < spec.inputs.size(); ++i) {
      args_.src.push_back(spec.constants[i].defined() ? spec.constants[i].data() : tensor(spec.inputs[i]));
    }
    for (const TensorDesc& desc : spec.outputs) args_.dst.push_back(tensor(desc));
    args_.workspace = workspace_.data();
    args_.queue = &queue;
  }

  const StepArgs& args() const { return args_; }

  // The first output as the host sees it, without the padding of rows.
  Tensor output(Queue& queue) const {
    const TensorDesc& desc = spec_.outputs[0];
    Tensor tensor(desc.dtype, desc.shape);
    const size_t row = desc.dense() ? desc.bytes() : static_cast<size_t>(desc.shape.back()) * dtype_bytes(desc.dtype);
    const size_t pitch = desc.dense() ? row : static_cast<size_t>(desc.pixel_stride) * dtype_bytes(desc.dtype);
    queue.download_rows(tensor.mutable_data(), args_.dst[0], pitch, row, row == 0 ? 0 : desc.bytes() / row);
    queue.wait();
    return tensor;
  }

 private:
  const StepSpec& spec_;
  std::vector<Buffer> buffers_;
  Buffer workspace_;
  StepArgs args_;
};

// Whether two results are the same but for rounding.
bool agree(const Tensor& a, const Tensor& b) {
  const bool integers = ops::is_integer(a.dtype());
  const Tensor x = ops::as_f32(a), y = ops::as_f32(b);
  double largest = 1e-6;
  for (int64_t i = 0; i < x.elements(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(y.as<float>()[i])));
  const double allowed = integers ? 1.0 : kFloatTolerance * largest;
  for (int64_t i = 0; i < x.elements(); ++i) {
    if (!(std::abs(static_cast<double>(x.as<float>()[i]) - static_cast<double>(y.as<float>()[i])) <= allowed))
      return false;
  }
  return true;
}

double time_of(const Tactic& tactic, const Scratch& scratch, Queue& queue, PackedStore& packed, double best_us) {
  const auto kernel = tactic.prepare(packed);
  const auto bound = kernel->bind(scratch.args());
  bound->run();
  queue.wait();
  const auto recording = queue.record([&] {
    for (int i = 0; i < kRuns; ++i) bound->run();
  });
  queue.replay(*recording);
  double least = kUnknownUs;
  for (int i = 0; i < kReplays; ++i) {
    least = std::min(least, queue.elapsed_us([&] { queue.replay(*recording); }) / kRuns);
    if (least > kHopeless * best_us) break;
  }
  return least;
}

Tensor result_of(const Tactic& tactic, const Scratch& scratch, Queue& queue, PackedStore& packed) {
  const auto kernel = tactic.prepare(packed);
  const auto bound = kernel->bind(scratch.args());
  bound->run();
  return scratch.output(queue);
}

}  // namespace

namespace {

void compare_on_device(const StepSpec& spec, std::span<const Tactic* const> tactics, PackedStore& packed,
                       std::vector<double>& times) {
  size_t workspace_bytes = 0;
  for (const Tactic* tactic : tactics) workspace_bytes = std::max(workspace_bytes, tactic->workspace_bytes);
  const auto queue = spec.device->make_queue();
  const Scratch scratch(spec, workspace_bytes, *queue);
  double best_us = kUnknownUs;
  for (size_t i = 0; i < tactics.size(); ++i) {
    if (tactics[i]->oracle && tactics.size() > 1) continue;
    times[i] = time_of(*tactics[i], scratch, *queue, packed, best_us);
    best_us = std::min(best_us, times[i]);
  }
  const Tactic* oracle = tactics.back()->oracle && tactics.size() > 1 ? tactics.back() : nullptr;
  if (oracle == nullptr) return;
  const Tensor expected = result_of(*oracle, scratch, *queue, packed);
  while (true) {
    const size_t best = static_cast<size_t>(std::min_element(times.begin(), times.end()) - times.begin());
    if (times[best] >= kUnknownUs) break;
    if (agree(result_of(*tactics[best], scratch, *queue, packed), expected)) return;
    times[best] = kUnknownUs;
  }
  times.back() = time_of(*oracle, scratch, *queue, packed, kUnknownUs);
}

}  // namespace

std::vector<double> measure_tactics_on_device(const StepSpec& spec, std::span<const Tactic* const> tactics,
                                              const PackedStore& packed) {
  std::vector<double> times(tactics.size(), kUnknownUs);
  try {
    PackedStore trial(spec.device->memory(), packed, spec.device);
    compare_on_device(spec, tactics, trial, times);
  } catch (const OutOfMemory&) {
    std::replace(times.begin(), times.end(), kUnknownUs, 0.0);
  }
  return times;
}

}  // namespace tfengine::plan
