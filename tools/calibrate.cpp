// SPDX-License-Identifier: Apache-2.0
#include "tfengine/calibrate.h"

#include <fmt/format.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "command.h"
#include "options.h"
#include "progress.h"

namespace tfengine::tools {

namespace {

struct Options {
  std::string model, data, output_file, table, resume;
  std::vector<std::string> from;
  LoadOptions load;
  DataFlags data_flags;
  int64_t samples = 512;
  int threads = 0;
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
  calibrate_options.max_samples = options.samples;
  calibrate_options.nodes_denylist = options.denylist;
  calibrate_options.progress = progress.callback();
  calibrate_options.checkpoint = options.resume;
  return calibrate(model, *source, calibrate_options);
}

void run(const Options& options, const Output& output) {
  const Calibration calibration = obtain(options, output);
  for (const std::string& warning : calibration.warnings()) note(output, "warning: " + warning);
  if (!options.output_file.empty()) calibration.save(options.output_file);
  if (!options.table.empty()) {
    std::ofstream file(options.table);
    file << calibration.table(options.calibrator, options.percentile);
    if (!file.flush()) throw InvalidArgument(fmt::format("'{}' cannot be written", options.table));
  }
  const std::vector<TensorRange> ranges = calibration.ranges(options.calibrator, options.percentile);
  if (output.json) {
    nlohmann::json list = nlohmann::json::array();
    for (const TensorRange& range : ranges) {
      list.push_back({{"tensor", range.tensor},
                      {"max_abs", range.max_abs},
                      {"non_negative", range.non_negative},
                      {"source", range.source}});
    }
    fmt::print(
        "{}\n",
        nlohmann::json{{"samples", calibration.samples()}, {"calibrator", options.calibrator}, {"ranges", list}}.dump(
            1));
    return;
  }
  fmt::print("{} tensors over {} samples{}\n", ranges.size(), calibration.samples(),
             options.output_file.empty() ? "" : ", saved to " + options.output_file);
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
  command->add_option("--table", options->table, "File for the ranges as TensorRT's calibration cache");
  command->add_option("--resume", options->resume,
                      "File that keeps what is calibrated so far; when it is there, calibration goes on from it");
  command->add_option("--num-calibration-samples", options->samples, "Samples of the data to use")
      ->capture_default_str();
  command->add_option("--threads", options->threads, "Threads (0: all cores)")->capture_default_str();
  command->add_option("--nodes-denylist", options->denylist, "Nodes to keep out of fusion and INT8, as for convert")
      ->delimiter(',');
  add_calibrator(*command, options->calibrator, options->percentile);
  add_model_options(*command, options->load);
  options->data_flags.add_to(*command);
  command->callback([options, &output] { run(*options, output); });
}

}  // namespace tfengine::tools
