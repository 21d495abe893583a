// SPDX-License-Identifier: Apache-2.0
#include "memory_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <numeric>

#include "options.h"

namespace tfengine::tools {

namespace {

using nlohmann::json;

constexpr size_t kShownSteps = 5;
constexpr size_t kShownTactics = 10;

std::string shapes_text(const std::vector<Shape>& shapes) {
  std::string text;
  for (const Shape& shape : shapes) text += (text.empty() ? "" : ", ") + shape.str();
  return text;
}

void print_fullest_steps(const MemoryDetails& details) {
  std::vector<size_t> order(details.steps.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return details.steps[a].live_bytes > details.steps[b].live_bytes; });
  order.resize(std::min(order.size(), kShownSteps));
  fmt::print("fullest steps, of {}:\n", details.steps.size());
  for (const size_t index : order) {
    const StepMemory& step = details.steps[index];
    fmt::print("{:>12}  step {} {} '{}'\n", bytes_text(step.live_bytes), index, step.op, step.name);
  }
}

void print_workspaces(const MemoryDetails& details) {
  std::vector<const StepMemory*> steps;
  for (const StepMemory& step : details.steps) {
    if (step.workspace_bytes > 0) steps.push_back(&step);
  }
  std::stable_sort(steps.begin(), steps.end(),
                   [](const StepMemory* a, const StepMemory* b) { return a->workspace_bytes > b->workspace_bytes; });
  steps.resize(std::min(steps.size(), kShownSteps));
  for (const StepMemory* step : steps) {
    fmt::print("{:>12}  workspace of '{}' with {}\n", bytes_text(step->workspace_bytes), step->name, step->tactic);
  }
}

// What packing adds: rows and columns that fill a kernel's vectors, and whole forms that trade memory for time.
void print_packing(const MemoryDetails& details) {
  const auto added = [](const StepMemory& step) {
    return step.packed_bytes > step.unpacked_bytes ? step.packed_bytes - step.unpacked_bytes : 0;
  };
  std::vector<const StepMemory*> steps;
  for (const StepMemory& step : details.steps) {
    if (added(step) > 0) steps.push_back(&step);
  }
  std::stable_sort(steps.begin(), steps.end(),
                   [&](const StepMemory* a, const StepMemory* b) { return added(*a) > added(*b); });
  steps.resize(std::min(steps.size(), kShownSteps));
  for (const StepMemory* step : steps) {
    fmt::print("{:>12}  more in the packed weights of '{}' with {}: {} of {}\n", bytes_text(added(*step)), step->name,
               step->tactic, bytes_text(step->packed_bytes), bytes_text(step->unpacked_bytes));
  }
}

void print_rejected(const MemoryDetails& details) {
  if (details.rejected.empty()) return;
  std::vector<const RejectedTacticMemory*> tactics;
  for (const RejectedTacticMemory& tactic : details.rejected) tactics.push_back(&tactic);
  std::stable_sort(tactics.begin(), tactics.end(), [](const RejectedTacticMemory* a, const RejectedTacticMemory* b) {
    return a->gain_us > b->gain_us;
  });
  fmt::print("{} tactics need more workspace than the limit:\n", tactics.size());
  tactics.resize(std::min(tactics.size(), kShownTactics));
  for (const RejectedTacticMemory* tactic : tactics) {
    fmt::print("{:>12}  '{}' with {}: {}\n", bytes_text(tactic->workspace_bytes), tactic->step, tactic->tactic,
               tactic->timed ? fmt::format("{:+.1f} us", -tactic->gain_us) : std::string("not timed"));
  }
}

void print_cache(const MemoryDetails& details) {
  fmt::print("plans kept: {}, {} dropped so far, {} held\n", details.cache.size(), details.evictions,
             bytes_text(details.cached_bytes));
  for (const PlanSummary& plan : details.cache) {
    fmt::print("{:>12}  {} for {} calls at a time\n", bytes_text(plan.held_bytes), shapes_text(plan.input_shapes),
               plan.contexts);
  }
}

json cache_json(const MemoryDetails& details) {
  json plans = json::array();
  for (const PlanSummary& plan : details.cache) {
    json shapes = json::array();
    for (const Shape& shape : plan.input_shapes) shapes.push_back(shape.dims());
    plans.push_back({{"input_shapes", shapes},
                     {"contexts", plan.contexts},
                     {"held_bytes", plan.held_bytes},
                     {"activation_bytes", plan.memory.activation_bytes},
                     {"workspace_bytes", plan.memory.workspace_bytes}});
  }
  return {{"plans", plans}, {"held_bytes", details.cached_bytes}, {"evictions", details.evictions}};
}

json allocated_json(const AllocatorStats& stats) {
  json by_purpose = json::object();
  for (size_t i = 0; i < kPurposes; ++i) {
    by_purpose[purpose_name(static_cast<Purpose>(i))] = {{"in_use_bytes", stats.in_use_bytes[i]},
                                                         {"peak_bytes", stats.peak_bytes[i]}};
  }
  return {{"purposes", by_purpose},
          {"in_use_bytes", stats.total_in_use_bytes},
          {"peak_bytes", stats.total_peak_bytes},
          {"allocations", stats.allocations}};
}

}  // namespace

