#include "config/toml_reader.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cstdio>

#include "base/quoted.h"
#include "config/nearest.h"
#include "config/toml_text.h"

namespace cotenant {
namespace {

// A file with more mistakes than this is not what it is taken for.
constexpr std::size_t kErrorsMax = 50;
// More names do not fit into a message.
constexpr std::size_t kNamesInMessageMax = 8;

TomlPlace PlaceOf(const toml::source_region& source) {
  return {source.begin.line, source.begin.column};
}

/// The library limits nesting, so recursion is bounded.
TomlNode Convert(const toml::node& node) {
  TomlNode result;
  result.place = PlaceOf(node.source());
  if (const toml::table* table = node.as_table()) {
    for (const auto& [key, value] : *table) {
      result.entries.push_back({std::string(key.str()), PlaceOf(key.source()), Convert(value)});
    }
  } else if (const toml::array* list = node.as_array()) {
    result.kind = TomlNode::Kind::kList;
    for (const toml::node& item : *list) result.items.push_back(Convert(item));
  } else if (const auto text = node.value_exact<std::string>()) {
    result.kind = TomlNode::Kind::kText;
    result.text = *text;
  } else if (const auto integer = node.value_exact<std::int64_t>()) {
    result.kind = TomlNode::Kind::kInteger;
    result.integer = *integer;
    result.real = static_cast<double>(*integer);
  } else if (const auto real = node.value_exact<double>()) {
    result.kind = TomlNode::Kind::kReal;
    result.real = *real;
  } else if (const auto truth = node.value_exact<bool>()) {
    result.kind = TomlNode::Kind::kTruth;
    result.truth = *truth;
  } else {
    result.kind = TomlNode::Kind::kTime;
  }
  return result;
}

}  // namespace

const TomlNode* TomlNode::Find(std::string_view key) const {
  for (const TomlEntry& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

std::string TomlReader::Place(TomlPlace place) const {
  return file_ + ":" + std::to_string(place.line) + ":" + std::to_string(place.column);
}

void TomlReader::Error(TomlPlace place, const std::string& message) {
  if (mistakes_.size() < kErrorsMax) mistakes_.push_back({place, Place(place) + ": " + message});
}

void TomlReader::ForeignErrors(TomlPlace place, const std::string& messages) {
  if (mistakes_.size() < kErrorsMax) mistakes_.push_back({place, messages});
}

Status TomlReader::TakeStatus() {
  if (mistakes_.empty()) return {};
  std::ranges::stable_sort(mistakes_, {}, [](const Mistake& mistake) {
    return std::pair(mistake.place.line, mistake.place.column);
  });
  std::string text;
  for (const Mistake& mistake : mistakes_) text += (text.empty() ? "" : "\n") + mistake.text;
  return InvalidArgument(text);
}

std::optional<TomlNode> TomlReader::Parse(std::string_view text) {
  const Status sound = CheckTomlText(text, file_);
  if (!sound.ok()) {
    ForeignErrors({}, sound.message());
    return std::nullopt;
  }
  try {
    return Convert(toml::parse(text, file_));
  } catch (const toml::parse_error& error) {
    Error(PlaceOf(error.source()), std::string(error.description()));
    return std::nullopt;
  }
}

void TomlReader::CheckKeys(const TomlNode& table, std::span<const std::string_view> known,
                           std::string_view where, std::string_view see) {
  for (const TomlEntry& entry : table.entries) {
    if (std::ranges::find(known, entry.key) != known.end()) continue;
    const bool many = known.size() > kNamesInMessageMax && !see.empty();
    const std::string accepted = many ? std::string(see) : "expected " + OneOf(known);
    Error(entry.place, "unknown key " + Quoted(entry.key) + std::string(where) + ", " + accepted +
                           DidYouMean(entry.key, known));
  }
}

const TomlNode* TomlReader::Table(const TomlNode& parent, std::string_view key) {
  const TomlNode* node = parent.Find(key);
  if (node == nullptr || node->is_table()) return node;
  Error(node->place, Quoted(key) + ": expected a table, [" + std::string(key) + "]");
  return nullptr;
}

std::vector<const TomlNode*> TomlReader::Tables(const TomlNode& parent, std::string_view key,
                                                std::size_t count_max, std::string_view things) {
  const TomlNode* node = parent.Find(key);
  if (node == nullptr) return {};
  const std::string brackets = "[[" + std::string(key) + "]]";
  if (!node->is_list()) {
    Error(node->place, Quoted(key) + ": expected a list of tables, " + brackets);
    return {};
  }
  if (node->items.size() > count_max) {
    Error(node->place, Quoted(key) + ": at most " + std::to_string(count_max) + " " +
                           std::string(things) + ", got " + std::to_string(node->items.size()));
    return {};
  }
  std::vector<const TomlNode*> tables;
  for (const TomlNode& item : node->items) {
    if (item.is_table()) {
      tables.push_back(&item);
    } else {
      Error(item.place, Quoted(key) + ": expected a table, " + brackets);
    }
  }
  return tables;
}

void TomlReader::Choice(const TomlNode& table, std::string_view key,
                        std::span<const std::string_view> names, std::string& value) {
  const TomlNode* node = table.Find(key);
  if (node == nullptr) return;
  const bool is_text = node->kind == TomlNode::Kind::kText;
  if (is_text && std::ranges::find(names, node->text) != names.end()) {
    value = node->text;
    return;
  }
  Error(node->place, Quoted(key) + ": expected " + OneOf(names) +
                         (is_text ? ", got " + Quoted(node->text) + DidYouMean(node->text, names)
                                  : std::string()));
}

void TomlReader::Integer(const TomlNode& table, std::string_view key, std::int64_t least,
                         std::int64_t most, std::int64_t& value) {
  const TomlNode* node = table.Find(key);
  if (node == nullptr) return;
  const bool whole = node->kind == TomlNode::Kind::kInteger;
  if (whole && node->integer >= least && node->integer <= most) {
    value = node->integer;
    return;
  }
  Error(node->place, Quoted(key) + ": expected a whole number from " + std::to_string(least) +
                         " to " + std::to_string(most) +
                         (whole ? ", got " + std::to_string(node->integer) : ""));
}

void TomlReader::Scaled(const TomlNode& table, std::string_view key, double least, double most,
                        double scale, std::int64_t& value) {
  const TomlNode* node = table.Find(key);
  if (node == nullptr) return;
  // Written so that not-a-number is refused.
  if (node->is_number() && node->real >= least && node->real <= most) {
    value = Round(node->real, scale);
    return;
  }
  Error(node->place, Quoted(key) + ": expected a number from " + NumberText(least) + " to " +
                         NumberText(most) +
                         (node->is_number() ? ", got " + NumberText(node->real) : ""));
}

std::int32_t TomlReader::Points(const TomlNode& table, std::string_view key) {
  std::int64_t milli = 0;
  Scaled(table, key, 0, 100, 1'000, milli);
  return static_cast<std::int32_t>(milli);
}

void TomlReader::Truth(const TomlNode& table, std::string_view key, bool& value) {
  const TomlNode* node = table.Find(key);
  if (node == nullptr) return;
  if (node->kind == TomlNode::Kind::kTruth) {
    value = node->truth;
  } else {
    Error(node->place, Quoted(key) + ": expected true or false");
  }
}

void TomlReader::Text(const TomlNode& table, std::string_view key, std::string& value) {
  const TomlNode* node = table.Find(key);
  if (node == nullptr) return;
  if (node->kind == TomlNode::Kind::kText && !node->text.empty()) {
    value = node->text;
  } else {
    Error(node->place, Quoted(key) + ": expected a text that is not empty");
  }
}

bool TomlReader::Needs(const TomlNode& table, std::string_view key, std::string_view what) {
  if (table.Find(key) != nullptr) return true;
  Error(table.place, std::string(what) + " needs " + Quoted(key));
  return false;
}

std::int64_t TomlReader::Round(double number, double scale) {
  const double product = number * scale;
  return static_cast<std::int64_t>(product < 0 ? product - 0.5 : product + 0.5);
}

std::string TomlReader::NumberText(double number) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.12g", number);
  return buffer;
}

}  // namespace cotenant
