// SPDX-License-Identifier: Apache-2.0
#include "ir/text_reader.h"

#include <charconv>
#include <cmath>

#include "base/check.h"
#include "ir/text.h"

namespace tfengine::ir {

namespace {

// Larger constants belong in a model file.
constexpr int64_t kMaxElements = int64_t{1} << 28;

Attr number_attr(const Number& value) {
  return value.is_integer ? Attr(value.integer) : Attr(static_cast<float>(value.real));
}

}  // namespace

Token TextReader::take() {
  Token taken = std::move(token_);
  token_ = lexer_.next();
  return taken;
}

void TextReader::fail_at(const std::string& expected) const {
  const std::string got = token_.kind == TokenKind::End ? "the end" : quoted(token_.text);
  fail<InvalidModel>("text graph, line {}, column {}: got {}, expected {}", token_.line, token_.column, got, expected);
}

void TextReader::expect_symbol(std::string_view text) {
  if (!accept_symbol(text)) fail_at(quoted(text));
}

void TextReader::expect_word(std::string_view text) {
  if (!accept_word(text)) fail_at(quoted(text));
}

std::string TextReader::expect(TokenKind kind, const std::string& what) {
  if (token_.kind != kind) fail_at(what);
  return take().text;
}

bool TextReader::at_number() const {
  return token_.kind == TokenKind::Number || is_word("inf") || is_word("nan") || is_word("true") || is_word("false");
}

Number TextReader::number() {
  if (!at_number()) fail_at("a number");
  Number result;
  const std::string& text = token_.text;
  if (text == "true" || text == "false") {
    result = {text == "true" ? 1.0 : 0.0, text == "true", true};
  } else if (text == "inf" || text == "nan" || text == "-inf") {
    result.real = text == "nan" ? NAN : text == "inf" ? INFINITY : -INFINITY;
  } else {
    const char* end = text.data() + text.size();
    result.is_integer = std::from_chars(text.data(), end, result.integer).ptr == end;
    uint64_t large = 0;
    if (!result.is_integer && std::from_chars(text.data(), end, large).ptr == end) {
      result.is_integer = true;
      result.integer = static_cast<int64_t>(large);
    }
    if (std::from_chars(text.data(), end, result.real).ptr != end) fail_at("a number");
  }
  take();
  return result;
}

int64_t TextReader::integer() {
  const Number parsed = number();
  if (!parsed.is_integer) fail_at("a whole number before this");
  return parsed.integer;
}

int TextReader::small_integer() {
  const int64_t value = integer();
  if (value < 0 || value > 1'000'000) fail_at("an index before this");
  return static_cast<int>(value);
}

Shape TextReader::shape() {
  expect_symbol("[");
  if (accept_symbol(".")) {
    expect_symbol(".");
    expect_symbol(".");
    expect_symbol("]");
    return Shape::unknown_rank();
  }
  Shape result;
  while (!is_symbol("]")) {
    if (!result.dims().empty()) expect_symbol(",");
    result.dims().push_back(accept_symbol("?") ? -1 : integer());
  }
  take();
  return result;
}

DType TextReader::dtype() {
  DType result = DType::Invalid;
  if (!accept_symbol("?")) {
    if (token_.kind != TokenKind::Word || !short_dtype_from_name(token_.text, &result)) fail_at("a type such as f32");
    take();
  }
  return result;
}

Typed TextReader::type() {
  Typed result;
  result.dtype = dtype();
  if (is_symbol("[")) result.shape = shape();
  return result;
}

Tensor TextReader::constant() {
  const Typed typed = type();
  if (typed.dtype == DType::Invalid || !typed.shape.is_static() || typed.shape.elements() > kMaxElements) {
    fail_at("a known type and shape of a constant before this");
  }
  Tensor tensor(typed.dtype, typed.shape);
  if (accept_word("zeros")) return tensor;
  if (accept_word("ones")) {
    fill(tensor, {1.0, 1, true});
  } else if (accept_word("splat")) {
    expect_symbol("(");
    fill(tensor, number());
    expect_symbol(")");
  } else if (accept_word("uniform")) {
    expect_symbol("(");
    const auto seed = static_cast<uint64_t>(integer());
    expect_symbol(",");
    const double lo = number().real;
    expect_symbol(",");
    const double hi = number().real;
    expect_symbol(")");
    fill_uniform(tensor, seed, lo, hi);
  } else {
    elements(tensor);
  }
  return tensor;
}

void TextReader::put(Tensor& tensor, int64_t index, const Number& value) {
  if (!set_element(tensor, index, value.real, value.integer, value.is_integer)) {
    fail_at(fmt::format("a number that fits {} before this", short_dtype_name(tensor.dtype())));
  }
}

void TextReader::fill(Tensor& tensor, const Number& value) {
  for (int64_t i = 0; i < tensor.elements(); ++i) put(tensor, i, value);
}

void TextReader::elements(Tensor& tensor) {
  if (is_word("abbreviated")) fail_at("all elements: this text is a dump, which leaves large constants out");
  if (!is_symbol("[")) fail_at("zeros, ones, splat(v), uniform(seed, lo, hi) or [...]");
  take();
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    if (i > 0) expect_symbol(",");
    put(tensor, i, number());
  }
  if (!accept_symbol("]")) fail_at(fmt::format("']' after {} elements", tensor.elements()));
}

