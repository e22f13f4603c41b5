#pragma once

/// The parts of a scenario's reader, in the order in which they are called: each adds to the
/// scenario and reports its mistakes.

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "catalog/scenario.h"
#include "config/toml_reader.h"

namespace cotenant {

struct ScenarioReading {
  TomlReader& reader;
  const std::optional<std::filesystem::path>& folder;
  Scenario& scenario;
};

/// [device].
void ReadDevice(ScenarioReading& reading, const TomlNode& root);
/// [[models]].
void ReadModels(ScenarioReading& reading, const TomlNode& root);
/// [[groups]] and [[load]].
void ReadLoad(ScenarioReading& reading, const TomlNode& root);
/// [[faults]].
void ReadFaults(ScenarioReading& reading, const TomlNode& root);
/// [[expect]].
void ReadExpectations(ScenarioReading& reading, const TomlNode& root);

/// Where the named thing is; a mistake and nothing when the name is not one of `names`. Without
/// the key, nothing.
std::optional<std::size_t> FindNamed(TomlReader& reader, const TomlNode& table,
                                     std::string_view key, std::span<const std::string> names);
std::vector<std::string> TenantNames(const Scenario& scenario);
std::vector<std::string> ModelNames(const Scenario& scenario);

/// A key's number of `unit`s, as a Duration.
void ReadSpan(TomlReader& reader, const TomlNode& table, std::string_view key, double least,
              double most, Duration unit, Duration& value);
/// Percent, of which thousandths of the whole are kept.
void ReadPerMille(TomlReader& reader, const TomlNode& table, std::string_view key,
                  std::uint32_t& value);
/// A number, or a list of ascending ones: the quantiles.
TimeDistribution ReadTimes(TomlReader& reader, std::string_view key, const TomlNode& node,
                           Duration unit);
/// The path of a file that a value names; a mistake and nothing when files are not read here.
std::optional<std::filesystem::path> NamedFile(ScenarioReading& reading, std::string_view key,
                                               const TomlNode& node);

}  // namespace cotenant
