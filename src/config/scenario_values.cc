#include <algorithm>

#include "config/nearest.h"
#include "config/scenario_sections.h"

namespace cotenant {
namespace {

// More names do not fit into a message.
constexpr std::size_t kNamesInMessageMax = 8;
constexpr std::size_t kQuantilesMax = 10'001;
constexpr double kSecondsOfTimeMax = 3600;

}  // namespace

std::optional<std::size_t> FindNamed(TomlReader& reader, const TomlNode& table,
                                     std::string_view key, std::span<const std::string> names) {
  const TomlNode* node = table.Find(key);
  if (node == nullptr) return std::nullopt;
  const bool is_text = node->kind == TomlNode::Kind::kText;
  const auto found = std::ranges::find(names, node->text);
  if (is_text && !node->text.empty() && found != names.end()) {
    return static_cast<std::size_t>(found - names.begin());
  }
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string quoted = "'" + std::string(key) + "'";
  if (!is_text) {
    reader.Error(node->place, quoted + ": expected a name");
  } else if (names.empty()) {
    reader.Error(node->place, quoted + ": '" + node->text + "' is not declared");
  } else {
    const std::string expected = names.size() <= kNamesInMessageMax
                                     ? "expected " + OneOf(views)
                                     : "expected one of " + std::to_string(names.size()) + " names";
    reader.Error(node->place, quoted + ": " + expected + ", got '" + node->text + "'" +
                                  DidYouMean(node->text, views));
  }
  return std::nullopt;
}

std::vector<std::string> TenantNames(const Scenario& scenario) {
  std::vector<std::string> names;
  for (const Tenant& tenant : scenario.node.tenants) names.push_back(tenant.name);
  return names;
}

std::vector<std::string> ModelNames(const Scenario& scenario) {
  std::vector<std::string> names;
  for (const ScenarioModel& model : scenario.models) names.push_back(model.name);
  return names;
}

void ReadSpan(TomlReader& reader, const TomlNode& table, std::string_view key, double least,
              double most, Duration unit, Duration& value) {
  std::int64_t nanoseconds = value.nanoseconds();
  reader.Scaled(table, key, least, most, static_cast<double>(unit.nanoseconds()), nanoseconds);
  value = Duration::Nanoseconds(nanoseconds);
}

void ReadPerMille(TomlReader& reader, const TomlNode& table, std::string_view key,
                  std::uint32_t& value) {
  std::int64_t per_mille = value;
  reader.Scaled(table, key, 0, 100, 10, per_mille);
  value = static_cast<std::uint32_t>(per_mille);
}

TimeDistribution ReadTimes(TomlReader& reader, std::string_view key, const TomlNode& node,
                           Duration unit) {
  const double most = kSecondsOfTimeMax * 1e9 / static_cast<double>(unit.nanoseconds());
  TimeDistribution times;
  const auto add = [&](const TomlNode& item) {
    const Duration least = times.empty() ? Duration() : times.quantiles.back();
    if (!item.is_number() || !(item.real >= 0 && item.real <= most)) return false;
    const Duration time = Duration::Nanoseconds(
        TomlReader::Round(item.real, static_cast<double>(unit.nanoseconds())));
    times.quantiles.push_back(time);
    return time >= least;
  };
  bool sound = !node.is_list();
  if (sound) {
    sound = add(node);
  } else if (!node.items.empty() && node.items.size() <= kQuantilesMax) {
    sound = std::ranges::all_of(node.items, add);
  }
  if (sound) return times;
  reader.Error(node.place, "'" + std::string(key) + "': expected a number from 0 to " +
                               TomlReader::NumberText(most) +
                               ", or a list of such numbers, ascending: the quantiles");
  return {};
}

std::optional<std::filesystem::path> NamedFile(ScenarioReading& reading, std::string_view key,
                                               const TomlNode& node) {
  const std::string quoted = "'" + std::string(key) + "'";
  if (node.kind != TomlNode::Kind::kText || node.text.empty() ||
      node.text.find('\0') != std::string::npos) {
    reading.reader.Error(node.place, quoted + ": expected a file's name");
  } else if (!reading.folder) {
    reading.reader.Error(node.place, quoted + ": files are not read here");
  } else {
    return *reading.folder / node.text;
  }
  return std::nullopt;
}

}  // namespace cotenant
