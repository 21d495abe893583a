// SPDX-License-Identifier: Apache-2.0
// Tokens of the text form: names, numbers, strings and punctuation with their place, for ir/parser.cpp only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tfengine::ir {

enum class TokenKind : uint8_t { End, Word, Value, Number, String, Symbol };

struct Token {
  TokenKind kind = TokenKind::End;
  std::string text;  // Word, Value (without %), String (unescaped), Number and Symbol as written
  int line = 1;
  int column = 1;
};

// Throws InvalidModel with line and column at anything that is no token. '#' at a line's start begins a
// comment.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}
  Token next();

 private:
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  void advance();
  void skip_space();
  std::string name();
  std::string string_literal();
  [[noreturn]] void fail_here(const std::string& what) const;

  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
  int column_ = 1;
};

}  // namespace tfengine::ir
