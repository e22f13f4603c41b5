#include "protocol/http/control_request.h"

#include <simdjson.h>

#include <array>

#include "protocol/server_facts.h"

namespace cotenant {

namespace dom = simdjson::dom;

std::optional<std::string> DecodeBase64(std::string_view text) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static const auto kValues = [] {
    std::array<int, 256> values{};
    values.fill(-1);
    for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
      values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int>(i);
    }
    return values;
  }();
  if (text.size() % 4 != 0) return std::nullopt;
  if (text.ends_with('=')) text.remove_suffix(1);
  if (text.ends_with('=')) text.remove_suffix(1);
  std::string out;
  out.reserve(text.size() / 4 * 3 + 3);
  unsigned bits = 0;
  int count = 0;
  for (char c : text) {
    const int value = kValues[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    bits = (bits << 6 | static_cast<unsigned>(value)) & 0xffffff;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count & 0xff));
    }
  }
  return out;
}

Status ReadLoad(JsonDocument& document, std::span<const std::byte> body, LoadOverride& override_) {
  if (body.empty()) return Status();
  auto root = document.Parse(body);
  if (!root.ok()) return root.status();
  const dom::object object = *root;
  const auto element = Field(object, "parameters");
  if (!element) return Status();
  dom::object parameters;
  if (element->get(parameters) != simdjson::SUCCESS) return MustBe("parameters", "an object");
  for (const auto [name, value] : parameters) {
    if (name == "unload_dependents") continue;  // There are no ensembles, so nothing depends.
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) {
      return MustBe("parameters." + std::string(name), "a string");
    }
    std::string content(text);
    if (name.starts_with("file:")) {
      auto decoded = DecodeBase64(text);
      if (!decoded) return MustBe("parameters." + std::string(name), "base64");
      content = *std::move(decoded);
    }
    COTENANT_RETURN_IF_ERROR(TakeLoadParameter(name, std::move(content), override_));
  }
  return Status();
}

Result<bool> ReadIndex(JsonDocument& document, std::span<const std::byte> body) {
  if (body.empty()) return false;
  auto root = document.Parse(body);
  if (!root.ok()) return root.status();
  const dom::object object = *root;
  bool ready = false;
  const auto element = Field(object, "ready");
  if (element && element->get(ready) != simdjson::SUCCESS) return MustBe("ready", "true or false");
  return ready;
}

}  // namespace cotenant
