// SPDX-License-Identifier: Apache-2.0
#include "runtime/device_context.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "runtime/independent_steps.h"

namespace tfengine::runtime {

namespace {

// Callers take turns between few buffers; a recording of a large network takes some hundred KiB.
constexpr size_t kMostRecordings = 8;
// What a device's copies like tensors to begin at.
constexpr size_t kBorderAlignment = 256;

size_t aligned(size_t bytes) { return (bytes + kBorderAlignment - 1) / kBorderAlignment * kBorderAlignment; }

}  // namespace

DeviceContext::DeviceContext(std::shared_ptr<const PreparedPlan> prepared, Allocator& allocator)
    : Context(std::move(prepared), allocator),
      allocator_(allocator),
      queue_(this->prepared().plan.device->make_queue()) {
  set_queue(queue_.get());
}

DeviceContext::~DeviceContext() {
  try {
    queue_->wait();                  // memory that still runs must not be given back
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): a destructor has nobody to tell
    // A device that failed runs nothing any more.
  }
}

size_t DeviceContext::input_bytes(size_t index) const {
  const plan::Plan& plan = prepared().plan;
  return plan.descs[static_cast<size_t>(plan.graph.inputs[index])].bytes();
}

size_t DeviceContext::output_bytes(size_t index) const {
  const plan::Plan& plan = prepared().plan;
  return plan.descs[static_cast<size_t>(plan.graph.outputs[index].value)].bytes();
}

const DeviceContext::Border& DeviceContext::border() {
  if (border_ != nullptr) return *border_;
  const plan::Plan& plan = prepared().plan;
  auto border = std::make_unique<Border>();
  size_t bytes = 0;
  const auto place = [&](size_t tensor_bytes) { return std::exchange(bytes, bytes + aligned(tensor_bytes)); };
  for (size_t i = 0; i < plan.graph.inputs.size(); ++i) border->inputs.push_back(place(input_bytes(i)));
  for (size_t i = 0; i < plan.graph.outputs.size(); ++i) border->outputs.push_back(place(output_bytes(i)));
  const std::string what = "the inputs and outputs of '" + plan.graph.name + "'";
  border->device = Buffer(allocator_, bytes, Purpose::Activations, what);
  border->staging = Buffer(plan.device->staging(), bytes, Purpose::Activations, what);
  for (const size_t offset : border->inputs) border->input_addresses.push_back(border->device.data() + offset);
  for (const size_t offset : border->outputs) border->output_addresses.push_back(border->device.data() + offset);
  border_ = std::move(border);
  return *border_;
}

void DeviceContext::queue_copies() {
  const auto copies = output_copies();
  for (size_t i = 0; i < copies.size(); ++i) {
    const auto& [id, copy] = copies[i];
    if (constant_sources_.size() <= i) {
      // Constants are in the host's memory: they are brought to the device once.
      const bool constant = prepared().plan.locations[static_cast<size_t>(id)].place == plan::Place::Constant;
      if (constant) {
        constant_outputs_.emplace_back(allocator_, copy.bytes, Purpose::Weights, "a constant output");
        const auto uploads = prepared().plan.device->make_queue();
        uploads->upload(constant_outputs_.back().data(), copy.from, copy.bytes);
        uploads->wait();
      }
      constant_sources_.push_back(constant ? constant_outputs_.back().data() : nullptr);
    }
    queue_->copy(copy.to, constant_sources_[i] != nullptr ? constant_sources_[i] : copy.from, copy.bytes);
  }
}

void DeviceContext::queue_step(BoundStep& step) {
  if (step.copy.bytes != 0) queue_->copy(step.copy.to, step.copy.from, step.copy.bytes);
  step.kernel->run();
}

std::vector<size_t> DeviceContext::groups() {
  const plan::Plan& plan = prepared().plan;
  const auto add = [&](const std::vector<ir::ValueId>& values, std::vector<MemoryRange>& ranges) {
    for (const ir::ValueId id : values) {
      // Kernels have constants of their own.
      if (id == ir::kNone || plan.locations[static_cast<size_t>(id)].place == plan::Place::Constant) continue;
      ranges.push_back(
          {static_cast<const std::byte*>(address(id)), plan.descs[static_cast<size_t>(id)].storage_bytes()});
    }
  };
  std::vector<StepMemory> memory;
  for (const BoundStep& bound : steps()) {
    const plan::Step& step = plan.steps[static_cast<size_t>(bound.step)];
    StepMemory& own = memory.emplace_back();
    add(plan.graph.node(step.node).inputs, own.reads);
    add(plan.graph.node(step.node).outputs, own.writes);
    own.alone = bound.has_workspace || step.on_host;
  }
  return independent_groups(memory, plan::Queue::kMostBranches);
}

void DeviceContext::queue_steps() {
  auto next = steps().begin();
  for (const size_t size : groups()) {
    if (size > 1) queue_->fork();
    for (size_t i = 0; i < size; ++i) {
      if (size > 1) queue_->enter(static_cast<int>(i));
      queue_step(*next++);
    }
    if (size > 1) queue_->join();
  }
  queue_copies();
}

void DeviceContext::queue_tapped_steps(const plan::Tap& tap) {
  auto next = steps().begin();
  tap(*this, -1, *queue_);
  for (int step = 0; step < static_cast<int>(prepared().plan.steps.size()); ++step) {
    if (next != steps().end() && next->step == step) queue_step(*next++);
    tap(*this, step, *queue_);
  }
  queue_copies();
}

