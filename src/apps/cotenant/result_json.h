#pragma once

/// The file of `--json FILE`: what a command printed, for programs.

#include <string>

#include "base/result.h"

namespace cotenant {

/// Writes `json`, an object, and adds what every result has: `wall`, the one key whose values
/// differ from run to run of the same, with `started` (UTC) and `took_s`, from the program's start.
Status WriteResultJson(const std::string& path, const std::string& json);

}  // namespace cotenant
