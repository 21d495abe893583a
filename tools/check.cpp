// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "command.h"
#include "options.h"
#include "tfengine/check.h"

namespace tfengine::tools {

namespace {

struct Options {
  std::string path, csv;
  int64_t batch_size = 1;
  LoadOptions load;
};

void print_text(const Options& options, const ModelCheck& check) {
  int64_t refused = 0;
  for (const CheckedNode& node : check.findings) {
    refused += node.converts ? 0 : 1;
    fmt::print("{} '{}': {}{}\n    {}\n", node.op, node.name, node.converts ? "slow: " : "", node.reason, node.remedy);
  }
  const auto slow = static_cast<int64_t>(check.findings.size()) - refused;
  if (check.converts)
    fmt::print("{} converts whole: {} nodes{}\n", options.path, check.nodes,
               slow > 0 ? fmt::format(", {} of them without a fast form", slow) : "");
  else
    fmt::print("{} does not convert: {} of {} nodes stay outside\n", options.path, refused, check.nodes);
}

void run(const Options& options, const Output& output) {
  const ModelCheck check = check_model(options.path, options.load, options.batch_size);
  if (!options.csv.empty()) {
    std::ofstream file(options.csv);
    file << check_csv(check);
    if (!file.flush()) throw InvalidArgument(fmt::format("--csv: cannot write '{}'", options.csv));
  }
  if (!output.json) return print_text(options, check);
  nlohmann::json findings = nlohmann::json::array();
  for (const CheckedNode& node : check.findings) {
    findings.push_back({{"node", node.name},
                        {"op", node.op},
                        {"converts", node.converts},
                        {"reason", node.reason},
                        {"remedy", node.remedy}});
  }
  fmt::print("{}\n",
             nlohmann::json{{"converts", check.converts}, {"nodes", check.nodes}, {"findings", findings}}.dump(1));
}

}  // namespace

void add_check(CLI::App& app, Output& output) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "check", "Say whether a model converts whole: which nodes do not, why, and what to do about it");
  command->add_option("model", options->path, "Frozen GraphDef (.pb) or SavedModel folder")->required();
  command->add_option("--csv", options->csv,
                      "Write the findings to this file, by op and reason, fields separated by '|'");
  command->add_option("--batch-size", options->batch_size, "Stands for an unknown first dimension of the inputs")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  add_model_options(*command, options->load);
  command->callback([options, &output] { run(*options, output); });
}

}  // namespace tfengine::tools
