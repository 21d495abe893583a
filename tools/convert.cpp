// SPDX-License-Identifier: Apache-2.0
#include "tfengine/convert.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "accuracy.h"
#include "command.h"
#include "options.h"
#include "progress.h"
#include "tfengine/table.h"

namespace tfengine::tools {

namespace {

struct Options {
  std::string model, engine, data, calibration, table, resume;
  LoadOptions load;
  DataFlags data_flags;
  ConvertOptions convert;
  int64_t samples = 512;
  std::vector<std::string> shapes;
  int64_t plan_batch = 1;
  AccuracyFlags accuracy;
};

std::optional<Calibration> obtain_calibration(const Options& options, const Model& model, ProgressLine& progress) {
  if (!options.calibration.empty()) return Calibration::load(options.calibration);
  if (options.data.empty()) return std::nullopt;
  DataOptions data_options = options.data_flags.parse();
  data_options.limit = options.samples;
  const auto source = open_data(options.data, data_options);
  CalibrateOptions calibrate_options;
  calibrate_options.threads = options.convert.engine.threads;
  calibrate_options.max_samples = options.samples;
  calibrate_options.nodes_denylist = options.convert.nodes_denylist;
  calibrate_options.progress = progress.callback();
  calibrate_options.checkpoint = options.resume;
  return calibrate(model, *source, calibrate_options);
}

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
  const std::optional<Calibration> calibration = obtain_calibration(options, model, progress);
  std::unique_ptr<BatchSource> samples;
  if (!options.data.empty()) {
    samples = open_data(options.data, options.data_flags.parse());
    options.convert.samples = samples.get();
  }
  const auto accuracy_data = options.accuracy.apply(options.data, options.data_flags.parse(), options.convert);
  if (calibration) {
    options.convert.calibration = &*calibration;
    for (const std::string& warning : calibration->warnings()) note(output, "warning: " + warning);
    for (const std::string& finding : calibration->checkup().findings) note(output, "calibration data: " + finding);
  }
  if (!options.table.empty()) options.convert.calibration_table = RangeTable::load(options.table).to_bytes();
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
  command->add_option("--precision", options->convert.precision, "fp32, bf16 or int8")->capture_default_str();
  command
      ->add_option("--float-precision", options->convert.float_precision,
                   "int8: fp32 or bf16 (where it is faster) for layers that are not INT8")
      ->capture_default_str();
  command->add_option("--calibration-data", options->data,
                      "int8: .npy, .npz, a folder of them, TFRecords, or a folder of images");
  command->add_option("--calibration", options->calibration,
                      "int8: histograms saved by `tfengine calibrate`, instead of data");
  command->add_option("--calibration-table", options->table,
                      "int8: ranges by tensor name, as TensorRT, ONNX Runtime or `tfengine table` write them");
  command->add_option("--resume", options->resume,
                      "File that keeps what is calibrated so far; when it is there, calibration goes on from it");
  command->add_option("--num-calibration-samples", options->samples, "Samples of the data to use")
      ->capture_default_str();
  add_calibrator(*command, options->convert.calibrator, options->convert.percentile);
  command
      ->add_option("--int8-grid", options->convert.int8_grid,
                   "auto (u8 where a tensor cannot be negative) or tensorrt (s8 everywhere)")
      ->capture_default_str();
  command->add_flag("--strict-ranges", options->convert.strict_ranges,
                    "int8: tensors without a range are an error that names them, instead of float layers");
  command->add_option("--nodes-denylist", options->convert.nodes_denylist, "Nodes to keep out of fusion and INT8")
      ->delimiter(',');
  command->add_option("--plan-batch-size", options->plan_batch, "Batch size to choose tactics for")
      ->capture_default_str();
  command->add_option("--input-shapes", options->shapes, "Shapes to choose tactics for, one per input, as 1,224,224,3");
  command->add_option("--disable-pass", options->convert.disabled_passes, "Graph rewrites to leave out, by name")
      ->delimiter(',');
  command
      ->add_option("--measures", options->convert.measures,
                   "int8: what recovers accuracy: asymmetric, equalization, weight_mse, rounding, or auto (with "
                   "--calibration-data)")
      ->delimiter(',');
  command->add_flag(
      "--explain", options->convert.explain,
      "int8: keep in the engine how far each tensor is from the float model's (tfengine inspect --explain)");
  options->accuracy.add_to(*command, options->convert);
  command->add_flag("!--int8-gates", options->convert.float_gates,
                    "int8: squeeze-and-excitation branches in INT8, too");
  command->add_flag("!--no-bias-correction", options->convert.bias_correction,
                    "int8: leave biases as they are, with the mean error of rounded weights");
  command->add_flag("!--keep-slow-int8", options->convert.avoid_slow_int8,
                    "Keep INT8 steps that are slower than float here");
  add_engine_options(*command, options->convert.engine);
  add_model_options(*command, options->load);
  options->data_flags.add_to(*command);
  command->callback([options, &output] { run(*options, output); });
}

}  // namespace tfengine::tools
