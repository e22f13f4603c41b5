#include "protocol/http/json_document.h"

#include <simdjson.h>

#include <nlohmann/json.hpp>

namespace cotenant {
namespace {

namespace dom = simdjson::dom;

/// Larger documents get a parser of their own, whose memory is counted and goes back with the
/// document. Raise it if requests of this size cost too many page faults; each thread keeps up to
/// 14 times as much.
constexpr std::size_t kKeptParserMax = std::size_t{128} << 10;

/// The place of a mistake is looked for in so many bytes from the beginning: it takes a second,
/// slower parser, and other connections wait meanwhile. Raise it for people who write longer texts
/// by hand.
constexpr std::size_t kMistakeSearchMax = std::size_t{16} << 10;

/// Finds where text stops being JSON: simdjson says that it does, not where.
class ErrorFinder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    offset = position > 0 ? position - 1 : 0;
    return false;
  }
  std::optional<std::size_t> offset;
};

Status NotJson(std::string_view text, simdjson::error_code error) {
  std::string message = "failed to parse the request JSON buffer: ";
  const std::string_view searched = text.substr(0, kMistakeSearchMax);
  ErrorFinder finder;
  nlohmann::json::sax_parse(searched.begin(), searched.end(), &finder);
  if (finder.offset && searched.size() < text.size() && *finder.offset >= searched.size()) {
    message += "invalid JSON behind offset " + std::to_string(searched.size());
  } else if (finder.offset) {
    message += "invalid JSON at offset " + std::to_string(*finder.offset);
  } else {
    message += simdjson::error_message(error);
  }
  return InvalidArgument(std::move(message));
}

/// Memory that simdjson touches for the text: of each value and of each mark between values an
/// index, of a value up to two words of the tape, and copies of strings or, between blanks,
/// indexes. It allocates more, for the worst text of the size, which costs address space only.
std::size_t ParseBytes(std::string_view text) {
  constexpr std::size_t kOfMark = 24;
  std::size_t marks = 0;
  for (const char c : text) {
    marks += c == ',' || c == ':' || c == '"' || (c | 0x20) == '{' || (c | 0x20) == '}';
  }
  return marks * kOfMark + 2 * text.size();
}

}  // namespace

Status MustBe(const std::string& field, const char* expected) {
  return InvalidArgument("'" + field + "' must be " + expected);
}

Result<ParameterValue> ValueOf(std::string_view name, const dom::element& element) {
  switch (element.type()) {
    case dom::element_type::BOOL: return ParameterValue(bool(element));
    case dom::element_type::INT64: return ParameterValue(std::int64_t(element));
    case dom::element_type::UINT64: return ParameterValue(std::uint64_t(element));
    case dom::element_type::DOUBLE: return ParameterValue(double(element));
    case dom::element_type::STRING: return ParameterValue(std::string_view(element));
    default:
      return InvalidArgument("parameter '" + std::string(name) +
                             "' must be a string, a number or a boolean");
  }
}

std::optional<dom::element> Field(const dom::object& object, std::string_view name) {
  dom::element element;
  if (object.at_key(name).get(element) != simdjson::SUCCESS) return std::nullopt;
  return element;
}

struct JsonDocument::Body {
  dom::parser kept;
  std::unique_ptr<dom::parser> large;
};

JsonDocument::JsonDocument(const HttpOptions& options, std::atomic<std::size_t>* under_way)
    : options_(options), under_way_(under_way), body_(std::make_unique<Body>()) {}
JsonDocument::~JsonDocument() = default;

Status JsonDocument::Account(std::string_view text) {
  if (under_way_ == nullptr) return Status();
  const auto most = static_cast<std::size_t>(options_.inflight_bytes_max.count());
  const std::size_t needed = ParseBytes(text);
  // The text itself is under way too.
  if (needed + text.size() > most) {
    return ResourceExhausted("the JSON part of the body has " + std::to_string(text.size()) +
                             " bytes, and parsing it takes " + std::to_string(needed) +
                             "; at most " + std::to_string(most) +
                             " may be under way, send tensors as binary data");
  }
  if (under_way_->fetch_add(needed) + needed > most) {
    under_way_->fetch_sub(needed);
    return Unavailable("too many bytes of requests under way; try again later");
  }
  accounted_ = needed;
  return Status();
}

void JsonDocument::Release() {
  body_->large.reset();
  if (accounted_ > 0) under_way_->fetch_sub(std::exchange(accounted_, 0));
}

Result<dom::object> JsonDocument::Parse(std::span<const std::byte> json) {
  if (json.size() > static_cast<std::size_t>(options_.json_max.count())) {
    return ResourceExhausted("the JSON part of the body has " + std::to_string(json.size()) +
                             " bytes; at most " + std::to_string(options_.json_max.count()) +
                             " are taken, send tensors as binary data");
  }
  Release();
  const std::string_view text(reinterpret_cast<const char*>(json.data()), json.size());
  dom::parser* parser = &body_->kept;
  if (json.size() > kKeptParserMax) {
    COTENANT_RETURN_IF_ERROR(Account(text));
    body_->large = std::make_unique<dom::parser>();
    parser = body_->large.get();
  }
  if (parser->capacity() < json.size() || parser->max_depth() != options_.json_depth_max) {
    const std::size_t capacity = std::max<std::size_t>(json.size(), 4096);
    if (parser->allocate(capacity, options_.json_depth_max) != simdjson::SUCCESS) {
      return ResourceExhausted("no memory to parse the request");
    }
  }
  dom::element root;
  const auto error = parser->parse(text.data(), text.size(), false).get(root);
  if (error == simdjson::DEPTH_ERROR) {
    return InvalidArgument("failed to parse the request JSON buffer: nested deeper than " +
                           std::to_string(options_.json_depth_max) + " levels");
  }
  if (error != simdjson::SUCCESS) return NotJson(text, error);
  dom::object object;
  if (root.get(object) != simdjson::SUCCESS) {
    return InvalidArgument("the request must be a JSON object");
  }
  return object;
}

}  // namespace cotenant
