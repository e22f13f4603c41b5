#include "apps/cotenant/result_json.h"

#include <array>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "config/run_result_file.h"

namespace cotenant {
namespace {

const auto kProgramBegan = std::chrono::steady_clock::now();

/// UTC, ISO 8601.
std::string BeganText(std::chrono::steady_clock::duration took) {
  const auto began = std::chrono::system_clock::now() - took;
  const std::time_t seconds = std::chrono::system_clock::to_time_t(
      std::chrono::time_point_cast<std::chrono::system_clock::duration>(began));
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

}  // namespace

Status WriteResultJson(const std::string& path, const std::string& json) {
  auto result = nlohmann::ordered_json::parse(json, nullptr, false);
  COTENANT_CHECK(result.is_object());
  auto& wall = result["wall"];
  const auto took = std::chrono::steady_clock::now() - kProgramBegan;
  // Commands that measure say themselves when that began, and how long it took.
  if (!wall.contains("started")) wall["started"] = BeganText(took);
  if (!wall.contains("took_ns") && !wall.contains("took_s")) {
    wall["took_s"] = std::chrono::duration<double>(took).count();
  }
  return WriteTextFile(path, result.dump(2) + "\n");
}

}  // namespace cotenant
