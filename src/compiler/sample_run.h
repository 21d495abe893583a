// SPDX-License-Identifier: Apache-2.0
// Runs a graph, float or INT8, over samples to look at its tensors and results: what measures of accuracy work from. No
// tactic is timed for it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "compiler/tensor_places.h"
#include "runtime/engine_core.h"
#include "tfengine/data.h"

namespace tfengine::detail {

class SampleRun {
 public:
  // `config`: of the engine that is being made; its tactics' times are neither used nor added to.
  SampleRun(ir::Graph graph, runtime::EngineConfig config);
  SampleRun(const SampleRun&) = delete;
  SampleRun& operator=(const SampleRun&) = delete;

  // `index`: into the names that were asked for. Valid during the call. Tensors inside
  // of loops come once per iteration.
  using Show = std::function<void(size_t index, const plan::TensorDesc& desc, const void* data)>;
  // Runs one batch, shows the named tensors (each behind the step that makes it; unknown names and constants are left out)
  // and gives the outputs.
  std::vector<NamedTensor> run(const Batch& batch, std::span<const std::string> tensors = {}, const Show& show = {});

  const ir::Graph& graph() const { return core_.graph(); }
  // The plan of the latest batch; its shapes are static. Where shapes depend on data, it ends there.
  const plan::Plan& plan() const { return entry_->plan(); }
  static int64_t samples_in(const Batch& batch);

 private:
  struct Target {
    size_t index;
    ir::ValueId value;
  };
  void find_targets(const plan::Plan& plan, TensorPlaces<Target>& places) const;

  runtime::EngineCore core_;
  std::shared_ptr<runtime::ShapeEntry> entry_;
  std::vector<std::string> tensors_;  // of the latest call
  PlansPlaces<Target> places_;
};

// Calls `use` for the batches of `data`, from its beginning, until `max_samples` were seen. InvalidArgument when there is none.
void for_each_batch(BatchSource& data, int64_t max_samples, const std::function<void(const Batch&)>& use);

}  // namespace tfengine::detail
