// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "backends/list.h"
#include "ops/catalog.h"
#include "ops/op.h"
#include "tfengine/ops.h"

namespace tfengine {

namespace {

std::vector<std::string> words(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::vector<std::string> list;
  for (std::string word; stream >> word;) list.push_back(word);
  return list;
}

std::string type_names(std::string_view codes) {
  static const std::map<std::string, std::string, std::less<>> kNames = {
      {"f32", "float32"}, {"f64", "float64"}, {"f16", "float16"},  {"bf16", "bfloat16"},
      {"i8", "int8"},     {"u8", "uint8"},    {"i16", "int16"},    {"i32", "int32"},
      {"i64", "int64"},   {"bool", "bool"},   {"c64", "complex64"}};
  std::vector<std::string> names;
  for (const std::string& code : words(codes)) names.push_back(kNames.at(code));
  return fmt::format("{}", fmt::join(names, " "));
}

std::string int8_text(const ops::Int8Rule& rule) {
  switch (rule.kind) {
    case ops::Int8Kind::Compute:
      return "computes in INT8";
    case ops::Int8Kind::Elementwise:
      return "computes by scale or table";
    case ops::Int8Kind::Passes:
      return "passes INT8 through";
    case ops::Int8Kind::Common:
      return "joins INT8 of one scale";
    case ops::Int8Kind::Average:
      return "averages INT8";
    default:
      return "float";
  }
}

std::vector<std::string> backends_of(const std::string& op) {
  const ir::Graph graph;
  ir::Node node;
  node.op = node.name = op;
  std::vector<std::string> names;
  for (const plan::Backend* backend : backends_by_name("")) {
    if (!backend->refuses(graph, node)) names.push_back(backend->name());
  }
  return names;
}

std::string cell(std::string text) {
  std::replace(text.begin(), text.end(), '|', '/');
  return text.empty() ? "-" : text;
}

}  // namespace

std::vector<OpInfo> supported_ops() {
  std::vector<OpInfo> list;
  for (const ops::Op& op : ops::all_ops()) {
    OpInfo info;
    info.name = op.name;
    info.aliases = op.aliases;
    info.int8 = int8_text(op.int8);
    info.backends = backends_of(op.name);
    if (const ops::OpFacts* facts = ops::op_facts(op.name)) {
      info.types = facts->types.empty() ? "any" : type_names(facts->types);
      info.ranks = facts->ranks;
      info.attributes = words(facts->attributes);
      info.limits = facts->limits;
    } else {
      info.own = true;
    }
    list.push_back(std::move(info));
  }
  std::stable_sort(list.begin(), list.end(), [](const OpInfo& a, const OpInfo& b) { return !a.own && b.own; });
  return list;
}

std::string ops_markdown() {
  const std::vector<OpInfo> list = supported_ops();
  const auto own = std::count_if(list.begin(), list.end(), [](const OpInfo& info) { return info.own; });
  size_t names = 0;
  for (const OpInfo& info : list) names += info.own ? 0 : 1 + info.aliases.size();
  std::string text = fmt::format(
      "# Ops\n\n"
      "`tfengine ops` prints this page, and with `--json` the same as data; `tfengine check MODEL` says what of a "
      "model is "
      "on it.\n\n"
      "tfengine knows {} TensorFlow ops. Types and ranks are those of the data that an op works on, each compared with "
      "TensorFlow's result in the tests; indices and shapes are int32 or int64. Attributes are those that change what "
      "an "
      "op computes. Unknown dimensions and ranks are settled when a run's shapes are known. Backends are named best "
      "first: what only `reference` runs is right and slow.\n\n"
      "Variables, `Const`, `Placeholder` and calls of functions are resolved when a model is read. Strings, lookups, "
      "queues, random numbers and summaries stay outside by design: such a model is cut in front of them.\n\n"
      "| op | other names | types | ranks | attributes | INT8 | backends | limits "
      "|\n|---|---|---|---|---|---|---|---|\n",
      names);
  bool own_heading = false;
  for (const OpInfo& info : list) {
    if (info.own && !std::exchange(own_heading, true)) {
      text += fmt::format(
          "\n## Ops that rewrites make\n\n{} ops are no TensorFlow ops: rewrites make one of them of several nodes.\n\n"
          "| op | INT8 | backends |\n|---|---|---|\n",
          own);
    }
    const std::string backends = fmt::format("{}", fmt::join(info.backends, ", "));
    if (info.own) {
      text += fmt::format("| {} | {} | {} |\n", info.name, info.int8, backends);
    } else {
      text += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} |\n", info.name,
                          cell(fmt::format("{}", fmt::join(info.aliases, ", "))), info.types, info.ranks,
                          cell(fmt::format("{}", fmt::join(info.attributes, ", "))), info.int8, backends,
                          cell(info.limits));
    }
  }
  return text;
}

}  // namespace tfengine
