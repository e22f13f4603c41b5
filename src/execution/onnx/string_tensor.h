#pragma once

/// Tensors of strings between the protocol's raw form (each element a little-endian u32 length and
/// its bytes) and ONNX Runtime's own. Elements may hold any bytes, zero included.

#include <cstddef>
#include <span>

#include "base/result.h"
#include "execution/onnx/ort_api.h"

namespace cotenant {

/// Sets `count` elements of `value` from `first` on. InvalidArgument when the bytes are not `count`
/// whole elements.
Status FillStrings(std::span<const std::byte> raw, std::size_t count, std::size_t first,
                   OrtValue& value);

/// The size of the raw form of all `count` elements.
Status RawStringsSize(const OrtValue& value, std::size_t count, std::size_t* size);

/// Writes the raw form to `raw`, which has exactly its size. `starts` has an entry for each element
/// and one more: where the element begins, and the end.
Status CopyStrings(const OrtValue& value, std::span<std::byte> raw, std::span<std::size_t> starts);

}  // namespace cotenant
