#pragma once

/// The classification extension: an output's largest values as text, "VALUE:INDEX" or
/// "VALUE:INDEX:LABEL".
///
/// Written in the raw form of BYTES (a u32 length before each element), which gRPC sends as it is
/// and HTTP as JSON strings or binary. Values read as Triton prints them: floats with six decimals,
/// integers plain. Ties go to the lower index.

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/shape.h"
#include "server/infer_call.h"

namespace cotenant {

/// Appends the classes of `output` (whose `classification` is above 0) to `out` and returns the
/// shape that replaces the output's own: [classes], or [rows, classes] when the model batches. The
/// datatype becomes BYTES. InvalidArgument when the output's elements cannot be ranked (BYTES,
/// FP16, BF16).
Result<Shape> AppendClasses(const ReplyOutput& output, bool batched, std::string& out);

}  // namespace cotenant
