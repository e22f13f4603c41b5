#include "config/server_file.h"

#include <toml++/toml.h>

#include <algorithm>
#include <optional>
#include <set>

#include "config/model_conversion.h"
#include "config/nearest.h"
#include "config/toml_text.h"

namespace cotenant {
namespace {

// A file with more mistakes than this is not a server file at all.
constexpr std::size_t kErrorsMax = 50;

constexpr std::string_view kDispatch[] = {"edf", "fifo", "weighted-fair"};
constexpr std::string_view kBatching[] = {"model", "none", "window", "deadline-aware"};
constexpr std::string_view kAdmission[] = {"feasible", "all"};
constexpr std::string_view kTables[] = {"server", "policies", "tenants"};
constexpr std::string_view kPolicyKeys[] = {"dispatch", "batching", "admission"};
constexpr std::string_view kTenantKeys[] = {"name", "weight", "latency_bound_ms", "waiting_max"};

constexpr std::int64_t kWeightMax = 1'000'000;
constexpr std::int64_t kBoundMillisecondsMax = 3'600'000;
constexpr std::int64_t kWaitingMax = 1'000'000;
constexpr std::size_t kNameSizeMax = 64;

bool IsTenantName(std::string_view name) {
  return !name.empty() && name.size() <= kNameSizeMax && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

/// Collects errors with their places.
class Reader {
 public:
  explicit Reader(const std::string& file) : file_(file) {}

  std::string Place(const toml::source_region& source) const {
    return file_ + ":" + std::to_string(source.begin.line) + ":" +
           std::to_string(source.begin.column);
  }
  void Error(const toml::source_region& source, const std::string& message) {
    if (errors_.size() < kErrorsMax) errors_.push_back(Place(source) + ": " + message);
  }
  Status TakeStatus() const {
    if (errors_.empty()) return {};
    std::string text;
    for (const std::string& error : errors_) text += (text.empty() ? "" : "\n") + error;
    return InvalidArgument(text);
  }

  std::optional<toml::table> Parse(std::string_view text) {
    const Status sound = CheckTomlText(text, file_);
    if (!sound.ok()) {
      errors_.push_back(sound.message());
      return std::nullopt;
    }
    try {
      return toml::parse(text, file_);
    } catch (const toml::parse_error& error) {
      Error(error.source(), std::string(error.description()));
      return std::nullopt;
    }
  }

  void CheckKeys(const toml::table& table, std::span<const std::string_view> known,
                 const std::string& where) {
    for (const auto& [key, value] : table) {
      if (std::ranges::find(known, key.str()) != known.end()) continue;
      const std::string accepted = known.empty()      ? "no keys are defined here yet"
                                   : known.size() > 8 ? "see 'cotenant serve --help'"
                                                      : "expected " + OneOf(known);
      Error(key.source(), "unknown key '" + std::string(key.str()) + "'" + where + ", " + accepted +
                              DidYouMean(key.str(), known));
    }
  }

  const toml::table* Table(const toml::table& parent, std::string_view key) {
    const toml::node* node = parent.get(key);
    if (node == nullptr) return nullptr;
    if (!node->is_table()) {
      Error(node->source(),
            "'" + std::string(key) + "': expected a table, [" + std::string(key) + "]");
    }
    return node->as_table();
  }

  void Choice(const toml::table& table, std::string_view key,
              std::span<const std::string_view> names, std::string& value) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return;
    const auto text = node->value_exact<std::string>();
    if (text && std::ranges::find(names, *text) != names.end()) {
      value = *text;
      return;
    }
    Error(node->source(), "'" + std::string(key) + "': expected " + OneOf(names) +
                              (text ? ", got '" + *text + "'" + DidYouMean(*text, names) : ""));
  }

  void Integer(const toml::table& table, std::string_view key, std::int64_t least,
               std::int64_t most, std::int64_t& value) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return;
    const auto number = node->value_exact<std::int64_t>();
    if (number && *number >= least && *number <= most) {
      value = *number;
      return;
    }
    Error(node->source(), "'" + std::string(key) + "': expected a whole number from " +
                              std::to_string(least) + " to " + std::to_string(most) +
                              (number ? ", got " + std::to_string(*number) : ""));
  }

