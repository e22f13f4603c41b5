#include "protocol/grpc/tensor_contents.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

namespace cotenant {
namespace {

using Input = inference::ModelInferRequest::InferInputTensor;
using Contents = inference::InferTensorContents;

/// One repeated field of the message and how many values it holds.
struct Field {
  const char* name;
  DataType datatype;  ///< As messages name what the field is for.
  int size;
};

/// The one field that is filled, or an error when there are several.
Result<Field> FilledField(const Input& input, const std::string& model) {
  const Contents& contents = input.contents();
  const Field fields[] = {{"bool_contents", DataType::kBool, contents.bool_contents_size()},
                          {"int_contents", DataType::kInt32, contents.int_contents_size()},
                          {"int64_contents", DataType::kInt64, contents.int64_contents_size()},
                          {"uint_contents", DataType::kUint32, contents.uint_contents_size()},
                          {"uint64_contents", DataType::kUint64, contents.uint64_contents_size()},
                          {"fp32_contents", DataType::kFp32, contents.fp32_contents_size()},
                          {"fp64_contents", DataType::kFp64, contents.fp64_contents_size()},
                          {"bytes_contents", DataType::kBytes, contents.bytes_contents_size()}};
  Field filled{"contents", DataType::kInvalid, 0};
  for (const Field& field : fields) {
    if (field.size == 0) continue;
    if (filled.size != 0) {
      return InvalidArgument("unexpected explicit tensor data for input tensor '" + input.name() +
                             "' for model '" + model + "': both " + filled.name + " and " +
                             field.name + " are filled");
    }
    filled = field;
  }
  return filled;
}

/// The datatype whose field carries `datatype`.
DataType FieldTypeOf(DataType datatype) {
  switch (datatype) {
    case DataType::kInt8:
    case DataType::kInt16: return DataType::kInt32;
    case DataType::kUint8:
    case DataType::kUint16: return DataType::kUint32;
    default: return datatype;
  }
}

template <typename Repeated>
std::span<const std::byte> ViewOf(const Repeated& values) {
  return std::as_bytes(std::span(values.data(), static_cast<std::size_t>(values.size())));
}

template <typename Narrow, typename Repeated>
Result<std::span<const std::byte>> Narrowed(const Repeated& values, const Input& input,
                                            std::string& scratch) {
  scratch.resize(static_cast<std::size_t>(values.size()) * sizeof(Narrow));
  auto* out = scratch.data();
  for (const auto value : values) {
    if (!std::in_range<Narrow>(value)) {
      return InvalidArgument("input '" + input.name() + "': value " + std::to_string(value) +
                             " does not fit data-type '" + input.datatype() + "'");
    }
    const auto narrow = static_cast<Narrow>(value);
    out = std::copy_n(reinterpret_cast<const char*>(&narrow), sizeof(narrow), out);
  }
  return std::as_bytes(std::span(scratch));
}

std::span<const std::byte> LengthPrefixed(const Contents& contents, std::string& scratch) {
  scratch.clear();
  for (const std::string& element : contents.bytes_contents()) {
    const auto length = static_cast<std::uint32_t>(element.size());
    scratch.append(reinterpret_cast<const char*>(&length), sizeof(length));
    scratch.append(element);
  }
  return std::as_bytes(std::span(scratch));
}

}  // namespace

Result<std::span<const std::byte>> TypedContents(const Input& input, const std::string& model,
                                                 DataType datatype, const Shape& shape,
                                                 std::string& scratch) {
  if (datatype == DataType::kFp16 || datatype == DataType::kBf16) {
    return InvalidArgument("input '" + input.name() + "': data-type '" + input.datatype() +
                           "' has no typed form, send it in raw_input_contents");
  }
  auto field = FilledField(input, model);
  if (!field.ok()) return field.status();
  if (field->size != 0 && field->datatype != FieldTypeOf(datatype)) {
    return InvalidArgument("unexpected explicit tensor data for input tensor '" + input.name() +
                           "' for model '" + model + "' of type '" +
                           std::string(DataTypeName(field->datatype)) + "', expected datatype '" +
                           std::string(DataTypeName(datatype)) + "'");
  }
  const std::int64_t wanted = shape.ElementCount();
  if (wanted >= 0 && field->size != wanted) {
    return InvalidArgument("input '" + input.name() + "' has " + std::to_string(field->size) +
                           " values in " + field->name + ", but its shape " + shape.ToString() +
                           " needs " + std::to_string(wanted));
  }
  const Contents& contents = input.contents();
  switch (datatype) {
    case DataType::kBool: return ViewOf(contents.bool_contents());
    case DataType::kInt8: return Narrowed<std::int8_t>(contents.int_contents(), input, scratch);
    case DataType::kInt16: return Narrowed<std::int16_t>(contents.int_contents(), input, scratch);
    case DataType::kUint8: return Narrowed<std::uint8_t>(contents.uint_contents(), input, scratch);
    case DataType::kUint16:
      return Narrowed<std::uint16_t>(contents.uint_contents(), input, scratch);
    case DataType::kInt32: return ViewOf(contents.int_contents());
    case DataType::kInt64: return ViewOf(contents.int64_contents());
    case DataType::kUint32: return ViewOf(contents.uint_contents());
    case DataType::kUint64: return ViewOf(contents.uint64_contents());
    case DataType::kFp32: return ViewOf(contents.fp32_contents());
    case DataType::kFp64: return ViewOf(contents.fp64_contents());
    case DataType::kBytes: return LengthPrefixed(contents, scratch);
    default:
      return InvalidArgument("input '" + input.name() + "': unknown data-type '" +
                             input.datatype() + "'");
  }
}

}  // namespace cotenant
