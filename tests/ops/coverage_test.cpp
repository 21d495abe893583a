// SPDX-License-Identifier: Apache-2.0
// What is told of ops holds: each has cases that TensorFlow computed, for every type that is claimed, and each archive of
// cases is of an op that is known.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "ops/catalog.h"
#include "ops/op.h"
#include "support/op_archives.h"

namespace tfengine {
namespace {

// Made by rewrites of this library, so TensorFlow has no results of theirs; tests/passes and the conformance runner do.
const std::set<std::string> kOwn = {
    "Attention",  "BatchNormAffine", "Clip",         "Dequantize",  "FusedElementwise", "Gelu",      "HardSigmoid",
    "ListLength", "ListPopBack",     "ListPushBack", "ListReserve", "ListSetItem",      "HardSwish", "LayerNorm",
    "Quantize",   "Requantize",      "Swish"};

// They run graphs, which no archive of one op can hold: tests/plan/regions_test.cpp, python/tests/test_control_flow.py.
const std::set<std::string> kRegions = {"Case", "If", "While"};

// The op's name here: TensorFlow's Dequantize is another step than this library's.
std::string known_name(const std::string& archive) {
  if (archive == "Dequantize") return "DequantizeRange";
  const ops::Op* op = ops::find_op(archive);
  return op == nullptr ? "" : op->name;
}

std::string code_of(DType dtype) {
  static const std::map<DType, std::string> kCodes = {{DType::F32, "f32"},   {DType::F64, "f64"}, {DType::F16, "f16"},
                                                      {DType::BF16, "bf16"}, {DType::S8, "i8"},   {DType::U8, "u8"},
                                                      {DType::S16, "i16"},   {DType::S32, "i32"}, {DType::S64, "i64"},
                                                      {DType::Bool, "bool"}, {DType::C64, "c64"}};
  return kCodes.at(dtype);
}

// Types that cases of each op have, by the op's name here.
const std::map<std::string, std::set<std::string>>& tested_types() {
  static const auto types = [] {
    std::map<std::string, std::set<std::string>> found;
    for (const std::string& archive : testing::op_archives()) {
      std::set<std::string>& of_op = found[known_name(archive)];
      for (const auto& [name, one] : testing::op_cases(archive)) {
        // Of ops without data, like Range, the case's name says the type.
        of_op.insert(name.substr(name.rfind('_') + 1));
        for (const auto& [input, tensor] : one.inputs) of_op.insert(code_of(tensor.dtype()));
      }
    }
    return found;
  }();
  return types;
}

TEST(Coverage, EveryArchiveIsOfAKnownOp) {
  for (const std::string& archive : testing::op_archives()) {
    EXPECT_NE(known_name(archive), "") << archive;
  }
}

TEST(Coverage, EveryOpHasFactsAndCases) {
  for (const ops::Op& op : ops::all_ops()) {
    if (kOwn.count(op.name) > 0) {
      EXPECT_EQ(ops::op_facts(op.name), nullptr) << op.name;
      continue;
    }
    EXPECT_NE(ops::op_facts(op.name), nullptr) << op.name << ": no row in ops/catalog.cpp";
    if (kRegions.count(op.name) > 0) continue;
    EXPECT_EQ(tested_types().count(op.name), 1u) << op.name << ": no cases in tests/golden/op_cases";
  }
}

TEST(Coverage, EveryTypeThatIsClaimedHasACase) {
  for (const ops::Op& op : ops::all_ops()) {
    const ops::OpFacts* facts = ops::op_facts(op.name);
    if (facts == nullptr || tested_types().count(op.name) == 0) continue;
    std::istringstream types{std::string(facts->types)};
    for (std::string code; types >> code;) {
      EXPECT_EQ(tested_types().at(op.name).count(code), 1u) << op.name << " claims " << code;
    }
  }
}

TEST(Coverage, FactsAreOfOps) {
  for (const std::string& archive : testing::op_archives()) {
    const ops::OpFacts* facts = ops::op_facts(archive);
    EXPECT_TRUE(facts == nullptr || ops::find_op(facts->op) != nullptr) << archive;
  }
}

}  // namespace
}  // namespace tfengine
