// SPDX-License-Identifier: Apache-2.0
// Formulas in the spellings of several exporters become one node.
#include "passes/recognise_activations.h"
#include "passes/recognise_layer_norm.h"
#include "passes/support.h"

namespace tfengine::passes {
namespace {

const std::vector<NamedPass> kActivations = {{"recognise_activations", recognise_activations}};
const std::vector<NamedPass> kLayerNorm = {{"recognise_layer_norm", recognise_layer_norm}};

struct Spelling {
  const char* what;
  const char* body;      // statements from %x to %y
  const char* expected;  // nodes that are left
};

std::string graph_of(const char* body) {
  return std::string(R"(graph @g(%x: f32[3,4]) {
    %third = const f32[] [0.333]
    %half = const f32[] [0.5]
    %one = const f32[] [1.0]
    %two = const f32[] [2.0]
    %three = const f32[] [3.0]
    %six = const f32[] [6.0]
    %sixth = const f32[] [0.16666667]
    %zero = const f32[] [0.0]
    %sqrt_half = const f32[] [0.70710677]
    %sqrt_two = const f32[] [1.4142135]
    %minus_sqrt_half = const f32[] [-0.70710677]
    %cube = const f32[] [0.044715]
    %root = const f32[] [0.7978846]
    %last = const s32[1] [-1]
)") + body +
         "\n return %y }";
}

constexpr Spelling kSpellings[] = {
    {"swish", "%s = Sigmoid(%x) %y = Mul(%s, %x)", "%y = Swish(%x)\n"},
    {"hard swish, division of the gate", "%a = Add(%x, %three) %r = Relu6(%a) %d = RealDiv(%r, %six) %y = Mul(%x, %d)",
     "%y = HardSwish(%x)\n"},
    {"hard swish, division last", "%a = Add(%x, %three) %r = Relu6(%a) %m = Mul(%x, %r) %y = RealDiv(%m, %six)",
     "%y = HardSwish(%x)\n"},
    {"hard swish, scaled first", "%a = Add(%three, %x) %r = Relu6(%a) %m = Mul(%x, %sixth) %y = Mul(%r, %m)",
     "%y = HardSwish(%x)\n"},
    {"hard sigmoid", "%a = Add(%x, %three) %r = Relu6(%a) %y = Mul(%r, %sixth)", "%y = HardSigmoid(%x)\n"},
    {"hard sigmoid, clipped", "%m = Mul(%x, %sixth) %a = Add(%m, %half) %y = ClipByValue(%a, %zero, %one)",
     "%y = HardSigmoid(%x)\n"},
    {"gelu with erf",
     "%d = RealDiv(%x, %sqrt_two) %e = Erf(%d) %a = Add(%e, %one) %h = Mul(%half, %x) %y = Mul(%h, %a)",
     "%y = Gelu(%x) {approximate=false}\n"},
    {"gelu with erf, half last",
     "%d = Mul(%x, %sqrt_half) %e = Erf(%d) %a = Add(%one, %e) %h = Mul(%x, %a) %y = Mul(%h, %half)",
     "%y = Gelu(%x) {approximate=false}\n"},
    {"gelu with erfc", "%n = Neg(%x) %d = Mul(%n, %sqrt_half) %e = Erfc(%d) %h = Mul(%half, %x) %y = Mul(%h, %e)",
     "%y = Gelu(%x) {approximate=false}\n"},
    {"gelu with tanh",
     "%p = Pow(%x, %three) %c = Mul(%cube, %p) %i = Add(%x, %c) %k = Mul(%root, %i) %t = Tanh(%k) %a = Add(%one, %t) "
     "%h = Mul(%half, %x) %y = Mul(%h, %a)",
     "%y = Gelu(%x) {approximate=true}\n"},
    {"gelu with tanh, factored",
     "%p = Square(%x) %c = Mul(%cube, %p) %i = Add(%one, %c) %j = Mul(%x, %i) %k = Mul(%root, %j) %t = Tanh(%k) "
     "%a = Add(%one, %t) %b = Mul(%x, %a) %y = Mul(%half, %b)",
     "%y = Gelu(%x) {approximate=true}\n"},
    {"clip", "%a = Minimum(%x, %six) %y = Maximum(%a, %zero)", "%y = Clip(%x) {max=6.0, min=0.0}\n"},
    {"clip of relu", "%a = Relu(%x) %y = Minimum(%a, %one)", "%y = Clip(%x) {max=1.0, min=0.0}\n"},
    {"relu", "%y = Maximum(%zero, %x)", "%y = Relu(%x)\n"},
    {"leaky relu as a maximum", "%m = Mul(%x, %third) %y = Maximum(%m, %x)", "%y = LeakyRelu(%x) {alpha=0.333}\n"},
    {"leaky relu as a difference", "%p = Relu(%x) %n = Neg(%x) %q = Relu(%n) %m = Mul(%third, %q) %y = Sub(%p, %m)",
     "%y = LeakyRelu(%x) {alpha=0.333}\n"},
    {"not a leaky relu: a slope above 1", "%m = Mul(%x, %two) %y = Maximum(%m, %x)",
     "%m = Mul(%x, %two)\n%y = Maximum(%m, %x)\n"},
    {"softmax",
     "%m = Max(%x, %last) {keep_dims=true} %d = Sub(%x, %m) %e = Exp(%d) %s = Sum(%e, %last) {keep_dims=true} "
     "%y = RealDiv(%e, %s)",
     "%y = Softmax(%x)\n"},
    {"not a swish: another operand", "%s = Sigmoid(%x) %r = Relu(%x) %y = Mul(%s, %r)",
     "%s = Sigmoid(%x)\n%r = Relu(%x)\n%y = Mul(%s, %r)\n"},
    {"not a hard swish: another slope", "%a = Add(%x, %three) %r = Relu6(%a) %m = Mul(%r, %third) %y = Mul(%m, %x)",
     "%a = Add(%x, %three)\n%r = Relu6(%a)\n%m = Mul(%r, %third)\n%y = Mul(%m, %x)\n"},
    {"not a gelu: another constant",
     "%d = Mul(%x, %half) %e = Erf(%d) %a = Add(%e, %one) %h = Mul(%half, %x) %y = Mul(%h, %a)",
     "%d = Mul(%x, %half)\n%e = Erf(%d)\n%a = Add(%e, %one)\n%h = Mul(%half, %x)\n%y = Mul(%h, %a)\n"},
};

TEST(RecogniseActivations, InAllSpellings) {
  for (const Spelling& spelling : kSpellings) {
    SCOPED_TRACE(spelling.what);
    EXPECT_EQ(rewrite(graph_of(spelling.body), kActivations).nodes, spelling.expected);
  }
}

TEST(RecogniseActivations, AFactorThatIsItselfAProduct) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[3,4], %z: f32[3,4]) {
    %m = Mul(%x, %z)
    %s = Sigmoid(%m)
    %y = Mul(%m, %s)
    return %y
  })",
                                   kActivations);
  EXPECT_EQ(result.nodes, "%m = Mul(%x, %z)\n%y = Swish(%m)\n");
}

