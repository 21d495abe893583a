// SPDX-License-Identifier: Apache-2.0
// The memory budget's choices, with tactics and times that the test makes up.
#include "compiler/memory_budget.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>

#include "backends/list.h"
#include "ir/parser.h"
#include "ops/op.h"
#include "passes/specialize.h"
#include "support/random.h"
#include "tfengine/error.h"

namespace tfengine::detail {
namespace {

struct MadeUp {
  std::string name;
  double time_us;
  size_t workspace_bytes;
  size_t weights_bytes;
};

// Runs MatMul in the given ways, everything else in one that costs nothing.
class MadeUpBackend : public plan::Backend {
 public:
  std::map<std::string, std::vector<MadeUp>> ways;  // by node

  std::string name() const override { return "made_up"; }
  std::variant<std::vector<plan::Tactic>, Refusal> tactics(const plan::StepSpec& spec) const override {
    std::vector<plan::Tactic> result;
    const auto found = ways.find(spec.node->name);
    for (const MadeUp& way : found == ways.end() ? std::vector<MadeUp>{{"only", 0, 0, 0}} : found->second) {
      plan::Tactic tactic;
      tactic.name = way.name;
      tactic.workspace_bytes = way.workspace_bytes;
      const std::string form = spec.node->name + way.name;
      tactic.prepare = [form, way](plan::PackedStore& packed) {
        std::shared_ptr<const void> block;
        if (way.weights_bytes > 0) block = packed.get(Tensor(), form, way.weights_bytes, [](void*) {});
        return plan::function_kernel([block](const plan::StepArgs&) {});
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
  bool takes_strided_input(const plan::StepSpec&, int) const override { return false; }
  bool takes_strided_output(const plan::StepSpec&) const override { return false; }
};

constexpr const char* kNet = R"(
graph @net(%x: f32[?,64]) {
  %v = const f32[64,64] uniform(1, -0.2, 0.2)
  %w = const f32[64,48] uniform(2, -0.2, 0.2)
  %u = const f32[48,16] uniform(3, -0.2, 0.2)
  %a = MatMul(%x, %v)
  %b = MatMul(%a, %w)
  %c = MatMul(%b, %u)
  %d = Relu(%c)
  return %d
}
)";

class Net {
 public:
  // Times of a batch of n are n times those of one sample, plus 10 % of it for each step.
  explicit Net(std::map<std::string, std::vector<MadeUp>> ways, double factor = 1.0) {
    backend_.ways = std::move(ways);
    graph_ = ir::parse(kNet);
    ops::infer_graph(graph_);
    runtime::EngineConfig config;
    config.backends = {&backend_};
    config.allocator = &default_allocator();
    config.specialize = passes::specialize;
    config.timing_cache = std::make_shared<plan::TimingCache>();
    for (int64_t samples = 1; samples <= 16; ++samples) make_up(*config.timing_cache, samples, factor);
    core_ = std::make_unique<runtime::EngineCore>(graph_, config);
  }
  runtime::EngineCore& core() { return *core_; }
  static std::vector<Shape> shapes(int64_t samples) { return {Shape{samples, 64}}; }

 private:
  void make_up(plan::TimingCache& times, int64_t samples, double factor) const {
    const ir::Graph graph = passes::specialize(graph_, shapes(samples));
    const std::vector<plan::TensorDesc> descs = plan::describe_values(graph);
    for (const ir::NodeId id : graph.order()) {
      const auto found = backend_.ways.find(graph.node(id).name);
      const std::string key = plan::step_key(plan::step_spec(graph, graph.node(id), descs, 1));
      if (found == backend_.ways.end()) {
        times.add(key, "made_up:only", 0.0);
        continue;
      }
      for (const MadeUp& way : found->second)
        times.add(key, "made_up:" + way.name, way.time_us * factor * (static_cast<double>(samples) + 0.1));
    }
  }

  MadeUpBackend backend_;
  ir::Graph graph_;
  std::unique_ptr<runtime::EngineCore> core_;
};

std::map<std::string, std::vector<MadeUp>> random_ways(testing::Random& random) {
  std::map<std::string, std::vector<MadeUp>> ways;
  for (const char* node : {"a", "b", "c"}) {
    for (int i = 0; i < static_cast<int>(random.integer(1, 4)); ++i) {
      ways[node].push_back({"t" + std::to_string(i), static_cast<double>(random.integer(1, 30)),
                            static_cast<size_t>(random.integer(0, 3)) * 1000,
                            static_cast<size_t>(random.integer(0, 5)) * 700});
    }
  }
  return ways;
}

// The fastest of all choices, each planned and looked at.
double fastest_of_all(Net& net, const std::map<std::string, std::vector<MadeUp>>& ways, uint64_t budget) {
  double best = 1e300;
  for (const MadeUp& a : ways.at("a")) {
    for (const MadeUp& b : ways.at("b")) {
      for (const MadeUp& c : ways.at("c")) {
        plan::PlanRecord record;
        record.input_shapes = Net::shapes(1);
        record.tactics = {
            {"a", {"made_up", a.name, 0, {}}}, {"b", {"made_up", b.name, 0, {}}}, {"c", {"made_up", c.name, 0, {}}}};
        const uint64_t bytes = net.core().make_plan(record).arena_bytes + a.weights_bytes + b.weights_bytes +
                               c.weights_bytes + std::max({a.workspace_bytes, b.workspace_bytes, c.workspace_bytes});
        if (bytes <= budget) best = std::min(best, (a.time_us + b.time_us + c.time_us) * 1.1);
      }
    }
  }
  return best;
}

TEST(TradeOff, IsTheFastestWithinEveryBudget) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  testing::Random random(seed);
  for (int round = 0; round < 8; ++round) {
    const auto ways = random_ways(random);
    Net net(ways);
    TradeOff trade_off(net.core(), Net::shapes(1), 1);
    const uint64_t least = trade_off.smallest().total_bytes();
    EXPECT_FALSE(trade_off.fastest_within(least - 1));
    EXPECT_EQ(fastest_of_all(net, ways, least - 1), 1e300);
    for (uint64_t budget = least; budget <= trade_off.front().front().total_bytes() + 500; budget += 350) {
      const auto point = trade_off.fastest_within(budget);
      ASSERT_TRUE(point.has_value());
      EXPECT_LE(point->total_bytes(), budget);
      EXPECT_NEAR(point->time_us, fastest_of_all(net, ways, budget), 1e-6) << "budget " << budget;
    }
  }
}

TEST(TradeOff, AnEngineOfItsRecordTakesItsBytes) {
  Net net({{"a", {{"fast", 1, 4000, 9000}, {"small", 5, 0, 100}}},
           {"b", {{"fast", 1, 500, 800}}},
           {"c", {{"t", 1, 0, 0}}}});
  TradeOff trade_off(net.core(), Net::shapes(4), 1);
  for (const EnginePoint& point : {trade_off.front().front(), trade_off.smallest()}) {
    runtime::EngineCore core(net.core().graph(), net.core().config());
    core.recall(point.record);
    const auto entry = core.entry(Net::shapes(4));
    EXPECT_EQ(core.weights_bytes(), point.weights_bytes);
    EXPECT_EQ(entry->plan().arena_bytes, point.activation_bytes);
    EXPECT_EQ(entry->plan().workspace_bytes, point.workspace_bytes);
  }
  EXPECT_LT(trade_off.smallest().total_bytes(), trade_off.front().front().total_bytes());
}

TEST(TradeOff, ByWorkspace) {
  Net net({{"a", {{"fast", 1, 4000, 0}, {"small", 5, 0, 0}}}, {"b", {{"fast", 1, 500, 0}, {"small", 2, 0, 0}}}});
  TradeOff trade_off(net.core(), Net::shapes(1), 1);
  EXPECT_EQ(trade_off.workspaces(), (std::vector<uint64_t>{0, 500, 4000}));
  EXPECT_NEAR(trade_off.fastest_with_workspace(0)->time_us, 7 * 1.1, 1e-9);
  EXPECT_NEAR(trade_off.fastest_with_workspace(3999)->time_us, 6 * 1.1, 1e-9);
  EXPECT_NEAR(trade_off.fastest_with_workspace(4000)->time_us, 2 * 1.1, 1e-9);
}

std::map<std::string, std::vector<MadeUp>> plain_ways() {
  return {
      {"a", {{"fast", 10, 6000, 8000}, {"small", 30, 0, 4000}}}, {"b", {{"t", 5, 0, 500}}}, {"c", {{"t", 5, 0, 100}}}};
}

TEST(MemoryBudget, ChunksWhereTheBatchDoesNotFit) {
  Net net(plain_ways());
  const std::vector<Contender> contenders = {{"fp32", &net.core()}};
  Trials trials = make_trials(contenders, Net::shapes(16));
  ASSERT_EQ(trials.trials.size(), 5u);  // 16, 8, 4, 2, 1
  const uint64_t plenty = trials.trials[0].trade_off->front().front().total_bytes();
  const BudgetChoice whole = choose_within(trials, contenders, plenty, 16);
  EXPECT_EQ(whole.chunk, 0);
  EXPECT_EQ(whole.point.record.tactics.at("a").tactic, "fast");
  // The fast tactic in chunks of 8, or the small one with the whole batch: 20 us * 16.2 against 40 us * 16.1.
  const BudgetChoice less = choose_within(trials, contenders, plenty - 1, 16);
  EXPECT_EQ(less.chunk, 8);
  EXPECT_EQ(less.point.record.tactics.at("a").tactic, "fast");
  const uint64_t least = trials.trials.back().trade_off->smallest().total_bytes();
  const BudgetChoice smallest = choose_within(trials, contenders, least, 16);
  EXPECT_EQ(smallest.chunk, 1);
  EXPECT_EQ(smallest.point.record.tactics.at("a").tactic, "small");
}

TEST(MemoryBudget, AnotherPrecisionWhereItIsFaster) {
  Net wide(plain_ways()), narrow(plain_ways(), 0.5);
  const std::vector<Contender> contenders = {{"fp32", &wide.core()}, {"int8", &narrow.core()}};
  Trials trials = make_trials(contenders, Net::shapes(1));
  EXPECT_EQ(choose_within(trials, contenders, uint64_t{1} << 30, 1).contender, 1u);
}

TEST(MemoryBudget, NothingFits) {
  Net net(plain_ways());
  const std::vector<Contender> contenders = {{"fp32", &net.core()}};
  Trials trials = make_trials(contenders, Net::shapes(2));
  const uint64_t least = trials.trials[1].trade_off->smallest().total_bytes();
  EXPECT_NO_THROW(choose_within(trials, contenders, least, 2));
  try {
    choose_within(trials, contenders, least - 1, 2);
    FAIL() << "expected InvalidArgument";
  } catch (const InvalidArgument& error) {
    EXPECT_EQ(
        std::string(error.what()),
        fmt::format("memory_budget_bytes: got {}, expected at least {}, which the smallest engine takes (fp32, in "
                    "chunks of 1: weights 4600, activations {}, workspace 0). Give that much; allow precision "
                    "'bf16' or 'int8'",
                    least - 1, least, least - 4600));
  }
}

}  // namespace
}  // namespace tfengine::detail
