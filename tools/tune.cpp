// SPDX-License-Identifier: Apache-2.0
#include "tfengine/tune.h"

#include <fmt/format.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "calibration_input.h"
#include "command.h"
#include "options.h"
#include "progress.h"
#include "tfengine/table.h"

namespace tfengine::tools {

namespace {

struct Options {
  std::string model, engine, svg;
  bool sweep = false;
  LoadOptions load;
  CalibrationInput calibration;
  ConvertOptions convert;
  std::vector<std::string> shapes;
};

void print_points(const char* title, const std::vector<MemoryPoint>& points, bool limits) {
  fmt::print("{}\n{:<6} {:>6} {:>12} {:>10} {:>12} {:>12} {:>12} {:>12}\n", title, "prec.", "chunk",
             limits ? "limit" : "", "ms", "total", "weights", "activations", "workspace");
  for (const MemoryPoint& point : points) {
    fmt::print("{:<6} {:>6} {:>12} {:>10.3f} {:>12} {:>12} {:>12} {:>12}\n", point.precision,
               point.chunk == 0 ? "-" : std::to_string(point.chunk),
               limits ? bytes_text(point.max_workspace_size_bytes) : "", point.time_us / 1000.0,
               bytes_text(point.total_bytes), bytes_text(point.weights_bytes), bytes_text(point.activation_bytes),
               bytes_text(point.workspace_bytes));
  }
}

void write_svg(const std::string& path, const MemorySweep& sweep) {
  if (path.empty()) return;
  std::ofstream file(path);
  file << sweep.to_svg();
  if (!file.flush()) throw InvalidArgument(fmt::format("--svg: cannot write '{}'", path));
}

void print_engine(const std::string& path, const Engine& engine) {
  const MemoryReport memory = engine.memory();
  const auto budget = nlohmann::json::parse(engine.report_json())["memory_budget"];
  const int64_t chunk = budget["chunk"].get<int64_t>();
  const std::string time =
      budget["timed"].get<bool>()
          ? fmt::format(", {:.3f} ms as the sum of its steps", budget["predicted"]["time_us"].get<double>() / 1000.0)
          : "";
  fmt::print("{}: {} engine{}, {} of {} (weights {}, activations {}, workspace {}){}\n", path, engine.precision(),
             chunk > 0 ? fmt::format(", in chunks of {}", chunk) : "", bytes_text(memory.peak_bytes),
             bytes_text(budget["budget_bytes"].get<uint64_t>()), bytes_text(memory.weights_bytes),
             bytes_text(memory.activation_bytes), bytes_text(memory.workspace_bytes), time);
}

void run(Options& options, const Output& output) {
  const bool budget = options.convert.memory_budget_bytes > 0;
  if (!options.sweep && !budget) throw InvalidArgument("tune: give --memory-sweep, or --memory-budget with --output");
  if (budget == options.engine.empty()) throw InvalidArgument("tune: --memory-budget and --output need each other");
  ProgressLine progress(output);
  const Model model = Model::load(options.model, options.load);
  const auto calibration = options.calibration.obtain(model, options.convert, progress, output);
  if (calibration) options.convert.calibration = &*calibration;
  if (!options.calibration.table.empty())
    options.convert.calibration_table = RangeTable::load(options.calibration.table).to_bytes();
  if (!options.shapes.empty()) {
    options.convert.input_shapes.emplace_back();
    for (const std::string& text : options.shapes) options.convert.input_shapes[0].push_back(parse_shape(text));
  }
  options.convert.progress = progress.callback();
  nlohmann::json document = nlohmann::json::object();
  if (options.sweep) {
    const MemorySweep sweep = memory_sweep(model, options.convert);
    write_svg(options.svg, sweep);
    if (output.json) {
      document["sweep"] = nlohmann::json::parse(sweep.to_json());
    } else {
      print_points("time by workspace limit", sweep.by_workspace, true);
      print_points("time by total memory", sweep.by_total, false);
    }
  }
  if (budget) {
    const Engine engine = convert(model, options.convert);
    engine.save(options.engine);
    if (output.json) {
      document["engine"] = options.engine;
      document["memory_budget"] = nlohmann::json::parse(engine.report_json())["memory_budget"];
      document["peak_bytes"] = engine.memory().peak_bytes;
    } else {
      print_engine(options.engine, engine);
    }
  }
  if (output.json) fmt::print("{}\n", document.dump(1));
}

}  // namespace

void add_tune(CLI::App& app, Output& output) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "tune", "What a model's time costs in memory, and the fastest engine inside a number of bytes");
  command->add_option("model", options->model, "Frozen GraphDef (.pb) or SavedModel folder")->required();
  command->add_flag("--memory-sweep", options->sweep, "Time by workspace limit, and time by total memory");
  command->add_option("--svg", options->svg, "With --memory-sweep: file for both curves as a picture");
  add_memory_budget(*command, options->convert);
  command->add_option("-o,--output", options->engine, "With --memory-budget: engine file to write");
  command->add_option("--precision", options->convert.precision, "fp32, bf16 or int8, where --precisions names none")
      ->capture_default_str();
  command->add_option("--plan-batch-size", options->convert.batch_size, "Batch size to choose for")
      ->capture_default_str();
  command->add_option("--input-shapes", options->shapes, "Shapes to choose for, one per input, as 1,224,224,3");
  command->add_option("--nodes-denylist", options->convert.nodes_denylist, "Nodes to keep out of fusion and INT8")
      ->delimiter(',');
  options->calibration.add_to(*command, options->convert);
  add_engine_options(*command, options->convert.engine);
  add_model_options(*command, options->load);
  command->callback([options, &output] { run(*options, output); });
}

}  // namespace tfengine::tools
