// SPDX-License-Identifier: Apache-2.0
#include "runtime/context.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/check.h"
#include "base/memory_label.h"
#include "plan/host_step.h"
#include "runtime/device_context.h"
#include "runtime/region_kernel.h"

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

const plan::TensorDesc& selector_of(const plan::Plan& plan, const plan::Step& step) {
  return plan.descs[static_cast<size_t>(plan.graph.node(step.node).inputs.at(0))];
}

// On a device's plan they run on the host, with memory of their own there.
std::shared_ptr<const plan::Kernel> kernel_of_regions(const plan::Plan& plan, const plan::Step& step,
                                                      const std::vector<std::shared_ptr<const PreparedPlan>>& regions) {
  auto kernel = region_kernel(plan.graph.node(step.node), selector_of(plan, step), step.regions, regions);
  return plan.device == nullptr ? kernel : plan::host_regions(std::move(kernel), plan, step);
}

}  // namespace

Tensor without_bytes(const Tensor& constant) { return {constant.dtype(), constant.shape(), nullptr, nullptr}; }

std::shared_ptr<const PreparedPlan> prepare(plan::Plan plan, plan::PackedStore& packed) {
  auto prepared = std::make_shared<PreparedPlan>();
  prepared->plan = std::move(plan);
  ir::Graph& graph = prepared->plan.graph;
  ConstantUse use(prepared->plan);
  for (plan::Step& step : prepared->plan.steps) {
    const MemoryLabel label(graph.name, graph.node(step.node).name);
    auto& regions = prepared->regions.emplace_back();
    for (plan::Plan& region : step.regions.plans) regions.push_back(prepare(std::move(region), packed));
    step.regions.plans.clear();
    std::shared_ptr<const plan::Kernel> kernel;
    if (!regions.empty())
      kernel = kernel_of_regions(prepared->plan, step, regions);
    else if (!step.elided)
      kernel = step.tactic.prepare(packed);
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

void for_each_plan(const PreparedPlan& prepared, const std::function<void(const PreparedPlan&)>& use) {
  use(prepared);
  for (const auto& regions : prepared.regions) {
    for (const auto& region : regions) for_each_plan(*region, use);
  }
}

namespace {

const std::string& step_name(const plan::Plan& plan, const plan::Step& step) { return plan.graph.node(step.node).name; }

std::string workspace_name(const plan::Plan& plan) {
  for (const plan::Step& step : plan.steps) {
    if (step.tactic.workspace_bytes == plan.workspace_bytes && !step.elided) {
      return fmt::format("the workspace, which step '{}' needs", step_name(plan, step));
    }
  }
  return "the workspace";
}

std::string arena_name(const plan::Plan& plan) {
  if (plan.steps.empty()) return "the activation arena";
  return fmt::format("the activation arena, which is fullest at step '{}'",
                     step_name(plan, plan.steps[static_cast<size_t>(plan.peak_step)]));
}

Buffer taken(Allocator& allocator, uint64_t bytes, Purpose purpose, std::string (*name)(const plan::Plan&),
             const plan::Plan& plan) {
  const MemoryLabel label(plan.graph.name, {});
  return bytes == 0 ? Buffer() : Buffer(allocator, bytes, purpose, name(plan));
}

}  // namespace

Context::Context(std::shared_ptr<const PreparedPlan> prepared, const ContextMemory& memory)
    : prepared_(std::move(prepared)),
      arena_(taken(*memory.allocator, prepared_->plan.arena_bytes, Purpose::Activations, arena_name, prepared_->plan)),
      inputs_(prepared_->plan.graph.inputs.size(), nullptr),
      outputs_(prepared_->plan.graph.outputs.size(), nullptr) {
  const uint64_t workspace_bytes = prepared_->plan.workspace_bytes;
  workspace_name_ = workspace_name(prepared_->plan);
  if (workspace_bytes > 0 && memory.shared != nullptr) {
    shared_workspace_ = memory.shared;
  } else if (workspace_bytes > 0 && memory.workspace == WorkspaceUse::WhileRunning) {
    shared_workspace_ = std::make_shared<detail::WorkspaceBlock>(*memory.allocator, memory.workspace);
  } else {
    workspace_ = taken(*memory.allocator, workspace_bytes, Purpose::Workspace, workspace_name, prepared_->plan);
    workspace_at_ = workspace_.data();
  }
  arena_at_ = arena_.data();
  add_steps();
}

Context::Context(std::shared_ptr<const PreparedPlan> prepared, std::byte* arena, std::byte* workspace)
    : prepared_(std::move(prepared)),
      arena_at_(arena),
      workspace_at_(workspace),
      inputs_(prepared_->plan.graph.inputs.size(), nullptr),
      outputs_(prepared_->plan.graph.outputs.size(), nullptr) {
  add_steps();
}

void Context::add_steps() {
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
    bound.has_workspace = plan.steps[i].tactic.workspace_bytes > 0 || !prepared_->regions[i].empty();
    steps_.push_back(std::move(bound));
  }
}

void* Context::mutable_address(ir::ValueId id) const {
  const plan::Location& where = prepared_->plan.locations[static_cast<size_t>(id)];
  switch (where.place) {
    case Place::Arena:
      return arena_at_ + where.offset;
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
  args.workspace = workspace_at_;
  args.scratch = arena_at_ + prepared_->plan.steps[step].regions.scratch_offset;
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
    // A body of a loop may write over the state that it reads.
    const void* from = args.src[static_cast<size_t>(copy_input)];
    bound.copy = {from, args.dst[0], from == args.dst[0] ? 0 : bytes};
    args.src[static_cast<size_t>(copy_input)] = args.dst[0];
  }
  if (bound.kernel == nullptr) {
    bound.kernel = prepared_->kernels[step]->bind(args);
  } else {
    bound.kernel->rebind(args);
  }
}

void Context::point_to(std::span<const void* const> inputs, std::span<void* const> outputs) {
  check(inputs.size() == inputs_.size() && outputs.size() == outputs_.size(), "a run needs {} inputs and {} outputs",
        inputs_.size(), outputs_.size());
  const bool moved = !std::equal(inputs.begin(), inputs.end(), inputs_.begin()) ||
                     !std::equal(outputs.begin(), outputs.end(), outputs_.begin());
  if (bound_ && !moved && !workspace_moved_) return;
  // What fails half-way, for want of memory, is begun anew by the next run.
  const bool all = !bound_;
  bound_ = false;
  std::copy(inputs.begin(), inputs.end(), inputs_.begin());
  std::copy(outputs.begin(), outputs.end(), outputs_.begin());
  for (size_t i = 0; i < steps_.size(); ++i) {
    if (all || (moved && steps_[i].touches_border) || (workspace_moved_ && steps_[i].has_workspace)) bind_step(i);
  }
  workspace_moved_ = false;
  bound_ = true;
}

void Context::take_workspace(std::optional<detail::WorkspaceBlock::Turn>& turn) {
  if (shared_workspace_ == nullptr) return;
  const MemoryLabel label(prepared_->plan.graph.name, {});
  turn.emplace(*shared_workspace_, prepared_->plan.workspace_bytes, workspace_name_);
  workspace_moved_ = workspace_moved_ || turn->data() != workspace_at_;
  workspace_at_ = turn->data();
}

void Context::move_workspace(std::byte* workspace) {
  workspace_moved_ = workspace_moved_ || workspace != workspace_at_;
  workspace_at_ = workspace;
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
  std::optional<detail::WorkspaceBlock::Turn> workspace;
  take_workspace(workspace);
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
                           const plan::Watch& watch) {
  std::optional<detail::WorkspaceBlock::Turn> workspace;
  take_workspace(workspace);
  point_to(inputs, outputs);
  omp_set_num_threads(prepared_->plan.threads);
  watch(*this, -1, 0.0);
  auto next = steps_.begin();
  for (int step = 0; step < static_cast<int>(prepared_->plan.steps.size()); ++step) {
    double elapsed_us = 0.0;
    if (next != steps_.end() && next->step == step) {
      const auto start = std::chrono::steady_clock::now();
      if (next->copy.bytes != 0) std::memcpy(next->copy.to, next->copy.from, next->copy.bytes);
      next->kernel->run_watched(watch);
      elapsed_us = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
      ++next;
    }
    watch(*this, step, elapsed_us);
  }
  copy_outputs();
}

void Context::run_tapped(std::span<const void* const>, std::span<void* const>, const std::shared_ptr<const plan::Tap>&,
                         const std::function<void()>&) {
  fail<InvalidArgument>("'{}' runs on the host: there is no queue to tap", prepared_->plan.graph.name);
}

void Context::run_on_device(std::span<const void* const>, std::span<void* const>, Stream) {
  fail<InvalidArgument>("'{}' runs on the host: its tensors cannot lie on a device", prepared_->plan.graph.name);
}

std::unique_ptr<Context> make_context(std::shared_ptr<const PreparedPlan> prepared, const ContextMemory& memory) {
  if (prepared->plan.device != nullptr) return std::make_unique<DeviceContext>(std::move(prepared), *memory.allocator);
  return std::make_unique<Context>(std::move(prepared), memory);
}

}  // namespace tfengine::runtime
