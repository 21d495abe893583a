// SPDX-License-Identifier: Apache-2.0
#include "tfengine/convert.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "accuracy.h"
#include "calibration_input.h"
#include "command.h"
#include "options.h"
#include "progress.h"
#include "tfengine/table.h"

namespace tfengine::tools {

namespace {

struct Options {
  std::string model, engine;
  LoadOptions load;
  CalibrationInput calibration;
  ConvertOptions convert;
  std::vector<std::string> shapes;
  int64_t plan_batch = 1;
  AccuracyFlags accuracy;
  std::string measure_data;
};

void report(const Options& options, const Engine& engine, double seconds, const Output& output) {
  const MemoryReport memory = engine.memory();
  if (output.json) {
    const nlohmann::json document = {{"engine", options.engine},
                                     {"precision", engine.precision()},
                                     {"seconds", seconds},
                                     {"file_bytes", memory.file_bytes},
                                     {"weights_bytes", memory.weights_bytes},
                                     {"activation_bytes", memory.activation_bytes},
                                     {"workspace_bytes", memory.workspace_bytes},
                                     {"peak_bytes", memory.peak_bytes},
                                     {"report", nlohmann::json::parse(engine.report_json())}};
    fmt::print("{}\n", document.dump(1));
    return;
  }
  fmt::print("{}: {} engine, {} on disk, {} at run time (weights {}, activations {}, workspace {}), made in {:.2f} s\n",
             options.engine, engine.precision(), bytes_text(memory.file_bytes), bytes_text(memory.peak_bytes),
             bytes_text(memory.weights_bytes), bytes_text(memory.activation_bytes), bytes_text(memory.workspace_bytes),
             seconds);
  const auto document = nlohmann::json::parse(engine.report_json());
  print_ladder(document);
  print_gains(document);
  for (const auto& text : document["notes"]) note(output, text.get<std::string>());
  for (const auto& row : document["segments"]["refusals"]) {
    note(output, fmt::format("{} '{}' runs on the reference backend: {}", row["op"].get<std::string>(),
                             row["node"].get<std::string>(), row["reason"].get<std::string>()));
  }
}

void run(Options& options, const Output& output) {
  const auto start = std::chrono::steady_clock::now();
  ProgressLine progress(output);
  const Model model = Model::load(options.model, options.load);
  const CalibrationInput& input = options.calibration;
  const std::optional<Calibration> calibration = input.obtain(model, options.convert, progress, output);
  std::unique_ptr<BatchSource> samples;
  const std::string& measured = options.measure_data.empty() ? input.data : options.measure_data;
  if (!measured.empty()) {
    samples = open_data(measured, input.data_flags.parse());
    options.convert.samples = samples.get();
  }
  const auto accuracy_data = options.accuracy.apply(input.data, input.data_flags.parse(), options.convert);
  if (calibration) options.convert.calibration = &*calibration;
  if (!input.table.empty()) options.convert.calibration_table = RangeTable::load(input.table).to_bytes();
  if (!options.shapes.empty()) {
    std::vector<Shape> set;
    for (const std::string& text : options.shapes) set.push_back(parse_shape(text));
    options.convert.input_shapes = {set};
  }
  options.convert.batch_size = options.plan_batch;
  options.convert.progress = progress.callback();
  const Engine engine = convert(model, options.convert);
  engine.save(options.engine);
  report(options, engine, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), output);
}

}  // namespace

void add_convert(CLI::App& app, Output& output) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("convert", "Convert a model (.pb or SavedModel folder) to an engine file (.tfe)");
  command->add_option("model", options->model, "Frozen GraphDef (.pb) or SavedModel folder")->required();
  command->add_option("-o,--output", options->engine, "Engine file to write")->required();
  command->add_option("--precision", options->convert.precision, "fp32, bf16, fp16 (a GPU's) or int8")
      ->capture_default_str();
  command
      ->add_option("--float-precision", options->convert.float_precision,
                   "int8: fp32 or bf16 (where it is faster) for layers that are not INT8")
      ->capture_default_str();
  options->calibration.add_to(*command, options->convert);
  add_memory_budget(*command, options->convert);
  command
      ->add_option("--int8-grid", options->convert.int8_grid,
                   "auto (u8 where a tensor cannot be negative) or tensorrt (s8 everywhere)")
      ->capture_default_str();
  command->add_flag("--strict-ranges", options->convert.strict_ranges,
                    "int8: tensors without a range are an error that names them, instead of float layers");
  command->add_option("--nodes-denylist", options->convert.nodes_denylist, "Nodes to keep out of fusion and INT8")
      ->delimiter(',');
  command->add_flag("!--no-batch-split", options->convert.split_batch,
                    "Run whole batches, even where chunks of them are faster");
  command->add_option("--plan-batch-size", options->plan_batch, "Batch size to choose tactics for")
      ->capture_default_str();
  command->add_option("--input-shapes", options->shapes, "Shapes to choose tactics for, one per input, as 1,224,224,3");
  command->add_option("--disable-pass", options->convert.disabled_passes, "Graph rewrites to leave out, by name")
      ->delimiter(',');
  command
      ->add_option("--measures", options->convert.measures,
                   "int8: what recovers accuracy: asymmetric, equalization, smoothing, weight_mse, rounding, or auto "
                   "(with --calibration-data or --measure-data)")
      ->delimiter(',');
  command->add_option("--measure-data", options->measure_data,
                      "int8: what the measures and --explain run the float model on (default: the calibration data)");
  command->add_option("--num-measure-samples", options->convert.max_samples, "Samples of that data to use")
      ->capture_default_str();
  command->add_flag("!--per-tensor-weights", options->convert.per_channel_weights,
                    "int8: one scale for all channels of a weight tensor");
  command->add_flag(
      "--explain", options->convert.explain,
      "int8: keep in the engine how far each tensor is from the float model's and what each measure gains (tfengine "
      "inspect --explain)");
  options->accuracy.add_to(*command, options->convert);
  command->add_flag("!--int8-gates", options->convert.float_gates,
                    "int8: squeeze-and-excitation branches in INT8, too");
  command->add_flag("!--no-bias-correction", options->convert.bias_correction,
                    "int8: leave biases as they are, with the mean error of rounded weights");
  command->add_flag("!--keep-slow-int8", options->convert.avoid_slow_int8,
                    "Keep INT8 steps that are slower than float here");
  add_engine_options(*command, options->convert.engine);
  add_model_options(*command, options->load);
  command->callback([options, &output] { run(*options, output); });
}

}  // namespace tfengine::tools
