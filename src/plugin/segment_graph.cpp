// SPDX-License-Identifier: Apache-2.0
#include "plugin/segment_graph.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <map>

#include "base/host_memory.h"
#include "plugin/conversions.h"
#include "tensorflow/core/framework/graph.pb.h"
#include "tensorflow/core/framework/node_def_util.h"

namespace tfengine::plugin {

namespace {

namespace tf = tensorflow;
using google::protobuf::io::CodedOutputStream;

// A call that tfengine inlines under no name of its own (as TensorFlow names such calls).
constexpr char kCall[] = "PartitionedCall";
// Fields of GraphDef and FunctionDefLibrary, both of length-delimited type.
constexpr uint32_t kLibraryTag = 2 << 3 | 2;
constexpr uint32_t kFunctionTag = 1 << 3 | 2;

tf::core::RefCountPtr<tf::FunctionRecord> find(const tf::FunctionLibraryDefinition& library, const std::string& name) {
  auto record = library.FindRecord(name);
  if (record == nullptr) {
    throw StatusError(absl::NotFoundError("the native segment '" + name + "' is not in the function library"));
  }
  return record;
}

// The main graph: placeholders and one call of the function.
tf::GraphDef calling_graph(const SegmentSignature& signature, SegmentGraph& segment) {
  tf::GraphDef graph;
  tf::NodeDef call;
  call.set_name(kCall);
  call.set_op("PartitionedCall");
  tf::NameAttrList function;
  function.set_name(signature.function);
  tf::AddNodeAttr("f", function, &call);
  tf::AddNodeAttr("Tin", signature.inputs, &call);
  tf::AddNodeAttr("Tout", signature.outputs, &call);
  for (size_t i = 0; i < signature.inputs.size(); ++i) {
    tf::NodeDef* input = graph.add_node();
    input->set_name("TensorRTInputPH_" + std::to_string(i));
    input->set_op("Placeholder");
    tf::AddNodeAttr("dtype", signature.inputs[i], input);
    if (i < signature.input_shapes.size()) tf::AddNodeAttr("shape", signature.input_shapes[i], input);
    call.add_input(input->name());
    segment.inputs.push_back(input->name());
  }
  for (size_t i = 0; i < signature.outputs.size(); ++i) {
    segment.outputs.push_back(std::string(kCall) + ":" + std::to_string(i));
  }
  *graph.add_node() = std::move(call);
  return graph;
}

size_t field_bytes(size_t content) { return 1 + CodedOutputStream::VarintSize64(content) + content; }

uint8_t* begin_field(uint32_t tag, size_t content, uint8_t* at) {
  at = CodedOutputStream::WriteVarint32ToArray(tag, at);
  return CodedOutputStream::WriteVarint64ToArray(content, at);
}

class Fingerprint {
 public:
  void add(absl::string_view text) {
    for (const char c : text) hash_ = (hash_ ^ static_cast<uint8_t>(c)) * 1099511628211ull;
    add_number(text.size());
  }
  void add_number(uint64_t number) {
    for (int i = 0; i < 8; ++i) hash_ = (hash_ ^ (number >> 8 * i & 255)) * 1099511628211ull;
  }
  std::string text() const { return absl::StrFormat("segment-%016x", hash_); }

 private:
  uint64_t hash_ = 14695981039346656037ull;
};

// 4 KiB tell trainings of one model apart without reading all of it.
constexpr size_t kConstantPrefix = 4096;

void add_constant(const tf::TensorProto& tensor, Fingerprint& print) {
  print.add_number(static_cast<uint64_t>(tensor.dtype()));
  for (const auto& dim : tensor.tensor_shape().dim()) print.add_number(static_cast<uint64_t>(dim.size()));
  const std::string& content = tensor.tensor_content();
  print.add_number(content.size());
  print.add(absl::string_view(content).substr(0, kConstantPrefix));
  for (int i = 0; i < std::min(tensor.float_val_size(), 1024); ++i) {
    print.add(absl::StrFormat("%a", tensor.float_val(i)));
  }
  for (int i = 0; i < std::min(tensor.int_val_size(), 1024); ++i) {
    print.add_number(static_cast<uint64_t>(tensor.int_val(i)));
  }
}

// A GraphDef of these nodes (serialized) and functions, written once.
std::string_view serialize(const std::string& nodes,
                           const std::vector<std::shared_ptr<const tf::FunctionRecord>>& functions,
                           const std::string& what, std::shared_ptr<const void>& owner) {
  std::vector<size_t> sizes;
  size_t library_bytes = 0;
  for (const auto& function : functions) {
    sizes.push_back(function->fdef().ByteSizeLong());
    library_bytes += field_bytes(sizes.back());
  }
  const size_t total = nodes.size() + field_bytes(library_bytes);
  std::shared_ptr<void> buffer = host_bytes(total, what, HostBytes::Uninitialized);
  auto* const begin = static_cast<uint8_t*>(buffer.get());
  uint8_t* at = std::copy(nodes.begin(), nodes.end(), begin);
  at = begin_field(kLibraryTag, library_bytes, at);
  for (size_t i = 0; i < functions.size(); ++i) {
    at = begin_field(kFunctionTag, sizes[i], at);
    if (!functions[i]->fdef().SerializeToArray(at, static_cast<int>(sizes[i]))) {
      throw StatusError(absl::InternalError(what + " cannot be serialized"));
    }
    at += sizes[i];
  }
  owner = std::move(buffer);
  return {reinterpret_cast<const char*>(begin), total};
}

}  // namespace

std::function<SegmentGraph()> segment_source(const tf::FunctionLibraryDefinition& library,
                                             const SegmentSignature& signature) {
  const auto root = find(library, signature.function);
  std::vector<std::string> names = library.ReachableDefinitions(root->fdef()).ListFunctionNames();
  if (std::find(names.begin(), names.end(), signature.function) == names.end()) names.push_back(signature.function);
  std::sort(names.begin(), names.end());
  // Shared pointers, since std::function copies what it holds.
  std::vector<std::shared_ptr<const tf::FunctionRecord>> functions;
  for (const std::string& name : names) {
    functions.emplace_back(find(library, name).release(), [](const tf::FunctionRecord* record) { record->Unref(); });
  }
  return [signature, functions] {
    SegmentGraph segment;
    const std::string nodes = calling_graph(signature, segment).SerializeAsString();
    std::string what = "the graph of " + signature.function;
    const std::string_view bytes = serialize(nodes, functions, what, segment.owner);
    segment.bytes = bytes;
    return segment;
  };
}

std::string segment_fingerprint(const tf::FunctionLibraryDefinition& library, const std::string& function) {
  const auto record = find(library, function);
  std::vector<const tf::NodeDef*> nodes;
  for (const tf::NodeDef& node : record->fdef().node_def()) nodes.push_back(&node);
  std::sort(nodes.begin(), nodes.end(), [](const auto* a, const auto* b) { return a->name() < b->name(); });
  std::map<absl::string_view, int> args;
  for (const auto& arg : record->fdef().signature().input_arg()) args.emplace(arg.name(), args.size());
  Fingerprint print;
  for (const tf::NodeDef* node : nodes) {
    print.add(node->name());
    print.add(node->op());
    for (const std::string& input : node->input()) {
      const auto arg = args.find(input);
      print.add(arg == args.end() ? input : absl::StrCat("argument ", arg->second));
    }
    const auto value = node->attr().find("value");
    if (value != node->attr().end() && value->second.has_tensor()) add_constant(value->second.tensor(), print);
  }
  return print.text();
}

}  // namespace tfengine::plugin