 private:
  const std::string& file_;
  std::vector<std::string> errors_;
};

void ReadTenant(Reader& reader, const toml::table& table, std::vector<Tenant>& tenants,
                std::set<std::string>& names) {
  reader.CheckKeys(table, kTenantKeys, " of a tenant");
  Tenant tenant;
  const toml::node* name = table.get("name");
  const auto text = name == nullptr ? std::nullopt : name->value_exact<std::string>();
  if (name == nullptr) {
    reader.Error(table.source(), "a tenant needs a 'name'");
  } else if (!text || !IsTenantName(*text)) {
    reader.Error(name->source(), "'name': expected 1 to " + std::to_string(kNameSizeMax) +
                                     " letters, digits, '-', '_' or '.'");
  } else if (!names.insert(*text).second) {
    reader.Error(name->source(), "tenant '" + *text + "' is declared twice");
  } else {
    tenant.name = *text;
  }
  std::int64_t bound = 0;
  std::int64_t waiting = tenant.waiting_max;
  reader.Integer(table, "weight", 1, kWeightMax, tenant.weight);
  reader.Integer(table, "latency_bound_ms", 0, kBoundMillisecondsMax, bound);
  reader.Integer(table, "waiting_max", 1, kWaitingMax, waiting);
  tenant.latency_bound = Duration::Milliseconds(bound);
  tenant.waiting_max = static_cast<std::uint32_t>(waiting);
  if (tenant.name == "default") {
    tenants.front() = tenant;  // It exists without being declared; here it gets its properties.
  } else {
    tenants.push_back(tenant);
  }
}

void ReadTenants(Reader& reader, const toml::table& root, std::vector<Tenant>& tenants) {
  const toml::node* node = root.get("tenants");
  if (node == nullptr) return;
  const toml::array* list = node->as_array();
  if (list == nullptr) {
    reader.Error(node->source(), "'tenants': expected a list of tables, [[tenants]]");
    return;
  }
  if (list->size() > kTenantsMax) {
    reader.Error(list->source(), "'tenants': at most " + std::to_string(kTenantsMax) +
                                     " tenants, got " + std::to_string(list->size()));
    return;
  }
  std::set<std::string> names;
  for (const toml::node& item : *list) {
    if (item.is_table()) {
      ReadTenant(reader, *item.as_table(), tenants, names);
    } else {
      reader.Error(item.source(), "'tenants': expected a table, [[tenants]]");
    }
  }
}

std::optional<std::string> FlagText(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto number = node.value_exact<std::int64_t>()) return std::to_string(*number);
  if (const auto truth = node.value_exact<bool>()) return *truth ? "true" : "false";
  return std::nullopt;
}

void ReadServer(Reader& reader, const toml::table& root, std::span<const std::string_view> flags,
                std::vector<ServerSetting>& settings) {
  const toml::table* table = reader.Table(root, "server");
  if (table == nullptr) return;
  reader.CheckKeys(*table, flags, " in [server]");
  const auto add = [&](std::string_view key, const toml::node& node) {
    const auto text = FlagText(node);
    if (text) {
      settings.push_back({std::string(key), *text, reader.Place(node.source())});
    } else {
      reader.Error(node.source(),
                   "'" + std::string(key) + "': expected a string, a whole number, true or false");
    }
  };
  for (const auto& [key, value] : *table) {
    if (std::ranges::find(flags, key.str()) == flags.end()) continue;
    if (const toml::array* list = value.as_array()) {
      for (const toml::node& item : *list) add(key.str(), item);
    } else {
      add(key.str(), value);
    }
  }
}

}  // namespace

std::span<const std::string_view> DispatchNames() { return kDispatch; }
std::span<const std::string_view> BatchingNames() { return kBatching; }
std::span<const std::string_view> AdmissionNames() { return kAdmission; }

Result<ServerFile> ParseServerFile(std::string_view text, const std::string& file,
                                   std::span<const std::string_view> flags) {
  Reader reader(file);
  ServerFile result;
  const auto root = reader.Parse(text);
  if (!root) return reader.TakeStatus();
  reader.CheckKeys(*root, kTables, "");
  ReadServer(reader, *root, flags, result.server);
  if (const toml::table* policies = reader.Table(*root, "policies")) {
    PolicyChoice& choice = result.settings.policies;
    reader.CheckKeys(*policies, kPolicyKeys, " in [policies]");
    reader.Choice(*policies, "dispatch", kDispatch, choice.dispatch);
    reader.Choice(*policies, "batching", kBatching, choice.batching);
    reader.Choice(*policies, "admission", kAdmission, choice.admission);
  }
  ReadTenants(reader, *root, result.settings.tenants);
  COTENANT_RETURN_IF_ERROR(reader.TakeStatus());
  return result;
}

Result<ServerFile> ReadServerFile(const std::filesystem::path& path,
                                  std::span<const std::string_view> flags) {
  Result<std::string> text = ReadFile(path, kTomlBytesMax);
  if (!text.ok()) return text.status();
  return ParseServerFile(*text, path.string(), flags);
}

Status ParseModelFile(std::string_view text, const std::string& file) {
  Reader reader(file);
  const auto root = reader.Parse(text);
  if (root) reader.CheckKeys(*root, {}, "");
  return reader.TakeStatus();
}

Status CheckModelFile(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return {};
  Result<std::string> text = ReadFile(path, kTomlBytesMax);
  if (!text.ok()) return text.status();
  return ParseModelFile(*text, path.string());
}

}  // namespace cotenant
