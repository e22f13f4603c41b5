#pragma once

/// A run's result as a JSON file: written by `cotenant load` and `cotenant simulate`, read by
/// `cotenant compare`. The keys are described in docs/results.md. Blocks on files.

#include <string>
#include <string_view>

#include "base/result.h"
#include "catalog/run_result.h"

namespace cotenant {

/// Equal results give equal text. Ends with a newline.
std::string RunResultJson(const RunResult& result);

/// What RunResultJson wrote. InvalidArgument names the key that is missing or of another type; keys
/// that are not known are passed over.
Result<RunResult> ParseRunResult(std::string_view json);

/// Sixteen digits: as a number it would lose some in readers that know only doubles.
std::string DigestText(std::uint64_t digest);

/// Replaces the file as a whole, or fails and leaves it. What is no file, such as /dev/stdout, is
/// written to.
Status WriteTextFile(const std::string& path, std::string_view text);

/// NotFound or InvalidArgument, with the file's name.
Result<RunResult> ReadRunResult(const std::string& path);

}  // namespace cotenant
