#include "apps/cotenant/live_report.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/cotenant/run_report.h"
#include "simulation/residency_study.h"

namespace cotenant {
namespace {

/// What both kinds of run have.
struct Figures {
  std::uint64_t requests = 0;
  std::uint64_t cold = 0;  ///< Found nothing they could use, or were not answered in time.
  std::uint64_t refused = 0;
  double points_lost = 0;
  double penalty_ms = 0;
  std::uint64_t loads = 0;
  std::uint64_t evictions = 0;
  Duration p99;
};

Figures FiguresOf(const RunResult& result, const std::vector<LiveModel>& models, LiveChoice choice,
                  std::uint64_t loads, std::uint64_t evictions, double load_seconds) {
  const StudyPenalties prices;
  Figures figures;
  const GroupResult& all = result.all;
  const std::uint64_t replied = all.Ended(RunEnd::kReplied);
  figures.requests = all.requests;
  figures.refused = all.requests - replied;
  // One that is late had to wait, most often for a load: it is not counted twice.
  figures.cold = std::max(all.cold_starts + figures.refused, all.bounded - all.bounds_met);
  double lost = static_cast<double>(all.points_lost);
  for (std::size_t i = 0; i < models.size() && choice != LiveChoice::kAll; ++i) {
    const std::int32_t less = models[i].Best().accuracy - OnlyOne(models[i], choice)->accuracy;
    lost += static_cast<double>(result.models[i].Ended(RunEnd::kReplied)) * less;
  }
  const double count = static_cast<double>(std::max<std::uint64_t>(1, all.requests));
  figures.points_lost = lost / 1e3 / static_cast<double>(std::max<std::uint64_t>(1, replied));
  figures.penalty_ms =
      (all.latency.mean.seconds() * 1e3 * static_cast<double>(replied) +
       prices.lateness_max.seconds() * 1e3 * static_cast<double>(figures.refused) +
       lost / 1e3 * prices.point.seconds() * 1e3 + load_seconds * prices.load_per_mille) /
      count;
  figures.loads = loads;
  figures.evictions = evictions;
  figures.p99 = all.latency.p99;
  return figures;
}

Figures LiveFigures(const LiveOutcome& outcome, const std::vector<LiveModel>& models,
                    LiveChoice choice) {
  std::uint64_t loads = 0;
  std::uint64_t evictions = 0;
  double seconds = 0;
  for (std::size_t i = 0; i < outcome.after.rows.size(); ++i) {
    const LiveModelFacts& after = outcome.after.rows[i];
    const LiveModelFacts& before = outcome.before.rows[i];
    loads += after.loads - before.loads;
    evictions += after.evictions - before.evictions;
    seconds += after.load_seconds - before.load_seconds;
  }
  return FiguresOf(outcome.live, models, choice, loads, evictions, seconds);
}

Figures SimulatedFigures(const LiveOutcome& outcome, const std::vector<LiveModel>& models,
                         LiveChoice choice) {
  const MemoryResult memory = outcome.simulated.memory.value_or(MemoryResult());
  return FiguresOf(outcome.simulated, models, choice, memory.loads, memory.evictions,
                   memory.load_time.seconds());
}

std::string Mib(Bytes bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", static_cast<double>(bytes.count()) / (1 << 20));
  return text;
}

std::string Fixed(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

double FaultsPerHundred(const LiveOutcome& outcome, const Figures& live) {
  const auto warm = static_cast<double>(std::max<std::uint64_t>(1, live.requests - live.cold));
  return 100.0 * static_cast<double>(outcome.after.major_faults - outcome.before.major_faults) /
         warm;
}

/// "2.3", of how many times fewer; nothing to compare where neither had any.
std::string TimesFewer(const std::vector<LiveModel>& models,
                       const std::vector<LiveOutcome>& outcomes) {
  const auto cold = [&](std::size_t i) {
    return LiveFigures(outcomes[i], models, kLiveContestants[i].choice).cold;
  };
  const std::uint64_t theirs = std::min(cold(2), cold(3));
  if (cold(0) == 0)
    return theirs == 0 ? "none in either" : "none against " + std::to_string(theirs);
  return Fixed(static_cast<double>(theirs) / static_cast<double>(cold(0)), 2) + " x";
}

nlohmann::ordered_json FiguresJson(const Figures& figures) {
  return {{"requests", figures.requests},     {"cold_starts", figures.cold},
          {"refused", figures.refused},       {"points_lost", figures.points_lost},
          {"penalty_ms", figures.penalty_ms}, {"loads", figures.loads},
          {"evictions", figures.evictions},   {"latency_p99_ns", figures.p99.nanoseconds()}};
}

}  // namespace

const LiveVariant* OnlyOne(const LiveModel& model, LiveChoice choice) {
  if (choice == LiveChoice::kAll) return model.variants.size() == 1 ? &model.variants[0] : nullptr;
  return choice == LiveChoice::kBest ? &model.Best() : &model.Smallest();
}

std::string LiveTables(const std::vector<LiveModel>& models,
                       const std::vector<LiveOutcome>& outcomes) {
  std::vector<std::vector<std::string>> rows = {
      {"tenant's model", "variant", "MiB", "run peak", "load ms", "run ms", "points"}};
  for (const LiveModel& model : models) {
    for (const LiveVariant& variant : model.variants) {
      rows.push_back({model.name, variant.name, Mib(variant.size()),
                      Mib(variant.profile.runs[0].peak),
                      MillisecondsText(variant.profile.load.Median().seconds() * 1e3),
                      MillisecondsText(variant.profile.runs[0].alone.Median().seconds() * 1e3),
                      AccuracyText(variant.accuracy)});
    }
  }
  std::string text = AlignedTable(rows) + "\n";
  rows = {{"policy", "", "requests", "cold", "refused", "points lost", "penalty ms", "loads",
           "evictions", "p99 ms", "peak MiB", "budget", "kills", "faults/100 warm"}};
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const LiveContestant& contestant = kLiveContestants[i];
    const Figures live = LiveFigures(outcomes[i], models, contestant.choice);
    const Figures simulated = SimulatedFigures(outcomes[i], models, contestant.choice);
    const auto add = [&rows](const char* name, const char* kind, const Figures& f) {
      rows.push_back({name, kind, std::to_string(f.requests), std::to_string(f.cold),
                      std::to_string(f.refused), Fixed(f.points_lost, 2), Fixed(f.penalty_ms, 1),
                      std::to_string(f.loads), std::to_string(f.evictions),
                      MillisecondsText(f.p99.seconds() * 1e3)});
    };
    add(contestant.name, "live", live);
    rows.back().insert(rows.back().end(),
                       {Mib(outcomes[i].after.resident_peak), Mib(outcomes[i].total),
                        outcomes[i].kills < 0 ? "-" : std::to_string(outcomes[i].kills),
                        Fixed(FaultsPerHundred(outcomes[i], live), 2)});
    add("", "simulated", simulated);
  }
  text += AlignedTable(rows);
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const RunResult& live = outcomes[i].live;
    for (std::size_t reason = 0; reason < live.all.rejected.size(); ++reason) {
      if (live.all.rejected[reason] == 0) continue;
      text += std::string(kLiveContestants[i].name) + ": " +
              std::to_string(live.all.rejected[reason]) + " refused, " +
              std::string(RunReasonName(reason)) + "\n";
    }
    for (const auto& [error, count] : live.errors) {
      text += std::string(kLiveContestants[i].name) + ": " + std::to_string(count) + " x " + error +
              "\n";
    }
  }
  return text + "\ncold starts of marginal-value against the better of both lru: " +
         TimesFewer(models, outcomes) + " fewer (goal: 2 x)\n";
}

