// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.h"
#include "options.h"
#include "progress.h"
#include "tfengine/graph_def.h"

namespace tfengine::tools {

namespace {

struct Options {
  std::string model, output_file, data;
  std::vector<std::string> inputs, outputs;
  DataFlags data_flags;
  int64_t samples = 512;
  bool build = false;
  GraphDefParams params;
};

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) {
    throw InvalidArgument(fmt::format("'{}' cannot be read; expected a frozen GraphDef (.pb)", path));
  }
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The file appears whole or not at all.
void write_file(const std::string& path, const std::string& bytes) {
  const std::string part = path + ".part";
  std::ofstream file(part, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(part, path, error);
  if (!file || error) {
    std::filesystem::remove(part, error);
    throw InvalidArgument(fmt::format("'{}' cannot be written", path));
  }
}

GraphDefConversion convert(const Options& options) {
  GraphDefParams params = options.params;
  params.is_dynamic_op = !options.build;
  const std::string graph_def = read_file(options.model);
  if (options.data.empty()) return convert_graph_def(graph_def, options.outputs, params);
  if (options.inputs.empty()) throw InvalidArgument("convert-graph: --data needs --inputs, the placeholders it is for");
  DataOptions data_options = options.data_flags.parse();
  data_options.limit = options.samples;
  const auto batches = open_data(options.data, data_options);
  return convert_and_build(graph_def, options.inputs, options.outputs, *batches, params);
}

void run(const Options& options, const Output& output) {
  const GraphDefConversion result = convert(options);
  write_file(options.output_file, result.graph_def);
  if (output.json) {
    auto report = nlohmann::json::parse(result.report_json);
    report["graph"] = options.output_file;
    report["file_bytes"] = result.graph_def.size();
    fmt::print("{}\n", report.dump(1));
  } else {
    fmt::print("{}", result.report_text());
  }
}

}  // namespace

void add_convert_graph(CLI::App& app, Output& output) {
  auto options = std::make_shared<Options>();
  GraphDefParams& params = options->params;
  CLI::App* command = app.add_subcommand("convert-graph",
                                         "Put engines (TRTEngineOp) into a TensorFlow graph in place of what they run");
  command->add_option("model", options->model, "Frozen GraphDef (.pb)")->required();
  command->add_option("-o,--output", options->output_file, "The GraphDef to write")->required();
  command->add_option("--outputs", options->outputs, "Nodes or tensors that will be fetched")->delimiter(',');
  command->add_option("--precision", params.precision_mode, "fp32, fp16 or int8")->capture_default_str();
  command->add_option("--minimum-segment-size", params.minimum_segment_size, "Smaller segments stay in TensorFlow")
      ->capture_default_str();
  command->add_option("--max-engines", params.max_engines, "The largest segments (0: all)")->capture_default_str();
  command->add_option("--nodes-denylist", params.nodes_denylist, "Nodes that stay in TensorFlow")->delimiter(',');
  command->add_option("--op-denylist", params.op_denylist, "Ops that stay in TensorFlow")->delimiter(',');
  command->add_option("--max-workspace-size-bytes", params.max_workspace_size_bytes, "Scratch memory of one step")
      ->capture_default_str();
  command->add_option("--max-batch-size", params.max_batch_size, "The batch that engines are built for with --build")
      ->capture_default_str();
  command->add_flag("--build", options->build, "Build the engines now, into the graph");
  command->add_option("--data,--calibration-data", options->data,
                      ".npy, .npz, a folder of them, TFRecords, or a folder of images: calibrates INT8 engines");
  command->add_option("--inputs", options->inputs, "The placeholders that the data is for")->delimiter(',');
  command->add_option("--num-calibration-samples", options->samples, "Samples of the data to use")
      ->capture_default_str();
  command
      ->add_option("--calibrator", params.calibrator,
                   "auto, entropy, entropy1, legacy, minmax, moving_average, mse or percentile")
      ->capture_default_str();
  command->add_option("--percentile", params.percentile, "Of the calibrators percentile and legacy")
      ->capture_default_str();
  command->add_flag("--strict-ranges", params.strict_ranges,
                    "Tensors without an INT8 range are an error that names them");
  options->data_flags.add_to(*command);
  command->callback([options, &output] { run(*options, output); });
}

}  // namespace tfengine::tools
