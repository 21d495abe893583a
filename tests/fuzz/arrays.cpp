// SPDX-License-Identifier: Apache-2.0
// .npy and .npz.
#include "fuzz/harness.h"
#include "io/npy.h"
#include "io/npz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tfengine;
  const std::string_view bytes = fuzz::text_of(data, size);
  const auto touch = [](const Tensor& tensor) {
    uint8_t sum = 0;
    for (size_t i = 0; i < tensor.bytes(); ++i) sum = static_cast<uint8_t>(sum + tensor.as<uint8_t>()[i]);
    return sum;
  };
  fuzz::expect_answer([&] { touch(io::parse_npy(bytes, nullptr)); });
  fuzz::expect_answer([&] {
    for (const NamedTensor& array : io::parse_npz(bytes, nullptr)) touch(array.tensor);
  });
  return 0;
}
