#pragma once

/// What each field of a model's configuration does here: one table for the reader and for the
/// manual.
///
/// Fields that only tune another runtime or other hardware are ignored with a warning, because the
/// answers stay the same. Fields that would change answers are refused by name: serving on as if
/// they were not there would be silently wrong. A field below an ignored or refused one shares its
/// fate.

#include <span>
#include <string>
#include <string_view>

namespace cotenant {

enum class FieldUse : unsigned char { kUsed, kIgnored, kRefused };

struct FieldRow {
  /// Message and field as in config.pbtxt: "ModelInput.dims".
  std::string_view name;
  FieldUse use;
  /// For people: what it does, or why not.
  std::string_view note;
};

/// All fields of all messages that are read, by name within their message's order.
std::span<const FieldRow> FieldTable();
/// Nullptr when the table has no such row, which a test rules out for every field that is read.
const FieldRow* FindField(std::string_view name);

/// One of the `parameters` that mean something to the ONNX Runtime backend.
struct ParameterRow {
  std::string_view name;
  FieldUse use;
  std::string_view note;
};

std::span<const ParameterRow> ParameterTable();
const ParameterRow* FindParameter(std::string_view name);

/// Both tables as they stand in docs/config.md.
std::string FieldTableMarkdown();
std::string ParameterTableMarkdown();

}  // namespace cotenant
