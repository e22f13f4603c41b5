#pragma once

/// Reads a scenario: a TOML file of tenants, policies, models, load, faults and expectations, with
/// the traces and profiles that it names. docs/scenarios.md says what it may hold.
///
/// Every mistake of a scenario is reported at once, a line for each, with file, line and column and
/// with what would have been accepted. What is returned is sound: names are resolved and all values
/// are within their limits. Blocks on files.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "catalog/scenario.h"

namespace cotenant {

// Raise these when a scenario of real use has more.
inline constexpr std::size_t kScenarioModelsMax = 1000;
inline constexpr std::size_t kLoadSourcesMax = 10'000;
inline constexpr std::size_t kFaultsMax = 10'000;
inline constexpr std::size_t kExpectationsMax = 10'000;
inline constexpr std::int64_t kScenarioSecondsMax = 366 * 86'400;

/// NotFound and the like for the file itself; InvalidArgument for what is in it.
Result<Scenario> ReadScenario(const std::filesystem::path& path);

/// `file` is what messages call the text, and gives the scenario its name. Files that it names are
/// relative to `folder`; without one they are refused.
Result<Scenario> ParseScenario(std::string_view text, const std::string& file,
                               const std::optional<std::filesystem::path>& folder);

}  // namespace cotenant
