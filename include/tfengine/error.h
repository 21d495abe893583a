// SPDX-License-Identifier: Apache-2.0
// The one family of exceptions that tfengine throws, split by whose fault it is. Messages say what, where, got, expected.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "tfengine/export.h"

namespace tfengine {

class TFE_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The model, engine file, calibration table or data file is malformed or holds what tfengine cannot run.
class TFE_API InvalidModel : public Error {
 public:
  using Error::Error;
};

// The caller passed a wrong option, shape, dtype or name.
class TFE_API InvalidArgument : public Error {
 public:
  using Error::Error;
};

// An allocation was refused. The message names what was asked, for what, what is in use and the limit.
class TFE_API OutOfMemory : public Error {
 public:
  OutOfMemory(const std::string& message, uint64_t requested_bytes, uint64_t limit_bytes)
      : Error(message), requested_bytes_(requested_bytes), limit_bytes_(limit_bytes) {}
  uint64_t requested_bytes() const { return requested_bytes_; }
  uint64_t limit_bytes() const { return limit_bytes_; }

 private:
  uint64_t requested_bytes_;
  uint64_t limit_bytes_;
};

// A library or device failed; `code` is its own status value.
class TFE_API BackendFailure : public Error {
 public:
  explicit BackendFailure(const std::string& message, int code = 0) : Error(message), code_(code) {}
  int code() const { return code_; }

 private:
  int code_;
};

// A defect of tfengine itself: please report it.
class TFE_API InternalError : public Error {
 public:
  using Error::Error;
};

}  // namespace tfengine
