// SPDX-License-Identifier: Apache-2.0
#include "tfgraph/op_signatures.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace tfengine::tfgraph {

namespace {

constexpr int64_t kMaxArguments = 65536;

// As TensorFlow registers them (tensorflow/core/ops/*.cc). A type is a DataType's name or the attribute that holds it;
// "N*T" are as many as attribute N says, "T[]" those of a list. Defaults are those of type and count attributes: graphs
// that were saved without default values leave them out.
struct Row {
  std::string_view op, inputs, outputs, defaults;
};
// clang-format off
constexpr Row kRows[] = {
    {"Abs", "T", "y:T", ""},
    {"Acos", "T", "y:T", ""},
    {"Acosh", "T", "y:T", ""},
    {"Add", "T T", "z:T", ""},
    {"AddN", "N*T", "sum:T", ""},
    {"AddV2", "T T", "z:T", ""},
    {"All", "bool Tidx", "output:bool", "Tidx=s32"},
    {"Angle", "T", "output:Tout", "T=c64 Tout=f32"},
    {"Any", "bool Tidx", "output:bool", "Tidx=s32"},
    {"ArgMax", "T Tidx", "output:output_type", "Tidx=s32 output_type=s64"},
    {"ArgMin", "T Tidx", "output:output_type", "Tidx=s32 output_type=s64"},
    {"Asin", "T", "y:T", ""},
    {"Asinh", "T", "y:T", ""},
    {"Atan", "T", "y:T", ""},
    {"Atan2", "T T", "z:T", ""},
    {"Atanh", "T", "y:T", ""},
    {"AvgPool", "T", "output:T", ""},
    {"AvgPool3D", "T", "output:T", ""},
    {"BatchMatMul", "T T", "output:T", ""},
    {"BatchMatMulV2", "T T", "output:T", ""},
    {"BatchMatMulV3", "Ta Tb", "output:Tout", ""},
    {"BatchToSpaceND", "T Tblock_shape Tcrops", "output:T", "Tblock_shape=s32 Tcrops=s32"},
    {"BiasAdd", "T T", "output:T", ""},
    {"BiasAddV1", "T T", "output:T", ""},
    {"Bincount", "s32 s32 T", "bins:T", ""},
    {"Bitcast", "T", "output:type", ""},
    {"BitwiseAnd", "T T", "z:T", ""},
    {"BitwiseOr", "T T", "z:T", ""},
    {"BitwiseXor", "T T", "z:T", ""},
    {"BroadcastArgs", "T T", "r0:T", "T=s32"},
    {"BroadcastTo", "T Tidx", "output:T", "Tidx=s32"},
    {"Cast", "SrcT", "y:DstT", ""},
    {"Ceil", "T", "y:T", ""},
    {"CheckNumerics", "T", "output:T", ""},
    {"ClipByValue", "T T T", "output:T", ""},
    {"CombinedNonMaxSuppression", "f32 f32 s32 s32 f32 f32", "nmsed_boxes:f32 nmsed_scores:f32 nmsed_classes:f32 valid_detections:s32", ""},
    {"Complex", "T T", "out:Tout", "T=f32 Tout=c64"},
    {"ComplexAbs", "T", "y:Tout", "T=c64 Tout=f32"},
    {"Concat", "s32 N*T", "output:T", ""},
    {"ConcatV2", "N*T Tidx", "output:T", "Tidx=s32"},
    {"Conj", "T", "output:T", "T=c64"},
    {"Const", "", "output:dtype", ""},
    {"Conv2D", "T T", "output:T", ""},
    {"Conv2DBackpropInput", "s32 T T", "output:T", ""},
    {"Conv3D", "T T", "output:T", ""},
    {"Conv3DBackpropInputV2", "Tshape T T", "output:T", "Tshape=s32"},
    {"Cos", "T", "y:T", ""},
    {"Cosh", "T", "y:T", ""},
    {"CropAndResize", "T f32 s32 s32", "crops:f32", ""},
    {"Cumprod", "T Tidx", "out:T", "Tidx=s32"},
    {"Cumsum", "T Tidx", "out:T", "Tidx=s32"},
    {"CumulativeLogsumexp", "T Tidx", "out:T", "Tidx=s32"},
    {"DataFormatDimMap", "T", "y:T", "T=s32"},
    {"DataFormatVecPermute", "T", "y:T", "T=s32"},
    {"DenseBincount", "Tidx Tidx T", "output:T", ""},
    {"DepthToSpace", "T", "output:T", ""},
    {"DepthwiseConv2dNative", "T T", "output:T", ""},
    {"Div", "T T", "z:T", ""},
    {"DivNoNan", "T T", "z:T", ""},
    {"Einsum", "N*T", "output:T", ""},
    {"Elu", "T", "activations:T", ""},
    {"EnsureShape", "T", "output:T", ""},
    {"Equal", "T T", "z:bool", ""},
    {"Erf", "T", "y:T", ""},
    {"Erfc", "T", "y:T", ""},
    {"EuclideanNorm", "T Tidx", "output:T", "Tidx=s32"},
    {"Exp", "T", "y:T", ""},
    {"ExpandDims", "T Tdim", "output:T", "Tdim=s32"},
    {"Expm1", "T", "y:T", ""},
    {"ExtractImagePatches", "T", "patches:T", ""},
    {"FFT", "Tcomplex", "output:Tcomplex", "Tcomplex=c64"},
    {"FakeQuantWithMinMaxArgs", "f32", "outputs:f32", ""},
    {"FakeQuantWithMinMaxVars", "f32 f32 f32", "outputs:f32", ""},
    {"FakeQuantWithMinMaxVarsPerChannel", "f32 f32 f32", "outputs:f32", ""},
    {"Fill", "index_type T", "output:T", "index_type=s32"},
    {"Floor", "T", "y:T", ""},
    {"FloorDiv", "T T", "z:T", ""},
    {"FloorMod", "T T", "z:T", ""},
    {"FusedBatchNorm", "T T T T T", "y:T batch_mean:T batch_variance:T reserve_space_1:T reserve_space_2:T", ""},
    {"FusedBatchNormV2", "T U U U U", "y:T batch_mean:U batch_variance:U reserve_space_1:U reserve_space_2:U", ""},
    {"FusedBatchNormV3", "T U U U U", "y:T batch_mean:U batch_variance:U reserve_space_1:U reserve_space_2:U reserve_space_3:U", ""},
    {"Gather", "Tparams Tindices", "output:Tparams", ""},
    {"GatherNd", "Tparams Tindices", "output:Tparams", ""},
    {"GatherV2", "Tparams Tindices Taxis", "output:Tparams", ""},
    {"Greater", "T T", "z:bool", ""},
    {"GreaterEqual", "T T", "z:bool", ""},
    {"IFFT", "Tcomplex", "output:Tcomplex", "Tcomplex=c64"},
    {"IRFFT", "Tcomplex s32", "output:Treal", "Treal=f32 Tcomplex=c64"},
    {"Identity", "T", "output:T", ""},
    {"IdentityN", "T[]", "output:T[]", ""},
    {"Imag", "T", "output:Tout", "T=c64 Tout=f32"},
    {"Inv", "T", "y:T", ""},
    {"Invert", "T", "y:T", ""},
    {"InvertPermutation", "T", "y:T", "T=s32"},
    {"IsFinite", "T", "y:bool", ""},
    {"IsInf", "T", "y:bool", ""},
    {"IsNan", "T", "y:bool", ""},
    {"L2Loss", "T", "output:T", ""},
    {"LRN", "T", "output:T", "T=f32"},
    {"LeakyRelu", "T", "activations:T", "T=f32"},
    {"Less", "T T", "z:bool", ""},
    {"LessEqual", "T T", "z:bool", ""},
    {"Lgamma", "T", "y:T", ""},
    {"LinSpace", "T T Tidx", "output:T", "Tidx=s32"},
    {"Log", "T", "y:T", ""},
    {"Log1p", "T", "y:T", ""},
    {"LogSoftmax", "T", "logsoftmax:T", ""},
    {"LogicalAnd", "bool bool", "z:bool", ""},
    {"LogicalNot", "bool", "y:bool", ""},
    {"LogicalOr", "bool bool", "z:bool", ""},
    {"MatMul", "T T", "product:T", ""},
    {"MatrixBandPart", "T Tindex Tindex", "band:T", "Tindex=s64"},
    {"MatrixDiag", "T", "output:T", ""},
    {"MatrixDiagPart", "T", "diagonal:T", ""},
    {"MatrixDiagPartV2", "T s32 T", "diagonal:T", ""},
    {"MatrixDiagPartV3", "T s32 T", "diagonal:T", ""},
    {"MatrixDiagV2", "T s32 s32 s32 T", "output:T", ""},
    {"MatrixDiagV3", "T s32 s32 s32 T", "output:T", ""},
    {"MatrixSetDiag", "T T", "output:T", ""},
    {"MatrixSetDiagV2", "T T s32", "output:T", ""},
    {"MatrixSetDiagV3", "T T s32", "output:T", ""},
    {"Max", "T Tidx", "output:T", "Tidx=s32"},
    {"MaxPool", "T", "output:T", "T=f32"},
    {"MaxPool3D", "T", "output:T", ""},
    {"Maximum", "T T", "z:T", ""},
    {"Mean", "T Tidx", "output:T", "Tidx=s32"},
    {"Min", "T Tidx", "output:T", "Tidx=s32"},
    {"Minimum", "T T", "z:T", ""},
    {"MirrorPad", "T Tpaddings", "output:T", "Tpaddings=s32"},
    {"Mod", "T T", "z:T", ""},
    {"Mul", "T T", "z:T", ""},
    {"MulNoNan", "T T", "z:T", ""},
    {"Neg", "T", "y:T", ""},
    {"NonMaxSuppressionV4", "T T s32 T_threshold T_threshold", "selected_indices:s32 valid_outputs:s32", "T=f32 T_threshold=f32"},
    {"NonMaxSuppressionV5", "T T s32 T T T", "selected_indices:s32 selected_scores:T valid_outputs:s32", "T=f32"},
    {"NotEqual", "T T", "z:bool", ""},
    {"OneHot", "TI s32 T T", "output:T", "TI=s64"},
    {"OnesLike", "T", "y:T", ""},
    {"Pack", "N*T", "output:T", ""},
    {"Pad", "T Tpaddings", "output:T", "Tpaddings=s32"},
    {"PadV2", "T Tpaddings T", "output:T", "Tpaddings=s32"},
    {"PartitionedCall", "Tin[]", "output:Tout[]", ""},
    {"Placeholder", "", "output:dtype", ""},
    {"PlaceholderWithDefault", "dtype", "output:dtype", ""},
    {"Pow", "T T", "z:T", ""},
    {"PreventGradient", "T", "output:T", ""},
    {"Prod", "T Tidx", "output:T", "Tidx=s32"},
    {"QuantizeAndDequantizeV2", "T T T", "output:T", ""},
    {"QuantizeAndDequantizeV3", "T T T s32", "output:T", ""},
    {"QuantizeAndDequantizeV4", "T T T", "output:T", ""},
    {"RFFT", "Treal s32", "output:Tcomplex", "Treal=f32 Tcomplex=c64"},
    {"Range", "Tidx Tidx Tidx", "output:Tidx", "Tidx=s32"},
    {"Rank", "T", "output:s32", ""},
    {"Real", "T", "output:Tout", "T=c64 Tout=f32"},
    {"RealDiv", "T T", "z:T", ""},
    {"Reciprocal", "T", "y:T", ""},
    {"Relu", "T", "activations:T", ""},
    {"Relu6", "T", "activations:T", ""},
    {"Reshape", "T Tshape", "output:T", "Tshape=s32"},
    {"ResizeArea", "T s32", "resized_images:f32", ""},
    {"ResizeBicubic", "T s32", "resized_images:f32", ""},
    {"ResizeBilinear", "T s32", "resized_images:f32", ""},
    {"ResizeNearestNeighbor", "T s32", "resized_images:T", ""},
    {"ReverseSequence", "T Tlen", "output:T", "Tlen=s64"},
    {"ReverseV2", "T Tidx", "output:T", "Tidx=s32"},
    {"Rint", "T", "y:T", ""},
    {"Roll", "T Tshift Taxis", "output:T", ""},
    {"Round", "T", "y:T", ""},
    {"Rsqrt", "T", "y:T", ""},
    {"ScatterNd", "Tindices T Tindices", "output:T", ""},
    {"SegmentMax", "T Tindices", "output:T", ""},
    {"SegmentMean", "T Tindices", "output:T", ""},
    {"SegmentMin", "T Tindices", "output:T", ""},
    {"SegmentProd", "T Tindices", "output:T", ""},
    {"SegmentSum", "T Tindices", "output:T", ""},
    {"Select", "bool T T", "output:T", ""},
    {"SelectV2", "bool T T", "output:T", ""},
    {"Selu", "T", "activations:T", ""},
    {"Shape", "T", "output:out_type", "out_type=s32"},
    {"ShapeN", "N*T", "output:N*out_type", "out_type=s32"},
    {"Sigmoid", "T", "y:T", ""},
    {"Sign", "T", "y:T", ""},
    {"Sin", "T", "y:T", ""},
    {"Sinh", "T", "y:T", ""},
    {"Size", "T", "output:out_type", "out_type=s32"},
    {"Slice", "T Index Index", "output:T", ""},
    {"Snapshot", "T", "output:T", ""},
    {"Softmax", "T", "softmax:T", ""},
    {"Softplus", "T", "activations:T", ""},
    {"Softsign", "T", "activations:T", ""},
    {"SpaceToBatchND", "T Tblock_shape Tpaddings", "output:T", "Tblock_shape=s32 Tpaddings=s32"},
    {"SpaceToDepth", "T", "output:T", ""},
    {"Split", "s32 T", "output:num_split*T", ""},
    {"SplitV", "T Tlen s32", "output:num_split*T", "Tlen=s64"},
    {"Sqrt", "T", "y:T", ""},
    {"Square", "T", "y:T", ""},
    {"SquaredDifference", "T T", "z:T", ""},
    {"Squeeze", "T", "output:T", ""},
    {"StatefulPartitionedCall", "Tin[]", "output:Tout[]", ""},
    {"StopGradient", "T", "output:T", ""},
    {"StridedSlice", "T Index Index Index", "output:T", ""},
    {"Sub", "T T", "z:T", ""},
    {"Sum", "T Tidx", "output:T", "Tidx=s32"},
    {"Tan", "T", "y:T", ""},
    {"Tanh", "T", "y:T", ""},
    {"TensorScatterAdd", "T Tindices T", "output:T", ""},
    {"TensorScatterMax", "T Tindices T", "output:T", ""},
    {"TensorScatterMin", "T Tindices T", "output:T", ""},
    {"TensorScatterSub", "T Tindices T", "output:T", ""},
    {"TensorScatterUpdate", "T Tindices T", "output:T", ""},
    {"Tile", "T Tmultiples", "output:T", "Tmultiples=s32"},
    {"TopK", "T", "values:T indices:s32", ""},
    {"TopKV2", "T Tk", "values:T indices:index_type", "Tk=s32 index_type=s32"},
    {"Transpose", "T Tperm", "y:T", "Tperm=s32"},
    {"TruncateDiv", "T T", "z:T", ""},
    {"TruncateMod", "T T", "z:T", ""},
    {"Unpack", "T", "output:num*T", ""},
    {"UnsortedSegmentMax", "T Tindices Tnumsegments", "output:T", "Tnumsegments=s32"},
    {"UnsortedSegmentMin", "T Tindices Tnumsegments", "output:T", "Tnumsegments=s32"},
    {"UnsortedSegmentProd", "T Tindices Tnumsegments", "output:T", "Tnumsegments=s32"},
    {"UnsortedSegmentSum", "T Tindices Tnumsegments", "output:T", "Tnumsegments=s32"},
    {"Xdivy", "T T", "z:T", ""},
    {"Xlog1py", "T T", "z:T", ""},
    {"Xlogy", "T T", "z:T", ""},
    {"ZerosLike", "T", "y:T", ""},
    {"_FusedConv2D", "T T TArgs[] num_host_args*f32", "output:T", "num_host_args=0"},
    {"_FusedMatMul", "T T num_args*T", "product:T", ""},
};
// clang-format on

struct TypeName {
  std::string_view name;
  uint64_t type;
};
constexpr std::array<TypeName, 7> kTypeNames = {
    {{"f32", 1}, {"s32", 3}, {"s64", 9}, {"bool", 10}, {"u8", 4}, {"f16", 19}, {"c64", 8}}};

const Row* find_row(std::string_view op) {
  const Row* found = std::lower_bound(std::begin(kRows), std::end(kRows), op,
                                      [](const Row& row, std::string_view name) { return row.op < name; });
  return found == std::end(kRows) || found->op != op ? nullptr : found;
}

// The text up to the next `separator`, which is taken off.
std::string_view take(std::string_view& text, char separator) {
  const size_t at = text.find(separator);
  const std::string_view head = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
  return head;
}

// The default of an attribute, as the row writes it; empty where it has none.
std::string_view default_of(const Row& row, std::string_view name) {
  for (std::string_view rest = row.defaults; !rest.empty();) {
    std::string_view value = take(rest, ' ');
    if (take(value, '=') == name) return value;
  }
  return {};
}

uint64_t type_named(const NodeDef& node, const Row& row, std::string_view name) {
  const auto* fixed =
      std::find_if(kTypeNames.begin(), kTypeNames.end(), [name](const TypeName& type) { return type.name == name; });
  if (fixed != kTypeNames.end()) return fixed->type;
  if (const uint64_t declared = attr_type(node, name); declared != 0) return declared;
  const std::string_view value = default_of(row, name);
  return value.empty() ? 0 : type_named(node, {}, value);
}

// The types of one argument.
std::vector<uint64_t> types_of(const NodeDef& node, const Row& row, std::string_view argument) {
  if (argument.size() > 2 && argument.substr(argument.size() - 2) == "[]") {
    return attr_types(node, argument.substr(0, argument.size() - 2));
  }
  const size_t star = argument.find('*');
  if (star == std::string_view::npos) return {type_named(node, row, argument)};
  const std::string_view key = argument.substr(0, star);
  const int64_t count = attr_int(node, key, default_of(row, key) == "0" ? 0 : 1);
  if (count < 0 || count > kMaxArguments) {
    fail<InvalidModel>("{} '{}': attribute '{}' is {}, expected 0 to {}", node.op, node.name, key, count,
                       kMaxArguments);
  }
  return std::vector<uint64_t>(static_cast<size_t>(count), type_named(node, row, argument.substr(star + 1)));
}

}  // namespace

