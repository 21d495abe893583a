// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "command.h"
#include "options.h"
#include "tfengine/engine.h"
#include "tfengine/model.h"

namespace tfengine::tools {

namespace {

struct Options {
  std::string path, after = "import";
  LoadOptions load;
};

void run(const Options& options, const Output& output) {
  const bool engine = is_engine_file(options.path);
  const std::string text =
      engine ? Engine::load(options.path).dump() : Model::load(options.path, options.load).dump(options.after);
  if (output.json) {
    fmt::print("{}\n", nlohmann::json{{"after", engine ? "engine" : options.after}, {"graph", text}}.dump(1));
  } else {
    fmt::print("{}", text);
  }
}

}  // namespace

void add_dump(CLI::App& app, Output& output) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("dump", "Print the graph after a step: import, optimize, or a rewrite by name");
  command
      ->add_option("path", options->path,
                   "Model (.pb, SavedModel folder), or an engine file (.tfe) for its final graph")
      ->required();
  command->add_option("--after", options->after, "import, optimize, or the name of a pass")->capture_default_str();
  add_model_options(*command, options->load);
  command->callback([options, &output] { run(*options, output); });
}

}  // namespace tfengine::tools
