#include "protocol/http/json_tensor.h"

#include <simdjson.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace cotenant {
namespace {

namespace dom = simdjson::dom;

template <typename T>
bool Convert(const dom::element& element, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return element.get(value) == simdjson::SUCCESS;
  } else if constexpr (std::is_floating_point_v<T>) {
    double number = 0;
    if (element.get(number) != simdjson::SUCCESS) return false;
    value = static_cast<T>(number);
    return std::isfinite(value);
  } else if constexpr (std::is_signed_v<T>) {
    std::int64_t number = 0;
    if (element.get(number) != simdjson::SUCCESS) return false;
    value = static_cast<T>(number);
    return number >= std::numeric_limits<T>::min() && number <= std::numeric_limits<T>::max();
  } else {
    std::uint64_t number = 0;
    if (element.get(number) != simdjson::SUCCESS) return false;
    value = static_cast<T>(number);
    return number <= std::numeric_limits<T>::max();
  }
}

template <typename T>
std::string Expected(DataType type) {
  const std::string name(DataTypeName(type));
  if constexpr (std::is_same_v<T, bool>) {
    return "true or false (" + name + ")";
  } else if constexpr (std::is_floating_point_v<T>) {
    return "a number that " + name + " can hold";
  } else {
    return "a whole number from " + std::to_string(std::numeric_limits<T>::min()) + " to " +
           std::to_string(std::numeric_limits<T>::max()) + " (" + name + ")";
  }
}

Status NoMemory(std::string_view name) {
  return ResourceExhausted("no memory for the data of input '" + std::string(name) + "'");
}

/// Appends fixed-size elements in order; keeps count so that a message can name the place.
template <typename T>
class NumberAppender {
 public:
  NumberAppender(const JsonTensorSpec& spec, Buffer& out) : spec_(spec), out_(out) {}

  /// Arrays nest no deeper than the parser allowed, so recursion is bounded.
  Status Append(const dom::array& array) {
    for (const dom::element element : array) {
      T value{};
      if (Convert(element, value)) [[likely]] {
        std::memcpy(out_.end(), &value, sizeof(T));  // The caller made the room.
        out_.Grow(sizeof(T));
        ++count_;
        continue;
      }
      dom::array inner;
      if (element.get(inner) != simdjson::SUCCESS) {
        return InvalidArgument("input '" + std::string(spec_.name) + "': element " +
                               std::to_string(count_) + " of 'data' must be " +
                               Expected<T>(spec_.datatype));
      }
      COTENANT_RETURN_IF_ERROR(Append(inner));
    }
    return Status();
  }

 private:
  const JsonTensorSpec& spec_;
  Buffer& out_;
  std::size_t count_ = 0;
};

/// BYTES: each element with a u32 length before it.
class TextAppender {
 public:
  TextAppender(const JsonTensorSpec& spec, Buffer& out) : spec_(spec), out_(out) {}

  Status Append(const dom::array& array) {
    for (const dom::element element : array) {
      std::string_view text;
      if (element.get(text) == simdjson::SUCCESS) {
        const auto length = static_cast<std::uint32_t>(text.size());  // The body is bounded.
        if (!out_.Append(&length, sizeof length) || !out_.Append(text.data(), text.size())) {
          return NoMemory(spec_.name);
        }
        ++count_;
        continue;
      }
      dom::array inner;
      if (element.get(inner) != simdjson::SUCCESS) {
        return InvalidArgument("input '" + std::string(spec_.name) + "': element " +
                               std::to_string(count_) + " of 'data' must be a string (BYTES)");
      }
      COTENANT_RETURN_IF_ERROR(Append(inner));
    }
    return Status();
  }

 private:
  const JsonTensorSpec& spec_;
  Buffer& out_;
  std::size_t count_ = 0;
};

std::size_t CountLeaves(const dom::array& array) {
  std::size_t count = 0;
  for (const dom::element element : array) {
    dom::array inner;
    count += element.get(inner) == simdjson::SUCCESS ? CountLeaves(inner) : 1;
  }
  return count;
}

template <typename Appender>
Status AppendAll(const JsonTensorSpec& spec, const dom::array& data, Buffer& out) {
  return Appender(spec, out).Append(data);
}

using Append = Status (*)(const JsonTensorSpec&, const dom::array&, Buffer&);

Append AppendOf(DataType type) {
  switch (type) {
    case DataType::kBool: return AppendAll<NumberAppender<bool>>;
    case DataType::kUint8: return AppendAll<NumberAppender<std::uint8_t>>;
    case DataType::kUint16: return AppendAll<NumberAppender<std::uint16_t>>;
    case DataType::kUint32: return AppendAll<NumberAppender<std::uint32_t>>;
    case DataType::kUint64: return AppendAll<NumberAppender<std::uint64_t>>;
    case DataType::kInt8: return AppendAll<NumberAppender<std::int8_t>>;
    case DataType::kInt16: return AppendAll<NumberAppender<std::int16_t>>;
    case DataType::kInt32: return AppendAll<NumberAppender<std::int32_t>>;
    case DataType::kInt64: return AppendAll<NumberAppender<std::int64_t>>;
    case DataType::kFp32: return AppendAll<NumberAppender<float>>;
    case DataType::kFp64: return AppendAll<NumberAppender<double>>;
    case DataType::kBytes: return AppendAll<TextAppender>;
    default: return nullptr;
  }
}

}  // namespace

Status AppendJsonTensor(const JsonTensorSpec& spec, const simdjson::dom::array& data, Buffer& out) {
  const std::string input = "input '" + std::string(spec.name) + "'";
  const Append append = AppendOf(spec.datatype);
  if (append == nullptr) {
    return InvalidArgument(input + ": datatype '" + std::string(DataTypeName(spec.datatype)) +
                           "' cannot be given in JSON; send it as binary data");
  }
  const std::int64_t elements = spec.shape.ElementCount();
  if (elements < 0) {
    return InvalidArgument(input + ": shape " + spec.shape.ToString() + " has a negative or too " +
                           "large dimension");
  }
  const auto count = static_cast<std::size_t>(elements);
  if (count > spec.elements_max) {
    return ResourceExhausted(input + " has " + std::to_string(count) + " elements; at most " +
                             std::to_string(spec.elements_max) +
                             " can be given in JSON, send it as binary data");
  }
  const std::size_t given = CountLeaves(data);
  if (given != count) {
    return InvalidArgument(input + ": 'data' has " + std::to_string(given) +
                           " elements, but shape " + spec.shape.ToString() + " has " +
                           std::to_string(count));
  }
  // The elements are really there, so this much memory is at most eight times what was sent.
  if (!out.ReserveMore(count * ElementSize(spec.datatype))) return NoMemory(spec.name);
  return append(spec, data, out);
}

}  // namespace cotenant
