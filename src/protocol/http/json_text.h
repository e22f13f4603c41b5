#pragma once

/// JSON written by hand into a string that is used again: no tree, no allocation once it has grown.

#include <charconv>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/shape.h"
#include "catalog/datatype.h"

namespace cotenant {

/// Appends `text` in quotes, escaped. Bytes that are not UTF-8 become U+FFFD.
void AppendJsonString(std::string_view text, std::string& out);

template <std::integral Number>
void AppendNumber(Number number, std::string& out) {
  char text[24];
  out.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

/// The shortest text that reads back as the same double; whole numbers keep ".0", and what JSON has
/// no number for is written NaN, Infinity or -Infinity, as Triton does and Python reads.
void AppendNumber(double number, std::string& out);

/// "[1,3]"
void AppendShape(const Shape& shape, std::string& out);

/// Appends a tensor's elements, in row-major order, as one flat array. InvalidArgument when JSON
/// cannot carry them: FP16, BF16, and BYTES that are not UTF-8.
Status AppendTensorData(std::string_view name, DataType datatype, std::span<const std::byte> bytes,
                        std::string& out);

}  // namespace cotenant
