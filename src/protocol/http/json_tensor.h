#pragma once

/// One tensor's `data` from JSON to the raw form that runs take: nested or flat arrays, in
/// row-major order.

#include <string>

#include "base/result.h"
#include "base/shape.h"
#include "catalog/datatype.h"
#include "protocol/http/buffer.h"

namespace simdjson::dom {
class array;
}

namespace cotenant {

/// What a tensor's data must come to.
struct JsonTensorSpec {
  std::string_view name;  ///< For messages.
  DataType datatype = DataType::kInvalid;
  Shape shape;
  std::size_t elements_max = 0;
};

/// Appends the elements to `out`. InvalidArgument names the input, the element and what was
/// expected: a wrong kind, a number that the datatype cannot hold, more or fewer elements than the
/// shape has.
Status AppendJsonTensor(const JsonTensorSpec& spec, const simdjson::dom::array& data, Buffer& out);

}  // namespace cotenant
