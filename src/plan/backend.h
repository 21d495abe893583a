// SPDX-License-Identifier: Apache-2.0
// What a backend is to the planner: for one step it enumerates every way to run it (tactics), each with its workspace;
// a chosen tactic is prepared once (weights packed, shared by all contexts) and bound to addresses per context. A backend's
// steps run on the host, or on its device: then addresses are the device's, and running means putting into a queue.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/refusal.h"
#include "ir/graph.h"
#include "plan/device.h"
#include "plan/packed_store.h"

namespace tfengine::plan {

// A tensor as a step sees it: static shape, dense row-major, except that the innermost rows may lie `pixel_stride`
// elements apart: when the tensor is a channel slice of a wider one, or its backend pads rows (pixel_stride == shape.back()
// when dense).
struct TensorDesc {
  DType dtype = DType::Invalid;
  Shape shape;
  ir::Quant quant;
  int64_t pixel_stride = 0;
  bool dense() const { return shape.rank() == 0 || pixel_stride == shape.back(); }
  size_t bytes() const { return static_cast<size_t>(shape.elements()) * dtype_bytes(dtype); }
  // What it takes with its rows `pixel_stride` apart.
  size_t storage_bytes() const {
    if (dense() || shape.elements() == 0) return bytes();
    return static_cast<size_t>(shape.elements() / shape.back() * pixel_stride) * dtype_bytes(dtype);
  }
};

// One node with all that is static about it. `constants[i]` is defined where input i is a constant.
struct StepSpec {
  const ir::Graph* graph = nullptr;
  const ir::Node* node = nullptr;
  std::vector<TensorDesc> inputs;
  std::vector<Tensor> constants;
  std::vector<std::string> input_names;
  std::vector<TensorDesc> outputs;
  int threads = 1;
  // The tactic that an earlier plan chose for the same step: others need not be listed, nor its proofs made again.
  // Empty: list all.
  std::string wanted;
  // What that tactic left in its plan to be made again from (Tactic::state); may be empty.
  std::string wanted_state;
  // The network's weights are too many for the caches: each run finds this step's in memory.
  bool cold_weights = false;
  // Whether tactics are timed; where they are not, the first one is taken.
  bool timed = true;
  // Where the plan's tensors lie; null: in the host's memory.
  const Device* device = nullptr;
};

// Addresses of a step's tensors. Constants' entries point to the constant's bytes, which are always in the host's memory:
// what a device reads of them has to be packed.
struct StepArgs {
  std::vector<const void*> src;
  std::vector<void*> dst;
  void* workspace = nullptr;
  void* scratch = nullptr;  // the part of the arena that is the step's own while it runs (Step::scratch_bytes)
  // What the next step with weights will read: a kernel may fetch it into the caches early.
  std::span<const std::byte> ahead;
  // Where a device's step puts its work; null on the host.
  Queue* queue = nullptr;
};

struct Plan;

// A plan that runs, as those see it who watch it: its steps' tensors at the moment.
class RunningPlan {
 public:
  virtual ~RunningPlan() = default;
  virtual const Plan& plan() const = 0;
  virtual const void* address(ir::ValueId id) const = 0;
};
// Called before the first step of a plan (step -1) and behind every one, of the plans that steps run, too, and there once
// per iteration.
using Watch = std::function<void(const RunningPlan& running, int step, double elapsed_us)>;

// Called behind every step while a run on a device is recorded (step -1: before the first): what it puts into the queue runs
// with every replay.
using Tap = std::function<void(const RunningPlan& running, int step, Queue& queue)>;

// A tactic bound to addresses: run() looks up, hashes and allocates nothing.
class BoundKernel {
 public:
  virtual ~BoundKernel() = default;
  // On a device: puts the step into the queue it was bound with.
  virtual void run() = 0;
  // As run, showing what runs inside of the step.
  virtual void run_watched(const Watch& /*watch*/) { run(); }
  // New addresses for the same shapes: graph inputs and outputs move between calls.
  virtual void rebind(const StepArgs& args) = 0;
  // What went wrong in the latest run where run() could not throw it, once it is over; null: nothing.
  virtual std::exception_ptr take_failure() { return nullptr; }
};

// A prepared tactic: immutable, shared by contexts and threads.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual std::unique_ptr<BoundKernel> bind(const StepArgs& args) const = 0;
  // Whether a run reads the memory of this input: not where it was packed. Constants that no kernel reads are freed.
  virtual bool reads(int /*input*/) const { return true; }
  // The packed weights that a run reads from memory; empty: none of any size.
  virtual std::span<const std::byte> weights() const { return {}; }
};

