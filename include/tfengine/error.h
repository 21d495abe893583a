// SPDX-License-Identifier: Apache-2.0
// The one family of exceptions that tfengine throws, split by whose fault it is. Messages say what, where, got, expected.
#pragma once

#include <cstdint>
#include <memory>
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

// What an allocation was for and why it was refused.
struct MemoryRefusal {
  uint64_t requested_bytes = 0;
  std::string purpose;  // "weights", "activations", "workspace", "temporary"
  std::string what;     // the tensor, step or thing that it was for
  std::string engine;   // empty: no engine's
  uint64_t in_use_bytes = 0;
  uint64_t limit_bytes = UINT64_MAX;         // UINT64_MAX: none, the system refused
  uint64_t largest_free_bytes = UINT64_MAX;  // the most that one request would have been given; UINT64_MAX: not known
  std::string setting;                       // what to raise; empty: nothing of tfengine's
};

// An allocation was refused. The message says all that refusal() says. Everything stays usable: smaller requests succeed.
class TFE_API OutOfMemory : public Error {
 public:
  OutOfMemory(const std::string& message, uint64_t requested_bytes, uint64_t limit_bytes);
  OutOfMemory(const std::string& message, MemoryRefusal refusal);
  uint64_t requested_bytes() const { return refusal_->requested_bytes; }
  uint64_t limit_bytes() const { return refusal_->limit_bytes; }
  const MemoryRefusal& refusal() const { return *refusal_; }

 private:
  std::shared_ptr<const MemoryRefusal> refusal_;  // shared: copying an exception must not fail
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
