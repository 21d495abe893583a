// SPDX-License-Identifier: Apache-2.0
// The command line's commands. Each adds its subcommand and options to the app and runs when it was named.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace tfengine::tools {

// Flags that every command has.
struct Output {
  bool json = false;   // one JSON document on standard output, nothing else there
  bool quiet = false;  // no progress, no notes
};

void add_check(CLI::App& app, Output& output);
void add_convert(CLI::App& app, Output& output);
void add_convert_graph(CLI::App& app, Output& output);
void add_calibrate(CLI::App& app, Output& output);
void add_run(CLI::App& app, Output& output);
void add_bench(CLI::App& app, Output& output);
void add_eval(CLI::App& app, Output& output);
void add_inspect(CLI::App& app, Output& output);
void add_dump(CLI::App& app, Output& output);
void add_export(CLI::App& app, Output& output);
void add_tune(CLI::App& app, Output& output);
void add_ops(CLI::App& app, Output& output);
void add_table(CLI::App& app, Output& output);

}  // namespace tfengine::tools
