// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.h"
#include "options.h"
#include "progress.h"
#include "tfengine/engine.h"

namespace tfengine::tools {

namespace {

struct Options {
  std::string engine;
  std::vector<std::string> inputs;
  std::string output_dir = ".";
  EngineOptions engine_options;
};

std::vector<NamedTensor> read_inputs(const std::vector<std::string>& arguments) {
  std::vector<NamedTensor> tensors;
  for (const std::string& argument : arguments) {
    const auto equals = argument.find('=');
    if (equals == std::string::npos) {
      tensors.push_back({"", read_npy(argument)});
    } else {
      tensors.push_back({argument.substr(0, equals), read_npy(argument.substr(equals + 1))});
    }
  }
  return tensors;
}

// Tensor names hold '/' and ':', which files cannot or should not.
std::string file_name(const std::string& tensor) {
  std::string name = tensor;
  for (char& c : name) {
    if (c == '/' || c == ':') c = '_';
  }
  return name + ".npy";
}

void run(const Options& options, const Output& output) {
  const Engine engine = Engine::load(options.engine, options.engine_options);
  for (const std::string& notice : engine.notices()) note(output, notice);
  const std::vector<NamedTensor> results = engine.run(read_inputs(options.inputs));
  std::filesystem::create_directories(options.output_dir);
  nlohmann::json list = nlohmann::json::array();
  for (const NamedTensor& result : results) {
    const std::filesystem::path path = std::filesystem::path(options.output_dir) / file_name(result.name);
    write_npy(path, result.tensor);
    list.push_back({{"name", result.name},
                    {"file", path.string()},
                    {"dtype", std::string(dtype_name(result.tensor.dtype()))},
                    {"shape", result.tensor.shape().dims()}});
    if (!output.json) {
      fmt::print("{} {} {} -> {}\n", result.name, dtype_name(result.tensor.dtype()), result.tensor.shape().str(),
                 path.string());
    }
  }
  if (output.json) fmt::print("{}\n", nlohmann::json{{"outputs", list}}.dump(1));
}

}  // namespace

void add_run(CLI::App& app, Output& output) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("run", "Run an engine on .npy inputs; one .npy per output");
  command->add_option("engine", options->engine, "Engine file (.tfe)")->required();
  command->add_option("--input", options->inputs, "NAME=file.npy, once per input; file.npy alone goes by order")
      ->required();
  command->add_option("--output-dir", options->output_dir, "Folder for the outputs")->capture_default_str();
  add_engine_options(*command, options->engine_options);
  command->callback([options, &output] { run(*options, output); });
}

}  // namespace tfengine::tools
