// SPDX-License-Identifier: Apache-2.0
// An engine: a converted model that runs, saves itself to a .tfe file and reports what it uses.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tfengine/allocator.h"
#include "tfengine/data.h"
#include "tfengine/export.h"
#include "tfengine/memory_report.h"
#include "tfengine/model.h"
#include "tfengine/shared_weights.h"
#include "tfengine/workspace.h"

namespace tfengine {

inline constexpr uint64_t kDefaultMaxWorkspaceSizeBytes = uint64_t{1} << 30;

struct EngineOptions {
  int threads = 0;  // of each run; 0: the number the engine was converted with, or all cores
  // A tactic that needs more scratch memory is not eligible. Unset: kDefaultMaxWorkspaceSizeBytes, or for a loaded engine the
  // limit that it was made with.
  std::optional<uint64_t> max_workspace_size_bytes;
  // Everything the engine holds or uses at run time comes from here; null: default_allocator(). It must outlive the engine.
  Allocator* allocator = nullptr;
  // The most that the engine may hold and use at run time, whatever the allocator has: weights, activations and workspaces.
  uint64_t memory_limit_bytes = UINT64_MAX;
  // Plans kept, one per set of input shapes; the least recently used is dropped.
  int maximum_cached_engines = 8;
  // The most bytes that plans are kept for: the weights, which they share, and the activations and workspaces of each. Beyond
  // it the least recently used plans are dropped; the latest one always stays.
  uint64_t maximum_cached_bytes = UINT64_MAX;
  WorkspaceUse workspace = WorkspaceUse::Kept;
  // In place of a workspace of its own: one block for all engines that are given it. `workspace` counts for nothing then. On a
  // GPU an engine's workspace is its own and kept, whatever is said here.
  std::shared_ptr<SharedWorkspace> shared_workspace;
  // Weights held once for all engines that are given it.
  std::shared_ptr<SharedWeights> shared_weights;
  // Tactic times kept across runs; empty: none.
  std::filesystem::path timing_cache;
  // "": the best for each step; "reference" or "onednn" to ask for one by name.
  std::string backend;
  // Where it runs: "" or "cpu"; "cuda" for the first NVIDIA GPU, "cuda:1" for the second. An `allocator` then gives that
  // GPU's memory; null: tfengine's own pool of it (tfengine/gpu.h).
  std::string device;
  // Off: each step takes its backend's first tactic, untimed, and every step that can be INT8 is: what is made depends on
  // nothing but the model, the options and the kind of CPU. The environment's TFENGINE_TIME_TACTICS=0 does the same.
  bool time_tactics = true;
};

// One step of a plan.
struct LayerProfile {
  std::string name;
  std::string op;
  std::string precision;  // "fp32", "fp16", "bf16", "int8"
  std::string backend;
  std::string tactic;
  double time_us = 0.0;  // median over the profiled runs
  std::string output_shape;
};

namespace detail {
struct EngineImpl;
}

class TFE_API Engine {
 public:
  // Maps the file; constants stay views of it. InvalidModel when it is no engine, damaged or of another version;
  // InvalidArgument when it is missing or an option is wrong. Made on another CPU, its tactics are chosen anew (notices()).
  static Engine load(const std::filesystem::path& path, const EngineOptions& options = {});
  // The bytes of a .tfe file in memory, 64-byte aligned; `owner` keeps them alive, since constants stay views of them.
  // `name` stands for them in messages.
  static Engine from_bytes(std::string_view bytes, std::shared_ptr<const void> owner, const EngineOptions& options = {},
                           const std::string& name = "engine");
  // The same for a host that can give the bytes whenever they are needed: to plan for shapes and to save. In between the
  // engine holds little but the weights in the form that its kernels read.
  struct Bytes {
    std::string_view text;
    std::shared_ptr<const void> owner;
  };
  static Engine from_source(std::function<Bytes()> source, const EngineOptions& options = {},
                            const std::string& name = "engine");
  // Whether the bytes begin as an engine file does; loading may still refuse them.
  static bool is_engine(std::string_view bytes);
  // Atomic: the file appears whole or not at all.
  void save(const std::filesystem::path& path) const;
  // What the engine computes, for other programs, with the same names of inputs and outputs: as an ONNX model of opset 13
  // with QuantizeLinear and DequantizeLinear nodes, and as a frozen GraphDef with fake-quant nodes. Their bytes.
  // InvalidArgument naming a node that has no counterpart there, or for an engine of precision bf16.
  std::string to_onnx() const;
  std::string to_tensorflow() const;
  // The same bytes, piece after piece, for other storage than files.
  void write(const std::function<void(const void* data, size_t bytes)>& sink) const;

