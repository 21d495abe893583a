// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "command.h"
#include "tfengine/ops.h"

namespace tfengine::tools {

namespace {

void run(const Output& output) {
  if (!output.json) {
    fmt::print("{}", ops_markdown());
    return;
  }
  nlohmann::json list = nlohmann::json::array();
  for (const OpInfo& op : supported_ops()) {
    list.push_back({{"name", op.name},
                    {"aliases", op.aliases},
                    {"types", op.types},
                    {"ranks", op.ranks},
                    {"attributes", op.attributes},
                    {"int8", op.int8},
                    {"backends", op.backends},
                    {"limits", op.limits},
                    {"own", op.own}});
  }
  fmt::print("{}\n", nlohmann::json{{"ops", list}}.dump(1));
}

}  // namespace

void add_ops(CLI::App& app, Output& output) {
  CLI::App* command =
      app.add_subcommand("ops", "Print the ops that models may hold: types, ranks, limits (docs/ops.md)");
  command->callback([&output] { run(output); });
}

}  // namespace tfengine::tools
