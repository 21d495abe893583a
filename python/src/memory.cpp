// SPDX-License-Identifier: Apache-2.0
// The process's memory limits, shared workspaces, and what engines say about their memory.
#include "memory.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>

#include "module.h"
#include "tensors.h"
#include "tfengine/error.h"
#include "tfengine/memory.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace tfengine::python {

namespace {

template <typename... Pairs>
nb::dict dict_of(const Pairs&... pairs) {
  nb::dict dict;
  ((dict[pairs.first] = pairs.second), ...);
  return dict;
}

template <typename T>
std::pair<const char*, T> at(const char* key, T value) {
  return {key, std::move(value)};
}

nb::dict report_dict(const MemoryReport& report) {
  return dict_of(at("weights_bytes", report.weights_bytes), at("constant_bytes", report.constant_bytes),
                 at("activation_bytes", report.activation_bytes), at("workspace_bytes", report.workspace_bytes),
                 at("temporary_bytes", report.temporary_bytes), at("peak_bytes", report.peak_bytes),
                 at("activation_lower_bound_bytes", report.activation_lower_bound_bytes),
                 at("own_order_activation_bytes", report.own_order_activation_bytes),
                 at("any_order_lower_bound_bytes", report.any_order_lower_bound_bytes),
                 at("naive_activation_bytes", report.naive_activation_bytes), at("file_bytes", report.file_bytes),
                 at("peak_layer", report.peak_layer));
}

nb::list cache_list(const MemoryDetails& details) {
  nb::list plans;
  for (const PlanSummary& plan : details.cache) {
    nb::list shapes;
    for (const Shape& shape : plan.input_shapes) {
      nb::list dims;
      for (const int64_t dim : shape) dims.append(dim);
      shapes.append(nb::tuple(dims));
    }
    plans.append(dict_of(at("input_shapes", shapes), at("contexts", plan.contexts), at("held_bytes", plan.held_bytes),
                         at("activation_bytes", plan.memory.activation_bytes),
                         at("workspace_bytes", plan.memory.workspace_bytes)));
  }
  return plans;
}

void set_limits(std::optional<double> fraction, std::optional<uint64_t> bytes, std::optional<bool> allow_growth) {
  MemoryLimits limits;
  limits.memory_fraction = fraction.value_or(0.0);
  limits.memory_limit_bytes = bytes.value_or(UINT64_MAX);
  limits.allow_growth = allow_growth.value_or(true);
  if (fraction && *fraction == 0.0) {
    throw InvalidArgument("memory_fraction: got 0, expected a number above 0 and at most 1, or None for no limit");
  }
  set_memory_limits(limits);
}

nb::dict process_dict() {
  const ProcessMemory memory = process_memory();
  nb::dict dict = stats_dict(memory.stats);
  dict["limit_bytes"] = memory.limit_bytes == UINT64_MAX ? nb::object(nb::none()) : nb::cast(memory.limit_bytes);
  dict["memory_fraction"] =
      memory.limits.memory_fraction == 0.0 ? nb::object(nb::none()) : nb::cast(memory.limits.memory_fraction);
  dict["allow_growth"] = memory.limits.allow_growth;
  const AvailableMemory available = available_memory();
  dict["available_bytes"] = available.bytes;
  dict["free_bytes"] = available.free_bytes;
  dict["available_source"] = available.source;
  return dict;
}

}  // namespace

nb::dict stats_dict(const AllocatorStats& stats) {
  nb::dict purposes;
  for (size_t i = 0; i < kPurposes; ++i) {
    purposes[purpose_name(static_cast<Purpose>(i))] =
        dict_of(at("in_use_bytes", stats.in_use_bytes[i]), at("peak_bytes", stats.peak_bytes[i]));
  }
  return dict_of(at("purposes", purposes), at("in_use_bytes", stats.total_in_use_bytes),
                 at("peak_bytes", stats.total_peak_bytes), at("allocations", stats.allocations),
                 at("refusals", stats.refusals));
}

nb::dict memory_of(const Engine& engine, const std::vector<std::vector<int64_t>>& input_shapes) {
  MemoryDetails details;
  {
    const nb::gil_scoped_release unlocked;
    details = engine.memory_details(shapes_from(input_shapes));
  }
  nb::dict result = report_dict(details.report);
  nb::list steps, tensors, rejected, advice;
  for (const StepMemory& step : details.steps) {
    steps.append(dict_of(at("name", step.name), at("op", step.op), at("tactic", step.tactic),
                         at("live_bytes", step.live_bytes), at("workspace_bytes", step.workspace_bytes),
                         at("packed_bytes", step.packed_bytes), at("unpacked_bytes", step.unpacked_bytes)));
  }
  for (const ArenaTensor& tensor : details.tensors) {
    tensors.append(dict_of(at("name", tensor.name), at("offset", tensor.offset), at("bytes", tensor.bytes),
                           at("first_step", tensor.first_step), at("last_step", tensor.last_step)));
  }
  for (const RejectedTacticMemory& tactic : details.rejected) {
    rejected.append(dict_of(at("step", tactic.step), at("tactic", tactic.tactic),
                            at("workspace_bytes", tactic.workspace_bytes),
                            at("gain_us", tactic.timed ? nb::cast(tactic.gain_us) : nb::object(nb::none()))));
  }
  for (const MemoryAdvice& row : details.advice) {
    advice.append(dict_of(at("setting", row.setting), at("value", row.value), at("text", row.text)));
  }
  result["steps"] = steps;
  result["peak_step"] = details.peak_step;
  result["tensors"] = tensors;
  result["rejected"] = rejected;
  result["cache"] = cache_list(details);
  result["cached_bytes"] = details.cached_bytes;
  result["evictions"] = details.evictions;
  result["allocated"] = stats_dict(details.allocated);
  result["advice"] = advice;
  return result;
}

void bind_memory(nb::module_& m) {
  nb::class_<SharedWorkspace>(m, "SharedWorkspace", "One workspace for many engines.")
      .def(
          "__init__",
          [](SharedWorkspace* self, uint64_t limit_bytes, bool kept) {
            new (self) SharedWorkspace(limit_bytes, kept ? WorkspaceUse::Kept : WorkspaceUse::WhileRunning);
          },
          "limit_bytes"_a, "kept"_a)
      .def_prop_ro("limit_bytes", &SharedWorkspace::limit_bytes)
      .def_prop_ro("bytes", &SharedWorkspace::bytes, nb::call_guard<nb::gil_scoped_release>())
      .def_prop_ro("peak_bytes", &SharedWorkspace::peak_bytes, nb::call_guard<nb::gil_scoped_release>())
      .def("release", &SharedWorkspace::release, nb::call_guard<nb::gil_scoped_release>());
  nb::class_<SharedWeights>(m, "SharedWeights", "Weights that engines have in common.")
      .def("__init__", [](SharedWeights* self) { new (self) SharedWeights(); })
      .def_prop_ro("bytes", &SharedWeights::bytes, nb::call_guard<nb::gil_scoped_release>());
  m.def("set_memory_limits", &set_limits, "memory_fraction"_a.none(), "memory_limit_bytes"_a.none(),
        "allow_growth"_a.none(), nb::call_guard<nb::gil_scoped_release>());
  m.def("process_memory", &process_dict);
  m.def("reset_process_memory_peaks", &reset_process_memory_peaks);
}

}  // namespace tfengine::python