TEST(RecogniseActivations, DenylistedPartsStay) {
  const Rewritten result = rewrite(R"(graph @g(%x: f32[3,4]) {
    %s = Sigmoid(%x) denylisted
    %y = Mul(%x, %s)
    return %y
  })",
                                   kActivations);
  EXPECT_EQ(result.rewrites, 0);
}

std::string layer_norm_of(const char* body) {
  return std::string(R"(graph @g(%x: f32[3,5,4]) {
    %axes = const s32[1] [-1]
    %eps = const f32[] [0.001]
    %gamma = const f32[1,1,4] [0.5, 1.5, 1.0, -1.0]
    %beta = const f32[4] [0.5, 0.0, 1.0, -1.0]
    %mean = Mean(%x, %axes) {keep_dims=true}
)") + body +
         "\n return %y }";
}

constexpr Spelling kNorms[] = {
    {"Keras",
     "%sd = SquaredDifference(%x, %mean) %var = Mean(%sd, %axes) {keep_dims=true} %ve = Add(%var, %eps) %inv = "
     "Rsqrt(%ve) "
     "%m = Mul(%inv, %gamma) %xm = Mul(%x, %m) %neg = Neg(%mean) %mm = Mul(%neg, %m) %b = Add(%mm, %beta) "
     "%y = Add(%xm, %b)",
     "%y = LayerNorm(%x, %y/gamma, %y/beta) {epsilon=0.001}\n"},
    {"tf.nn.batch_normalization",
     "%sd = SquaredDifference(%x, %mean) %var = Mean(%sd, %axes) {keep_dims=true} %ve = Add(%var, %eps) %inv = "
     "Rsqrt(%ve) "
     "%m = Mul(%inv, %gamma) %xm = Mul(%x, %m) %mm = Mul(%mean, %m) %b = Sub(%beta, %mm) %y = Add(%xm, %b)",
     "%y = LayerNorm(%x, %y/gamma, %y/beta) {epsilon=0.001}\n"},
    {"no scale or offset",
     "%sd = SquaredDifference(%x, %mean) %var = Mean(%sd, %axes) {keep_dims=true} %ve = Add(%var, %eps) %inv = "
     "Rsqrt(%ve) "
     "%xm = Mul(%x, %inv) %mm = Mul(%mean, %inv) %y = Sub(%xm, %mm)",
     "%y = LayerNorm(%x, %y/gamma, %y/beta) {epsilon=0.001}\n"},
    {"centred, divided",
     "%c = Sub(%x, %mean) %sd = Square(%c) %var = Mean(%sd, %axes) {keep_dims=true} %ve = Add(%var, %eps) %dev = "
     "Sqrt(%ve) "
     "%n = RealDiv(%c, %dev) %s = Mul(%n, %gamma) %y = Add(%s, %beta)",
     "%n = LayerNorm(%x, %n/gamma, %n/beta) {epsilon=0.001}\n%s = Mul(%n, %gamma)\n%y = Add(%s, %beta)\n"},
    {"variance as a difference of means",
     "%c = Sub(%x, %mean) %sq = Square(%x) %msq = Mean(%sq, %axes) {keep_dims=true} %mm = Mul(%mean, %mean) "
     "%var = Sub(%msq, %mm) %ve = Add(%var, %eps) %inv = Rsqrt(%ve) %y = Mul(%c, %inv)",
     "%y = LayerNorm(%x, %y/gamma, %y/beta) {epsilon=0.001}\n"},
};

TEST(RecogniseLayerNorm, InAllSpellings) {
  for (const Spelling& spelling : kNorms) {
    SCOPED_TRACE(spelling.what);
    EXPECT_EQ(rewrite(layer_norm_of(spelling.body), kLayerNorm).nodes, spelling.expected);
  }
}

TEST(RecogniseLayerNorm, TrailingScaleAndOffsetFoldInThePipeline) {
  EXPECT_EQ(rewrite_all(layer_norm_of(kNorms[3].body)).nodes,
            "%y = LayerNorm(%x, %n/gamma_2, %n/beta_2) {epsilon=0.001} name(\"n\")\n");
}

TEST(RecogniseLayerNorm, NotOverOtherAxes) {
  std::string text = layer_norm_of(kNorms[0].body);
  text.replace(text.find("[-1]"), 4, "[1]");
  EXPECT_EQ(rewrite(text, kLayerNorm).rewrites, 0);
}

}  // namespace
}  // namespace tfengine::passes
