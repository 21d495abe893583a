// SPDX-License-Identifier: Apache-2.0
#include "io/npy.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/mapped_file.h"
#include "tfengine/data.h"

namespace tfengine::io {

namespace {

// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxHeaderBytes = 64 * 1024;
constexpr size_t kMaxRank = 64;  // NumPy's own
constexpr size_t kHeaderAlignment = 64;

struct Header {
  std::string descr;
  bool fortran_order = false;
  Shape shape;
};

struct TypeName {
  std::string_view code;  // without byte order
  DType dtype;
};
constexpr TypeName kTypes[] = {
    {"f4", DType::F32}, {"f2", DType::F16}, {"f8", DType::F64},  {"i1", DType::S8},
    {"u1", DType::U8},  {"i2", DType::S16}, {"u2", DType::U16},  {"i4", DType::S32},
    {"u4", DType::U32}, {"i8", DType::S64}, {"u8", DType::U64},  {"b1", DType::Bool},
    {"?", DType::Bool}, {"c8", DType::C64}, {"V2", DType::BF16},  // ml_dtypes.bfloat16 is saved as V2
};

// The header is a Python dictionary of three known keys; anything else in it is refused.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  Header run() {
    Header header;
    expect('{');
    bool seen[3] = {false, false, false};
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr")
        seen[0] = true, header.descr = descr();
      else if (key == "fortran_order")
        seen[1] = true, header.fortran_order = boolean();
      else if (key == "shape")
        seen[2] = true, header.shape = shape();
      else
        fail<InvalidModel>("the header has key '{}', expected descr, fortran_order and shape", key);
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (!seen[0] || !seen[1] || !seen[2]) fail<InvalidModel>("the header lacks descr, fortran_order or shape");
    return header;
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail<InvalidModel>("the header is malformed at character {}, expected '{}'", at_, c);
  }
  std::string string() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"')
      fail<InvalidModel>("the header is malformed at character {}, expected a string", at_);
    const size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail<InvalidModel>("the header is malformed: a string does not end");
    std::string result(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return result;
  }
  std::string descr() {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '[') fail<InvalidModel>("the array is structured, expected one of numbers");
    return string();
  }
  bool boolean() {
    skip_space();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return word == "True";
      }
    }
    fail<InvalidModel>("the header is malformed at character {}, expected True or False", at_);
  }
  Shape shape() {
    Shape result;
    expect('(');
    while (!accept(')')) {
      skip_space();
      int64_t dim = -1;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), dim);
      if (error != std::errc() || dim < 0) fail<InvalidModel>("the header's shape is malformed at character {}", at_);
      at_ = static_cast<size_t>(end - text_.data());
      if (result.rank() == kMaxRank) fail<InvalidModel>("the array has more than {} dimensions", kMaxRank);
      result.dims().push_back(dim);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return result;
  }

  std::string_view text_;
  size_t at_ = 0;
};

DType dtype_of(const std::string& descr, bool& swapped) {
  std::string_view code = descr;
  swapped = !code.empty() && code[0] == '>';
  if (!code.empty() && std::string_view("<>|=").find(code[0]) != std::string_view::npos) code.remove_prefix(1);
  for (const TypeName& type : kTypes) {
    if (type.code != code) continue;
    if (swapped && type.dtype == DType::C64)
      fail<InvalidModel>("the array has type '{}', expected little-endian", descr);
    return type.dtype;
  }
  if (!code.empty() && code[0] == 'O')
    fail<InvalidModel>("the array holds Python objects (pickled), which are never loaded");
  fail<InvalidModel>("the array has type '{}', expected numbers", descr);
}