void DeviceContext::throw_failures() {
  for (BoundStep& step : steps()) {
    if (step.kernel == nullptr) continue;
    if (const std::exception_ptr failure = step.kernel->take_failure()) std::rethrow_exception(failure);
  }
}

std::unique_ptr<plan::Recording> DeviceContext::record_host_run(const plan::Tap* tap) {
  const Border& to = border();
  return queue_->record([&] {
    for (size_t i = 0; i < to.inputs.size(); ++i) {
      queue_->upload(to.device.data() + to.inputs[i], to.staging.data() + to.inputs[i], input_bytes(i));
    }
    if (tap != nullptr) {
      queue_tapped_steps(*tap);
    } else {
      queue_steps();
    }
    for (size_t i = 0; i < to.outputs.size(); ++i) {
      queue_->download(to.staging.data() + to.outputs[i], to.device.data() + to.outputs[i], output_bytes(i));
    }
  });
}

void DeviceContext::replay_host_run(const plan::Recording& recording, std::span<const void* const> inputs,
                                    std::span<void* const> outputs, const std::function<void()>& meanwhile) {
  const Border& to = border();
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (input_bytes(i) > 0) std::memcpy(to.staging.data() + to.inputs[i], inputs[i], input_bytes(i));
  }
  queue_->replay(recording);
  try {
    if (meanwhile) meanwhile();
  } catch (...) {
    queue_->wait();  // the next run writes staging memory
    throw;
  }
  queue_->wait();
  throw_failures();
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (output_bytes(i) > 0) std::memcpy(outputs[i], to.staging.data() + to.outputs[i], output_bytes(i));
  }
}

void DeviceContext::point_to_border(size_t inputs, size_t outputs) {
  const Border& to = border();
  check(inputs == to.inputs.size() && outputs == to.outputs.size(), "a run needs {} inputs and {} outputs",
        to.inputs.size(), to.outputs.size());
  point_to(to.input_addresses, to.output_addresses);
}

void DeviceContext::run(std::span<const void* const> inputs, std::span<void* const> outputs) {
  point_to_border(inputs.size(), outputs.size());
  if (host_run_ == nullptr) host_run_ = record_host_run(nullptr);
  replay_host_run(*host_run_, inputs, outputs, nullptr);
}

void DeviceContext::run_tapped(std::span<const void* const> inputs, std::span<void* const> outputs,
                               const std::shared_ptr<const plan::Tap>& tap, const std::function<void()>& meanwhile) {
  point_to_border(inputs.size(), outputs.size());
  if (tapped_run_ == nullptr || tap_ != tap) {
    tapped_run_ = record_host_run(tap.get());
    tap_ = tap;
  }
  replay_host_run(*tapped_run_, inputs, outputs, meanwhile);
}

const plan::Recording& DeviceContext::recorded(std::span<const void* const> inputs, std::span<void* const> outputs) {
  const auto same = [&](const Recorded& one) {
    return std::equal(inputs.begin(), inputs.end(), one.inputs.begin(), one.inputs.end()) &&
           std::equal(outputs.begin(), outputs.end(), one.outputs.begin(), one.outputs.end());
  };
  const auto found = std::find_if(recorded_.begin(), recorded_.end(), same);
  if (found != recorded_.end()) {
    recorded_.splice(recorded_.begin(), recorded_, found);
    return *recorded_.front().recording;
  }
  point_to(inputs, outputs);
  Recorded made{{inputs.begin(), inputs.end()}, {outputs.begin(), outputs.end()}, nullptr};
  made.recording = queue_->record([&] { queue_steps(); });
  if (recorded_.size() >= kMostRecordings) {
    queue_->wait();  // the oldest one may still run
    recorded_.pop_back();
  }
  recorded_.push_front(std::move(made));
  return *recorded_.front().recording;
}

void DeviceContext::run_on_device(std::span<const void* const> inputs, std::span<void* const> outputs, Stream stream) {
  throw_failures();  // of an earlier run: nobody waited for it
  queue_->replay(recorded(inputs, outputs), stream);
}

void DeviceContext::run_observed(std::span<const void* const> inputs, std::span<void* const> outputs,
                                 const plan::Watch& watch) {
  const Border& to = border();
  point_to(to.input_addresses, to.output_addresses);
  for (size_t i = 0; i < inputs.size(); ++i) {
    queue_->upload(to.device.data() + to.inputs[i], inputs[i], input_bytes(i));
  }
  queue_->wait();
  watch(*this, -1, 0.0);
  auto next = steps().begin();
  for (int step = 0; step < static_cast<int>(prepared().plan.steps.size()); ++step) {
    double elapsed_us = 0.0;
    if (next != steps().end() && next->step == step) {
      elapsed_us = queue_->elapsed_us([&] { queue_step(*next); });
      ++next;
    }
    throw_failures();
    watch(*this, step, elapsed_us);
  }
  queue_copies();
  for (size_t i = 0; i < outputs.size(); ++i) {
    queue_->download(outputs[i], to.device.data() + to.outputs[i], output_bytes(i));
  }
  queue_->wait();
}

}  // namespace tfengine::runtime
