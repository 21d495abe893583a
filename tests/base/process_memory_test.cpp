// SPDX-License-Identifier: Apache-2.0
// The process's memory: what bounds it, the limits that users set, and what they are told.
#include "base/process_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/available_memory.h"
#include "base/buffer.h"
#include "base/memory_label.h"
#include "errors/messages.h"

namespace tfengine {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kMiB = uint64_t{1} << 20;

// A system's files.
class AvailableMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    write("proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\nMemAvailable:    8192 kB\n");
  }
  void TearDown() override { fs::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  AvailableMemory found(uint64_t address_space = UINT64_MAX) const {
    return available_memory_under(root_, address_space);
  }
  void expect(uint64_t mib, uint64_t free_mib, const std::string& source, uint64_t address_space = UINT64_MAX) {
    const AvailableMemory memory = found(address_space);
    EXPECT_EQ(memory.bytes, mib * kMiB);
    EXPECT_EQ(memory.free_bytes, free_mib * kMiB);
    EXPECT_EQ(memory.source, source);
  }
  fs::path root_ = fs::path(testing::TempDir()) / ("available" + std::to_string(getpid()));
};

TEST_F(AvailableMemoryTest, OfTheMachine) { expect(16, 8, "machine"); }

TEST_F(AvailableMemoryTest, AddressSpace) {
  expect(5, 5, "RLIMIT_AS", 5 * kMiB);
  expect(16, 8, "machine", 100 * kMiB);
}

TEST_F(AvailableMemoryTest, GroupsOfVersion2HoldForGroupsBelow) {
  write("proc/self/cgroup", "0::/a/b\n");
  write("sys/fs/cgroup/a/b/memory.max", "max\n");
  expect(16, 8, "machine");
  write("sys/fs/cgroup/a/memory.max", "4194304\n");
  write("sys/fs/cgroup/a/memory.current", "1048576\n");
  expect(4, 3, "cgroup");
  write("sys/fs/cgroup/a/b/memory.max", "2097152\n");
  write("sys/fs/cgroup/a/b/memory.current", "1048576\n");
  expect(2, 1, "cgroup");
}

TEST_F(AvailableMemoryTest, InAContainerTheHostsPathIsNotThere) {
  write("proc/self/cgroup", "0::/of/the/host\n");
  write("sys/fs/cgroup/memory.max", "3145728\n");
  expect(3, 3, "cgroup");
}

