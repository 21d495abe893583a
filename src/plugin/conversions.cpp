// SPDX-License-Identifier: Apache-2.0
#include "plugin/conversions.h"

#include "tfengine/error.h"

namespace tfengine::plugin {

DType dtype_of(tensorflow::DataType type) {
  switch (type) {
    case tensorflow::DT_FLOAT:
      return DType::F32;
    case tensorflow::DT_HALF:
      return DType::F16;
    case tensorflow::DT_BFLOAT16:
      return DType::BF16;
    case tensorflow::DT_DOUBLE:
      return DType::F64;
    case tensorflow::DT_INT8:
      return DType::S8;
    case tensorflow::DT_UINT8:
      return DType::U8;
    case tensorflow::DT_INT16:
      return DType::S16;
    case tensorflow::DT_UINT16:
      return DType::U16;
    case tensorflow::DT_INT32:
      return DType::S32;
    case tensorflow::DT_UINT32:
      return DType::U32;
    case tensorflow::DT_INT64:
      return DType::S64;
    case tensorflow::DT_UINT64:
      return DType::U64;
    case tensorflow::DT_BOOL:
      return DType::Bool;
    default:
      return DType::Invalid;
  }
}

Shape shape_of(const tensorflow::TensorShape& shape) {
  std::vector<int64_t> dims;
  for (int i = 0; i < shape.dims(); ++i) dims.push_back(shape.dim_size(i));
  return Shape(std::move(dims));
}

tensorflow::TensorShape shape_of(const Shape& shape) { return tensorflow::TensorShape(shape.dims()); }

Tensor view_of(const tensorflow::Tensor& tensor) {
  return {dtype_of(tensor.dtype()), shape_of(tensor.shape()), tensor.data(), nullptr};
}

bool fits(const tensorflow::TensorShape& got, const tensorflow::PartialTensorShape& wanted) {
  return wanted.IsCompatibleWith(got);
}

absl::Status status_of(const std::exception_ptr& error, const std::string& where) {
  try {
    std::rethrow_exception(error);
  } catch (const StatusError& e) {
    return e.status();
  } catch (const OutOfMemory& e) {
    return absl::ResourceExhaustedError(where + ": " + e.what());
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(where + ": the system refused memory");
  } catch (const InvalidModel& e) {
    return absl::InvalidArgumentError(where + ": " + e.what());
  } catch (const InvalidArgument& e) {
    return absl::InvalidArgumentError(where + ": " + e.what());
  } catch (const std::exception& e) {
    return absl::InternalError(where + ": " + e.what());
  } catch (...) {
    return absl::InternalError(where + ": an exception of unknown type");
  }
}

}  // namespace tfengine::plugin
