#include "execution/onnx/ort_api.h"

#include <array>
#include <cstdlib>

#include "execution/onnx/onnx_backend.h"

namespace cotenant {
namespace {

const OrtApiBase* Base() {
  // Before the library's very first call: it would otherwise report home.
  static const OrtApiBase* base = [] {
    setenv("ORT_DISABLE_TELEMETRY", "1", 1);
    return OrtGetApiBase();
  }();
  return base;
}

// In the order of DataType.
constexpr std::array<ONNXTensorElementDataType, 15> kTypes = {
    ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED, ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,     ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32,    ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8,      ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32,     ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16,   ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,    ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16};

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

Code CodeOf(OrtErrorCode code, std::string_view text) {
  if (Contains(text, "bad_alloc") || Contains(text, "Failed to allocate memory")) {
    return Code::kResourceExhausted;
  }
  switch (code) {
    case ORT_INVALID_ARGUMENT:
    case ORT_INVALID_PROTOBUF:
    case ORT_INVALID_GRAPH:
    case ORT_NO_MODEL: return Code::kInvalidArgument;
    case ORT_FAIL:
    case ORT_RUNTIME_EXCEPTION:
      // The library's own words for "a kernel refused what it was given".
      return Contains(text, "while running") ? Code::kInvalidArgument : Code::kInternal;
    case ORT_NOT_IMPLEMENTED: return Code::kUnimplemented;
    default: return Code::kInternal;
  }
}

}  // namespace

const OrtApi* OrtTable() {
  static const OrtApi* table = Base()->GetApi(ORT_API_VERSION);
  return table;
}

std::string OnnxRuntimeVersion() { return Base()->GetVersionString(); }

Status FromOrt(OrtStatus* status, std::string_view what) {
  const OrtOwner<OrtStatus> owner(status);
  const std::string_view text = Ort().GetErrorMessage(status);
  std::string message(what);
  message.append(": ").append(text);
  return Status(CodeOf(Ort().GetErrorCode(status), text), std::move(message));
}

DataType FromOrtType(ONNXTensorElementDataType type) {
  for (std::size_t i = 1; i < kTypes.size(); ++i) {
    if (kTypes[i] == type) return static_cast<DataType>(i);
  }
  return DataType::kInvalid;
}

ONNXTensorElementDataType ToOrtType(DataType type) {
  return kTypes[static_cast<std::size_t>(type)];
}

}  // namespace cotenant