void print_memory(const MemoryDetails& details) {
  const MemoryReport& memory = details.report;
  fmt::print("weights      {:>12}  (constants in the file {})\n", bytes_text(memory.weights_bytes),
             bytes_text(memory.constant_bytes));
  fmt::print(
      "activations  {:>12}  (lower bound {}, of any order {}; in the graph's own order {}, every tensor apart {}; peak "
      "at {})\n",
      bytes_text(memory.activation_bytes), bytes_text(memory.activation_lower_bound_bytes),
      bytes_text(memory.any_order_lower_bound_bytes), bytes_text(memory.own_order_activation_bytes),
      bytes_text(memory.naive_activation_bytes), memory.peak_layer);
  fmt::print("workspace    {:>12}\n", bytes_text(memory.workspace_bytes));
  if (memory.temporary_bytes > 0) {
    fmt::print("temporary    {:>12}  (between plans, where shapes depend on data)\n",
               bytes_text(memory.temporary_bytes));
  }
  fmt::print("peak         {:>12}\n", bytes_text(memory.peak_bytes));
  fmt::print("file         {:>12}\n", bytes_text(memory.file_bytes));
  print_fullest_steps(details);
  print_workspaces(details);
  print_packing(details);
  print_rejected(details);
  print_cache(details);
  for (const MemoryAdvice& advice : details.advice) fmt::print("advice: {}\n", advice.text);
}

json memory_json(const MemoryDetails& details) {
  const MemoryReport& memory = details.report;
  json document = {{"weights_bytes", memory.weights_bytes},
                   {"constant_bytes", memory.constant_bytes},
                   {"activation_bytes", memory.activation_bytes},
                   {"workspace_bytes", memory.workspace_bytes},
                   {"temporary_bytes", memory.temporary_bytes},
                   {"peak_bytes", memory.peak_bytes},
                   {"file_bytes", memory.file_bytes},
                   {"activation_lower_bound_bytes", memory.activation_lower_bound_bytes},
                   {"own_order_activation_bytes", memory.own_order_activation_bytes},
                   {"any_order_lower_bound_bytes", memory.any_order_lower_bound_bytes},
                   {"naive_activation_bytes", memory.naive_activation_bytes},
                   {"peak_layer", memory.peak_layer}};
  json steps = json::array(), tensors = json::array(), rejected = json::array(), advice = json::array();
  for (const StepMemory& step : details.steps) {
    steps.push_back({{"name", step.name},
                     {"op", step.op},
                     {"tactic", step.tactic},
                     {"live_bytes", step.live_bytes},
                     {"workspace_bytes", step.workspace_bytes},
                     {"packed_bytes", step.packed_bytes},
                     {"unpacked_bytes", step.unpacked_bytes}});
  }
  for (const ArenaTensor& tensor : details.tensors) {
    tensors.push_back({{"name", tensor.name},
                       {"offset", tensor.offset},
                       {"bytes", tensor.bytes},
                       {"first_step", tensor.first_step},
                       {"last_step", tensor.last_step}});
  }
  for (const RejectedTacticMemory& tactic : details.rejected) {
    json row = {{"step", tactic.step}, {"tactic", tactic.tactic}, {"workspace_bytes", tactic.workspace_bytes}};
    row["gain_us"] = tactic.timed ? json(tactic.gain_us) : json(nullptr);
    rejected.push_back(std::move(row));
  }
  for (const MemoryAdvice& row : details.advice) {
    advice.push_back({{"setting", row.setting}, {"value", row.value}, {"text", row.text}});
  }
  document["memory"] = {
      {"steps", steps},       {"peak_step", details.peak_step}, {"tensors", tensors},
      {"rejected", rejected}, {"cache", cache_json(details)},   {"allocated", allocated_json(details.allocated)},
      {"advice", advice}};
  return document;
}

void write_timeline(const std::string& path, const MemoryDetails& details, const std::string& title) {
  std::ofstream file(path, std::ios::binary);
  file << memory_timeline_svg(details, title);
  file.close();
  if (!file) throw InvalidArgument(fmt::format("--timeline: cannot write '{}'", path));
}

}  // namespace tfengine::tools
