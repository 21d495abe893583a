// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/cudnn_api.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <vector>

#include "base/check.h"

namespace tfengine::cuda {

namespace {

std::vector<std::string> given_folders() {
  std::vector<std::string> folders;
  const char* text = std::getenv("TFENGINE_CUDA_LIBRARIES");
  std::istringstream stream(text == nullptr ? "" : text);
  for (std::string folder; std::getline(stream, folder, ':');) {
    if (!folder.empty()) folders.push_back(folder);
  }
  return folders;
}

// The library of this soname: from the given folders first.
void* open(const std::string& soname, std::string& errors) {
  for (const std::string& folder : given_folders()) {
    const std::string path = folder + "/" + soname;
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) continue;
    if (void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL)) return library;
    errors += std::string("; ") + dlerror();
  }
  if (void* library = dlopen(soname.c_str(), RTLD_NOW | RTLD_GLOBAL)) return library;
  errors += std::string("; ") + dlerror();
  return nullptr;
}

CudnnApi load() {
  std::string errors;
  // cuDNN compiles kernels with NVRTC, which it looks for by name: once it is loaded, it is found.
  for (const char* nvrtc : {"libnvrtc.so.13", "libnvrtc.so.12"}) {
    std::string ignored;
    if (open(nvrtc, ignored) != nullptr) break;
  }
  void* library = open("libcudnn.so.9", errors);
  if (library == nullptr) {
    fail<InvalidArgument>(
        "device 'cuda': cuDNN {} (libcudnn.so.9) was not found{}. Install the PyPI package nvidia-cudnn-cu13 (or "
        "-cu12), or "
        "name the folder that holds it in TFENGINE_CUDA_LIBRARIES",
        kNeededCudnnMajor, errors);
  }
  CudnnApi api;
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    if (function == nullptr) fail<InvalidArgument>("device 'cuda': cuDNN has no function {}", name);
  };
  find(api.get_version, "cudnnGetVersion");
  const size_t version = api.get_version();
  api.version = fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
  if (version < kNeededCudnnVersion) {
    fail<InvalidArgument>("device 'cuda': found cuDNN {}, needed {}.0 or newer", api.version, kNeededCudnnMajor);
  }
  find(api.get_error_string, "cudnnGetErrorString");
  find(api.get_last_error_string, "cudnnGetLastErrorString");
  find(api.create, "cudnnCreate");
  find(api.destroy, "cudnnDestroy");
  find(api.set_stream, "cudnnSetStream");
  find(api.create_descriptor, "cudnnBackendCreateDescriptor");
  find(api.destroy_descriptor, "cudnnBackendDestroyDescriptor");
  find(api.set_attribute, "cudnnBackendSetAttribute");
  find(api.get_attribute, "cudnnBackendGetAttribute");
  find(api.finalize, "cudnnBackendFinalize");
  find(api.execute, "cudnnBackendExecute");
  return api;
}

}  // namespace

const CudnnApi& cudnn() {
  static const CudnnApi api = load();
  return api;
}

CudnnHandle::CudnnHandle() { check_cudnn(cudnn().create(&handle_), "making a handle"); }
CudnnHandle::~CudnnHandle() {
  // At the end of the process the driver may be gone already.
}

void check_cudnn(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char message[512] = {};
  cudnn().get_last_error_string(message, sizeof message);
  throw BackendFailure(fmt::format("cuDNN: {}: {} {}", what, cudnn().get_error_string(status), message),
                       static_cast<int>(status));
}

}  // namespace tfengine::cuda
