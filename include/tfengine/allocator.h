// SPDX-License-Identifier: Apache-2.0
// Where an engine's memory comes from. Everything an engine holds or uses at run time is asked of one Allocator,
// with the purpose it is for, so that a host can bound and count it. Implementations: the system's memory, an arena,
// a limit around another allocator; hosts pass their own (TensorFlow's is in the op library).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "tfengine/export.h"

namespace tfengine {

// What memory is for: packed weights, the arena of tensors, scratch of tactics, and what planning needs for a while.
enum class Purpose : uint8_t { Weights, Activations, Workspace, Temporary };
inline constexpr size_t kPurposes = 4;
// "weights", "activations", "workspace", "temporary".
TFE_API const char* purpose_name(Purpose purpose);

// Where memory lies.
enum class DeviceKind : uint8_t { Host, Cuda };
struct Device {
  DeviceKind kind = DeviceKind::Host;
  int index = 0;  // among the devices of the kind
  bool operator==(const Device&) const = default;
};
// A queue of a device's work: a cudaStream_t. Null: none (the host), or the device's default one.
using Stream = void*;

// What stands in the way of a request, for messages. UINT64_MAX bytes: no limit, or not known.
struct MemoryShortage {
  uint64_t in_use_bytes = 0;
  uint64_t limit_bytes = UINT64_MAX;
  uint64_t largest_free_bytes = UINT64_MAX;  // the most that one request can be given now
  std::string setting;                       // what to raise, e.g. "memory_limit_bytes"; empty: nothing of ours
};

// The contract of every implementation:
// - allocate() gives at least `bytes` bytes aligned to `alignment`, or null when it refuses. It never throws, and after a
//   refusal it is as before.
// - Zero bytes are null, or any pointer that deallocate() accepts; they count as nothing.
// - `alignment` is a power of two, of any size; any other is refused. Sizes that no memory can have are refused.
// - deallocate() takes what allocate() gave, with the same size and purpose, or null, which it ignores.
// - All functions may be called from any thread.
// Memory of a device is not touched by the host: neither the engine nor an allocator reads or writes it directly.
class TFE_API Allocator {
 public:
  virtual ~Allocator() = default;
  virtual void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept = 0;
  // What uses the memory must be done, on the device as well.
  virtual void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept = 0;
  // Ordered with the work of `stream`: the memory may be used by what is queued there from now on, and given back while
  // what was queued before still runs. Without streams, as by default, these are allocate() and deallocate(); an allocator
  // of a device that overrides neither has to wait for the device in deallocate().
  virtual void* allocate_on(Stream stream, size_t bytes, size_t alignment, Purpose purpose) noexcept;
  virtual void deallocate_on(Stream stream, void* pointer, size_t bytes, Purpose purpose) noexcept;
  // Where its memory lies. An engine takes only memory of the device that it runs on.
  virtual Device device() const noexcept { return {}; }
  // For messages: bytes in use now and the limit (UINT64_MAX for none).
  virtual uint64_t bytes_in_use() const noexcept = 0;
  virtual uint64_t limit_bytes() const noexcept = 0;
  // Why a request of `bytes` would be refused now. By default from the two numbers above, with no setting.
  virtual MemoryShortage shortage(size_t bytes) const;
};

// Bytes now and at most so far, by Purpose and in all, and how often memory was asked for.
struct AllocatorStats {
  std::array<uint64_t, kPurposes> in_use_bytes{};
  std::array<uint64_t, kPurposes> peak_bytes{};
  uint64_t total_in_use_bytes = 0;
  uint64_t total_peak_bytes = 0;
  uint64_t allocations = 0;
  uint64_t refusals = 0;
};

class Account;

// The system's memory with accounting per purpose and an optional limit on the sum.
class TFE_API SystemAllocator : public Allocator {
 public:
  // Refuses what would bring the sum of all purposes above `limit_bytes`. `setting`: what messages say to raise.
  explicit SystemAllocator(uint64_t limit_bytes = UINT64_MAX, std::string setting = {});
  ~SystemAllocator() override;
  void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept override;
  void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept override;
  uint64_t bytes_in_use() const noexcept override;
  uint64_t limit_bytes() const noexcept override;
  MemoryShortage shortage(size_t bytes) const override;
  // The numbers are of one moment.
  AllocatorStats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A limit and an account around another allocator, which has to outlive it: what an engine may use of what its process
// may, say. A request has to fit both.
class TFE_API LimitedAllocator : public Allocator {
 public:
  explicit LimitedAllocator(Allocator& upstream, uint64_t limit_bytes = UINT64_MAX, std::string setting = {});
  ~LimitedAllocator() override;
  void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept override;
  void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept override;
  void* allocate_on(Stream stream, size_t bytes, size_t alignment, Purpose purpose) noexcept override;
  void deallocate_on(Stream stream, void* pointer, size_t bytes, Purpose purpose) noexcept override;
  Device device() const noexcept override;
  uint64_t bytes_in_use() const noexcept override;
  uint64_t limit_bytes() const noexcept override;
  // Of whichever of the two refuses.
  MemoryShortage shortage(size_t bytes) const override;
  AllocatorStats stats() const;
  Allocator& upstream() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// One block of memory, handed out in pieces: nothing is asked of the system afterwards. Each piece takes the smallest free
// gap that holds it (best fit), and neighbouring gaps become one. It keeps its books apart from the block, which may be
// memory of a device.
class TFE_API ArenaAllocator : public Allocator {
 public:
  // Takes `bytes` bytes of the system's memory now, and really: they cannot fail to be there later. OutOfMemory.
  explicit ArenaAllocator(size_t bytes, std::string setting = {});
  // The caller's block, which has to outlive the arena and everything in it.
  ArenaAllocator(void* memory, size_t bytes, Device device = {}, std::string setting = {});
  // Everything in it has been given back.
  ~ArenaAllocator() override;
  void* allocate(size_t bytes, size_t alignment, Purpose purpose) noexcept override;
  void deallocate(void* pointer, size_t bytes, Purpose purpose) noexcept override;
  Device device() const noexcept override;
  uint64_t bytes_in_use() const noexcept override;
  // The block's size. Gaps before aligned pieces are not in use, and not always of use.
  uint64_t limit_bytes() const noexcept override;
  MemoryShortage shortage(size_t bytes) const override;
  AllocatorStats stats() const;
  uint64_t largest_free_bytes() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The allocator that engines use when none is given: one per process, under the process's limits (tfengine/memory.h).
// InvalidArgument, at the first call, when the environment's limits are malformed.
TFE_API Allocator& default_allocator();

}  // namespace tfengine
