// SPDX-License-Identifier: Apache-2.0
// The system's own memory running out: each `operator new` of a conversion, a calibration, a load and a run fails in turn.
// std::bad_alloc or OutOfMemory comes out, nothing is lost, and the next try gives the right answer. Every allocation is
// tried with TFENGINE_EVERY_FAULT=1 (./dev sanitize), else some of them. One place is left out: the destructor of
// nlohmann::json allocates, so that a failure there ends any program.
#include <execinfo.h>
#include <gtest/gtest.h>
#include <unwind.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <new>
#include <nlohmann/json.hpp>

#include "support/digits.h"
#include "tfengine/error.h"

namespace {

// Of this thread: what other threads ask for is not what is being tried.
thread_local int64_t allocations_left = -1;  // negative: none fails
thread_local bool learning = false;

// Functions on the stack, the innermost first.
constexpr int kMostFrames = 64;
struct Frames {
  Frames() {
    void* addresses[kMostFrames];
    count = backtrace(addresses, kMostFrames);
    for (int i = 0; i < count; ++i) functions[i] = _Unwind_FindEnclosingFunction(addresses[i]);
  }
  void** find(const void* function) { return std::find(functions, functions + count, function); }
  void** end() { return functions + count; }
  void* functions[kMostFrames];
  int count = 0;
};

// What the destructor calls to take a value apart: a program has it once. Seen from where it is called.
void* json_destroy = nullptr;

__attribute__((noinline)) void destroy(nlohmann::json* value) {
  learning = true;
  value->~basic_json();
  learning = false;
}

void learn_json_destroy() {
  alignas(nlohmann::json) std::byte memory[sizeof(nlohmann::json)];
  destroy(new (memory) nlohmann::json{{"a", 1}, {"b", {1, 2}}});
}

bool in_json_destructor() {
  Frames frames;
  return frames.find(json_destroy) != frames.end();
}

void* allocate(size_t bytes, size_t alignment) {
  if (learning) {
    learning = false;
    Frames frames;
    void** found = frames.find(reinterpret_cast<void*>(&destroy));
    if (found != frames.end()) json_destroy = found[-1];
  }
  if (allocations_left >= 0 && allocations_left-- == 0 && !in_json_destructor()) return nullptr;
  if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return std::malloc(bytes == 0 ? 1 : bytes);
  return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

void* allocate_or_throw(size_t bytes, size_t alignment) {
  void* block = allocate(bytes, alignment);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

}  // namespace

void* operator new(size_t bytes) { return allocate_or_throw(bytes, 1); }
void* operator new[](size_t bytes) { return allocate_or_throw(bytes, 1); }
void* operator new(size_t bytes, std::align_val_t at) { return allocate_or_throw(bytes, static_cast<size_t>(at)); }
void* operator new[](size_t bytes, std::align_val_t at) { return allocate_or_throw(bytes, static_cast<size_t>(at)); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return allocate(bytes, 1); }
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept { return allocate(bytes, 1); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, size_t) noexcept { std::free(block); }
void operator delete[](void* block, size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete[](void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, size_t, std::align_val_t) noexcept { std::free(block); }
void operator delete[](void* block, size_t, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { std::free(block); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { std::free(block); }

namespace tfengine {
namespace {

using testing::digits_model;
using testing::digits_options;
using testing::digits_scores;

// Tries in a run that is not to take long.
constexpr int64_t kTries = 150;

int64_t count_allocations(const std::function<void()>& attempt) {
  allocations_left = INT64_MAX;
  attempt();
  return INT64_MAX - std::exchange(allocations_left, -1);
}

// Fails allocations of `attempt` one at a time; `after` says what has to hold after each.
void fail_each(
    const std::function<void()>& attempt, const std::function<void()>& after = [] {}) {
  learn_json_destroy();
  ASSERT_NE(json_destroy, nullptr);
  attempt();  // what is made once, for the whole process, is made
  const int64_t all = count_allocations(attempt);
  ASSERT_GT(all, 10);
  const bool every = std::getenv("TFENGINE_EVERY_FAULT") != nullptr;
  const int64_t step = every ? 1 : std::max<int64_t>(1, all / kTries) | 1;  // odd: patterns of two are met
  int64_t errors = 0;
  for (int64_t number = 0; number < all; number += step) {
    allocations_left = number;
    try {
      attempt();
      allocations_left = -1;  // whoever asked did without
    } catch (const OutOfMemory&) {
      allocations_left = -1;
      ++errors;
    } catch (const std::bad_alloc&) {
      allocations_left = -1;
      ++errors;
    } catch (const std::exception& error) {
      allocations_left = -1;
      ADD_FAILURE() << "allocation " << number << " of " << all << ": " << error.what();
    }
    after();
  }
  EXPECT_GT(errors, 0);
  attempt();
  std::printf("%ld allocations, every %ld-th failed, %ld errors\n", static_cast<long>(all), static_cast<long>(step),
              static_cast<long>(errors));
}

TEST(NewFaults, Converting) {
  const Model model = digits_model();
  const std::vector<float> want = digits_scores(convert(model, digits_options()), 1);
  SystemAllocator memory;
  ConvertOptions options = digits_options();
  options.engine.allocator = &memory;
  fail_each([&] { convert(model, options); }, [&] { EXPECT_EQ(memory.bytes_in_use(), 0u); });
  EXPECT_EQ(digits_scores(convert(model, options), 1), want);
}

TEST(NewFaults, ConvertingToInt8) {
  const Model model = digits_model();
  const Calibration calibration = testing::digits_calibration();
  SystemAllocator memory;
  ConvertOptions options = digits_options(&calibration);
  options.engine.allocator = &memory;
  const std::vector<float> want = digits_scores(convert(model, options), 1);
  fail_each([&] { convert(model, options); }, [&] { EXPECT_EQ(memory.bytes_in_use(), 0u); });
  EXPECT_EQ(digits_scores(convert(model, options), 1), want);
}

TEST(NewFaults, Reading) {
  fail_each([] { digits_model(); });
}

TEST(NewFaults, Calibrating) {
  const Model model = digits_model();
  const NamedTensor images = testing::digits_images(2);
  CalibrateOptions options;
  options.threads = 1;
  fail_each([&] {
    Calibrator calibrator(model, options);
    calibrator.run({images});
    calibrator.result().table("minmax");
  });
}

TEST(NewFaults, Loading) {
  const testing::EngineBytes bytes(convert(digits_model(), digits_options()));
  SystemAllocator memory;
  EngineOptions options = digits_options().engine;
  options.allocator = &memory;
  fail_each([&] { bytes.load(options).prepare({testing::digits_shape(1)}); },
            [&] { EXPECT_EQ(memory.bytes_in_use(), 0u); });
}

// One engine: it answers as before after each failure, and a plan for other shapes is made or is not.
TEST(NewFaults, Running) {
  const Engine engine = convert(digits_model(), digits_options());
  const std::vector<float> want = digits_scores(engine, 1);
  const NamedTensor one = testing::digits_images(1), three = testing::digits_images(3);
  int round = 0;
  fail_each(
      [&] {
        // Other addresses are bound anew.
        const NamedTensor moved = ++round % 2 == 0 ? one : testing::digits_images(1);
        engine.run({moved});
        engine.release_memory();
        engine.run({three});
        engine.run({one});
      },
      [&] { EXPECT_EQ(digits_scores(engine, 1), want); });
}

}  // namespace
}  // namespace tfengine
