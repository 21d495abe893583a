// SPDX-License-Identifier: Apache-2.0
#include "backends/list.h"

#include <charconv>

#include "backends/cuda/backend.h"
#include "backends/onednn/backend.h"
#include "backends/reference/backend.h"
#include "base/check.h"

namespace tfengine {

std::vector<const plan::Backend*> backends_by_name(const std::string& name) {
  if (name.empty() || name == "onednn") return {&onednn::onednn_backend(), &reference::reference_backend()};
  if (name == "reference") return {&reference::reference_backend()};
  if (name == "cuda") {
    const std::string absent = cuda::why_absent();
    if (!absent.empty()) fail<InvalidArgument>("backend 'cuda': {}", absent);
    return backends_for("cuda", "");
  }
  fail<InvalidArgument>("backend '{}' is unknown, expected 'onednn', 'reference' or 'cuda'", name);
}

int gpu_of_device(const std::string& device) {
  constexpr std::string_view kCuda = "cuda";
  if (device.empty() || device == "cpu") return -1;
  if (device == kCuda) return 0;
  int index = -1;
  if (device.starts_with("cuda:")) {
    const char* end = device.data() + device.size();
    const auto parsed = std::from_chars(device.data() + kCuda.size() + 1, end, index);
    if (parsed.ec == std::errc() && parsed.ptr == end && index >= 0) return index;
  }
  fail<InvalidArgument>("device '{}' is unknown, expected 'cpu', 'cuda' or 'cuda:N'", device);
}

std::vector<const plan::Backend*> backends_for(const std::string& device, const std::string& name, bool half) {
  const int gpu = gpu_of_device(device);
  if (gpu < 0) return backends_by_name(name);
  if (!name.empty() && name != "cuda") fail<InvalidArgument>("backend '{}' does not run on device '{}'", name, device);
  const auto floats = half ? cuda::FloatStorage::Half : cuda::FloatStorage::Single;
  return {&cuda::cuda_backend(gpu, floats), &reference::reference_backend()};
}

void drop_planning_code() noexcept { onednn::drop_planning_code(); }

}  // namespace tfengine
