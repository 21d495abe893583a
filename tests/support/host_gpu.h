// SPDX-License-Identifier: Apache-2.0
// A GPU made of the host's memory and threads, which takes the place of the CUDA backend in programs that link host_gpu.cpp:
// how engines are driven on a GPU is tested without one. It computes with the reference backend, as late as a GPU does, and
// its memory cannot be touched at its own addresses: host code that tries faults.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "tfengine/allocator.h"

namespace tfengine::host_gpu {

// Its memory, all of it: a caller's tensors come from here as well as engines' own.
Allocator& memory();
// Where the host finds what lies at an address of that memory. Anything else ends the program, as it is a bug.
void* at(const void* address);
// Whether an address is the GPU's.
bool owns(const void* address);

// In order, on a thread of its own, and not at once.
class HostStream {
 public:
  HostStream();
  ~HostStream();
  HostStream(const HostStream&) = delete;
  HostStream& operator=(const HostStream&) = delete;
  Stream handle() { return this; }
  static HostStream& of(Stream handle) { return *static_cast<HostStream*>(handle); }
  void put(std::function<void()> work);
  void wait();

 private:
  void serve();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> work_;  // the first one runs
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace tfengine::host_gpu