// Where the elements of an output lie in an input: its pixels, dense rows of the innermost axis, are `pixel_stride` elements apart.
struct View {
  int input = 0;
  int64_t first_element = 0;
  int64_t pixel_stride = 0;
};

struct Tactic {
  std::string name;
  size_t workspace_bytes = 0;
  // The output must share the memory of this input, whose old content is lost (residual sums); kNone: no such need.
  int inplace_input = ir::kNone;
  // The output may share this input's memory at no cost (elementwise); bit i for input i.
  uint64_t may_overwrite = 0;
  // As may_overwrite, where the output is smaller: it may lie at the start of this input.
  uint64_t may_overwrite_start = 0;
  // The first outputs, so many, may each share the memory of the input of the same index (states of loops).
  int carried = 0;
  // Copying nothing: the output is the same bytes as input 0 (Reshape, Squeeze).
  bool alias = false;
  // By output, where each is a regular part of an input (Split, Slice): users that take it where it lies save the copy.
  std::vector<View> views;
  // Bytes from which prepare() is quick in another process; kept with the plan. Empty: nothing to keep.
  std::string state;
  // Slow and surely right: last of the list, not chosen where there is another, whose results are compared with its once.
  bool oracle = false;
  std::function<std::shared_ptr<const Kernel>(PackedStore&)> prepare;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;
  // All ways to run the step, best guess first; or why there is none.
  virtual std::variant<std::vector<Tactic>, Refusal> tactics(const StepSpec& spec) const = 0;
  // Whether some shape of this node can run at all, before shapes are known; nullopt means yes.
  virtual std::optional<Refusal> refuses(const ir::Graph& graph, const ir::Node& node) const = 0;
  // Whether the node has an INT8 form here.
  virtual std::optional<Refusal> refuses_int8(const ir::Graph& graph, const ir::Node& node) const = 0;
  // Whether the node's INT8 form takes input `input`, or for ir::kNone its outputs, on a grid with a zero point.
  virtual std::optional<Refusal> refuses_zero_point(const ir::Graph& graph, const ir::Node& node, int input) const = 0;
  // Whether the node, of static shapes, may become a part of a FusedElementwise, which is one step then.
  virtual bool fuses(const ir::Graph& /*graph*/, const ir::Node& /*node*/) const { return false; }
  // Whether the backend runs this reduction as the last node of a FusedElementwise that makes its input.
  virtual bool fuses_reduction(const ir::Graph& /*graph*/, const ir::Node& /*node*/) const { return false; }
  // Whether steps may read and write channel slices (pixel_stride) for this node: inputs and outputs respectively.
  virtual bool takes_strided_input(const StepSpec& spec, int input) const = 0;
  virtual bool takes_strided_output(const StepSpec& spec) const = 0;
  // Where its steps' tensors lie; null: in the host's memory.
  virtual const Device* device() const { return nullptr; }
  // Changes how values between steps are stored, by ValueId: the distance of rows, and the dtype where a step reads its
  // operand in another one as well (a quantized value may be kept as floats). Values that a caller sees are left alone.
  virtual void lay_out(const ir::Graph& /*graph*/, std::vector<TensorDesc>& /*descs*/) const {}
  // What timing showed, in microseconds and the tactics' order: tells what to list for the next step of the kind.
  virtual void measured(const StepSpec& /*spec*/, std::span<const Tactic* const> /*tactics*/,
                        std::span<const double> /*times_us*/) const {}
  // A plan is made: what was kept to make it quickly may go.
  virtual void planned() const {}
};

// A kernel made of a function over StepArgs, for steps that keep no state per context. It does not read the inputs in
// `packed`, whose packed form is `weights`.
std::shared_ptr<const Kernel> function_kernel(std::function<void(const StepArgs&)> function,
                                              std::vector<int> packed = {}, std::span<const std::byte> weights = {});

}  // namespace tfengine::plan
