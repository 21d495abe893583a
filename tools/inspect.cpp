// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "accuracy.h"
#include "command.h"
#include "memory_report.h"
#include "options.h"
#include "progress.h"
#include "tfengine/engine.h"
#include "tfengine/model.h"

namespace tfengine::tools {

namespace {

using nlohmann::json;

struct Options {
  std::string path, timeline;
  bool memory = false, nodes = false, ranges = false, explain = false;
  int64_t batch_size = 1;
  LoadOptions load;
  EngineOptions engine_options;
};

json specs_json(const std::vector<TensorSpec>& specs) {
  json list = json::array();
  for (const TensorSpec& spec : specs) {
    list.push_back({{"name", spec.name}, {"dtype", std::string(dtype_name(spec.dtype))}, {"shape", spec.shape.str()}});
  }
  return list;
}

void print_specs(const char* title, const std::vector<TensorSpec>& specs) {
  for (const TensorSpec& spec : specs)
    fmt::print("{} {} {} {}\n", title, spec.name, dtype_name(spec.dtype), spec.shape.str());
}

void inspect_model(const Options& options, const Output& output) {
  const Model model = Model::load(options.path, options.load);
  if (output.json) {
    json ops = json::object();
    for (const auto& [op, count] : model.ops()) ops[op] = count;
    fmt::print("{}\n", json{{"kind", "model"},
                            {"inputs", specs_json(model.inputs())},
                            {"outputs", specs_json(model.outputs())},
                            {"ops", ops},
                            {"constant_bytes", model.constant_bytes()}}
                           .dump(1));
    return;
  }
  fmt::print("model {}, constants {}\n", options.path, bytes_text(model.constant_bytes()));
  print_specs("input ", model.inputs());
  print_specs("output", model.outputs());
  for (const auto& [op, count] : model.ops()) fmt::print("{:>6} {}\n", count, op);
  if (options.nodes) fmt::print("{}", model.dump("import"));
}

MemoryDetails memory_of(const Options& options, const Engine& engine) {
  std::vector<Shape> shapes;
  for (const TensorSpec& spec : engine.inputs()) {
    shapes.push_back(spec.shape);
    if (shapes.back().rank() > 0 && shapes.back()[0] < 0) shapes.back()[0] = options.batch_size;
  }
  // As a run would have it: with its activations and workspace taken.
  engine.prepare(shapes);
  return engine.memory_details(shapes);
}

void print_int8(const json& report, const Options& options) {
  if (!report.contains("int8")) return;
  int int8 = 0;
  const json& nodes = report["int8"]["nodes"];
  for (const json& node : nodes) int8 += node["int8"].get<bool>() ? 1 : 0;
  const int64_t samples = report["calibration_samples"].get<int64_t>();
  const std::string calibrator = report["calibrator"].get<std::string>();
  const std::string ranges = samples > 0          ? fmt::format("calibrator {} on {} samples", calibrator, samples)
                             : calibrator.empty() ? "ranges given"
                                                  : fmt::format("ranges given, made by {}", calibrator);
  fmt::print("{} of {} nodes in INT8, {}\n", int8, nodes.size(), ranges);
  if (!report["measures"].empty()) {
    fmt::print("measures: {}\n", fmt::join(report["measures"].get<std::vector<std::string>>(), ", "));
  }
  for (const json& node : nodes) {
    if (!node["int8"].get<bool>()) {
      fmt::print("  float: {} '{}': {}\n", node["op"].get<std::string>(), node["name"].get<std::string>(),
                 node["text"].get<std::string>());
    }
  }
  if (!options.ranges) return;
  for (const json& tensor : report["int8"]["tensors"]) {
    fmt::print("  {}: {}\n", tensor["name"].get<std::string>(), tensor["text"].get<std::string>());
  }
}

void inspect_engine(const Options& options, const Output& output) {
  const Engine engine = Engine::load(options.path, options.engine_options);
  for (const std::string& notice : engine.notices()) note(output, notice);
  const json report = json::parse(engine.report_json());
  std::optional<MemoryDetails> memory;
  if (options.memory || !options.timeline.empty()) memory = memory_of(options, engine);
  if (!options.timeline.empty()) write_timeline(options.timeline, *memory, options.path);
  if (output.json) {
    json document = {{"kind", "engine"},
                     {"precision", engine.precision()},
                     {"threads", engine.threads()},
                     {"inputs", specs_json(engine.inputs())},
                     {"outputs", specs_json(engine.outputs())},
                     {"report", report}};
    if (options.memory) document.update(memory_json(*memory));
    fmt::print("{}\n", document.dump(1));
    return;
  }
  fmt::print("engine {}, {}, {} threads\n", options.path, engine.precision(), engine.threads());
  print_specs("input ", engine.inputs());
  print_specs("output", engine.outputs());
  const json& segments = report["segments"];
  fmt::print("{} segments, {} nodes, {} on the reference backend\n", segments["segments"].get<int>(),
             segments["nodes"].get<int>(), segments["reference_nodes"].get<int>());
  for (const json& row : segments["refusals"]) {
    fmt::print("  {} '{}': {}. {}\n", row["op"].get<std::string>(), row["node"].get<std::string>(),
               row["reason"].get<std::string>(), row["remedy"].get<std::string>());
  }
  print_int8(report, options);
  print_ladder(report);
  print_gains(report);
  if (options.explain) print_explanation(report);
  if (options.memory) print_memory(*memory);
  if (options.nodes) fmt::print("{}", engine.dump());
}

}  // namespace

void add_inspect(CLI::App& app, Output& output) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("inspect", "Show what is in a model or an engine: ops, segments, ranges, memory");
  command->add_option("path", options->path, "Model (.pb, SavedModel folder) or engine file (.tfe)")->required();
  command->add_flag(
      "--memory", options->memory,
      "Engine: bytes of weights, activations, workspace, peak and file; the fullest steps, tactics that the "
      "workspace limit keeps out, and what to change");
  command->add_option("--timeline", options->timeline,
                      "Engine: SVG file to write, the tensors of the arena over the steps");
  command->add_flag("--nodes", options->nodes, "The graph as text");
  command->add_flag("--ranges", options->ranges, "Engine: the range of every tensor, and why it is INT8 or float");
  command->add_flag(
      "--explain", options->explain,
      "Engine: what INT8 does to each tensor: grid, clipping, noise alone and so far; each layer's time gained");
  command->add_option("--batch-size", options->batch_size, "For unknown first dimensions, with --memory and --timeline")
      ->capture_default_str();
  add_engine_options(*command, options->engine_options);
  add_model_options(*command, options->load);
  command->callback([options, &output] {
    if (is_engine_file(options->path) || options->path.ends_with(".tfe")) {
      inspect_engine(*options, output);
    } else {
      inspect_model(*options, output);
    }
  });
}

}  // namespace tfengine::tools