// Elements in C order of an array stored in Fortran order.
Tensor from_fortran(const Tensor& stored) {
  const Shape& shape = stored.shape();
  const size_t width = dtype_bytes(stored.dtype());
  Tensor result(stored.dtype(), shape);
  auto* dst = static_cast<char*>(result.mutable_data());
  const auto* src = static_cast<const char*>(stored.data());
  std::vector<int64_t> index(shape.rank(), 0);
  std::vector<int64_t> strides(shape.rank(), 1);
  for (size_t i = 1; i < shape.rank(); ++i) strides[i] = strides[i - 1] * shape[i - 1];
  int64_t offset = 0;
  for (int64_t i = 0; i < shape.elements(); ++i) {
    std::memcpy(dst + static_cast<size_t>(i) * width, src + static_cast<size_t>(offset) * width, width);
    for (size_t axis = shape.rank(); axis-- > 0;) {
      offset += strides[axis];
      if (++index[axis] < shape[axis]) break;
      offset -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return result;
}

Tensor aligned_copy(DType dtype, const Shape& shape, std::string_view data, bool swapped) {
  Tensor copy(dtype, shape);
  auto* dst = static_cast<char*>(copy.mutable_data());
  if (!data.empty()) std::memcpy(dst, data.data(), data.size());
  const size_t width = dtype_bytes(dtype);
  if (swapped && width > 1) {
    for (size_t i = 0; i < data.size(); i += width) std::reverse(dst + i, dst + i + width);
  }
  return copy;
}

}  // namespace

Tensor parse_npy(std::string_view file, std::shared_ptr<const void> owner) {
  if (file.size() < 10 || file.substr(0, 6) != kMagic)
    fail<InvalidModel>("this is no .npy array: it does not begin with \\x93NUMPY");
  const int version = static_cast<uint8_t>(file[6]);
  if (version < 1 || version > 3) fail<InvalidModel>("the .npy version is {}, expected 1 to 3", version);
  const size_t length_bytes = version == 1 ? 2 : 4;
  if (file.size() < 8 + length_bytes) fail<InvalidModel>("the file is cut short in its header");
  uint32_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data() + 8, length_bytes);
  const size_t begin = 8 + length_bytes;
  if (header_bytes > kMaxHeaderBytes)
    fail<InvalidModel>("the header has {} bytes, expected at most {}", header_bytes, kMaxHeaderBytes);
  if (header_bytes > file.size() - begin) fail<InvalidModel>("the file is cut short in its header");
  const Header header = HeaderParser(file.substr(begin, header_bytes)).run();
  bool swapped = false;
  const DType dtype = dtype_of(header.descr, swapped);
  const std::string_view rest = file.substr(begin + header_bytes);
  const auto count = static_cast<uint64_t>(header.shape.elements());
  const size_t width = dtype_bytes(dtype);
  if (count > rest.size() / width) {
    fail<InvalidModel>("the file is cut short: {} bytes of data, expected {} {} elements of {} bytes", rest.size(),
                       header.shape.str(), dtype_name(dtype), width);
  }
  const std::string_view data = rest.substr(0, count * width);
  const bool aligned = reinterpret_cast<uintptr_t>(data.data()) % width == 0;
  const Tensor stored = aligned && !swapped ? Tensor(dtype, header.shape, data.data(), std::move(owner))
                                            : aligned_copy(dtype, header.shape, data, swapped);
  return header.fortran_order && header.shape.rank() > 1 ? from_fortran(stored) : stored;
}

std::string npy_header(const Tensor& tensor) {
  const auto* type =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeName& t) { return t.dtype == tensor.dtype(); });
  if (type == std::end(kTypes))
    fail<InvalidArgument>("a {} tensor cannot be written as .npy", dtype_name(tensor.dtype()));
  std::string dims;
  for (const int64_t dim : tensor.shape()) dims += fmt::format("{}, ", dim);
  if (tensor.shape().rank() > 1) dims.resize(dims.size() - 2);
  if (tensor.shape().rank() == 1) dims.pop_back();  // "(3,)"
  const char order = dtype_bytes(tensor.dtype()) == 1 ? '|' : '<';
  std::string text =
      fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}), }}", order, type->code, dims);
  const size_t unpadded = kMagic.size() + 4 + text.size() + 1;
  text.append((kHeaderAlignment - unpadded % kHeaderAlignment) % kHeaderAlignment, ' ');
  text += '\n';
  const auto length = static_cast<uint16_t>(text.size());
  std::string header(kMagic);
  header += '\x01';
  header += '\0';
  header += static_cast<char>(length & 255);
  header += static_cast<char>(length >> 8);
  return header + text;
}

}  // namespace tfengine::io

namespace tfengine {

void write_npy(const std::filesystem::path& path, const Tensor& tensor) {
  const std::string header = io::npy_header(tensor);
  AtomicFile file(path);
  file.write(header);
  file.write(tensor.data(), tensor.bytes());
  file.commit();
}

Tensor read_npy(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  try {
    return io::parse_npy(file->text(), file);
  } catch (const InvalidModel& error) {
    fail<InvalidModel>("'{}': {}", path.string(), error.what());
  }
}

}  // namespace tfengine
