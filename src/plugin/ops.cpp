// SPDX-License-Identifier: Apache-2.0
// The operations, with TF-TRT's names, inputs and attributes, so that its graphs load; element types are those of TF-TRT and
// more. The last two are tfengine's own.
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace tfengine::plugin {

namespace {

namespace tf = tensorflow;
using tf::shape_inference::InferenceContext;
using tf::shape_inference::ShapeHandle;

// What the converter knew of the outputs' shapes; nothing, for graphs of before it wrote that down.
absl::Status output_shapes(InferenceContext* context) {
  std::vector<tf::PartialTensorShape> shapes;
  if (!context->GetAttr("output_shapes", &shapes).ok() || static_cast<int>(shapes.size()) != context->num_outputs()) {
    return tf::shape_inference::UnknownShape(context);
  }
  for (int i = 0; i < context->num_outputs(); ++i) {
    ShapeHandle shape;
    TF_RETURN_IF_ERROR(context->MakeShapeFromPartialTensorShape(shapes[static_cast<size_t>(i)], &shape));
    context->set_output(i, shape);
  }
  return absl::OkStatus();
}

REGISTER_OP("TRTEngineOp")
    .Attr("serialized_segment: string")
    .Attr("segment_func: func = {}")
    .Attr(
        "InT: list({bool, int8, uint8, int16, uint16, int32, uint32, int64, uint64, float16, bfloat16, float32, "
        "float64, "
        "resource})")
    .Attr(
        "OutT: list({bool, int8, uint8, int16, uint16, int32, uint32, int64, uint64, float16, bfloat16, float32, "
        "float64})")
    .Attr("input_shapes: list(shape) = []")
    .Attr("output_shapes: list(shape) = []")
    .Attr("max_cached_engines_count: int = 1")
    .Attr("max_batch_size: int = 1")
    .Attr("workspace_size_bytes: int")
    .Attr("precision_mode: {'FP32', 'FP16', 'INT8'}")
    .Attr("calibration_data: string = ''")
    .Attr("use_calibration: bool = true")
    .Attr("segment_funcdef_name: string = ''")
    .Attr("cached_engine_batches: list(int) >= 0 = []")
    .Attr("fixed_input_size: bool = true")
    .Attr("static_engine: bool = true")
    .Attr("profile_strategy: string = ''")
    .Attr("use_explicit_precision: bool = false")
    .Input("in_tensor: InT")
    .Output("out_tensor: OutT")
    .SetShapeFn(output_shapes)
    .Doc("Runs a segment of the graph as an engine of tfengine.");

REGISTER_OP("CreateTRTResourceHandle")
    .Attr("resource_name: string")
    .Output("resource_handle: resource")
    .SetIsStateful()
    .SetShapeFn(tf::shape_inference::ScalarShape)
    .Doc("A handle of the engines that TRTEngineOps of this name share.");

REGISTER_OP("InitializeTRTResource")
    .Attr("max_cached_engines_count: int = 1")
    .Input("resource_handle: resource")
    .Input("filename: string")
    .SetIsStateful()
    .SetShapeFn(tf::shape_inference::NoOutputs)
    .Doc("Loads an engine file; an empty one, or one of TensorRT, leaves the engine to be built when it is run.");

REGISTER_OP("SerializeTRTResource")
    .Attr("delete_resource: bool = false")
    .Attr("save_gpu_specific_engines: bool = true")
    .Input("resource_name: string")
    .Input("filename: string")
    .SetIsStateful()
    .SetShapeFn(tf::shape_inference::NoOutputs)
    .Doc("Writes the engine to a file; an empty one without save_gpu_specific_engines, or when none was built.");

REGISTER_OP("GetCalibrationDataOp")
    .Input("resource_name: string")
    .Output("serialized_resource: string")
    .SetIsStateful()
    .SetShapeFn(tf::shape_inference::ScalarShape)
    .Doc("Ends calibration and returns TensorRT's calibration table.");

REGISTER_OP("TfengineCalibrationHistograms")
    .Input("resource_name: string")
    .Output("histograms: string")
    .SetIsStateful()
    .SetShapeFn(tf::shape_inference::ScalarShape)
    .Doc("The histograms of a finished calibration, as tfengine.Calibration saves them.");

REGISTER_OP("TfengineEngineStatus")
    .Input("resource_name: string")
    .Output("status: string")
    .SetIsStateful()
    .SetShapeFn(tf::shape_inference::ScalarShape)
    .Doc("Engines, calls, native calls with their reasons and memory of an operation, as JSON.");

}  // namespace

}  // namespace tfengine::plugin
