// SPDX-License-Identifier: Apache-2.0
#include "ir/parser.h"

#include <unordered_map>

#include "base/check.h"
#include "ir/text_reader.h"
#include "ir/verifier.h"

namespace tfengine::ir {

namespace {

class Parser : private TextReader {
 public:
  explicit Parser(std::string_view text) : TextReader(text) {}

  Graph run() {
    read_graph();
    if (token().kind != TokenKind::End) fail_at("the end of the text");
    return std::move(graph_);
  }

 private:
  void read_graph() {
    expect_word("graph");
    graph_.name = expect(TokenKind::String, "@name");
    inputs();
    expect_symbol("{");
    while (!is_word("return")) statement();
    returns();
    expect_symbol("}");
  }
  // A graph inside of the one that is read, which has names of its own.
  Graph region() {
    if (++depth_ > kMaxRegionDepth) fail_at(fmt::format("regions nested at most {} deep", kMaxRegionDepth));
    Graph outer = std::move(graph_);
    std::unordered_map<std::string, ValueId> outer_values = std::move(values_);
    graph_ = Graph();
    values_.clear();
    read_graph();
    Graph inner = std::move(graph_);
    graph_ = std::move(outer);
    values_ = std::move(outer_values);
    --depth_;
    return inner;
  }
  void define(const std::string& name, ValueId id) {
    if (!values_.emplace(name, id).second) {
      fail<InvalidModel>("text graph, line {}: %{} is defined twice", token().line, name);
    }
  }
  ValueId use() {
    if (token().kind != TokenKind::Value) fail_at("a value such as %x");
    const auto found = values_.find(token().text);
    if (found == values_.end()) fail_at("a value that is defined above");
    take();
    return found->second;
  }
  void inputs() {
    expect_symbol("(");
    while (!is_symbol(")")) {
      if (!graph_.inputs.empty()) expect_symbol(",");
      const std::string name = expect(TokenKind::Value, "an input such as %x");
      expect_symbol(":");
      const Typed typed = type();
      define(name, graph_.add_input(name, typed.dtype, typed.shape));
      value_attributes(graph_.value(graph_.inputs.back()));
    }
    take();
  }
  void statement() {
    std::vector<std::string> names;
    while (token().kind == TokenKind::Value) {
      names.push_back(take().text);
      if (!accept_symbol(",")) break;
    }
    if (!names.empty()) expect_symbol("=");
    if (names.size() == 1 && accept_word("const")) {
      define(names[0], graph_.add_constant(names[0], constant()));
      value_attributes(graph_.value(values_.at(names[0])));
      return;
    }
    node(names);
  }
  void node(const std::vector<std::string>& names) {
    if (token().kind != TokenKind::Word && token().kind != TokenKind::String) fail_at("an op's name, const or return");
    std::string op = take().text;
    expect_symbol("(");
    std::vector<ValueId> operands;
    while (!is_symbol(")")) {
      if (!operands.empty()) expect_symbol(",");
      operands.push_back(use());
    }
    take();
    const NodeId id = graph_.add_node(std::move(op), names.empty() ? "" : names[0], std::move(operands), attributes(),
                                      static_cast<int>(names.size()));
    for (size_t i = 0; i < names.size(); ++i) {
      define(names[i], graph_.output(id, static_cast<int>(i)));
      graph_.value(graph_.output(id, static_cast<int>(i))).name = names[i];
    }
    node_clauses(graph_.node(id));
    if (accept_symbol("->")) types(graph_.node(id));
    while (is_word("graph")) {
      Graph inner = region();
      graph_.node(id).regions.push_back(std::move(inner));
    }
  }
  void node_clauses(Node& node) {
    while (true) {
      if (accept_word("epilogue")) {
        node.epilogue = epilogue();
      } else if (accept_word("denylisted")) {
        node.denylisted = true;
      } else if (accept_word("name")) {
        expect_symbol("(");
        node.name = expect(TokenKind::String, "the node's name in quotes");
        expect_symbol(")");
      } else {
        return;
      }
    }
  }
  void types(const Node& node) {
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (i > 0) expect_symbol(",");
      Value& value = graph_.value(node.outputs[i]);
      const Typed typed = type();
      value.dtype = typed.dtype;
      value.shape = typed.shape;
      value_attributes(value);
    }
  }
  void returns() {
    take();
    do {
      const std::string name = token().text;
      const ValueId id = use();
      graph_.outputs.push_back(
          {accept_word("as") ? expect(TokenKind::String, "the output's name in quotes") : name, id});
    } while (accept_symbol(","));
  }

  Graph graph_;
  std::unordered_map<std::string, ValueId> values_;
  int depth_ = 0;
};

}  // namespace

Graph parse(std::string_view text) {
  Graph graph = Parser(text).run();
  verify(graph);
  return graph;
}

}  // namespace tfengine::ir