bool has_signature(std::string_view op) { return find_row(op) != nullptr; }

std::optional<std::vector<uint64_t>> input_types(const NodeDef& node) {
  const Row* row = find_row(node.op);
  if (row == nullptr) return std::nullopt;
  std::vector<uint64_t> types;
  for (std::string_view rest = row->inputs; !rest.empty();) {
    const std::vector<uint64_t> more = types_of(node, *row, take(rest, ' '));
    types.insert(types.end(), more.begin(), more.end());
  }
  return types;
}

std::optional<std::vector<uint64_t>> output_types(const NodeDef& node) {
  const Row* row = find_row(node.op);
  if (row == nullptr) return std::nullopt;
  std::vector<uint64_t> types;
  for (std::string_view rest = row->outputs; !rest.empty();) {
    std::string_view argument = take(rest, ' ');
    take(argument, ':');
    const std::vector<uint64_t> more = types_of(node, *row, argument);
    types.insert(types.end(), more.begin(), more.end());
  }
  return types;
}

std::optional<OutputArg> output_arg(const NodeDef& node, int index) {
  const Row* row = find_row(node.op);
  if (row == nullptr) return std::nullopt;
  for (std::string_view rest = row->outputs; !rest.empty();) {
    std::string_view argument = take(rest, ' ');
    const std::string_view name = take(argument, ':');
    const auto count = static_cast<int>(types_of(node, *row, argument).size());
    if (index < count) return OutputArg{name, index};
    index -= count;
  }
  return std::nullopt;
}

}  // namespace tfengine::tfgraph
