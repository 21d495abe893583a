// SPDX-License-Identifier: Apache-2.0
// What all passes share: the form of a pass, and the one runner that gives each of them timing, switching off by name,
// removal of what became dead, re-inference of types, a dump, verification, and the report of ranges that it lost.
// What the passes do is in one file each; their order is in pipeline.cpp.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace tfengine::passes {

struct PassOptions {
  std::vector<std::string> disabled;  // names of passes to skip
  // Called after every pass that ran, with its name; for `tfengine dump --after=PASS`.
  std::function<void(std::string_view pass, const ir::Graph& graph)> dump;
  bool verify = true;  // check the graph after every pass; InternalError naming the pass
};

struct PassStats {
  std::string name;
  int rewrites = 0;
  double elapsed_us = 0.0;
  bool skipped = false;
};

struct PassReport {
  std::vector<PassStats> passes;
  std::vector<std::string> notes;           // sentences for the user: ranges that were ignored, nodes left as they are
  std::vector<std::string> ignored_ranges;  // names of the tensors that had a range when a pass removed them
};

// What a pass may write besides the graph.
struct PassContext {
  std::vector<std::string> notes;
  std::vector<std::string> ignored_ranges;
  void note(std::string sentence) { notes.push_back(std::move(sentence)); }
};

// Rewrites the graph in place and returns how many places it changed. It may leave dead nodes, and new values without
// types; denylisted nodes stay as they are.
using PassFn = int (*)(ir::Graph& graph, PassContext& context);

// Runs `fn` unless disabled, and appends its notes to `report`.
PassStats run_pass(std::string_view name, PassFn fn, ir::Graph& graph, const PassOptions& options, PassReport& report);

}  // namespace tfengine::passes
