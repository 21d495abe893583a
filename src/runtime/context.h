// SPDX-License-Identifier: Apache-2.0
// A plan bound to memory: one arena, one workspace (its own, or one that engines share), every step's addresses fixed. One
// context serves one call at a time; contexts of one plan share the prepared kernels and with them the weights. Here is the
// host's; device_context.h is the same for a plan whose tensors lie on a device.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/workspace.h"
#include "plan/plan.h"

namespace tfengine::runtime {

// A plan with its kernels prepared (weights packed).
struct PreparedPlan {
  plan::Plan plan;
  std::vector<std::shared_ptr<const plan::Kernel>> kernels;  // by step; null where elided
  std::vector<std::span<const std::byte>> ahead;             // by step: the weights of the next step that has any
  // By step: the plans of its regions, which are taken out of the step. Empty for most.
  std::vector<std::vector<std::shared_ptr<const PreparedPlan>>> regions;
};
// Calls `use` with the plan and with all that its steps run.
void for_each_plan(const PreparedPlan& prepared, const std::function<void(const PreparedPlan&)>& use);

// Large constants that no kernel reads any more are freed, step by step, as far as the plan holds them.
std::shared_ptr<const PreparedPlan> prepare(plan::Plan plan, plan::PackedStore& packed);
// The constant without its bytes: type and shape stay.
Tensor without_bytes(const Tensor& constant);
// Smaller constants are kept: they cost nothing, and shapes and axes are looked at later.
inline constexpr size_t kLargeConstantBytes = 4096;

// Where a context's memory comes from.
struct ContextMemory {
  Allocator* allocator = nullptr;
  WorkspaceUse workspace = WorkspaceUse::Kept;
  std::shared_ptr<detail::WorkspaceBlock> shared;  // null: a workspace of its own
};

class Context : public plan::RunningPlan {
 public:
  Context(std::shared_ptr<const PreparedPlan> prepared, const ContextMemory& memory);
  Context(std::shared_ptr<const PreparedPlan> prepared, Allocator& allocator)
      : Context(std::move(prepared), ContextMemory{&allocator, WorkspaceUse::Kept, nullptr}) {}
  // In memory that the caller has: an arena and a workspace of the plan's sizes, which outlive the context.
  Context(std::shared_ptr<const PreparedPlan> prepared, std::byte* arena, std::byte* workspace);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Addresses of dense tensors in the host's memory, in the graph's order and static shapes. Allocates nothing, but what a
  // device's first run needs to bring them there.
  virtual void run(std::span<const void* const> inputs, std::span<void* const> outputs);
  // As run, calling `watch` before the first step and behind every step, elided ones included, here and in regions.
  virtual void run_observed(std::span<const void* const> inputs, std::span<void* const> outputs,
                            const plan::Watch& watch);
  // As run on a device, with what `tap` puts into its queue: it is asked once, and again when another one is given. `meanwhile` is
  // called while the device runs, before outputs are written. InvalidArgument on the host.
  virtual void run_tapped(std::span<const void* const> inputs, std::span<void* const> outputs,
                          const std::shared_ptr<const plan::Tap>& tap, const std::function<void()>& meanwhile);
  // With tensors on the plan's device, in order with the work of `stream` and without waiting for it. The first run with
  // other addresses than before takes longer. InvalidArgument on the host.
  virtual void run_on_device(std::span<const void* const> inputs, std::span<void* const> outputs, Stream stream);
  // Sets the addresses, which run() then finds set: what a later run would allocate for that is allocated here.
  void point_to(std::span<const void* const> inputs, std::span<void* const> outputs);
  // For the next run, of a context in its caller's memory.
  void move_workspace(std::byte* workspace);
  // The tensor's address during or after a run (plans made with keep_all: valid for all values).
  const void* address(ir::ValueId id) const override;
  const plan::Plan& plan() const override { return prepared_->plan; }
  const PreparedPlan& prepared() const { return *prepared_; }
  // That it holds now.
  uint64_t held_bytes() const { return arena_.bytes() + workspace_.bytes(); }

 protected:
  struct Copy {
    const void* from;
    void* to;
    size_t bytes;
  };
  // Outputs that no step writes where the caller wants them: a graph input, a constant or another output's second name.
  std::vector<std::pair<ir::ValueId, Copy>> output_copies() const;
  void* mutable_address(ir::ValueId id) const;

  struct BoundStep {
    std::unique_ptr<plan::BoundKernel> kernel;
    Copy copy{nullptr, nullptr, 0};  // of an operand that the step overwrites
    bool touches_border = false;     // reads a graph input or writes a graph output
    bool has_workspace = false;
    int step = 0;
  };
  std::vector<BoundStep>& steps() { return steps_; }
  void set_queue(plan::Queue* queue) { queue_ = queue; }

 private:
  void add_steps();
  // The workspace for one run: waits for it where others share it, takes it where it is not kept.
  void take_workspace(std::optional<detail::WorkspaceBlock::Turn>& turn);
  void bind_step(size_t step);
  void copy_outputs();
  plan::StepArgs args_of(size_t step) const;

  std::shared_ptr<const PreparedPlan> prepared_;
  Buffer arena_;  // empty where the caller has one
  std::byte* arena_at_ = nullptr;
  Buffer workspace_;  // empty where it is shared or not kept
  std::shared_ptr<detail::WorkspaceBlock> shared_workspace_;
  std::byte* workspace_at_ = nullptr;  // of this run
  bool workspace_moved_ = false;
  std::string workspace_name_;  // for messages
  bool bound_ = false;
  std::vector<const void*> inputs_;
  std::vector<void*> outputs_;
  std::vector<BoundStep> steps_;
  plan::Queue* queue_ = nullptr;
};

// A context of the kind that the plan needs. The allocator gives memory of the plan's device, where the workspace is the
// context's own and kept: a queue may still run when the next call comes.
std::unique_ptr<Context> make_context(std::shared_ptr<const PreparedPlan> prepared, const ContextMemory& memory);

}  // namespace tfengine::runtime
