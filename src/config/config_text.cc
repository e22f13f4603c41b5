#include "config/config_text.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>

#include "config/field_table.h"

namespace cotenant {
namespace {

namespace pb = google::protobuf;

// Enough to find the mistake; a hostile file of a million unknown names must not fill the log.
constexpr std::size_t kWarningsMax = 100;

std::string Place(const std::string& file, int line, int column) {
  if (line < 0) return file;
  return file + ":" + std::to_string(line + 1) + ":" + std::to_string(column + 1);
}

class Collector : public pb::io::ErrorCollector {
 public:
  Collector(const std::string& file, std::vector<std::string>& warnings)
      : file_(file), warnings_(warnings) {}
  void AddError(int line, pb::io::ColumnNumber column, const std::string& message) override {
    if (error_.empty()) error_ = Place(file_, line, column) + ": " + message;
  }
  void AddWarning(int line, pb::io::ColumnNumber column, const std::string& message) override {
    if (warnings_.size() < kWarningsMax) {
      warnings_.push_back(Place(file_, line, column) + ": " + message + " (ignored)");
    }
  }
  const std::string& error() const { return error_; }

 private:
  const std::string& file_;
  std::vector<std::string>& warnings_;
  std::string error_;
};

/// The bytes of the UTF-8 character that starts the text, 0 when there is none.
std::size_t CharacterSize(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  const bool outside = (first == 0xed && byte(1) > 0x9f) || (first == 0xf4 && byte(1) > 0x8f);
  return overlong || outside ? 0 : size;
}

// Text protobuf may hold any bytes, but neither its wire form nor JSON may.
bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = CharacterSize(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

Status CheckStrings(const pb::Message& message, const std::string& file) {
  std::vector<const pb::FieldDescriptor*> fields;
  const pb::Reflection& reflection = *message.GetReflection();
  reflection.ListFields(message, &fields);
  for (const pb::FieldDescriptor* field : fields) {
    const bool is_string = field->cpp_type() == pb::FieldDescriptor::CPPTYPE_STRING;
    const bool is_message = field->cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE;
    if (!is_string && !is_message) continue;
    const bool repeated = field->is_repeated();
    const int count = repeated ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (is_message) {
        COTENANT_RETURN_IF_ERROR(CheckStrings(repeated
                                                  ? reflection.GetRepeatedMessage(message, field, i)
                                                  : reflection.GetMessage(message, field),
                                              file));
      } else if (!IsUtf8(repeated ? reflection.GetRepeatedString(message, field, i)
                                  : reflection.GetString(message, field))) {
        return InvalidArgument(file + ": '" + field->full_name() +
                               "' holds text that is not UTF-8");
      }
    }
  }
  return {};
}

/// Walks the fields that are set. `locations` may be null (JSON).
class FieldCheck {
 public:
  FieldCheck(const std::string& file, std::vector<std::string>& warnings)
      : file_(file), warnings_(warnings) {}

  Status Walk(const pb::Message& message, const pb::TextFormat::ParseInfoTree* locations) {
    std::vector<const pb::FieldDescriptor*> fields;
    const pb::Reflection& reflection = *message.GetReflection();
    reflection.ListFields(message, &fields);
    for (const pb::FieldDescriptor* field : fields) {
      COTENANT_RETURN_IF_ERROR(Judge(*field, locations));
      const FieldRow* row = FindField(TableName(*field));
      if (row->use != FieldUse::kUsed || field->message_type() == nullptr) continue;
      const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
      for (int i = 0; i < count; ++i) {
        const pb::Message& child = field->is_repeated()
                                       ? reflection.GetRepeatedMessage(message, field, i)
                                       : reflection.GetMessage(message, field);
        const int index = field->is_repeated() ? i : -1;
        const auto* nested =
            locations == nullptr ? nullptr : locations->GetTreeForNested(field, index);
        COTENANT_RETURN_IF_ERROR(field->is_map() ? WalkEntry(child, nested) : Walk(child, nested));
      }
    }
    return {};
  }

 private:
  static std::string TableName(const pb::FieldDescriptor& field) {
    std::string name = field.full_name();
    return name.substr(name.find('.') + 1);
  }

  // A map's entry is a message of our own making: only its value can have fields of the table.
  Status WalkEntry(const pb::Message& entry, const pb::TextFormat::ParseInfoTree* locations) {
    const pb::FieldDescriptor* value = entry.GetDescriptor()->map_value();
    if (value->message_type() == nullptr) return {};
    const auto* nested = locations == nullptr ? nullptr : locations->GetTreeForNested(value, -1);
    return Walk(entry.GetReflection()->GetMessage(entry, value), nested);
  }

  Status Judge(const pb::FieldDescriptor& field, const pb::TextFormat::ParseInfoTree* locations) {
    const FieldRow* row = FindField(TableName(field));
    COTENANT_CHECK(row != nullptr);
    if (row->use == FieldUse::kUsed) return {};
    std::string place = file_;
    if (locations != nullptr) {
      const auto location = locations->GetLocation(&field, field.is_repeated() ? 0 : -1);
      place = Place(file_, location.line, location.column);
    }
    const std::string what = "'" + std::string(field.name()) + "'";
    if (row->use == FieldUse::kRefused) {
      return Unimplemented(place + ": " + what + " is not supported: " + std::string(row->note));
    }
    if (warnings_.size() < kWarningsMax) {
      warnings_.push_back(place + ": " + what + " is ignored: " + std::string(row->note));
    }
    return {};
  }

  const std::string& file_;
  std::vector<std::string>& warnings_;
};

}  // namespace

Result<ConfigText> ReadConfigText(std::string_view text, const std::string& file) {
  ConfigText result;
  Collector collector(file, result.warnings);
  pb::TextFormat::Parser parser;
  pb::TextFormat::ParseInfoTree locations;
  parser.SetRecursionLimit(kConfigDepthMax);
  parser.AllowUnknownField(true);
  parser.RecordErrorsTo(&collector);
  parser.WriteLocationsTo(&locations);
  if (!parser.ParseFromString(std::string(text), &result.config)) {
    return InvalidArgument(collector.error().empty() ? file + ": not a text protobuf"
                                                     : collector.error());
  }
  COTENANT_RETURN_IF_ERROR(CheckStrings(result.config, file));
  COTENANT_RETURN_IF_ERROR(FieldCheck(file, result.warnings).Walk(result.config, &locations));
  return result;
}

Result<ConfigText> ReadConfigJson(std::string_view json, const std::string& file) {
  ConfigText result;
  const std::string text(json);
  pb::util::JsonParseOptions options;
  // Strict first: its error is the only thing that tells the name of an unknown field.
  const auto strict = pb::util::JsonStringToMessage(text, &result.config, options);
  if (!strict.ok()) {
    options.ignore_unknown_fields = true;
    result.config.Clear();
    const auto lenient = pb::util::JsonStringToMessage(text, &result.config, options);
    if (!lenient.ok()) {
      return InvalidArgument(file + ": " + std::string(lenient.message()));
    }
    result.warnings.push_back(file + ": " + std::string(strict.message()) + " (ignored)");
  }
  COTENANT_RETURN_IF_ERROR(CheckStrings(result.config, file));
  COTENANT_RETURN_IF_ERROR(FieldCheck(file, result.warnings).Walk(result.config, nullptr));
  return result;
}

}  // namespace cotenant
