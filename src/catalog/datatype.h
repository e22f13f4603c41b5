#pragma once

/// The element types of the Open Inference Protocol and of Triton's configuration.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace cotenant {

enum class DataType : unsigned char {
  kInvalid,
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kFp32,
  kFp64,
  kBytes,  ///< Variable length elements; on the wire each is a little-endian u32 length and its
           ///< bytes.
  kBf16,
};

/// "FP32", "BYTES" … as in requests; "<invalid>" for kInvalid.
std::string_view DataTypeName(DataType type);
/// "TYPE_FP32", "TYPE_STRING" … as in config.pbtxt.
std::string_view ConfigTypeName(DataType type);
/// Reads the protocol's spelling.
std::optional<DataType> ParseDataType(std::string_view name);
/// Bytes per element; 0 for kBytes and kInvalid, whose elements have no fixed size.
std::size_t ElementSize(DataType type);

}  // namespace cotenant
