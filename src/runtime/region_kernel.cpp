// SPDX-License-Identifier: Apache-2.0
#include "runtime/region_kernel.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "ops/control_flow.h"

namespace tfengine::runtime {

namespace {

using plan::RegionPlans;
using plan::StepArgs;

std::byte* bytes_at(void* base, int64_t offset) { return static_cast<std::byte*>(base) + offset; }

// Every region's plan in the same memory: one runs at a time.
std::vector<std::unique_ptr<Context>> contexts_for(const std::vector<std::shared_ptr<const PreparedPlan>>& regions,
                                                   const StepArgs& args) {
  std::vector<std::unique_ptr<Context>> contexts;
  for (const auto& region : regions) {
    contexts.push_back(std::make_unique<Context>(region, static_cast<std::byte*>(args.scratch),
                                                 static_cast<std::byte*>(args.workspace)));
  }
  return contexts;
}

class BoundLoop : public plan::BoundKernel {
 public:
  BoundLoop(const ir::Node& node, const RegionPlans& layout,
            const std::vector<std::shared_ptr<const PreparedPlan>>& regions, const StepArgs& args)
      : node_(node), layout_(layout), contexts_(contexts_for(regions, args)) {
    const plan::Plan& condition = regions[0]->plan;
    condition_ = condition.descs[static_cast<size_t>(condition.graph.outputs[0].value)];
    const plan::Plan& body = regions[1]->plan;
    for (const ir::GraphOutput& out : body.graph.outputs) {
      state_bytes_.push_back(body.descs[static_cast<size_t>(out.value)].bytes());
    }
    rebind(args);
  }

  void rebind(const StepArgs& args) override {
    args_ = args;
    inputs_.assign(args.src.begin(), args.src.end());
    next_.clear();
    for (size_t state = 0; state < state_bytes_.size(); ++state) {
      inputs_[state] = args.dst[state];
      const int64_t offset = layout_.next_state[state];
      next_.push_back(offset == RegionPlans::kInPlace ? args.dst[state] : bytes_at(args.scratch, offset));
    }
    flag_ = {bytes_at(args.scratch, layout_.condition)};
    for (const auto& context : contexts_) context->move_workspace(static_cast<std::byte*>(args.workspace));
    contexts_[0]->point_to(inputs_, flag_);
    contexts_[1]->point_to(inputs_, next_);
  }

  void run() override { loop(nullptr); }
  void run_watched(const plan::Watch& watch) override { loop(&watch); }

 private:
  void loop(const plan::Watch* watch) {
    for (size_t state = 0; state < state_bytes_.size(); ++state) {
      if (args_.src[state] != args_.dst[state]) {
        std::memcpy(args_.dst[state], args_.src[state], state_bytes_[state]);
      }
    }
    while (goes_on(watch)) {
      run_region(1, next_, watch);
      for (size_t state = 0; state < state_bytes_.size(); ++state) {
        if (next_[state] != args_.dst[state]) std::memcpy(args_.dst[state], next_[state], state_bytes_[state]);
      }
    }
  }

  bool goes_on(const plan::Watch* watch) {
    run_region(0, flag_, watch);
    if (condition_.dtype == DType::Bool) return *static_cast<const bool*>(flag_[0]);
    return ops::is_true(node_, Tensor(condition_.dtype, condition_.shape, flag_[0], nullptr));
  }

  void run_region(size_t region, std::span<void* const> outputs, const plan::Watch* watch) {
    if (watch == nullptr)
      contexts_[region]->run(inputs_, outputs);
    else
      contexts_[region]->run_observed(inputs_, outputs, *watch);
  }

  const ir::Node& node_;
  const RegionPlans& layout_;
  std::vector<std::unique_ptr<Context>> contexts_;
  plan::TensorDesc condition_;
  std::vector<size_t> state_bytes_;
  StepArgs args_;
  std::vector<const void*> inputs_;
  std::vector<void*> next_;
  std::vector<void*> flag_;
};

class BoundBranch : public plan::BoundKernel {
 public:
  BoundBranch(const ir::Node& node, const plan::TensorDesc& selector,
              const std::vector<std::shared_ptr<const PreparedPlan>>& regions, const StepArgs& args)
      : node_(node), selector_(selector), contexts_(contexts_for(regions, args)) {
    rebind(args);
  }

  void rebind(const StepArgs& args) override {
    chosen_by_ = args.src[0];
    inputs_.assign(args.src.begin() + 1, args.src.end());
    outputs_ = args.dst;
    for (const auto& context : contexts_) {
      context->move_workspace(static_cast<std::byte*>(args.workspace));
      context->point_to(inputs_, outputs_);
    }
  }

  void run() override { contexts_[chosen()]->run(inputs_, outputs_); }
  void run_watched(const plan::Watch& watch) override { contexts_[chosen()]->run_observed(inputs_, outputs_, watch); }

 private:
  size_t chosen() const {
    // The usual types, without a tensor for each run.
    if (node_.op == "If" && selector_.dtype == DType::Bool) return *static_cast<const bool*>(chosen_by_) ? 0 : 1;
    if (node_.op == "Case" && selector_.dtype == DType::S32) {
      const auto index = static_cast<size_t>(*static_cast<const int32_t*>(chosen_by_));  // negative ones are large
      return std::min(index, contexts_.size() - 1);
    }
    return ops::chosen_region(node_, Tensor(selector_.dtype, selector_.shape, chosen_by_, nullptr));
  }

  const ir::Node& node_;
  const plan::TensorDesc& selector_;
  std::vector<std::unique_ptr<Context>> contexts_;
  const void* chosen_by_ = nullptr;
  std::vector<const void*> inputs_;
  std::vector<void*> outputs_;
};

class RegionKernel : public plan::Kernel {
 public:
  RegionKernel(const ir::Node& node, const plan::TensorDesc& selector, const RegionPlans& layout,
               std::vector<std::shared_ptr<const PreparedPlan>> regions)
      : node_(node), selector_(selector), layout_(layout), regions_(std::move(regions)) {}

  std::unique_ptr<plan::BoundKernel> bind(const StepArgs& args) const override {
    if (ops::is_loop(node_)) return std::make_unique<BoundLoop>(node_, layout_, regions_, args);
    return std::make_unique<BoundBranch>(node_, selector_, regions_, args);
  }

 private:
  ir::Node node_;
  plan::TensorDesc selector_;
  RegionPlans layout_;
  std::vector<std::shared_ptr<const PreparedPlan>> regions_;
};

}  // namespace

std::shared_ptr<const plan::Kernel> region_kernel(const ir::Node& node, const plan::TensorDesc& selector,
                                                  const RegionPlans& layout,
                                                  std::vector<std::shared_ptr<const PreparedPlan>> regions) {
  return std::make_shared<RegionKernel>(node, selector, layout, std::move(regions));
}

}  // namespace tfengine::runtime
