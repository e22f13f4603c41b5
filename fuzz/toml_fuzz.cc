/// The server file and a model's own file: whatever the bytes, they are read or refused with a
/// place.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "config/model_file.h"
#include "config/server_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  constexpr std::string_view kFlags[] = {"http-port", "load-model", "log-json"};
  const auto file = cotenant::ParseServerFile(text, "cotenant.toml", kFlags);
  if (file.ok()) {
    COTENANT_CHECK(!file->settings.tenants.empty());
    COTENANT_CHECK(file->settings.tenants[0].name == "default");
  } else {
    COTENANT_CHECK(file.status().message().starts_with("cotenant.toml:"));
  }
  static_cast<void>(cotenant::ParseModelFile(text, "m/cotenant.toml"));
  return 0;
}