TEST_F(AvailableMemoryTest, GroupsOfVersion1) {
  write("proc/self/cgroup", "4:cpu,cpuacct:/x\n3:memory:/docker/id\n0::/\n");
  write("sys/fs/cgroup/memory/docker/id/memory.limit_in_bytes", "9223372036854771712\n");
  expect(16, 8, "machine");
  write("sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "6291456\n");
  write("sys/fs/cgroup/memory/docker/memory.usage_in_bytes", "7340032\n");  // caches count
  expect(6, 0, "cgroup");
}

TEST_F(AvailableMemoryTest, FilesThatMakeNoSense) {
  write("proc/self/cgroup", "nonsense\n0\n::\n0::/a\n");
  write("sys/fs/cgroup/a/memory.max", "lots\n");
  expect(16, 8, "machine");
  fs::remove_all(root_ / "proc");
  EXPECT_EQ(found().source, "machine");
}

TEST(AvailableMemory, OfThisMachine) {
  const AvailableMemory memory = available_memory();
  EXPECT_GT(memory.bytes, 16 * kMiB);
  EXPECT_LT(memory.bytes, uint64_t{1} << 50);
  EXPECT_LE(memory.free_bytes, memory.bytes);
}

MemoryLimits limits_of(double fraction, uint64_t bytes = UINT64_MAX, bool allow_growth = true) {
  MemoryLimits limits;
  limits.memory_fraction = fraction;
  limits.memory_limit_bytes = bytes;
  limits.allow_growth = allow_growth;
  return limits;
}

TEST(ProcessAllocator, FractionAndBytes) {
  const uint64_t available = available_memory().bytes;
  ProcessAllocator process;
  EXPECT_EQ(process.limit_bytes(), UINT64_MAX);
  process.set_limits(limits_of(0.25));
  EXPECT_EQ(process.limit_bytes(), available / 4);
  process.set_limits(limits_of(0.5, 1000));
  EXPECT_EQ(process.limit_bytes(), 1000u);
  EXPECT_EQ(process.shortage(1001).setting, "memory_limit_bytes");
  process.set_limits(limits_of(0.25, available));
  EXPECT_EQ(process.limit_bytes(), available / 4);
  EXPECT_EQ(process.shortage(available).setting.substr(0, 22), "memory_fraction (0.25 ");
  process.set_limits(limits_of(1.0));
  EXPECT_EQ(process.limit_bytes(), available);
  process.set_limits({});
  EXPECT_EQ(process.limit_bytes(), UINT64_MAX);
}

TEST(ProcessAllocator, FractionsThatAreNone) {
  ProcessAllocator process(limits_of(0, 1000));
  for (const double fraction : {-0.1, 1.01, std::nan(""), HUGE_VAL}) {
    EXPECT_THROW(process.set_limits(limits_of(fraction)), InvalidArgument) << fraction;
  }
  EXPECT_EQ(process.limit_bytes(), 1000u);
  EXPECT_EQ(process.state().limits.memory_limit_bytes, 1000u);
}

TEST(ProcessAllocator, ALimitBelowWhatIsInUseIsRefused) {
  ProcessAllocator process(limits_of(0, 1000));
  void* block = process.allocate(600, 64, Purpose::Weights);
  testing_errors::expect_message<OutOfMemory>(
      "out of memory: engines use 600 bytes already, which is more than the limit of 599 bytes; raise "
      "memory_limit_bytes",
      [&] { process.set_limits(limits_of(0, 599)); });
  EXPECT_EQ(process.limit_bytes(), 1000u);
  process.set_limits(limits_of(0, 600));
  EXPECT_EQ(process.allocate(1, 1, Purpose::Weights), nullptr);
  process.set_limits(limits_of(0, 601));
  void* one = process.allocate(1, 1, Purpose::Weights);
  EXPECT_NE(one, nullptr);
  process.deallocate(one, 1, Purpose::Weights);
  process.deallocate(block, 600, Purpose::Weights);
}

TEST(ProcessAllocator, AllAtOnce) {
  ProcessAllocator process;
  testing_errors::expect_message<InvalidArgument>(
      "allow_growth: to take all memory at once takes memory_fraction or memory_limit_bytes",
      [&] { process.set_limits(limits_of(0, UINT64_MAX, false)); });
  EXPECT_THROW(process.set_limits(limits_of(0, available_memory().bytes * 2, false)), OutOfMemory);
  void* before = process.allocate(10, 64, Purpose::Weights);
  EXPECT_THROW(process.set_limits(limits_of(0, kMiB, false)), InvalidArgument);
  process.deallocate(before, 10, Purpose::Weights);
  process.set_limits(limits_of(0, kMiB, false));
  void* block = process.allocate(kMiB / 2, 64, Purpose::Weights);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(process.allocate(kMiB / 2 + 1, 64, Purpose::Weights), nullptr);
  EXPECT_EQ(process.shortage(kMiB).largest_free_bytes, kMiB / 2);
  EXPECT_THROW(process.set_limits({}), InvalidArgument);  // the block lies in what was taken
  process.deallocate(block, kMiB / 2, Purpose::Weights);
  process.set_limits(limits_of(0, 2 * kMiB, false));
  process.set_limits({});
  EXPECT_EQ(process.limit_bytes(), UINT64_MAX);
}

TEST(ProcessAllocator, LimitsOfTheEnvironment) {
  const auto with = [](const char* name, const char* value) {
    setenv(name, value, 1);
    struct Unset {
      const char* name;
      ~Unset() { unsetenv(name); }
    } unset{name};
    return memory_limits_of_environment();
  };
  EXPECT_EQ(with("TFENGINE_MEMORY_FRACTION", "0.25").memory_fraction, 0.25);
  EXPECT_EQ(with("TFENGINE_MEMORY_LIMIT_BYTES", "1048576").memory_limit_bytes, kMiB);
  EXPECT_FALSE(with("TFENGINE_ALLOW_GROWTH", "0").allow_growth);
  EXPECT_TRUE(with("TFENGINE_ALLOW_GROWTH", "").allow_growth);
  testing_errors::expect_message<InvalidArgument>("TFENGINE_MEMORY_LIMIT_BYTES: got '64 MiB', expected a number",
                                                  [&] { with("TFENGINE_MEMORY_LIMIT_BYTES", "64 MiB"); });
  testing_errors::expect_message<InvalidArgument>("TFENGINE_MEMORY_FRACTION: got 'half', expected a number",
                                                  [&] { with("TFENGINE_MEMORY_FRACTION", "half"); });
}

TEST(OutOfMemory, SaysAllThereIsToSay) {
  SystemAllocator process(1000, "memory_limit_bytes");
  const Buffer held(process, 300, Purpose::Activations, "something else");
  const MemoryLabel engine("resnet", {});
  const MemoryLabel step({}, "conv1");
  try {
    const Buffer buffer(process, 701, Purpose::Weights, "packed weights");
    FAIL() << "expected OutOfMemory";
  } catch (const OutOfMemory& error) {
    EXPECT_STREQ(
        error.what(),
        "out of memory: 701 bytes of weights memory for packed weights of step 'conv1' of engine 'resnet'; 300 "
        "bytes in use, limit 1000 bytes, largest free block 700 bytes; raise memory_limit_bytes");
    EXPECT_EQ(error.requested_bytes(), 701u);
    EXPECT_EQ(error.refusal().purpose, "weights");
    EXPECT_EQ(error.refusal().what, "packed weights of step 'conv1'");
    EXPECT_EQ(error.refusal().engine, "resnet");
    EXPECT_EQ(error.refusal().in_use_bytes, 300u);
    EXPECT_EQ(error.refusal().limit_bytes, 1000u);
    EXPECT_EQ(error.refusal().largest_free_bytes, 700u);
    EXPECT_EQ(error.refusal().setting, "memory_limit_bytes");
  }
  const Buffer rest(process, 700, Purpose::Weights, "what fits");
}

TEST(OutOfMemory, OfTheSystemItself) {
  SystemAllocator process;
  testing_errors::expect_message<OutOfMemory>(
      "out of memory: 4611686018427387904 bytes of temporary memory for a test; 0 bytes in use, limit none (the system "
      "refused)",
      [&] { Buffer(process, size_t{1} << 62, Purpose::Temporary, "a test"); });
}

}  // namespace
}  // namespace tfengine
