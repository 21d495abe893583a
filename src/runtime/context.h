// SPDX-License-Identifier: Apache-2.0
// A plan bound to memory: one arena, one workspace, every step's addresses fixed. One context serves one call at a time;
// contexts of one plan share the prepared kernels and with them the weights. Here is the host's; device_context.h is the
// same for a plan whose tensors lie on a device.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "plan/plan.h"

namespace tfengine::runtime {

// A plan with its kernels prepared (weights packed).
struct PreparedPlan {
  plan::Plan plan;
  std::vector<std::shared_ptr<const plan::Kernel>> kernels;  // by step; null where elided
  std::vector<std::span<const std::byte>> ahead;             // by step: the weights of the next step that has any
};

// Large constants that no kernel reads any more are freed, step by step, as far as the plan holds them.
std::shared_ptr<const PreparedPlan> prepare(plan::Plan plan, plan::PackedStore& packed);
// The constant without its bytes: type and shape stay.
Tensor without_bytes(const Tensor& constant);
// Smaller constants are kept: they cost nothing, and shapes and axes are looked at later.
inline constexpr size_t kLargeConstantBytes = 4096;

class Context {
 public:
  Context(std::shared_ptr<const PreparedPlan> prepared, Allocator& allocator);
  virtual ~Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Addresses of dense tensors in the host's memory, in the graph's order and static shapes. Allocates nothing, but what a
  // device's first run needs to bring them there.
  virtual void run(std::span<const void* const> inputs, std::span<void* const> outputs);
  // As run, calling `after(step, elapsed_us)` behind every step, elided ones included.
  virtual void run_observed(std::span<const void* const> inputs, std::span<void* const> outputs,
                            const std::function<void(int step, double elapsed_us)>& after);
  // With tensors on the plan's device, in order with the work of `stream` and without waiting for it. The first run with
  // other addresses than before takes longer. InvalidArgument on the host.
  virtual void run_on_device(std::span<const void* const> inputs, std::span<void* const> outputs,
                             plan::StreamHandle stream);
  // The tensor's address during or after a run (plans made with keep_all: valid for all values).
  const void* address(ir::ValueId id) const;
  const PreparedPlan& prepared() const { return *prepared_; }

 protected:
  // Binds the steps to these addresses; false: they were bound to them.
  bool point_to(std::span<const void* const> inputs, std::span<void* const> outputs);
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
    int step = 0;
  };
  std::vector<BoundStep>& steps() { return steps_; }
  void set_queue(plan::Queue* queue) { queue_ = queue; }

 private:
  void bind_step(size_t step);
  void copy_outputs();
  plan::StepArgs args_of(size_t step) const;

  std::shared_ptr<const PreparedPlan> prepared_;
  Buffer arena_;
  Buffer workspace_;
  std::vector<const void*> inputs_;
  std::vector<void*> outputs_;
  std::vector<BoundStep> steps_;
  plan::Queue* queue_ = nullptr;
};

// A context of the kind that the plan needs. `allocator` gives memory of the plan's device.
std::unique_ptr<Context> make_context(std::shared_ptr<const PreparedPlan> prepared, Allocator& allocator);

}  // namespace tfengine::runtime
