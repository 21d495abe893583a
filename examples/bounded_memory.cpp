// SPDX-License-Identifier: Apache-2.0
// An allocator of one's own, and a limit: the engine's memory comes from a block that the program took at its start. Run it
// from the repository's root.
#include <cstdio>
#include <memory>
#include <vector>

#include "tfengine/convert.h"
#include "tfengine/error.h"

namespace {

// Hands out one block from front to back, and tells what for. Pieces that were given back are free again when all were.
class Stack : public tfengine::Allocator {
 public:
  explicit Stack(size_t bytes) : block_(bytes) {}

  void* allocate(size_t bytes, size_t alignment, tfengine::Purpose purpose) noexcept override {
    const size_t address = reinterpret_cast<size_t>(block_.data()) + end_;
    const size_t begin = end_ + (alignment - address % alignment) % alignment;
    if (bytes == 0 || begin > block_.size() || bytes > block_.size() - begin) return nullptr;
    std::printf("%8zu bytes of %s\n", bytes, tfengine::purpose_name(purpose));
    end_ = begin + bytes;
    in_use_ += bytes;
    return block_.data() + begin;
  }
  void deallocate(void* pointer, size_t bytes, tfengine::Purpose) noexcept override {
    if (pointer == nullptr) return;
    in_use_ -= bytes;
    if (in_use_ == 0) end_ = 0;
  }
  uint64_t bytes_in_use() const noexcept override { return in_use_; }
  uint64_t limit_bytes() const noexcept override { return block_.size(); }

 private:
  std::vector<std::byte> block_;
  size_t end_ = 0, in_use_ = 0;
};

}  // namespace

int main() try {
  const tfengine::Model model = tfengine::Model::load("examples/digits/cnn.pb");
  Stack stack(size_t{4} << 20);
  tfengine::ConvertOptions options;
  options.engine.allocator = &stack;  // it outlives the engine
  options.engine.threads = 1;         // one call at a time: the allocator need not be thread-safe
  const tfengine::Engine engine = tfengine::convert(model, options);

  engine.run({{"", tfengine::Tensor(tfengine::DType::F32, {1, 8, 8, 1})}});
  const tfengine::MemoryReport memory = engine.memory();
  std::printf("in use %zu of %zu bytes, reported %zu\n", static_cast<size_t>(stack.bytes_in_use()),
              static_cast<size_t>(stack.limit_bytes()), static_cast<size_t>(memory.peak_bytes));
  try {
    engine.run({{"", tfengine::Tensor(tfengine::DType::F32, {4096, 8, 8, 1})}});
  } catch (const tfengine::OutOfMemory& error) {
    std::printf("%s\n", error.what());
  }
  engine.run({{"", tfengine::Tensor(tfengine::DType::F32, {1, 8, 8, 1})}});  // goes on
} catch (const tfengine::Error& error) {
  std::fprintf(stderr, "bounded_memory: %s\n", error.what());
  return 1;
}
