// SPDX-License-Identifier: Apache-2.0
// A program of TensorFlow's C API with the op library: loads it and runs the graph of a file that holds a TRTEngineOp.
// usage: load_library OP_LIBRARY GRAPH INPUT OUTPUT BATCH; prints the output's values for [BATCH, 8, 8, 1].
#include <tensorflow/c/c_api.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace {

void expect_ok(const char* what, TF_Status* status) {
  if (TF_GetCode(status) == TF_OK) return;
  std::fprintf(stderr, "%s: %s\n", what, TF_Message(status));
  std::exit(1);
}

TF_Graph* load_graph(const char* path, TF_Status* status) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  TF_Buffer* definition = TF_NewBufferFromString(bytes.data(), bytes.size());
  TF_ImportGraphDefOptions* options = TF_NewImportGraphDefOptions();
  TF_Graph* graph = TF_NewGraph();
  TF_GraphImportGraphDef(graph, definition, options, status);
  TF_DeleteImportGraphDefOptions(options);
  TF_DeleteBuffer(definition);
  expect_ok("TF_GraphImportGraphDef", status);
  return graph;
}

TF_Tensor* images(int64_t batch) {
  const int64_t dims[] = {batch, 8, 8, 1};
  const int64_t count = batch * 64;
  TF_Tensor* tensor = TF_AllocateTensor(TF_FLOAT, dims, 4, static_cast<size_t>(count) * sizeof(float));
  auto* values = static_cast<float*>(TF_TensorData(tensor));
  for (int64_t i = 0; i < count; ++i) values[i] = static_cast<float>(i % 17) / 16.0f;
  return tensor;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: load_library OP_LIBRARY GRAPH INPUT OUTPUT BATCH\n");
    return 2;
  }
  TF_Status* status = TF_NewStatus();
  TF_Library* library = TF_LoadLibrary(argv[1], status);
  expect_ok("TF_LoadLibrary", status);
  TF_Graph* graph = load_graph(argv[2], status);
  TF_SessionOptions* options = TF_NewSessionOptions();
  TF_Session* session = TF_NewSession(graph, options, status);
  expect_ok("TF_NewSession", status);

  TF_Tensor* image = images(std::atoi(argv[5]));
  const TF_Output in = {TF_GraphOperationByName(graph, argv[3]), 0};
  const TF_Output out = {TF_GraphOperationByName(graph, argv[4]), 0};
  TF_Tensor* result = nullptr;
  TF_SessionRun(session, nullptr, &in, &image, 1, &out, &result, 1, nullptr, 0, nullptr, status);
  expect_ok("TF_SessionRun", status);
  const auto* scores = static_cast<const float*>(TF_TensorData(result));
  for (size_t i = 0; i < TF_TensorByteSize(result) / sizeof(float); ++i) std::printf("%.7g\n", scores[i]);

  TF_DeleteTensor(result);
  TF_DeleteTensor(image);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteLibraryHandle(library);
  TF_DeleteStatus(status);
  return 0;
}
