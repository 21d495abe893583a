// SPDX-License-Identifier: Apache-2.0
// Which form of large weights a plan for another shape takes.
#include "plan/held_forms.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "base/host_memory.h"
#include "ir/parser.h"
#include "ops/op.h"
#include "plan/planner.h"
#include "plan/timing_cache.h"

namespace tfengine::plan {
namespace {

// Runs a MatMul in two ways that read its weights in forms of their own.
class TwoForms : public Backend {
 public:
  std::string name() const override { return "two"; }
  std::variant<std::vector<Tactic>, Refusal> tactics(const StepSpec& spec) const override {
    std::vector<Tactic> result;
    for (const char* form : {"a", "b"}) {
      Tactic tactic;
      tactic.name = form;
      tactic.prepare = [weights = spec.constants[1], form](PackedStore& packed) {
        const auto block = packed.get(weights, form, weights.bytes(), [](void*) {});
        return function_kernel([block](const StepArgs&) {});
      };
      result.push_back(std::move(tactic));
    }
    return result;
  }
  std::optional<Refusal> refuses(const ir::Graph&, const ir::Node&) const override { return std::nullopt; }
  std::optional<Refusal> refuses_int8(const ir::Graph&, const ir::Node&) const override { return std::nullopt; }
  std::optional<Refusal> refuses_zero_point(const ir::Graph&, const ir::Node&, int) const override {
    return std::nullopt;
  }
  bool takes_strided_input(const StepSpec&, int) const override { return false; }
  bool takes_strided_output(const StepSpec&) const override { return false; }
};

struct Times {
  double a_us, b_us;
};

// The tactic of a plan for `rows` rows, with weights of `columns` columns of 512 floats, while form "a" is held or is not.
std::string chosen(int64_t rows, int64_t columns, const Times& times, bool held) {
  ir::Graph graph =
      ir::parse(fmt::format("graph @g(%x: f32[{},512]) {{ %w = const f32[512,{}] uniform(1, -1.0, 1.0) "
                            "%y = MatMul(%x, %w) return %y }}",
                            rows, columns));
  ops::infer_graph(graph);
  const TwoForms backend;
  const auto descs = describe_values(graph);
  const StepSpec spec = step_spec(graph, graph.node(graph.order()[0]), descs, 1);
  TimingCache cache;
  cache.add(step_key(spec), "two:a", times.a_us);
  cache.add(step_key(spec), "two:b", times.b_us);
  PlanOptions options;
  options.backends = {&backend};
  options.threads = 1;
  options.timing_cache = &cache;
  PackedStore packed(default_allocator());
  std::shared_ptr<const void> block;
  if (held) block = packed.get(spec.constants[1], "a", spec.constants[1].bytes(), [](void*) {});
  EXPECT_EQ(held_constant_bytes(spec, packed), held && columns >= 512 ? spec.constants[1].bytes() : 0);
  return make_plan(graph, packed, options).steps[0].tactic.name;
}

TEST(HeldForms, AreTakenUnlessClearlySlower) {
  EXPECT_EQ(chosen(64, 1024, {110.0, 100.0}, true), "a");
  EXPECT_EQ(chosen(63, 1024, {120.0, 100.0}, true), "b");
  EXPECT_EQ(chosen(62, 1024, {90.0, 100.0}, true), "a");
}

TEST(HeldForms, AreNothingWhereNothingIsHeldOrItIsLittle) {
  EXPECT_EQ(chosen(61, 1024, {110.0, 100.0}, false), "b");
  EXPECT_EQ(chosen(60, 256, {110.0, 100.0}, true), "b");
}

TEST(HeldForms, EndWithTheirLastUser) {
  const Tensor weights(DType::F32, Shape{512, 512});
  PackedStore packed(default_allocator());
  EXPECT_FALSE(packed.holds(weights));
  {
    const auto block = packed.get(weights, "a", 64, [](void*) {});
    EXPECT_TRUE(packed.holds(weights));
    EXPECT_FALSE(packed.holds(Tensor(DType::F32, Shape{512, 511})));
  }
  EXPECT_FALSE(packed.holds(weights));
}

}  // namespace
}  // namespace tfengine::plan
