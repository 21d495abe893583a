// SPDX-License-Identifier: Apache-2.0
// `tfengine`: exit code 0 when all went well, 2 for what the user can mend (a bad file, option or too little memory),
// 1 for what he cannot.
#include <cstdio>
#include <new>

#include "command.h"
#include "tfengine/error.h"

namespace {

void add_flags(CLI::App& command, tfengine::tools::Output& output) {
  command.add_flag("--json", output.json, "Print one JSON document on standard output");
  command.add_flag("--quiet", output.quiet, "No progress and no notes on standard error");
}

}  // namespace

int main(int argc, char** argv) {
  using namespace tfengine;
  CLI::App app{"Turns TensorFlow graphs into INT8 and float inference engines, and runs them.", "tfengine"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "tfengine 0.1.0");
  tools::Output output;
  tools::add_convert(app, output);
  tools::add_convert_graph(app, output);
  tools::add_calibrate(app, output);
  tools::add_run(app, output);
  tools::add_bench(app, output);
  tools::add_eval(app, output);
  tools::add_inspect(app, output);
  tools::add_dump(app, output);
  tools::add_export(app, output);
  tools::add_table(app, output);
  tools::add_tune(app, output);
  tools::add_check(app, output);
  tools::add_ops(app, output);
  for (CLI::App* command : app.get_subcommands({})) {
    add_flags(*command, output);
    for (CLI::App* below : command->get_subcommands({})) add_flags(*below, output);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const InternalError& error) {
    std::fprintf(stderr, "tfengine: internal error: %s\n", error.what());
    return 1;
  } catch (const BackendFailure& error) {
    std::fprintf(stderr, "tfengine: %s\n", error.what());
    return 1;
  } catch (const Error& error) {
    std::fprintf(stderr, "tfengine: %s\n", error.what());
    return 2;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "tfengine: out of memory\n");
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tfengine: %s\n", error.what());
    return 1;
  }
  return 0;
}
