// SPDX-License-Identifier: Apache-2.0
// The engine's runs: a plan for the inputs, memory for the outputs, and the call.
#include "base/check.h"
#include "compiler/chunks.h"
#include "compiler/engine_impl.h"
#include "compiler/inputs.h"
#include "compiler/outputs.h"

namespace tfengine {

namespace {

using runtime::ShapeEntry;

void check_count(const ir::Graph& graph, const std::vector<void*>& outputs, const char* what) {
  if (outputs.size() == graph.outputs.size()) return;
  fail<InvalidArgument>("{}: got {} outputs, expected {}", what, outputs.size(), graph.outputs.size());
}

// The shapes that a run's outputs will have, where they follow from the inputs' shapes.
std::vector<Shape> fixed_output_shapes(const ShapeEntry& entry, const std::vector<Shape>& input_shapes,
                                       const char* what) {
  detail::require_fixed_outputs(entry, what);
  std::vector<Shape> shapes = detail::output_shapes(entry);
  return entry.shapes() == input_shapes ? shapes : detail::with_samples(std::move(shapes), input_shapes[0][0]);
}

void run_entry_into(const detail::EngineImpl& impl, ShapeEntry& entry, const detail::BoundInputs& bound,
                    const std::vector<void*>& outputs) {
  check_count(impl.core->graph(), outputs, "run_into");
  if (entry.next() != nullptr) return detail::copy_outputs(impl.core->run(entry, bound.keep), outputs);
  detail::run_entry(*impl.core, entry, bound, outputs);
}

void check_address(const void* address, const std::string& name) {
  constexpr uintptr_t kAddressAlignment = 16;
  if (address == nullptr || reinterpret_cast<uintptr_t>(address) % kAddressAlignment != 0) {
    fail<InvalidArgument>("run_on_device: the address of '{}' is {}, expected a multiple of {}", name, address,
                          kAddressAlignment);
  }
}

// The plan of a call whose tensors stay on the device.
std::shared_ptr<ShapeEntry> device_entry(const detail::EngineImpl& impl, const std::vector<Shape>& input_shapes) {
  auto entry = detail::entry_for(impl, input_shapes, true);
  detail::require_fixed_outputs(*entry, "run_on_device");
  if (entry->next() != nullptr) {
    fail<InvalidArgument>("run_on_device: {}, so that the host has to know it",
                          detail::data_dependence(entry->next()->stages()));
  }
  if (entry->shapes() != input_shapes) {
    fail<InvalidArgument>(
        "run_on_device: this engine runs larger batches than {} in chunks, which takes tensors of the host",
        impl.chunk);
  }
  return entry;
}

}  // namespace

std::vector<NamedTensor> Engine::run(const std::vector<NamedTensor>& inputs) const {
  const detail::BoundInputs bound = detail::bind_inputs(impl_->core->graph(), inputs);
  const auto entry = detail::entry_for(*impl_, bound.shapes, true);
  if (entry->next() != nullptr) {
    std::vector<NamedTensor> outputs = detail::named(impl_->core->graph(), impl_->core->run(*entry, bound.keep));
    detail::save_timings(*impl_);
    return outputs;
  }
  const bool chunks = entry->shapes() != bound.shapes;
  detail::OutputBuffers outputs = detail::make_outputs(entry->plan(), chunks ? bound.shapes[0][0] : 0);
  detail::run_entry(*impl_->core, *entry, bound, outputs.addresses);
  return std::move(outputs.tensors);
}

void Engine::run_into(const std::vector<NamedTensor>& inputs, const std::vector<void*>& outputs) const {
  const detail::BoundInputs bound = detail::bind_inputs(impl_->core->graph(), inputs);
  check_count(impl_->core->graph(), outputs, "run_into");
  const auto entry = detail::entry_for(*impl_, bound.shapes, true);
  detail::require_fixed_outputs(*entry, "run_into");
  run_entry_into(*impl_, *entry, bound, outputs);
}

void Engine::run_into(const std::vector<NamedTensor>& inputs, const AllocateOutputs& allocate) const {
  const detail::BoundInputs bound = detail::bind_inputs(impl_->core->graph(), inputs);
  const auto entry = detail::entry_for(*impl_, bound.shapes, true);
  run_entry_into(*impl_, *entry, bound, allocate(fixed_output_shapes(*entry, bound.shapes, "run_into")));
}

void Engine::run_on_device(const std::vector<Shape>& input_shapes, const std::vector<const void*>& inputs,
                           const std::vector<void*>& outputs, Stream stream) const {
  const ir::Graph& graph = impl_->core->graph();
  if (inputs.size() != graph.inputs.size() || outputs.size() != graph.outputs.size() ||
      input_shapes.size() != graph.inputs.size()) {
    fail<InvalidArgument>("run_on_device: got {} shapes, {} inputs and {} outputs, expected {} inputs and {} outputs",
                          input_shapes.size(), inputs.size(), outputs.size(), graph.inputs.size(),
                          graph.outputs.size());
  }
  for (size_t i = 0; i < inputs.size(); ++i) check_address(inputs[i], graph.value(graph.inputs[i]).name);
  for (size_t i = 0; i < outputs.size(); ++i) check_address(outputs[i], graph.outputs[i].name);
  const auto entry = device_entry(*impl_, input_shapes);
  impl_->core->lease(*entry)->run_on_device(inputs, outputs, stream);
}

void Engine::run_on_device(const std::vector<NamedTensor>& inputs, const AllocateOutputs& allocate,
                           Stream stream) const {
  const ir::Graph& graph = impl_->core->graph();
  const detail::BoundInputs bound = detail::bind_device_inputs(graph, inputs);
  for (size_t i = 0; i < bound.addresses.size(); ++i) {
    check_address(bound.addresses[i], graph.value(graph.inputs[i]).name);
  }
  const auto entry = device_entry(*impl_, bound.shapes);
  const std::vector<void*> outputs = allocate(detail::output_shapes(*entry));
  check_count(graph, outputs, "run_on_device");
  for (size_t i = 0; i < outputs.size(); ++i) check_address(outputs[i], graph.outputs[i].name);
  impl_->core->lease(*entry)->run_on_device(bound.addresses, outputs, stream);
}

}  // namespace tfengine
