// SPDX-License-Identifier: Apache-2.0
// What an OpEngine says of itself, as JSON: for tests, and for people who ask whether their engines are used.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json_object.h"
#include "plugin/op_engine.h"

namespace tfengine::plugin {

namespace {

using nlohmann::json;

json dims_of(const std::vector<Shape>& shapes) {
  json all = json::array();
  for (const Shape& shape : shapes) all.push_back(shape.dims());
  return all;
}

json engines_of(const Engine& engine) {
  json all = json::array();
  for (const PlanSummary& plan : engine.plans()) {
    all.push_back(json_object({{"input_shapes", dims_of(plan.input_shapes)},
                               {"weights_bytes", plan.memory.weights_bytes},
                               {"activation_bytes", plan.memory.activation_bytes},
                               {"workspace_bytes", plan.memory.workspace_bytes}}));
  }
  return all;
}

}  // namespace

std::string OpEngine::status_json() const {
  const std::optional<Engine> engine = this->engine();
  const uint64_t allocated_bytes = this->allocated_bytes();
  json status = json_object({{"name", config_.name},
                             {"device", place_.on_gpu() ? place_.device : "cpu"},
                             {"threads", config_.threads},
                             {"allocated_bytes", allocated_bytes}});
  // Of the allocated bytes: what the engine keeps for its plans, and the rest, small constants of its graph.
  const uint64_t cached_bytes = engine ? engine->cached_bytes() : 0;
  status["cached_bytes"] = cached_bytes;
  status["constant_bytes"] = allocated_bytes - std::min(allocated_bytes, cached_bytes);
  status["engines"] = engine ? engines_of(*engine) : json::array();
  status["evictions"] = engine ? engine->evictions() : 0;
  status["precision"] = engine ? engine->precision() : config_.precision;
  status["state"] = calibrating() ? "calibrating" : engine ? "ready" : "not built";
  const std::lock_guard lock(mutex_);
  status["builds"] = builds_;
  status["engine_calls"] = engine_calls_;
  int64_t native = 0;
  for (const auto& [reason, count] : native_calls_) native += count;
  status["calls"] = engine_calls_ + native;
  status["native_calls"] = native_calls_;
  status["failed_builds"] = json::array();
  for (const auto& [shapes, reason] : failed_) {
    status["failed_builds"].push_back(json_object({{"input_shapes", dims_of(shapes)}, {"reason", reason}}));
  }
  return status.dump();
}

}  // namespace tfengine::plugin
