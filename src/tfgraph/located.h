// SPDX-License-Identifier: Apache-2.0
// Adds the file to errors of what is read from it: readers of messages and graphs need not carry its name.
#pragma once

#include <protozero/exception.hpp>

#include <filesystem>
#include <memory>
#include <new>

#include "base/check.h"
#include "base/mapped_file.h"

namespace tfengine::tfgraph {

class LocatedInvalidModel : public InvalidModel {
 public:
  using InvalidModel::InvalidModel;
};

// MappedFile::open, whose errors name the file already.
inline std::shared_ptr<const MappedFile> open_mapped(const std::filesystem::path& path) {
  try {
    return MappedFile::open(path);
  } catch (const InvalidModel& error) {
    throw LocatedInvalidModel(error.what());
  }
}

// fn(), with InvalidModel and protobuf errors as InvalidModel("'file': reason").
template <typename F>
auto with_file(const std::filesystem::path& path, F&& fn) -> decltype(fn()) {
  try {
    return fn();
  } catch (const LocatedInvalidModel&) {
    throw;
  } catch (const InvalidModel& error) {
    throw LocatedInvalidModel(fmt::format("'{}': {}", path.string(), error.what()));
  } catch (const protozero::end_of_buffer_exception&) {
    throw LocatedInvalidModel(
        fmt::format("'{}': the file is cut short or corrupt: a field ends behind its message", path.string()));
  } catch (const protozero::exception& error) {
    throw LocatedInvalidModel(fmt::format("'{}': malformed protocol buffer: {}", path.string(), error.what()));
  } catch (const std::bad_alloc&) {
    throw OutOfMemory(fmt::format("'{}': out of memory while reading", path.string()), 0, UINT64_MAX);
  }
}

}  // namespace tfengine::tfgraph