Attr TextReader::attr() {
  if (token_.kind == TokenKind::String) return take().text;
  if (accept_word("true")) return true;
  if (accept_word("false")) return false;
  if (at_number()) return number_attr(number());
  if (accept_word("shape")) return shape();
  if (accept_word("tensor")) return constant();
  if (is_symbol("[")) return list();
  if (accept_word("ints")) return empty_list(std::vector<int64_t>{});
  if (accept_word("floats")) return empty_list(std::vector<float>{});
  if (accept_word("strings")) return empty_list(std::vector<std::string>{});
  if (accept_word("shapes")) return empty_list(std::vector<Shape>{});
  if (accept_word("dtypes")) return empty_list(std::vector<DType>{});
  return dtype();
}

Attr TextReader::empty_list(Attr list) {
  expect_symbol("[");
  expect_symbol("]");
  return list;
}

template <typename T, typename F>
Attr TextReader::rest_of_list(F&& element) {
  std::vector<T> list;
  do list.push_back(element());
  while (accept_symbol(","));
  expect_symbol("]");
  return list;
}

Attr TextReader::list() {
  take();
  if (accept_symbol("]")) return std::vector<int64_t>{};
  if (token_.kind == TokenKind::String)
    return rest_of_list<std::string>([&] { return expect(TokenKind::String, "a string"); });
  if (is_word("shape"))
    return rest_of_list<Shape>([&] {
      expect_word("shape");
      return shape();
    });
  if (!at_number()) return rest_of_list<DType>([&] { return dtype(); });
  std::vector<Number> numbers;
  bool all_integers = true;
  do {
    numbers.push_back(number());
    all_integers = all_integers && numbers.back().is_integer;
  } while (accept_symbol(","));
  expect_symbol("]");
  std::vector<int64_t> integers;
  std::vector<float> floats;
  for (const Number& value : numbers) {
    integers.push_back(value.integer);
    floats.push_back(static_cast<float>(value.real));
  }
  return all_integers ? Attr(std::move(integers)) : Attr(std::move(floats));
}

Attrs TextReader::attributes() {
  Attrs result;
  if (!accept_symbol("{")) return result;
  while (!is_symbol("}")) {
    if (!result.empty()) expect_symbol(",");
    std::string key = token_.kind == TokenKind::String ? take().text : expect(TokenKind::Word, "an attribute's name");
    expect_symbol("=");
    result[std::move(key)] = attr();
  }
  take();
  return result;
}

Act TextReader::act() {
  Act result;
  if (token_.kind != TokenKind::Word || !act_from_name(token_.text, &result.kind))
    fail_at("an activation such as Relu");
  take();
  if (accept_symbol("(")) {
    result.alpha = real();
    if (accept_symbol(",")) result.beta = real();
    expect_symbol(")");
  }
  return result;
}

Epilogue TextReader::epilogue() {
  Epilogue result;
  expect_symbol("(");
  while (!is_symbol(")")) {
    const std::string key = expect(TokenKind::Word, "bias, before, residual or after");
    expect_symbol("=");
    if (key == "bias")
      result.bias = small_integer();
    else if (key == "before")
      result.before_add = act();
    else if (key == "residual")
      result.residual = small_integer();
    else if (key == "after")
      result.after_add = act();
    else
      fail<InvalidModel>("text graph, line {}: got '{}', expected bias, before, residual or after", token_.line, key);
    if (!is_symbol(")")) expect_symbol(",");
  }
  take();
  return result;
}

Quant TextReader::quant() {
  Quant result;
  expect_symbol("(");
  if (accept_word("scale")) {
    expect_symbol("=");
    result.scales = {real()};
  } else {
    expect_word("scales");
    expect_symbol("=");
    expect_symbol("[");
    do result.scales.push_back(real());
    while (accept_symbol(","));
    expect_symbol("]");
  }
  while (accept_symbol(",")) {
    int& field = accept_word("axis") ? result.axis : result.zero_point;
    if (&field == &result.zero_point) expect_word("zero_point");
    expect_symbol("=");
    field = small_integer();
  }
  expect_symbol(")");
  return result;
}

Range TextReader::range() {
  Range result;
  expect_symbol("(");
  expect_word("max_abs");
  expect_symbol("=");
  result.max_abs = real();
  expect_symbol(",");
  if (accept_word("custom"))
    result.source = RangeSource::Custom;
  else if (accept_word("calibrated"))
    result.source = RangeSource::Calibrated;
  else if (accept_word("rule"))
    result.source = RangeSource::Rule;
  else
    fail_at("custom, calibrated or rule");
  if (accept_symbol(",")) result.origin = expect(TokenKind::String, "a string");
  expect_symbol(")");
  return result;
}

void TextReader::value_attributes(Value& value) {
  while (true) {
    if (accept_word("quant"))
      value.quant = quant();
    else if (accept_word("range"))
      value.range = range();
    else
      return;
  }
}

}  // namespace tfengine::ir
