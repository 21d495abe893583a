// SPDX-License-Identifier: Apache-2.0
#include "support/op_archives.h"

#include <algorithm>

#include "base/mapped_file.h"
#include "io/npz.h"
#include "tfgraph/read.h"

namespace tfengine::testing {

namespace {

namespace fs = std::filesystem;

const fs::path kArchives = fs::path(TFE_SOURCE_DIR) / "tests" / "golden" / "ops";

}  // namespace

std::vector<std::string> op_archives() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kArchives)) names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

// Members are called CASE/graph, CASE/in/NAME, CASE/out/NUMBER.
std::map<std::string, OpCase> op_cases(const std::string& archive) {
  const auto file = MappedFile::open(kArchives / (archive + ".npz"));
  std::map<std::string, OpCase> cases;
  for (const NamedTensor& member : io::parse_npz(file->text(), file)) {
    const size_t slash = member.name.find('/');
    OpCase& one = cases[member.name.substr(0, slash)];
    const std::string rest = member.name.substr(slash + 1);
    if (rest == "graph") {
      one.graph.assign(member.tensor.as<char>(), static_cast<size_t>(member.tensor.elements()));
    } else if (rest.substr(0, 3) == "in/") {
      one.inputs[rest.substr(3)] = member.tensor;
    } else {
      const size_t number = std::stoul(rest.substr(4));
      if (one.expected.size() <= number) one.expected.resize(number + 1);
      one.expected[number] = member.tensor;
    }
  }
  return cases;
}

ir::Graph import_case(const OpCase& one) {
  tfgraph::ImportOptions options;
  for (size_t i = 0; i < one.expected.size(); ++i) options.outputs.push_back("out_" + std::to_string(i));
  return tfgraph::read_graph_bytes(one.graph, nullptr, "case", options);
}

std::vector<Tensor> inputs_of(const OpCase& one, const ir::Graph& graph) {
  std::vector<Tensor> inputs;
  for (const ir::ValueId id : graph.inputs) inputs.push_back(one.inputs.at(graph.value(id).name));
  return inputs;
}

}  // namespace tfengine::testing
