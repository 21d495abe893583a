// SPDX-License-Identifier: Apache-2.0
// Memory of exactly the size that a kernel was promised, for its tests: it ends where a page does behind which nothing may be
// read or written, and what is left of its own first page in front of it is watched.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

namespace tfengine::kernels {

// `alignment`: of the first element. Where the size is no multiple of it, the bytes up to the end of the page are watched, too.
template <class T>
class Guarded {
 public:
  explicit Guarded(size_t count, size_t alignment = alignof(T)) : count_(count) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t aligned = (bytes() + alignment - 1) / alignment * alignment;
    inside_ = (aligned + page - 1) / page * page + page;
    mapped_ = inside_ + 2 * page;
    void* start = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) throw std::bad_alloc();
    start_ = static_cast<std::byte*>(start);
    begin_ = start_ + page;
    if (mprotect(begin_, inside_, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    std::memset(begin_, kWatched, inside_);
    data_ = begin_ + inside_ - aligned;
    std::memset(data_, kUnwritten, bytes());
  }
  explicit Guarded(const std::vector<T>& values) : Guarded(values.size()) {
    if (count_ > 0) std::memcpy(data_, values.data(), bytes());
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() {
    EXPECT_EQ(strayed(), 0) << "bytes written in front of or behind " << bytes() << " bytes";
    munmap(start_, mapped_);
  }

  T* data() { return reinterpret_cast<T*>(data_); }
  const T* data() const { return reinterpret_cast<const T*>(data_); }
  T& operator[](size_t i) { return data()[i]; }
  const T& operator[](size_t i) const { return data()[i]; }
  size_t size() const { return count_; }
  std::vector<T> values() const { return std::vector<T>(data(), data() + count_); }

 private:
  static constexpr int kWatched = 0xA7, kUnwritten = 0x5A;

  size_t bytes() const { return count_ * sizeof(T); }
  int64_t strayed() const {
    const auto other = [](std::byte value) { return value != std::byte{kWatched}; };
    return std::count_if(begin_, data_, other) + std::count_if(data_ + bytes(), begin_ + inside_, other);
  }

  size_t count_;
  size_t mapped_ = 0, inside_ = 0;
  std::byte *start_ = nullptr, *begin_ = nullptr, *data_ = nullptr;
};

}  // namespace tfengine::kernels
