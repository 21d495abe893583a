// SPDX-License-Identifier: Apache-2.0
// Steps on 16-bit floating point numbers: they are converted into the workspace, the float32 form of the step runs there, and
// its results are converted back.
#include <algorithm>

#include "backends/onednn/typed.h"
#include "kernels/half.h"
#include "plan/arena.h"

namespace tfengine::onednn {

namespace {

using kernels::Short;

std::optional<Short> short_of(DType dtype) {
  if (dtype == DType::F16) return Short::F16;
  if (dtype == DType::BF16) return Short::BF16;
  return std::nullopt;
}

// A tensor that is converted: where its float32 form lies in the workspace.
struct Converted {
  size_t index;
  Short type;
  int64_t count;
  size_t offset;
};

struct Conversions {
  std::vector<Converted> inputs, outputs;
  std::vector<std::pair<size_t, Tensor>> constants;  // in float32, converted once
  size_t workspace_bytes = 0;                        // behind it, the step's own
  int threads = 1;

  StepArgs inner(const StepArgs& args) const {
    StepArgs result = args;
    auto* base = static_cast<std::byte*>(args.workspace);
    for (const Converted& input : inputs) result.src[input.index] = base + input.offset;
    for (const auto& [index, tensor] : constants) result.src[index] = tensor.data();
    for (const Converted& output : outputs) result.dst[output.index] = base + output.offset;
    result.workspace = base + workspace_bytes;
    return result;
  }
};

class ConvertingBound : public plan::BoundKernel {
 public:
  ConvertingBound(std::shared_ptr<const Conversions> conversions, const plan::Kernel& kernel, const StepArgs& args)
      : conversions_(std::move(conversions)), args_(args), bound_(kernel.bind(conversions_->inner(args))) {}

  void run() override {
    auto* base = static_cast<std::byte*>(args_.workspace);
    for (const Converted& input : conversions_->inputs) {
      kernels::widen(input.type, input.count, static_cast<const uint16_t*>(args_.src[input.index]),
                     reinterpret_cast<float*>(base + input.offset), conversions_->threads);
    }
    bound_->run();
    for (const Converted& output : conversions_->outputs) {
      kernels::narrow(output.type, output.count, reinterpret_cast<const float*>(base + output.offset),
                      static_cast<uint16_t*>(args_.dst[output.index]), conversions_->threads);
    }
  }

  void rebind(const StepArgs& args) override {
    args_ = args;
    bound_->rebind(conversions_->inner(args));
  }

 private:
  std::shared_ptr<const Conversions> conversions_;
  StepArgs args_;
  std::unique_ptr<plan::BoundKernel> bound_;
};

class ConvertingKernel : public plan::Kernel {
 public:
  ConvertingKernel(std::shared_ptr<const Conversions> conversions, std::shared_ptr<const plan::Kernel> kernel)
      : conversions_(std::move(conversions)), kernel_(std::move(kernel)) {}
  std::unique_ptr<plan::BoundKernel> bind(const StepArgs& args) const override {
    return std::make_unique<ConvertingBound>(conversions_, *kernel_, args);
  }
  bool reads(int input) const override {
    return std::none_of(conversions_->constants.begin(), conversions_->constants.end(),
                        [&](const auto& constant) { return static_cast<int>(constant.first) == input; });
  }
  std::span<const std::byte> weights() const override { return kernel_->weights(); }

 private:
  std::shared_ptr<const Conversions> conversions_;
  std::shared_ptr<const plan::Kernel> kernel_;
};

Tensor in_f32(const Tensor& tensor, Short type) {
  Tensor wide(DType::F32, tensor.shape());
  kernels::widen(type, tensor.elements(), tensor.as<uint16_t>(), wide.mutable_as<float>(), 1);
  return wide;
}

}  // namespace

bool touches_short_floats(const StepSpec& spec) {
  const auto is_short = [](const TensorDesc& desc) { return short_of(desc.dtype).has_value(); };
  return std::any_of(spec.inputs.begin(), spec.inputs.end(), is_short) ||
         std::any_of(spec.outputs.begin(), spec.outputs.end(), is_short);
}

Tactics through_f32(const StepSpec& spec, Tactics (*lower)(const StepSpec&)) {
  StepSpec wide = spec;
  auto conversions = std::make_shared<Conversions>();
  conversions->threads = spec.threads;
  const auto convert = [&](TensorDesc& desc, size_t index, std::vector<Converted>& list) {
    const auto type = short_of(desc.dtype);
    if (!type) return true;
    desc.dtype = DType::F32;
    list.push_back({index, *type, desc.shape.elements(), conversions->workspace_bytes});
    conversions->workspace_bytes += plan::arena_bytes(desc.bytes());
    return desc.dense();
  };
  bool dense = true;
  for (size_t i = 0; i < wide.inputs.size(); ++i) {
    if (const auto type = short_of(wide.inputs[i].dtype); type && wide.constants[i].defined()) {
      wide.constants[i] = in_f32(wide.constants[i], *type);
      wide.inputs[i].dtype = DType::F32;
      conversions->constants.emplace_back(i, wide.constants[i]);
    } else {
      dense = convert(wide.inputs[i], i, conversions->inputs) && dense;
    }
  }
  for (size_t i = 0; i < wide.outputs.size(); ++i) dense = convert(wide.outputs[i], i, conversions->outputs) && dense;
  if (!dense) return Refusal{"its 16-bit tensors are slices"};
  // A step chosen before is named with what stands in front of it here.
  constexpr std::string_view kPrefix = "f32:";
  if (wide.wanted.substr(0, kPrefix.size()) == kPrefix) wide.wanted.erase(0, kPrefix.size());
  Tactics found = lower(wide);
  if (std::holds_alternative<Refusal>(found)) return found;
  std::vector<Tactic> tactics;
  for (Tactic& inner : std::get<std::vector<Tactic>>(found)) {
    if (inner.inplace_input != ir::kNone || inner.alias) continue;
    Tactic tactic;
    tactic.name = std::string(kPrefix) + inner.name;
    tactic.workspace_bytes = conversions->workspace_bytes + inner.workspace_bytes;
    tactic.prepare = [conversions, prepare = inner.prepare](PackedStore& store) -> std::shared_ptr<const plan::Kernel> {
      return std::make_shared<ConvertingKernel>(conversions, prepare(store));
    };
    tactics.push_back(std::move(tactic));
  }
  if (tactics.empty()) return Refusal{"its forms work in place"};
  return tactics;
}

}  // namespace tfengine::onednn
