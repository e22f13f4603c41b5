#include "protocol/http/json_text.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace cotenant {
namespace {

/// The length of the UTF-8 sequence that `text` begins with, or 0.
std::size_t Utf8Length(std::string_view text) {
  const auto at = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates and what lies beyond Unicode.
  if ((first == 0xe0 && at(1) < 0xa0) || (first == 0xed && at(1) > 0x9f) ||
      (first == 0xf0 && at(1) < 0x90) || (first == 0xf4 && at(1) > 0x8f)) {
    return 0;
  }
  return length;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = Utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

void AppendEscaped(char c, std::string& out) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default:
      out += "\\u00";
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 0xf];
  }
}

template <typename T>
void AppendElement(T value, std::string& out) {
  if constexpr (std::is_same_v<T, bool>) {
    out += value ? "true" : "false";
  } else if constexpr (std::is_floating_point_v<T>) {
    AppendNumber(static_cast<double>(value), out);
  } else {
    AppendNumber(value, out);
  }
}

/// `Stored` is what lies in memory: a byte for a bool, whose every value but 0 is true.
template <typename T, typename Stored = T>
void AppendElements(std::span<const std::byte> bytes, std::string& out) {
  const std::size_t count = bytes.size() / sizeof(Stored);
  for (std::size_t i = 0; i < count; ++i) {
    Stored value;
    std::memcpy(&value, bytes.data() + i * sizeof(Stored), sizeof value);
    if (i > 0) out += ',';
    if constexpr (std::is_same_v<T, bool>) {
      AppendElement(value != 0, out);
    } else {
      AppendElement(value, out);
    }
  }
}

Status AppendTexts(std::string_view name, std::span<const std::byte> bytes, std::string& out) {
  bool first = true;
  while (bytes.size() >= sizeof(std::uint32_t)) {
    std::uint32_t length = 0;
    std::memcpy(&length, bytes.data(), sizeof length);
    bytes = bytes.subspan(sizeof length);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), length);
    if (!IsUtf8(text)) {
      return InvalidArgument("output '" + std::string(name) +
                             "' holds bytes that are not UTF-8, which JSON cannot carry; ask for "
                             "binary data");
    }
    if (!first) out += ',';
    first = false;
    AppendJsonString(text, out);
    bytes = bytes.subspan(length);
  }
  return Status();
}

}  // namespace

void AppendJsonString(std::string_view text, std::string& out) {
  out += '"';
  while (!text.empty()) {
    std::size_t plain = 0;
    while (plain < text.size()) {
      const auto c = static_cast<unsigned char>(text[plain]);
      if (c < 0x20 || c == '"' || c == '\\' || c >= 0x7f) break;
      ++plain;
    }
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    if (static_cast<unsigned char>(text[0]) < 0x80) {
      AppendEscaped(text[0], out);
      text.remove_prefix(1);
    } else if (const std::size_t length = Utf8Length(text); length > 0) {
      out.append(text.substr(0, length));
      text.remove_prefix(length);
    } else {
      out += "\xef\xbf\xbd";
      text.remove_prefix(1);
    }
  }
  out += '"';
}

void AppendNumber(double number, std::string& out) {
  if (std::isnan(number)) {
    out += "NaN";
    return;
  }
  if (std::isinf(number)) {
    out += number > 0 ? "Infinity" : "-Infinity";
    return;
  }
  char text[40];
  const char* const end = std::to_chars(text, text + sizeof text, number).ptr;
  const std::string_view written(text, static_cast<std::size_t>(end - text));
  out += written;
  if (written.find_first_of(".e") == std::string_view::npos) out += ".0";
}

void AppendShape(const Shape& shape, std::string& out) {
  out += '[';
  for (std::size_t i = 0; i < shape.rank(); ++i) {
    if (i > 0) out += ',';
    AppendNumber(shape[i], out);
  }
  out += ']';
}

Status AppendTensorData(std::string_view name, DataType datatype, std::span<const std::byte> bytes,
                        std::string& out) {
  out += '[';
  switch (datatype) {
    case DataType::kBool: AppendElements<bool, unsigned char>(bytes, out); break;
    case DataType::kUint8: AppendElements<std::uint8_t>(bytes, out); break;
    case DataType::kUint16: AppendElements<std::uint16_t>(bytes, out); break;
    case DataType::kUint32: AppendElements<std::uint32_t>(bytes, out); break;
    case DataType::kUint64: AppendElements<std::uint64_t>(bytes, out); break;
    case DataType::kInt8: AppendElements<std::int8_t>(bytes, out); break;
    case DataType::kInt16: AppendElements<std::int16_t>(bytes, out); break;
    case DataType::kInt32: AppendElements<std::int32_t>(bytes, out); break;
    case DataType::kInt64: AppendElements<std::int64_t>(bytes, out); break;
    case DataType::kFp32: AppendElements<float>(bytes, out); break;
    case DataType::kFp64: AppendElements<double>(bytes, out); break;
    case DataType::kBytes: COTENANT_RETURN_IF_ERROR(AppendTexts(name, bytes, out)); break;
    default:
      return InvalidArgument("sending " + std::string(DataTypeName(datatype)) +
                             " data via JSON is not supported. Please use the binary data format "
                             "for output '" +
                             std::string(name) + "'");
  }
  out += ']';
  return Status();
}

}  // namespace cotenant
