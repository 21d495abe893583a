// SPDX-License-Identifier: Apache-2.0
#include "ir/lexer.h"

#include <cctype>

#include "base/check.h"
#include "ir/text.h"

namespace tfengine::ir {

namespace {
bool is_digit(char c) { return c >= '0' && c <= '9'; }
}  // namespace

void Lexer::fail_here(const std::string& what) const {
  fail<InvalidModel>("text graph, line {}, column {}: {}", line_, column_, what);
}

void Lexer::advance() {
  if (peek() == '\n') {
    ++line_;
    column_ = 0;
  }
  ++at_;
  ++column_;
}

void Lexer::skip_space() {
  while (at_ < text_.size()) {
    if (peek() == '#') {
      while (at_ < text_.size() && peek() != '\n') advance();
    } else if (std::isspace(static_cast<unsigned char>(peek())) != 0) {
      advance();
    } else {
      return;
    }
  }
}

std::string Lexer::name() {
  if (peek() == '"') return string_literal();
  std::string result;
  while (is_name_char(peek())) {
    if (peek() == ':' && !is_digit(peek(1))) break;
    if (peek() == '-' && peek(1) == '>') break;
    result += peek();
    advance();
  }
  if (result.empty()) fail_here("got no name, expected one");
  return result;
}

std::string Lexer::string_literal() {
  std::string result;
  advance();
  while (peek() != '"') {
    if (at_ >= text_.size()) fail_here("got the end, expected '\"' to close a string");
    if (peek() != '\\') {
      result += peek();
      advance();
      continue;
    }
    advance();
    if (peek() == 'x' && std::isxdigit(static_cast<unsigned char>(peek(1))) != 0 &&
        std::isxdigit(static_cast<unsigned char>(peek(2))) != 0) {
      result += static_cast<char>(std::stoi(std::string(text_.substr(at_ + 1, 2)), nullptr, 16));
      advance();
      advance();
    } else if (peek() == 'n') {
      result += '\n';
    } else if (peek() == '"' || peek() == '\\') {
      result += peek();
    } else {
      fail_here("got an unknown escape, expected \\\\, \\\", \\n or \\xHH");
    }
    advance();
  }
  advance();
  return result;
}

Token Lexer::next() {
  skip_space();
  Token token;
  token.line = line_;
  token.column = column_;
  if (at_ >= text_.size()) return token;
  const char c = peek();
  if (c == '%' || c == '@') {
    advance();
    token.kind = c == '%' ? TokenKind::Value : TokenKind::String;
    token.text = name();
  } else if (c == '"') {
    token.kind = TokenKind::String;
    token.text = string_literal();
  } else if (c == '-' && peek(1) == '>') {
    token.kind = TokenKind::Symbol;
    token.text = "->";
    advance();
    advance();
  } else if (is_digit(c) || (c == '-' && (is_digit(peek(1)) || peek(1) == 'i'))) {
    token.kind = TokenKind::Number;
    do {
      token.text += peek();
      advance();
    } while (is_digit(peek()) || peek() == '.' || std::isalpha(static_cast<unsigned char>(peek())) != 0 ||
             ((peek() == '-' || peek() == '+') && token.text.back() == 'e'));
  } else if (std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_') {
    token.kind = TokenKind::Word;
    token.text = name();
  } else if (std::string_view("(){}[]=,?:.").find(c) != std::string_view::npos) {
    token.kind = TokenKind::Symbol;
    token.text = c;
    advance();
  } else {
    fail_here(fmt::format("got {}, expected a name, number, string or one of (){{}}[]=,?:", quoted(std::string(1, c))));
  }
  return token;
}

}  // namespace tfengine::ir
