#include "protocol/classification.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <type_traits>
#include <vector>

namespace cotenant {
namespace {

void AppendBytesElement(std::string_view text, std::string& out) {
  const auto length = static_cast<std::uint32_t>(text.size());
  char prefix[sizeof length];
  std::memcpy(prefix, &length, sizeof length);
  out.append(prefix, sizeof prefix).append(text);
}

template <typename T>
std::string ValueText(T value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "1" : "0";
  } else {
    return std::to_string(value);
  }
}

/// NaN ranks behind every number, so that the order is total.
template <typename T>
bool RanksBefore(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(b)) return !std::isnan(a);
  }
  return a > b;
}

template <typename T>
void AppendRow(const std::byte* row, std::size_t elements, std::size_t classes,
               const std::vector<std::string>& labels, std::string& out) {
  const auto at = [row](std::size_t i) {
    T value;
    std::memcpy(&value, row + i * sizeof(T), sizeof(T));
    return value;
  };
  std::vector<std::size_t> order(elements);
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto middle = order.begin() + static_cast<std::ptrdiff_t>(classes);
  std::partial_sort(order.begin(), middle, order.end(), [&](std::size_t a, std::size_t b) {
    if (RanksBefore(at(a), at(b))) return true;
    if (RanksBefore(at(b), at(a))) return false;
    return a < b;
  });
  for (auto it = order.begin(); it != middle; ++it) {
    std::string text = ValueText(at(*it)) + ":" + std::to_string(*it);
    if (*it < labels.size()) text += ":" + labels[*it];
    AppendBytesElement(text, out);
  }
}

using Append = void (*)(const std::byte*, std::size_t, std::size_t, const std::vector<std::string>&,
                        std::string&);

Append AppendOf(DataType type) {
  switch (type) {
    case DataType::kBool:
    case DataType::kUint8: return AppendRow<std::uint8_t>;
    case DataType::kUint16: return AppendRow<std::uint16_t>;
    case DataType::kUint32: return AppendRow<std::uint32_t>;
    case DataType::kUint64: return AppendRow<std::uint64_t>;
    case DataType::kInt8: return AppendRow<std::int8_t>;
    case DataType::kInt16: return AppendRow<std::int16_t>;
    case DataType::kInt32: return AppendRow<std::int32_t>;
    case DataType::kInt64: return AppendRow<std::int64_t>;
    case DataType::kFp32: return AppendRow<float>;
    case DataType::kFp64: return AppendRow<double>;
    default: return nullptr;
  }
}

}  // namespace

Result<Shape> AppendClasses(const ReplyOutput& output, bool batched, std::string& out) {
  const Append append = AppendOf(output.datatype);
  if (append == nullptr) {
    return InvalidArgument("class result not available for output due to unsupported type '" +
                           std::string(DataTypeName(output.datatype)) + "'");
  }
  const std::size_t size = ElementSize(output.datatype);
  const std::size_t elements = output.bytes.size() / size;
  const bool by_row = batched && output.shape.rank() > 0;
  const auto rows = by_row ? static_cast<std::size_t>(output.shape[0]) : 1;
  const std::size_t per_row = rows == 0 ? 0 : elements / rows;
  const std::size_t classes = std::min<std::size_t>(output.classification, per_row);
  static const std::vector<std::string> kNoLabels;
  const auto& labels = output.spec != nullptr ? output.spec->labels : kNoLabels;
  for (std::size_t row = 0; row < rows; ++row) {
    append(output.bytes.data() + row * per_row * size, per_row, classes, labels, out);
  }
  Shape shape;
  if (by_row) shape.Append(output.shape[0]);
  shape.Append(static_cast<std::int64_t>(classes));
  return shape;
}

}  // namespace cotenant
