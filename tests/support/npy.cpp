// SPDX-License-Identifier: Apache-2.0
#include "support/npy.h"

#include <cstring>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace tfengine::testing {

namespace {

DType dtype_of(const std::string& descr) {
  static const std::map<std::string, DType> kTypes = {{"<f4", DType::F32}, {"<f8", DType::F64}, {"<f2", DType::F16},
                                                      {"|i1", DType::S8},  {"|u1", DType::U8},  {"<i2", DType::S16},
                                                      {"<u2", DType::U16}, {"<i4", DType::S32}, {"<u4", DType::U32},
                                                      {"<i8", DType::S64}, {"<u8", DType::U64}, {"|b1", DType::Bool}};
  return kTypes.at(descr);
}

}  // namespace

Tensor read_npy(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream stream;
  stream << file.rdbuf();
  const std::string bytes = stream.str();
  if (bytes.size() < 10 || bytes.compare(1, 5, "NUMPY") != 0)
    throw std::runtime_error("not a .npy file: " + path.string());
  uint16_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data() + 8, 2);
  const std::string header = bytes.substr(10, header_bytes);
  std::smatch match;
  std::regex_search(header, match, std::regex("'descr': '([^']*)'"));
  const DType dtype = dtype_of(match[1]);
  if (header.find("'fortran_order': True") != std::string::npos)
    throw std::runtime_error("column-major: " + path.string());
  std::regex_search(header, match, std::regex("'shape': \\(([^)]*)\\)"));
  std::stringstream dims(match[1]);
  Shape shape;
  for (std::string dim; std::getline(dims, dim, ',');) {
    if (dim.find_first_of("0123456789") != std::string::npos) shape.dims().push_back(std::stoll(dim));
  }
  Tensor tensor(dtype, shape);
  if (bytes.size() != 10u + header_bytes + tensor.bytes()) throw std::runtime_error("wrong size: " + path.string());
  std::memcpy(tensor.mutable_data(), bytes.data() + 10 + header_bytes, tensor.bytes());
  return tensor;
}

}  // namespace tfengine::testing
