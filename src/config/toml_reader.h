#pragma once

/// Reads a TOML text as a tree of plain nodes and takes typed values out of it, collecting every
/// mistake with file, line and column and with what would have been accepted.
///
/// A value that is wrong keeps the default that the caller gave, so that reading goes on and finds
/// the next mistake. Not thread-safe; nothing blocks.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace cotenant {

inline constexpr std::int64_t kTomlBytesMax = 4 << 20;

struct TomlPlace {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

struct TomlEntry;

struct TomlNode {
  enum class Kind : unsigned char { kTable, kList, kText, kInteger, kReal, kTruth, kTime };

  Kind kind = Kind::kTable;
  TomlPlace place;
  std::vector<TomlEntry> entries;  ///< A table's, in the order of their keys.
  std::vector<TomlNode> items;     ///< A list's.
  std::string text;
  std::int64_t integer = 0;
  double real = 0;  ///< Of an integer too.
  bool truth = false;

  bool is_table() const { return kind == Kind::kTable; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_number() const { return kind == Kind::kInteger || kind == Kind::kReal; }
  /// A table's value, nullptr when there is none.
  const TomlNode* Find(std::string_view key) const;
};

struct TomlEntry {
  std::string key;
  TomlPlace place;  ///< The key's.
  TomlNode value;
};

class TomlReader {
 public:
  /// `file` is what messages call the text.
  explicit TomlReader(std::string file) : file_(std::move(file)) {}

  /// "cotenant.toml:3:13".
  std::string Place(TomlPlace place) const;
  void Error(TomlPlace place, const std::string& message);
  /// Mistakes of another file that this one names, one in each line, with places of their own.
  void ForeignErrors(TomlPlace place, const std::string& messages);
  /// InvalidArgument with all mistakes, a line for each, in the order of the text; or ok.
  Status TakeStatus();

  std::optional<TomlNode> Parse(std::string_view text);

  /// Refuses keys that are not `known`. `where` follows the key's name: " of a tenant". `see`
  /// stands for a list of known keys that is too long for a message.
  void CheckKeys(const TomlNode& table, std::span<const std::string_view> known,
                 std::string_view where, std::string_view see = "");
  /// A table under the key; nullptr when there is none.
  const TomlNode* Table(const TomlNode& parent, std::string_view key);
  /// The tables of a list, [[key]].
  std::vector<const TomlNode*> Tables(const TomlNode& parent, std::string_view key,
                                      std::size_t count_max, std::string_view things);
  void Choice(const TomlNode& table, std::string_view key, std::span<const std::string_view> names,
              std::string& value);
  void Integer(const TomlNode& table, std::string_view key, std::int64_t least, std::int64_t most,
               std::int64_t& value);
  /// A number, whole or not, times `scale` rounded to an integer.
  void Scaled(const TomlNode& table, std::string_view key, double least, double most, double scale,
              std::int64_t& value);
  /// Points of accuracy, 0 to 100, in thousandths. Zero when the key is not there.
  std::int32_t Points(const TomlNode& table, std::string_view key);
  void Truth(const TomlNode& table, std::string_view key, bool& value);
  /// Not empty when given.
  void Text(const TomlNode& table, std::string_view key, std::string& value);
  /// Whether the key is there; else the mistake is "a WHAT needs a 'KEY'".
  bool Needs(const TomlNode& table, std::string_view key, std::string_view what);

  /// `number` times `scale`, to the nearest integer.
  static std::int64_t Round(double number, double scale);
  /// As people write it, to 12 digits.
  static std::string NumberText(double number);

 private:
  struct Mistake {
    TomlPlace place;
    std::string text;
  };

  std::string file_;
  std::vector<Mistake> mistakes_;
};

}  // namespace cotenant
