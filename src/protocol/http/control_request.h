#pragma once

/// The bodies of model control requests: load, unload, repository index.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "catalog/model_source.h"
#include "protocol/http/json_document.h"

namespace cotenant {

/// The body of a load or unload request; an empty one asks for nothing special. Files come as
/// base64.
Status ReadLoad(JsonDocument& document, std::span<const std::byte> body, LoadOverride& override_);

/// The member `ready` of a repository index request; false when there is none.
Result<bool> ReadIndex(JsonDocument& document, std::span<const std::byte> body);

/// Nothing when the text is not base64 of whole groups of four.
std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace cotenant
