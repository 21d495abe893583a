// SPDX-License-Identifier: Apache-2.0
#include "support/conformance.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <fmt/core.h>

#include "base/buffer.h"
#include "ops/numeric.h"
#include "ops/op.h"
#include "plan/planner.h"
#include "support/compare.h"
#include "tfengine/error.h"

namespace tfengine::testing {

namespace {

// One step's memory: copies of the inputs, since an in-place tactic destroys one, and outputs filled with garbage, since
// an element that a kernel forgets must not happen to be right.
class StepMemory {
 public:
  // `over_start`: of this input the result lies at the start, over it; kNone: it has memory of its own.
  StepMemory(const plan::StepSpec& spec, const std::vector<Tensor>& inputs, const plan::Tactic& tactic,
             int over_start = ir::kNone)
      : workspace_(DType::U8, {static_cast<int64_t>(tactic.workspace_bytes)}) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      inputs_.push_back(copy(inputs[i]));
      args.src.push_back(spec.constants[i].defined() ? spec.constants[i].data() : inputs_.back().data());
    }
    for (size_t i = 0; i < spec.outputs.size(); ++i) {
      outputs.emplace_back(spec.outputs[i].dtype, spec.outputs[i].shape);
      std::memset(outputs.back().mutable_data(), 0x7b, outputs.back().bytes());
      args.dst.push_back(outputs.back().mutable_data());
    }
    if (tactic.inplace_input != ir::kNone) {
      const auto index = static_cast<size_t>(tactic.inplace_input);
      std::memcpy(args.dst[0], args.src[index], inputs_[index].bytes());
      args.src[index] = args.dst[0];
    }
    if (over_start != ir::kNone) {
      over_ = inputs_[static_cast<size_t>(over_start)].mutable_data();
      args.dst[0] = over_;
    }
    args.workspace = workspace_.mutable_data();
  }

  std::vector<Tensor> results() {
    if (over_ != nullptr) std::memcpy(outputs[0].mutable_data(), over_, outputs[0].bytes());
    return outputs;
  }

  plan::StepArgs args;
  std::vector<Tensor> outputs;

 private:
  static Tensor copy(const Tensor& tensor) {
    Tensor own(tensor.dtype(), tensor.shape());
    std::memcpy(own.mutable_data(), tensor.data(), tensor.bytes());
    return own;
  }
  Tensor workspace_;
  std::vector<Tensor> inputs_;
  void* over_ = nullptr;
};

// Complex numbers as twice as many real ones.
Tensor parts(const Tensor& tensor) {
  Shape shape = tensor.shape();
  shape.dims().push_back(2);
  return {DType::F32, shape, tensor.data(), std::make_shared<Tensor>(tensor)};
}

double tolerance_of(const plan::StepSpec& spec) {
  const auto has = [&](DType dtype) {
    const auto is = [dtype](const plan::TensorDesc& desc) { return desc.dtype == dtype; };
    return std::any_of(spec.inputs.begin(), spec.inputs.end(), is) ||
           std::any_of(spec.outputs.begin(), spec.outputs.end(), is);
  };
  if (has(DType::BF16)) return 2e-2;
  // GPUs multiply floats rounded to TF32's eleven bits.
  if (spec.device != nullptr) return 5e-3;
  return has(DType::F16) ? 2e-3 : 1e-4;
}

// The same on the spec's device, with rows as far apart there as the step wants them.
class DeviceMemory {
 public:
  DeviceMemory(const plan::StepSpec& spec, const std::vector<Tensor>& inputs, const plan::Tactic& tactic)
      : spec_(spec), queue_(spec.device->make_queue()) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (spec.constants[i].defined()) {
        args.src.push_back(spec.constants[i].data());
        continue;
      }
      args.src.push_back(block(spec.inputs[i].storage_bytes()));
      const plan::TensorDesc& desc = spec.inputs[i];
      // A quantized value that is kept as floats.
      const Tensor tensor = desc.dtype == inputs[i].dtype() ? inputs[i] : ops::dequantize_tensor(inputs[i], desc.quant);
      queue_->upload_rows(buffers_.back().data(), pitch(desc), tensor.data(), row(desc), rows(desc));
    }
    for (const plan::TensorDesc& desc : spec.outputs) args.dst.push_back(block(desc.storage_bytes()));
    args.workspace = block(tactic.workspace_bytes);
    args.queue = queue_.get();
    queue_->wait();
  }

  std::vector<Tensor> results() {
    std::vector<Tensor> list;
    for (size_t i = 0; i < spec_.outputs.size(); ++i) {
      const plan::TensorDesc& desc = spec_.outputs[i];
      list.emplace_back(desc.dtype, desc.shape);
      queue_->download_rows(list.back().mutable_data(), args.dst[i], pitch(desc), row(desc), rows(desc));
    }
    queue_->wait();
    return list;
  }

  plan::StepArgs args;

 private:
  static size_t row(const plan::TensorDesc& desc) {
    return desc.dense() ? desc.bytes() : static_cast<size_t>(desc.shape.back()) * dtype_bytes(desc.dtype);
  }
  static size_t pitch(const plan::TensorDesc& desc) {
    return desc.dense() ? desc.bytes() : static_cast<size_t>(desc.pixel_stride) * dtype_bytes(desc.dtype);
  }
  static size_t rows(const plan::TensorDesc& desc) { return row(desc) == 0 ? 0 : desc.bytes() / row(desc); }
  std::byte* block(size_t bytes) {
    bytes = std::max<size_t>(bytes, 1);
    buffers_.emplace_back(spec_.device->memory(), bytes, Purpose::Temporary, "a test");
    const std::vector<uint8_t> garbage(bytes, 0x7b);
    queue_->upload(buffers_.back().data(), garbage.data(), bytes);
    queue_->wait();
    return buffers_.back().data();
  }
  const plan::StepSpec& spec_;
  std::vector<Buffer> buffers_;
  std::unique_ptr<plan::Queue> queue_;
};

