#include "config/server_file.h"

#include <algorithm>
#include <optional>

#include "config/model_conversion.h"
#include "config/node_sections.h"
#include "config/toml_reader.h"

namespace cotenant {
namespace {

constexpr std::string_view kTables[] = {"server", "policies", "tenants"};

std::optional<std::string> FlagText(const TomlNode& node) {
  switch (node.kind) {
    case TomlNode::Kind::kText: return node.text;
    case TomlNode::Kind::kInteger: return std::to_string(node.integer);
    case TomlNode::Kind::kTruth: return node.truth ? "true" : "false";
    default: return std::nullopt;
  }
}

void ReadServer(TomlReader& reader, const TomlNode& root, std::span<const std::string_view> flags,
                std::vector<ServerSetting>& settings) {
  const TomlNode* table = reader.Table(root, "server");
  if (table == nullptr) return;
  reader.CheckKeys(*table, flags, " in [server]", "see 'cotenant serve --help'");
  const auto add = [&](const std::string& key, const TomlNode& node) {
    if (const auto text = FlagText(node)) {
      settings.push_back({key, *text, reader.Place(node.place)});
    } else {
      reader.Error(node.place, "'" + key + "': expected a string, a whole number, true or false");
    }
  };
  for (const TomlEntry& entry : table->entries) {
    if (std::ranges::find(flags, entry.key) == flags.end()) continue;
    if (!entry.value.is_list()) add(entry.key, entry.value);
    for (const TomlNode& item : entry.value.items) add(entry.key, item);
  }
}

}  // namespace

Result<ServerFile> ParseServerFile(std::string_view text, const std::string& file,
                                   std::span<const std::string_view> flags) {
  TomlReader reader(file);
  ServerFile result;
  const auto root = reader.Parse(text);
  if (!root) return reader.TakeStatus();
  reader.CheckKeys(*root, kTables, "");
  ReadServer(reader, *root, flags, result.server);
  ReadNodeSections(reader, *root, result.settings);
  COTENANT_RETURN_IF_ERROR(reader.TakeStatus());
  return result;
}

Result<ServerFile> ReadServerFile(const std::filesystem::path& path,
                                  std::span<const std::string_view> flags) {
  Result<std::string> text = ReadFile(path, kTomlBytesMax);
  if (!text.ok()) return text.status();
  return ParseServerFile(*text, path.string(), flags);
}

}  // namespace cotenant
