/// A scenario: whatever the bytes, it is read or refused with a place, and what is read can be
/// played. The bytes behind the first zero are a trace.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "config/scenario_file.h"
#include "config/trace_file.h"
#include "simulation/arrivals.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = std::min(text.find('\0'), text.size());
  // Without a folder, so that no file is opened.
  const auto scenario = cotenant::ParseScenario(text.substr(0, zero), "s.toml", std::nullopt);
  if (!scenario.ok()) {
    COTENANT_CHECK(scenario.status().message().starts_with("s.toml:"));
  } else if (scenario->lasts <= cotenant::Duration::Seconds(10)) {
    cotenant::ArrivalStream arrivals(*scenario, 1);
    for (int i = 0; i < 1000 && arrivals.Next(); ++i) {
    }
  }
  if (zero < text.size()) {
    const std::string tenants[] = {"default"};
    cotenant::ScenarioModel model;
    model.name = "m";
    const auto trace = cotenant::ParseTrace(text.substr(zero + 1), "t.csv", tenants, {&model, 1});
    if (!trace.ok()) COTENANT_CHECK(trace.status().message().starts_with("t.csv:"));
  }
  return 0;
}