std::vector<Tensor> results_of(const plan::StepSpec& spec, const plan::Tactic& tactic,
                               const std::vector<Tensor>& inputs, int over_start = ir::kNone) {
  if (spec.device != nullptr) {
    plan::PackedStore packed(spec.device->memory(), spec.device);
    const auto kernel = tactic.prepare(packed);
    DeviceMemory memory(spec, inputs, tactic);
    const auto bound = kernel->bind(memory.args);
    bound->run();
    std::vector<Tensor> results = memory.results();
    if (const auto failure = bound->take_failure()) std::rethrow_exception(failure);
    return results;
  }
  plan::PackedStore packed(default_allocator());
  const auto kernel = tactic.prepare(packed);
  StepMemory memory(spec, inputs, tactic, over_start);
  kernel->bind(memory.args)->run();
  return memory.results();
}

std::string difference_of(const plan::StepSpec& spec, const std::vector<Tensor>& expected,
                          const std::vector<Tensor>& results) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (expected[i].dtype() == DType::C64) {
      const auto verdict = tensors_near(parts(expected[i]), parts(results[i]), tolerance_of(spec));
      if (!verdict) return verdict.message();
      continue;
    }
    const bool integers = ops::is_integer(expected[i].dtype());
    const auto verdict =
        integers ? within_steps(expected[i], results[i], 1) : tensors_near(expected[i], results[i], tolerance_of(spec));
    if (!verdict) return verdict.message();
  }
  return "";
}

std::string run_tactic(const plan::StepSpec& spec, const plan::Tactic& tactic, const std::vector<Tensor>& inputs,
                       const std::vector<Tensor>& expected) {
  if (tactic.alias) return "";
  // Who was running when a kernel takes the process down.
  if (std::getenv("TFE_TEST_TRACE") != nullptr) fmt::print(stderr, "{} '{}'\n", spec.node->op, tactic.name);
  try {
    std::string difference = difference_of(spec, expected, results_of(spec, tactic, inputs));
    for (int input = 0; input < 64 && difference.empty(); ++input) {
      if ((tactic.may_overwrite_start >> input & 1) == 0) continue;
      difference = difference_of(spec, expected, results_of(spec, tactic, inputs, input));
      if (!difference.empty()) difference = fmt::format("over its input {}: {}", input, difference);
    }
    if (!difference.empty()) return difference;
  } catch (const Error& error) {
    return std::string("throws: ") + error.what();
  }
  return "";
}

}  // namespace

Conformance run_conformance(const plan::Backend& backend, ir::Graph graph, const std::vector<Tensor>& inputs,
                            int threads, const std::string& only, bool timed) {
  std::vector<Shape> shapes;
  for (const Tensor& input : inputs) shapes.push_back(input.shape());
  ops::infer_graph(graph, shapes);
  std::vector<Tensor> tensors(static_cast<size_t>(graph.value_count()));
  for (ir::ValueId id = 0; id < graph.value_count(); ++id) tensors[static_cast<size_t>(id)] = graph.value(id).constant;
  ops::evaluate_graph(
      graph, inputs,
      [](void* state, ir::ValueId id, const Tensor& tensor) {
        (*static_cast<std::vector<Tensor>*>(state))[static_cast<size_t>(id)] = tensor;
      },
      &tensors);
  const auto tensors_of = [&](const std::vector<ir::ValueId>& ids) {
    std::vector<Tensor> list;
    for (const ir::ValueId id : ids) list.push_back(tensors[static_cast<size_t>(id)]);
    return list;
  };
  std::vector<plan::TensorDesc> descs = plan::describe_values(graph);
  backend.lay_out(graph, descs);
  Conformance result;
  for (const ir::NodeId id : graph.order()) {
    const ir::Node& node = graph.node(id);
    if (!only.empty() && node.name != only) continue;
    const std::string where = fmt::format("{} '{}'", node.op, node.name);
    plan::StepSpec spec = plan::step_spec(graph, node, descs, threads);
    spec.device = backend.device();
    spec.timed = timed;
    const auto found = backend.tactics(spec);
    if (const auto* refusal = std::get_if<Refusal>(&found)) {
      result.refusals.push_back(where + ": " + refusal->reason);
      continue;
    }
    for (const plan::Tactic& tactic : std::get<std::vector<plan::Tactic>>(found)) {
      const std::string failure = run_tactic(spec, tactic, tensors_of(node.inputs), tensors_of(node.outputs));
      if (!failure.empty()) result.failures.push_back(fmt::format("{}, tactic '{}': {}", where, tactic.name, failure));
      ++result.tactics;
    }
  }
  return result;
}

}  // namespace tfengine::testing