  // In the order that nameless inputs are taken in, and that outputs come in.
  std::vector<TensorSpec> inputs() const;
  std::vector<TensorSpec> outputs() const;
  // Inputs by name (or in order when their names are empty); the first call for a set of shapes plans for it.
  // Thread-safe: each concurrent call uses a context of its own.
  // InvalidArgument for a wrong name, dtype or shape; OutOfMemory, after which the engine is as before.
  std::vector<NamedTensor> run(const std::vector<NamedTensor>& inputs) const;
  // The same without allocating: `outputs` point to buffers of the outputs' sizes for these shapes.
  void run_into(const std::vector<NamedTensor>& inputs, const std::vector<void*>& outputs) const;
  // The same for a caller who makes the buffers when their shapes are known: `allocate` is called once, when there is a plan
  // for the inputs, and what it throws passes through.
  using AllocateOutputs = std::function<std::vector<void*>(const std::vector<Shape>& output_shapes)>;
  void run_into(const std::vector<NamedTensor>& inputs, const AllocateOutputs& allocate) const;
  // With tensors on the engine's device, in the orders of inputs() and outputs(): puts the work into `stream`, a stream of
  // that device (null: one of the engine's own), and does not wait for it. Addresses are multiples of 16 and hold dense
  // tensors; one set of addresses that comes back runs faster than a new one. InvalidArgument for an engine on the host.
  void run_on_device(const std::vector<Shape>& input_shapes, const std::vector<const void*>& inputs,
                     const std::vector<void*>& outputs, Stream stream = nullptr) const;
  // The same with inputs that are views of the device's memory, by name or in order, and buffers there from `allocate`.
  void run_on_device(const std::vector<NamedTensor>& inputs, const AllocateOutputs& allocate,
                     Stream stream = nullptr) const;
  // Plans and allocates for these shapes now (in the order of inputs()).
  void prepare(const std::vector<Shape>& input_shapes) const;
  // Whether a call with these shapes finds a plan, or the tactics of an earlier one, and measures nothing.
  bool planned(const std::vector<Shape>& input_shapes) const;
  // The plans that are kept now, most recently used first, and how many were dropped for want of room.
  std::vector<PlanSummary> plans() const;
  int64_t evictions() const;
  // What the engine holds now: weights, and activations and workspaces of the plans that are kept.
  uint64_t cached_bytes() const;
  // Gives back activations and workspaces that no call uses now, and plans but the latest; the next calls take them again.
  void release_memory() const;
  // Shapes of the outputs for these inputs' shapes.
  std::vector<Shape> output_shapes(const std::vector<Shape>& input_shapes) const;

  std::string precision() const;  // "fp32", "fp16", "bf16" or "int8"
  bool quantized() const;         // whether any tensor is INT8
  std::string tag() const;        // ConvertOptions::tag
  int threads() const;
  std::string device() const;  // "cpu" or "cuda:0"
  // For the given input shapes (prepared if need be); empty: the shapes of the latest plan.
  MemoryReport memory(const std::vector<Shape>& input_shapes = {}) const;
  // The same, and where it goes: steps, tensors, tactics that did not fit, what to change.
  MemoryDetails memory_details(const std::vector<Shape>& input_shapes = {}) const;
  // Every step, in order, with the median time over `runs` runs behind one that warms up.
  std::vector<LayerProfile> profile(const std::vector<NamedTensor>& inputs, int runs = 20) const;
  // What conversion decided, as JSON: segments, refusals, ranges with sources, why each tensor is INT8 or float, timings.
  std::string report_json() const;
  std::vector<std::string> notices() const;  // e.g. tactics chosen anew on another CPU
  // The graph as text.
  std::string dump() const;

  const std::shared_ptr<detail::EngineImpl>& impl() const { return impl_; }
  explicit Engine(std::shared_ptr<detail::EngineImpl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<detail::EngineImpl> impl_;
};

}  // namespace tfengine
