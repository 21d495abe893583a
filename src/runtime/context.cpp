// SPDX-License-Identifier: Apache-2.0
#include "runtime/context.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/check.h"
#include "runtime/device_context.h"

namespace tfengine::runtime {

using plan::Place;

namespace {

// Which constants are read at a run: by a kernel, as what a step copies, or as a result. The others can go as soon as the last
// step that has them as an input is prepared.
class ConstantUse {
 public:
  explicit ConstantUse(const plan::Plan& plan)
      : plan_(plan), steps_left_(static_cast<size_t>(plan.graph.value_count()), 0), read_(steps_left_.size(), false) {
    for (const plan::Step& step : plan.steps) count(step, 1);
    for (const ir::GraphOutput& out : plan.graph.outputs) mark(out.value);
  }

  void mark_reads(const plan::Step& step, const plan::Kernel& kernel) {
    const ir::Node& node = plan_.graph.node(step.node);
    for (int input = 0; input < static_cast<int>(node.inputs.size()); ++input) {
      if (kernel.reads(input) || step.copy_input == input) mark(node.inputs[static_cast<size_t>(input)]);
    }
  }

  // The step is prepared: constants that nothing needs any more.
  std::vector<ir::ValueId> finish(const plan::Step& step) {
    count(step, -1);
    std::vector<ir::ValueId> idle;
    for (const ir::ValueId id : plan_.graph.node(step.node).inputs) {
      const ir::ValueId constant = constant_of(id);
      if (constant != ir::kNone && steps_left_[at(constant)] == 0 && !read_[at(constant)]) idle.push_back(constant);
    }
    return idle;
  }

 private:
  static size_t at(ir::ValueId id) { return static_cast<size_t>(id); }
  // What a value is, or is a view of; kNone if that is no constant.
  ir::ValueId constant_of(ir::ValueId id) const {
    const plan::Location& where = plan_.locations[at(id)];
    if (where.place == Place::Constant) return where.index;
    return plan_.graph.value(id).is_constant() ? id : ir::kNone;
  }
  void mark(ir::ValueId id) {
    const ir::ValueId constant = constant_of(id);
    if (constant != ir::kNone) read_[at(constant)] = true;
  }
  void count(const plan::Step& step, int change) {
    for (const ir::ValueId id : plan_.graph.node(step.node).inputs) {
      const ir::ValueId constant = constant_of(id);
      if (constant != ir::kNone) steps_left_[at(constant)] += change;
    }
  }

  const plan::Plan& plan_;
  std::vector<int> steps_left_;
  std::vector<bool> read_;
};

}  // namespace

Tensor without_bytes(const Tensor& constant) { return {constant.dtype(), constant.shape(), nullptr, nullptr}; }

std::shared_ptr<const PreparedPlan> prepare(plan::Plan plan, plan::PackedStore& packed) {
  auto prepared = std::make_shared<PreparedPlan>();
  prepared->plan = std::move(plan);
  ir::Graph& graph = prepared->plan.graph;
  ConstantUse use(prepared->plan);
  for (plan::Step& step : prepared->plan.steps) {
    std::shared_ptr<const plan::Kernel> kernel = step.elided ? nullptr : step.tactic.prepare(packed);
    if (kernel != nullptr) use.mark_reads(step, *kernel);
    prepared->kernels.push_back(std::move(kernel));
    step.tactic.prepare = nullptr;  // holds constants, too
    for (const ir::ValueId id : use.finish(step)) {
      Tensor& constant = graph.value(id).constant;
      if (constant.bytes() >= kLargeConstantBytes) constant = without_bytes(constant);
    }
  }
  prepared->ahead.resize(prepared->kernels.size());
  for (size_t i = prepared->kernels.size(); i-- > 1;) {
    const auto& kernel = prepared->kernels[i];
    const bool weighted = kernel != nullptr && !kernel->weights().empty();
    prepared->ahead[i - 1] = weighted ? kernel->weights() : prepared->ahead[i];
  }
  return prepared;
}

Context::Context(std::shared_ptr<const PreparedPlan> prepared, Allocator& allocator)
    : prepared_(std::move(prepared)),
      arena_(allocator, prepared_->plan.arena_bytes, Purpose::Activations,
             "the activation arena of '" + prepared_->plan.graph.name + "'"),
      workspace_(allocator, prepared_->plan.workspace_bytes, Purpose::Workspace,
                 "the workspace of '" + prepared_->plan.graph.name + "'"),
      inputs_(prepared_->plan.graph.inputs.size(), nullptr),
      outputs_(prepared_->plan.graph.outputs.size(), nullptr) {
  const plan::Plan& plan = prepared_->plan;
  const auto border = [&](ir::ValueId id) {
    const Place place = plan.locations[static_cast<size_t>(id)].place;
    return place == Place::Input || place == Place::Output;
  };
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    if (plan.steps[i].elided) continue;
    const ir::Node& node = plan.graph.node(plan.steps[i].node);
    BoundStep bound;
    bound.step = static_cast<int>(i);
    bound.touches_border = std::any_of(node.inputs.begin(), node.inputs.end(), border) ||
                           std::any_of(node.outputs.begin(), node.outputs.end(), border);
    steps_.push_back(std::move(bound));
  }
}

