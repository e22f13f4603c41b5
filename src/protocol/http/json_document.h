#pragma once

/// One JSON document at a time, and the words for what is wrong with it.
///
/// Keeps its parser's memory from request to request while the documents are small; that of a large
/// one is counted with the bytes under way, and goes back on `Release`. One per thread.

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "protocol/http/http_options.h"
#include "protocol/parameters.h"

namespace simdjson::dom {
class element;
class object;
}  // namespace simdjson::dom

namespace cotenant {

class JsonDocument {
 public:
  /// Both must outlive the document. Without `under_way` nothing is counted.
  explicit JsonDocument(const HttpOptions& options, std::atomic<std::size_t>* under_way = nullptr);
  ~JsonDocument();
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;

  /// The document, which must be an object; valid until `Release` or the next call. 64 bytes
  /// behind it must be readable. Errors name the limit, or the offset of what is not JSON;
  /// Unavailable when there is no room to parse it now.
  Result<simdjson::dom::object> Parse(std::span<const std::byte> json);
  /// The document is done with.
  void Release();

 private:
  struct Body;
  Status Account(std::string_view text);
  const HttpOptions& options_;
  std::atomic<std::size_t>* under_way_;
  std::size_t accounted_ = 0;
  std::unique_ptr<Body> body_;
};

/// The value of the first member of that name, or nothing.
std::optional<simdjson::dom::element> Field(const simdjson::dom::object& object,
                                            std::string_view name);

/// A parameter's value; InvalidArgument for arrays, objects and null.
Result<ParameterValue> ValueOf(std::string_view name, const simdjson::dom::element& element);

/// "'FIELD' must be EXPECTED".
Status MustBe(const std::string& field, const char* expected);

}  // namespace cotenant
