// SPDX-License-Identifier: Apache-2.0
// Reads the parts that statements of the text form are made of: numbers, types, constants, attributes and clauses. The
// grammar is in ir/parser.h; this is for ir/parser.cpp only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "ir/lexer.h"

namespace tfengine::ir {

struct Number {
  double real = 0.0;
  int64_t integer = 0;
  bool is_integer = false;
};

struct Typed {
  DType dtype = DType::Invalid;
  Shape shape = Shape::unknown_rank();
};

class TextReader {
 public:
  explicit TextReader(std::string_view text) : lexer_(text) { take(); }

  // --- tokens
  const Token& token() const { return token_; }
  Token take();
  // InvalidModel: "text graph, line 2, column 5: got X, expected ..."
  [[noreturn]] void fail_at(const std::string& expected) const;
  bool is_symbol(std::string_view text) const { return token_.kind == TokenKind::Symbol && token_.text == text; }
  bool is_word(std::string_view text) const { return token_.kind == TokenKind::Word && token_.text == text; }
  bool accept_symbol(std::string_view text) { return is_symbol(text) && (take(), true); }
  bool accept_word(std::string_view text) { return is_word(text) && (take(), true); }
  void expect_symbol(std::string_view text);
  void expect_word(std::string_view text);
  std::string expect(TokenKind kind, const std::string& what);

  // --- what follows a name
  Typed type();
  Tensor constant();
  Attrs attributes();  // nothing or {...}
  Epilogue epilogue();
  void value_attributes(Value& value);  // quant(...) and range(...)

 private:
  bool at_number() const;
  Number number();
  int64_t integer();
  int small_integer();
  float real() { return static_cast<float>(number().real); }
  Shape shape();
  DType dtype();
  void put(Tensor& tensor, int64_t index, const Number& value);
  void fill(Tensor& tensor, const Number& value);
  void elements(Tensor& tensor);
  Attr attr();
  Attr empty_list(Attr list);
  template <typename T, typename F>
  Attr rest_of_list(F&& element);
  Attr list();
  Act act();
  Quant quant();
  Range range();

  Lexer lexer_;
  Token token_;
};

}  // namespace tfengine::ir