std::string LiveJson(const std::vector<LiveModel>& models, const std::vector<LiveOutcome>& outcomes,
                     const LiveOptions& options) {
  nlohmann::ordered_json json;
  json["format"] = "cotenant reproduce edge-multiai --live";
  json["seed"] = options.seed;
  json["budget_percent"] = options.budget;
  json["tenants"] = models.size();
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const LiveContestant& contestant = kLiveContestants[i];
    const Figures live = LiveFigures(outcomes[i], models, contestant.choice);
    const Figures simulated = SimulatedFigures(outcomes[i], models, contestant.choice);
    nlohmann::ordered_json row;
    row["policy"] = contestant.name;
    row["live"] = FiguresJson(live);
    row["live"]["resident_peak_bytes"] = outcomes[i].after.resident_peak.count();
    row["live"]["major_faults_per_100_warm"] = FaultsPerHundred(outcomes[i], live);
    row["live"]["cgroup_kills"] = outcomes[i].kills < 0 ? nlohmann::ordered_json()
                                                        : nlohmann::ordered_json(outcomes[i].kills);
    row["simulated"] = FiguresJson(simulated);
    row["budget_bytes"] = outcomes[i].total.count();
    row["models_bytes"] = outcomes[i].after.models.count();
    json["policies"].push_back(std::move(row));
  }
  return json.dump(2) + "\n";
}

}  // namespace cotenant
