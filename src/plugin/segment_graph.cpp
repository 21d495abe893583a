// SPDX-License-Identifier: Apache-2.0
#include "plugin/segment_graph.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <map>

#include "plugin/conversions.h"
#include "tensorflow/core/framework/graph.pb.h"
#include "tensorflow/core/framework/node_def_util.h"

namespace tfengine::plugin {

namespace {

namespace tf = tensorflow;
using google::protobuf::io::CodedOutputStream;

// A call that tfengine inlines under no name of its own (as TensorFlow names such calls).
constexpr char kCall[] = "PartitionedCall";
// Fields of length-delimited type: GraphDef's library, its functions, their nodes, the nodes' attributes, and a tensor in an
// attribute.
constexpr uint32_t kLibraryTag = 2 << 3 | 2;
constexpr uint32_t kFunctionTag = 1 << 3 | 2;
constexpr uint32_t kNodeTag = 3 << 3 | 2;
constexpr uint32_t kAttrTag = 5 << 3 | 2;
constexpr uint32_t kKeyTag = 1 << 3 | 2;
constexpr uint32_t kValueTag = 2 << 3 | 2;
constexpr uint32_t kTensorTag = 8 << 3 | 2;

tf::core::RefCountPtr<tf::FunctionRecord> find(const tf::FunctionLibraryDefinition& library, const std::string& name) {
  auto record = library.FindRecord(name);
  if (record == nullptr) {
    throw StatusError(
        absl::NotFoundError("the native segment '" + name +
                            "' is not in the function library. Inside of a tf.function, tf.graph_util.import_graph_def "
                            "leaves a graph's functions "
                            "behind: use tfengine.tensorflow.import_graph_def there, or tf.compat.v1.wrap_function"));
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

void append_field(uint32_t tag, const std::string& content, std::string& to) {
  google::protobuf::io::StringOutputStream stream(&to);
  CodedOutputStream out(&stream);
  out.WriteTag(tag);
  out.WriteVarint32(static_cast<uint32_t>(content.size()));
  out.WriteString(content);
}

// A TensorProto without its contents, which are the `number`-th outside.
std::string tensor_text(const tf::TensorProto& tensor, size_t number) {
  tf::TensorProto rest;
  rest.set_dtype(tensor.dtype());
  *rest.mutable_tensor_shape() = tensor.tensor_shape();
  std::string text = rest.SerializeAsString();
  google::protobuf::io::StringOutputStream stream(&text);
  CodedOutputStream out(&stream);
  out.WriteTag(tfgraph::kOutsideField << 3);
  out.WriteVarint64(number);
  return text;
}

// Smaller ones are copied by whoever reads the graph.
constexpr size_t kLargeContents = 4096;

std::string node_text(const tf::NodeDef& node, const std::shared_ptr<const tf::FunctionRecord>& record,
                      std::vector<tfgraph::OutsideContents>& outside) {
  const auto value = node.attr().find("value");
  const bool constant = node.op() == "Const" && value != node.attr().end() && value->second.has_tensor();
  if (!constant || value->second.tensor().tensor_content().size() < kLargeContents) return node.SerializeAsString();
  const tf::TensorProto& tensor = value->second.tensor();
  tf::NodeDef rest;
  rest.set_name(node.name());
  rest.set_op(node.op());
  (*rest.mutable_attr())["dtype"].set_type(tensor.dtype());
  std::string text = rest.SerializeAsString(), attr, entry;
  append_field(kTensorTag, tensor_text(tensor, outside.size()), attr);
  append_field(kKeyTag, "value", entry);
  append_field(kValueTag, attr, entry);
  append_field(kAttrTag, entry, text);
  outside.push_back({tensor.tensor_content(), record});
  return text;
}

std::string function_text(const std::shared_ptr<const tf::FunctionRecord>& record,
                          std::vector<tfgraph::OutsideContents>& outside) {
  const tf::FunctionDef& function = record->fdef();
  tf::FunctionDef rest;
  *rest.mutable_signature() = function.signature();
  *rest.mutable_ret() = function.ret();
  std::string text = rest.SerializeAsString();
  for (const tf::NodeDef& node : function.node_def()) append_field(kNodeTag, node_text(node, record, outside), text);
  return text;
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
    std::string library;
    for (const auto& function : functions) {
      append_field(kFunctionTag, function_text(function, segment.outside), library);
    }
    auto bytes = std::make_shared<std::string>(calling_graph(signature, segment).SerializeAsString());
    append_field(kLibraryTag, library, *bytes);
    segment.bytes = *bytes;
    segment.owner = std::move(bytes);
    return segment;
  };
}

namespace {

void add_function(const tf::FunctionLibraryDefinition& library, const std::string& function, Fingerprint& print) {
  const auto record = find(library, function);
  std::vector<const tf::NodeDef*> nodes;
  for (const tf::NodeDef& node : record->fdef().node_def()) nodes.push_back(&node);
  std::sort(nodes.begin(), nodes.end(), [](const auto* a, const auto* b) { return a->name() < b->name(); });
  std::map<absl::string_view, int> args;
  for (const auto& arg : record->fdef().signature().input_arg()) args.emplace(arg.name(), args.size());
  for (const tf::NodeDef* node : nodes) {
    print.add(node->name());
    print.add(node->op());
    for (const std::string& input : node->input()) {
      const auto arg = args.find(input);
      print.add(arg == args.end() ? input : absl::StrCat("argument ", arg->second));
    }
    const auto value = node->attr().find("value");
    if (value != node->attr().end() && value->second.has_tensor()) add_constant(value->second.tensor(), print);
    // Large constants that several segments have are functions that these call.
    const auto called = node->attr().find("f");
    if (called != node->attr().end() && called->second.has_func())
      add_function(library, called->second.func().name(), print);
  }
}

}  // namespace

std::string segment_fingerprint(const tf::FunctionLibraryDefinition& library, const std::string& function) {
  Fingerprint print;
  add_function(library, function, print);
  return print.text();
}

}  // namespace tfengine::plugin
