// SPDX-License-Identifier: Apache-2.0
#include "runtime/continuation.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/host_memory.h"
#include "base/memory_label.h"
#include "ops/op.h"
#include "runtime/engine_core.h"

namespace tfengine::runtime {

namespace {

using ops::Stages;

std::vector<Tensor> gather(std::span<const Stages::Source> sources, std::span<const Tensor> inputs,
                           std::span<const Tensor> front, std::span<const Tensor> between) {
  std::vector<Tensor> tensors;
  tensors.reserve(sources.size());
  for (const Stages::Source& source : sources) {
    const std::span<const Tensor> from = source.from == Stages::From::Input   ? inputs
                                         : source.from == Stages::From::Front ? front
                                                                              : between;
    tensors.push_back(from[static_cast<size_t>(source.index)]);
  }
  return tensors;
}

Tensor copied(const Tensor& tensor) {
  Tensor copy(tensor.dtype(), tensor.shape());
  if (tensor.bytes() > 0) std::memcpy(copy.mutable_data(), tensor.data(), tensor.bytes());
  return copy;
}

}  // namespace

Continuation::Continuation(ops::Stages stages, Regions regions, std::unique_ptr<EngineCore> rest,
                           std::shared_ptr<Allocator> allocator)
    : stages_(std::move(stages)),
      regions_(std::move(regions)),
      rest_(std::move(rest)),
      allocator_(std::move(allocator)) {}
Continuation::~Continuation() = default;

bool Continuation::is_result(size_t index) const {
  const Stages::Source wanted{Stages::From::Front, static_cast<int>(index)};
  return std::find(stages_.outputs.begin(), stages_.outputs.end(), wanted) != stages_.outputs.end();
}

std::vector<Tensor> Continuation::evaluate(std::span<const Tensor> inputs, std::span<const Tensor> front,
                                           const RunWatch& watch, const Attempt& attempt) const {
  const ir::Graph& graph = stages_.between;
  std::vector<Tensor> values(static_cast<size_t>(graph.value_count()));
  const std::vector<Tensor> given = gather(stages_.between_inputs, inputs, front, {});
  for (size_t i = 0; i < given.size(); ++i) values[static_cast<size_t>(graph.inputs[i])] = given[i];
  for (const ir::NodeId id : graph.order()) {
    const ir::Node& node = graph.node(id);
    const MemoryLabel label(graph.name, node.name);
    std::vector<Tensor> arguments;
    for (const ir::ValueId input : node.inputs) {
      const Tensor& constant = graph.value(input).constant;
      arguments.push_back(constant.defined() ? constant : values[static_cast<size_t>(input)]);
    }
    const auto start = std::chrono::steady_clock::now();
    const auto engines = regions_.find(id);
    std::vector<Tensor> made =
        engines != regions_.end() ? engines->second.run(node, arguments, watch, allocator_) : attempt([&] {
          const HostMemoryScope scope(allocator_);
          return ops::evaluate_node(graph, node, arguments);
        });
    const double elapsed_us =
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
    if (watch.between) watch.between(graph, node, made[0], elapsed_us);
    for (size_t i = 0; i < made.size(); ++i) values[static_cast<size_t>(node.outputs[i])] = std::move(made[i]);
  }
  std::vector<Tensor> outputs;
  for (const ir::GraphOutput& out : graph.outputs) outputs.push_back(values[static_cast<size_t>(out.value)]);
  return outputs;
}

std::vector<Tensor> Continuation::rest_inputs(std::span<const Tensor> inputs, std::span<const Tensor> front,
                                              std::span<const Tensor> between) const {
  return gather(stages_.rest_inputs, inputs, front, between);
}

std::vector<Tensor> Continuation::results(std::span<const Tensor> front, std::span<const Tensor> between,
                                          std::span<const Tensor> rest) const {
  std::vector<Tensor> outputs;
  for (const Stages::Source& source : stages_.outputs) {
    const auto index = static_cast<size_t>(source.index);
    outputs.push_back(source.from == Stages::From::Front  ? front[index]
                      : source.from == Stages::From::Rest ? rest[index]
                                                          : copied(between[index]));
  }
  return outputs;
}

void Continuation::for_each_engine(const std::function<void(EngineCore&)>& use) const {
  for (const auto& [node, engines] : regions_) engines.for_each_engine(use);
  if (rest_ != nullptr) use(*rest_);
}

}  // namespace tfengine::runtime
