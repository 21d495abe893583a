// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.h"
#include "options.h"
#include "tfengine/engine.h"

namespace tfengine::tools {

namespace {

struct Options {
  std::string engine, output_file;
  std::string format = "onnx";
};

void run(const Options& options, const Output& output) {
  if (options.format != "onnx" && options.format != "tensorflow") {
    throw InvalidArgument(fmt::format("--to: got '{}', expected onnx or tensorflow", options.format));
  }
  const Engine engine = Engine::load(options.engine);
  const std::string bytes = options.format == "onnx" ? engine.to_onnx() : engine.to_tensorflow();
  std::ofstream file(options.output_file, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw InvalidArgument(fmt::format("'{}' cannot be written", options.output_file));
  if (output.json) {
    const nlohmann::json document = {{"file", options.output_file},
                                     {"format", options.format},
                                     {"precision", engine.precision()},
                                     {"file_bytes", bytes.size()}};
    fmt::print("{}\n", document.dump(1));
  } else if (!output.quiet) {
    fmt::print("{}: {} model, {}\n", options.output_file, options.format, bytes_text(bytes.size()));
  }
}

}  // namespace

void add_export(CLI::App& app, Output& output) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "export",
      "Write what an engine computes as an ONNX model with Q/DQ nodes, or as a TensorFlow graph with fake-quant nodes");
  command->add_option("engine", options->engine, "Engine file (.tfe)")->required();
  command->add_option("-o,--output", options->output_file, "File to write")->required();
  command->add_option("--to", options->format, "onnx or tensorflow")->capture_default_str();
  command->callback([options, &output] { run(*options, output); });
}

}  // namespace tfengine::tools