void* Context::mutable_address(ir::ValueId id) const {
  const plan::Location& where = prepared_->plan.locations[static_cast<size_t>(id)];
  switch (where.place) {
    case Place::Arena:
      return arena_.data() + where.offset;
    case Place::Input:
      return static_cast<std::byte*>(const_cast<void*>(inputs_[static_cast<size_t>(where.index)])) + where.offset;
    case Place::Output:
      return static_cast<std::byte*>(outputs_[static_cast<size_t>(where.index)]) + where.offset;
    case Place::Constant:
      return const_cast<void*>(prepared_->plan.graph.value(where.index).constant.data());
    case Place::None:
      return nullptr;
  }
  return nullptr;
}

const void* Context::address(ir::ValueId id) const { return mutable_address(id); }

plan::StepArgs Context::args_of(size_t step) const {
  const ir::Node& node = prepared_->plan.graph.node(prepared_->plan.steps[step].node);
  plan::StepArgs args;
  for (const ir::ValueId id : node.inputs) args.src.push_back(mutable_address(id));
  for (const ir::ValueId id : node.outputs) args.dst.push_back(mutable_address(id));
  args.workspace = workspace_.data();
  args.ahead = prepared_->ahead[step];
  args.queue = queue_;
  return args;
}

void Context::bind_step(size_t index) {
  BoundStep& bound = steps_[index];
  const size_t step = static_cast<size_t>(bound.step);
  plan::StepArgs args = args_of(step);
  const int copy_input = prepared_->plan.steps[step].copy_input;
  if (copy_input != ir::kNone) {
    const ir::Node& node = prepared_->plan.graph.node(prepared_->plan.steps[step].node);
    const size_t bytes = prepared_->plan.descs[static_cast<size_t>(node.outputs[0])].bytes();
    bound.copy = {args.src[static_cast<size_t>(copy_input)], args.dst[0], bytes};
    args.src[static_cast<size_t>(copy_input)] = args.dst[0];
  }
  if (bound.kernel == nullptr) {
    bound.kernel = prepared_->kernels[step]->bind(args);
  } else {
    bound.kernel->rebind(args);
  }
}

bool Context::point_to(std::span<const void* const> inputs, std::span<void* const> outputs) {
  check(inputs.size() == inputs_.size() && outputs.size() == outputs_.size(), "a run needs {} inputs and {} outputs",
        inputs_.size(), outputs_.size());
  const bool first = !steps_.empty() && steps_[0].kernel == nullptr;
  const bool moved = !std::equal(inputs.begin(), inputs.end(), inputs_.begin()) ||
                     !std::equal(outputs.begin(), outputs.end(), outputs_.begin());
  if (!first && !moved) return false;
  std::copy(inputs.begin(), inputs.end(), inputs_.begin());
  std::copy(outputs.begin(), outputs.end(), outputs_.begin());
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (first || steps_[i].touches_border) bind_step(i);
  }
  return true;
}

std::vector<std::pair<ir::ValueId, Context::Copy>> Context::output_copies() const {
  const plan::Plan& plan = prepared_->plan;
  std::vector<std::pair<ir::ValueId, Copy>> copies;
  for (size_t i = 0; i < plan.graph.outputs.size(); ++i) {
    const ir::ValueId id = plan.graph.outputs[i].value;
    const plan::Location& where = plan.locations[static_cast<size_t>(id)];
    if (where.place == Place::Output && where.index == static_cast<int>(i)) continue;
    copies.emplace_back(id, Copy{mutable_address(id), outputs_[i], plan.descs[static_cast<size_t>(id)].bytes()});
  }
  return copies;
}

void Context::copy_outputs() {
  for (const auto& [id, copy] : output_copies()) std::memcpy(copy.to, copy.from, copy.bytes);
}

void Context::run(std::span<const void* const> inputs, std::span<void* const> outputs) {
  point_to(inputs, outputs);
  // Thread-local and cheap; oneDNN takes its team size from here.
  omp_set_num_threads(prepared_->plan.threads);
  for (BoundStep& step : steps_) {
    if (step.copy.bytes != 0) std::memcpy(step.copy.to, step.copy.from, step.copy.bytes);
    step.kernel->run();
  }
  copy_outputs();
}

void Context::run_observed(std::span<const void* const> inputs, std::span<void* const> outputs,
                           const std::function<void(int, double)>& after) {
  point_to(inputs, outputs);
  omp_set_num_threads(prepared_->plan.threads);
  auto next = steps_.begin();
  for (int step = 0; step < static_cast<int>(prepared_->plan.steps.size()); ++step) {
    double elapsed_us = 0.0;
    if (next != steps_.end() && next->step == step) {
      const auto start = std::chrono::steady_clock::now();
      if (next->copy.bytes != 0) std::memcpy(next->copy.to, next->copy.from, next->copy.bytes);
      next->kernel->run();
      elapsed_us = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
      ++next;
    }
    after(step, elapsed_us);
  }
  copy_outputs();
}

void Context::run_on_device(std::span<const void* const>, std::span<void* const>, plan::StreamHandle) {
  fail<InvalidArgument>("'{}' runs on the host: its tensors cannot lie on a device", prepared_->plan.graph.name);
}

std::unique_ptr<Context> make_context(std::shared_ptr<const PreparedPlan> prepared, Allocator& allocator) {
  if (prepared->plan.device != nullptr) return std::make_unique<DeviceContext>(std::move(prepared), allocator);
  return std::make_unique<Context>(std::move(prepared), allocator);
}

}  // namespace tfengine::runtime
