#include "apps/cotenant/seed_results.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/flat_map.h"
#include "config/run_result_file.h"
#include "simulation/expectations.h"

namespace cotenant {
namespace {

double PercentOf(std::int64_t thousandths) { return static_cast<double>(thousandths) / 1e3; }

}  // namespace

void SeedResults::Add(std::uint64_t seed, const SimulationReport& report, double cpu_seconds) {
  const std::lock_guard lock(mutex_);
  ++seeds_;
  requests_ += report.result.all.requests;
  digests_ += MixBits(report.result.simulated->digest ^ MixBits(seed));
  cpu_seconds_ += cpu_seconds;
  if (!report.violations.empty()) broken_[seed] = report.violations.front();
  if (const auto met = report.result.all.BoundsMetMilliPercent()) bounds_met_.push_back(*met);
  for (const ExpectationResult& expected : CheckExpectations(scenario_, report.result)) {
    if (!expected.held) unmet_[expected.text].push_back(seed);
  }
}

std::string SeedResults::Text() const {
  char text[256];
  std::snprintf(text, sizeof text,
                "%s: seeds %" PRIu64 "..%" PRIu64 ", %" PRIu64
                " requests, %.0f a second and core, "
                "digest %s\n",
                scenario_.name.c_str(), range_.first, range_.last, requests_,
                static_cast<double>(requests_) / std::max(cpu_seconds_, 1e-9),
                DigestText(digests_).c_str());
  std::string all = text;
  if (!bounds_met_.empty()) {
    std::vector<std::int64_t> sorted = bounds_met_;
    std::ranges::sort(sorted);
    std::snprintf(
        text, sizeof text, "bounds met: %.2f %% … %.2f %% … %.2f %% (least, median, most)\n",
        PercentOf(sorted.front()), PercentOf(sorted[sorted.size() / 2]), PercentOf(sorted.back()));
    all += text;
  }
  for (const auto& [expectation, seeds] : unmet_) {
    all += "not held under " + std::to_string(seeds.size()) + " seeds: " + expectation + "\n";
  }
  if (broken_.empty()) return all + "no rule was broken\n";
  for (const auto& [seed, what] : broken_) {
    all += "BROKEN by seed " + std::to_string(seed) + ": " + what + "\n";
  }
  return all;
}

std::string SeedResults::Json() const {
  nlohmann::ordered_json json;
  json["command"] = "simulate";
  json["scenario"] = scenario_.name;
  json["seed_first"] = range_.first;
  json["seed_last"] = range_.last;
  json["seeds"] = seeds_;
  json["requests"] = requests_;
  json["digest"] = DigestText(digests_);
  std::vector<std::int64_t> sorted = bounds_met_;
  std::ranges::sort(sorted);
  auto& met = json["bounds_met_percent"];
  met = nlohmann::ordered_json::object();
  if (!sorted.empty()) {
    met["least"] = PercentOf(sorted.front());
    met["median"] = PercentOf(sorted[sorted.size() / 2]);
    met["most"] = PercentOf(sorted.back());
  }
  auto& broken = json["broken"] = nlohmann::ordered_json::array();
  for (const auto& [seed, what] : broken_) broken.push_back({{"seed", seed}, {"first", what}});
  auto& unmet = json["expectations_not_held"] = nlohmann::ordered_json::array();
  for (const auto& [text, seeds] : unmet_) {
    std::vector<std::uint64_t> ordered = seeds;
    std::ranges::sort(ordered);
    unmet.push_back({{"expectation", text}, {"seeds", ordered}});
  }
  json["wall"] = {
      {"cpu_s", cpu_seconds_},
      {"requests_per_cpu_s", static_cast<double>(requests_) / std::max(cpu_seconds_, 1e-9)}};
  return json.dump(2) + "\n";
}

}  // namespace cotenant
