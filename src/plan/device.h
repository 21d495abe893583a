// SPDX-License-Identifier: Apache-2.0
// What a plan needs of a device with memory of its own, whatever the device: memory, an ordered queue of work, and work
// that is recorded once and replayed. Backends that run on the host have no device, and none of this is used for them.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "tfengine/allocator.h"

namespace tfengine::plan {

// Work that was recorded from a queue.
class Recording {
 public:
  virtual ~Recording() = default;
};

// Runs what is put into it in order, and later than the call that put it there. Functions throw BackendFailure.
class Queue {
 public:
  virtual ~Queue() = default;
  virtual Stream stream() const = 0;
  // Host memory of these copies is the device's staging memory, or the call waits for the copy.
  virtual void upload(void* device, const void* host, size_t bytes) = 0;
  virtual void download(void* host, const void* device, size_t bytes) = 0;
  virtual void copy(void* to, const void* from, size_t bytes) = 0;
  // `rows` rows of `row_bytes` bytes that lie `pitch` bytes apart on the device and densely in host memory.
  virtual void upload_rows(void* device, size_t pitch, const void* host, size_t row_bytes, size_t rows) = 0;
  virtual void download_rows(void* host, const void* device, size_t pitch, size_t row_bytes, size_t rows) = 0;
  virtual void fill_zero(void* device, size_t bytes) = 0;
  // A function on a thread of the device's library, in order with the rest. It must not throw nor use the device.
  virtual void call(void (*function)(void* state), void* state) = 0;
  // From fork() to join(), what is put in behind enter(i) is in order with the rest of branch i only, i from 0 to kMostBranches - 1.
  // A queue may as well keep the whole order.
  static constexpr int kMostBranches = 4;
  virtual void fork() {}
  virtual void enter(int /*branch*/) {}
  virtual void join() {}
  virtual void wait() = 0;
  // What `work` puts into this queue is recorded rather than run.
  virtual std::unique_ptr<Recording> record(const std::function<void()>& work) = 0;
  // On `stream` (null: this queue's own), behind what this queue ran last on whatever stream.
  virtual void replay(const Recording& recording, Stream stream = nullptr) = 0;
  // Time that the device takes for what `work` puts in; waits for it.
  virtual double elapsed_us(const std::function<void()>& work) = 0;
};

class TensorCounter;

class Device {
 public:
  virtual ~Device() = default;
  // "cuda:0".
  virtual std::string name() const = 0;
  // All that tactics and their times depend on: the kind of device and the versions of its libraries.
  virtual std::string key() const = 0;
  // The device's memory, which the host must not touch; under the process's limit for this device.
  virtual Allocator& memory() const = 0;
  // Host memory that the device copies from and to without help: page-locked.
  virtual Allocator& staging() const = 0;
  virtual std::unique_ptr<Queue> make_queue() const = 0;
  virtual std::unique_ptr<TensorCounter> make_counter() const = 0;
};

}  // namespace tfengine::plan
