// SPDX-License-Identifier: Apache-2.0
// An engine file: loaded, planned for its own shapes, and run. The structure's checksum is made to fit, or no changed one
// would be looked at.
#include <cstring>

#include "fuzz/harness.h"
#include "plan/image_format.h"
#include "tfengine/engine.h"

namespace {

using namespace tfengine;

std::string with_checksum(std::string_view bytes) {
  std::string fitting(bytes);
  plan::ImageHeader header;
  if (bytes.size() < sizeof header) return fitting;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.structure_bytes > bytes.size() - sizeof header) return fitting;
  header.checksum =
      plan::image_checksum(reinterpret_cast<const uint8_t*>(bytes.data()) + sizeof header, header.structure_bytes);
  std::memcpy(fitting.data(), &header, sizeof header);
  return fitting;
}

void run(const Engine& engine) {
  std::vector<NamedTensor> inputs;
  for (const TensorSpec& spec : engine.inputs()) {
    Shape shape = spec.shape;
    for (int64_t& dim : shape.dims()) dim = dim < 0 ? 2 : dim;
    if (!shape.ranked() || shape.elements() > 100'000) return;  // large is not hostile
    inputs.push_back({spec.name, Tensor(spec.dtype, shape)});
  }
  engine.run(inputs);
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static SystemAllocator allocator(uint64_t{256} << 20);
  EngineOptions options;
  options.threads = 1;
  options.allocator = &allocator;
  const fuzz::MemoryFile file(with_checksum(fuzz::text_of(data, size)));
  fuzz::expect_answer([&] {
    const Engine engine = Engine::load(file.path(), options);
    engine.dump();
    run(engine);
  });
  return 0;
}
