// SPDX-License-Identifier: Apache-2.0
#include "tfengine/calibrate.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "command.h"
#include "options.h"
#include "progress.h"
#include "range_json.h"
#include "tfengine/table.h"

namespace tfengine::tools {

namespace {

struct Options {
  std::string model, data, output_file, table, resume;
  std::string table_format = "tensorrt";
  std::vector<std::string> from;
  LoadOptions load;
  DataFlags data_flags;
  int64_t samples = 512;
  int threads = 0;
  std::string device;
  std::string calibrator = "auto";
  double percentile = 99.99;
  std::vector<std::string> denylist;
};

Calibration obtain(const Options& options, const Output& output) {
  std::optional<Calibration> result;
  for (const std::string& file : options.from) {
    const Calibration part = Calibration::load(file);
    if (result) {
      result->merge(part);
    } else {
      result = part;
    }
  }
  if (result) return *result;
  if (options.model.empty() || options.data.empty()) {
    throw InvalidArgument("calibrate: give MODEL and --data, or saved histograms with --from");
  }
  ProgressLine progress(output);
  const Model model = Model::load(options.model, options.load);
  DataOptions data_options = options.data_flags.parse();
  data_options.limit = options.samples;
  const auto source = open_data(options.data, data_options);
  CalibrateOptions calibrate_options;
  calibrate_options.threads = options.threads;
  calibrate_options.device = options.device;
  calibrate_options.max_samples = options.samples;
  calibrate_options.nodes_denylist = options.denylist;
  calibrate_options.progress = progress.callback();
  calibrate_options.checkpoint = options.resume;
  return calibrate(model, *source, calibrate_options);
}

nlohmann::json json_of(const SampleId& sample) {
  nlohmann::json json = {{"fingerprint", sample.fingerprint}};
  if (sample.index >= 0) json["index"] = sample.index;
  return json;
}

nlohmann::json json_of(const CalibrationCheckup& checkup) {
  nlohmann::json outliers = nlohmann::json::array(), constant = nlohmann::json::array();
  for (const OutlierSample& outlier : checkup.outliers) {
    outliers.push_back({{"sample", json_of(outlier.sample)},
                        {"tensor", outlier.tensor},
                        {"peak", outlier.peak},
                        {"typical", outlier.typical}});
  }
  for (const SampleId& sample : checkup.constant_samples) constant.push_back(json_of(sample));
  nlohmann::json json = {{"samples", checkup.samples},
                         {"outliers", outliers},
                         {"constant_samples", constant},
                         {"repeated_samples", checkup.repeated_samples},
                         {"findings", checkup.findings}};
  if (checkup.enough_samples >= 0) json["enough_samples"] = checkup.enough_samples;
  return json;
}

std::string text_of(const SampleId& sample) {
  return sample.index >= 0 ? fmt::format("sample {}", sample.index) : fmt::format("sample {}", sample.fingerprint);
}

void print_checkup(const CalibrationCheckup& checkup, const Output& output) {
  if (output.quiet) return;
  if (checkup.enough_samples >= 0) fmt::print("{} samples would have been enough\n", checkup.enough_samples);
  for (const std::string& finding : checkup.findings) fmt::print("{}\n", finding);
  for (const OutlierSample& outlier : checkup.outliers) {
    fmt::print("  {}: {:.4g} in '{}', where {:.4g} is usual\n", text_of(outlier.sample), outlier.peak, outlier.tensor,
               outlier.typical);
  }
  for (const SampleId& sample : checkup.constant_samples) fmt::print("  {}: constant\n", text_of(sample));
}

void run(const Options& options, const Output& output) {
  const Calibration calibration = obtain(options, output);
  for (const std::string& warning : calibration.warnings()) note(output, "warning: " + warning);
  if (!options.output_file.empty()) calibration.save(options.output_file);
  const std::vector<TensorRange> ranges = calibration.ranges(options.calibrator, options.percentile);
  if (!options.table.empty()) {
    RangeTable table;
    for (const TensorRange& range : ranges) table.set(range);
    table.save(options.table, options.table_format, options.calibrator);
  }
  const CalibrationCheckup checkup = calibration.checkup();
  if (output.json) {
    nlohmann::json list = nlohmann::json::array();
    for (const TensorRange& range : ranges) list.push_back(range_json(range));
    const nlohmann::json document = {{"samples", calibration.samples()},
                                     {"calibrator", options.calibrator},
                                     {"ranges", list},
                                     {"checkup", json_of(checkup)}};
    fmt::print("{}\n", document.dump(1));
    return;
  }
  fmt::print("{} tensors over {} samples{}\n", ranges.size(), calibration.samples(),
             options.output_file.empty() ? "" : ", saved to " + options.output_file);
  print_checkup(checkup, output);
  if (options.output_file.empty() && options.table.empty()) {
    for (const TensorRange& range : ranges) fmt::print("{:>14.6g}  {}\n", range.max_abs, range.tensor);
  }
}

}  // namespace

void add_calibrate(CLI::App& app, Output& output) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("calibrate", "Collect histograms of a model's tensors, or turn saved ones into ranges");
  command->add_option("model", options->model, "Frozen GraphDef (.pb) or SavedModel folder");
  command->add_option("--data,--calibration-data", options->data,
                      ".npy, .npz, a folder of them, TFRecords, or a folder of images");
  command->add_option("--from", options->from, "Saved histograms instead of a run; several are merged")->delimiter(',');
  command->add_option("-o,--output", options->output_file, "File for the histograms");
  command->add_option("--table", options->table, "File for the ranges");
  command
      ->add_option(
          "--table-format", options->table_format,
          "tensorrt (calibration cache), tfengine, onnxruntime-json, onnxruntime-text or onnxruntime-flatbuffers")
      ->capture_default_str();
  command->add_option("--resume", options->resume,
                      "File that keeps what is calibrated so far; when it is there, calibration goes on from it");
  command->add_option("--num-calibration-samples", options->samples, "Samples of the data to use")
      ->capture_default_str();
  command->add_option("--threads", options->threads, "Threads (0: all cores)")->capture_default_str();
  command->add_option("--device", options->device, "cpu, cuda or cuda:N: where the model runs (default: cpu)");
  command->add_option("--nodes-denylist", options->denylist, "Nodes to keep out of fusion and INT8, as for convert")
      ->delimiter(',');
  add_calibrator(*command, options->calibrator, options->percentile);
  add_model_options(*command, options->load);
  options->data_flags.add_to(*command);
  command->callback([options, &output] { run(*options, output); });
}

}  // namespace tfengine::tools
