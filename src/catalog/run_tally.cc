#include "catalog/run_tally.h"

#include <algorithm>
#include <functional>

#include "catalog/variant.h"

namespace cotenant {

std::string_view RunEndName(RunEnd end) {
  switch (end) {
    case RunEnd::kReplied: return "replied";
    case RunEnd::kRejected: return "rejected";
    case RunEnd::kExpired: return "expired";
    case RunEnd::kFailed: return "failed";
    case RunEnd::kGone: return "gone";
    case RunEnd::kUnanswered: return "unanswered";
    case RunEnd::kBroken: return "broken";
  }
  return "unknown";
}

std::string_view RunReasonName(std::size_t reason) {
  if (reason >= kOtherReason) return "other";
  return RejectReasonName(static_cast<RejectReason>(reason));
}

std::optional<std::int64_t> GroupResult::BoundsMetMilliPercent() const {
  if (bounded == 0) return std::nullopt;
  return static_cast<std::int64_t>(bounds_met * 100'000 / bounded);
}

std::optional<std::int64_t> GroupResult::RefusedMilliPercent() const {
  if (requests == 0) return std::nullopt;
  const std::uint64_t refused = Ended(RunEnd::kRejected) + Ended(RunEnd::kExpired);
  return static_cast<std::int64_t>(refused * 100'000 / requests);
}

std::int64_t GroupResult::MeanPointsLost() const {
  const auto replied = static_cast<std::int64_t>(Ended(RunEnd::kReplied));
  return replied == 0 ? 0 : points_lost / replied;
}

double RunResult::ThroughputPerSecond(const GroupResult& group) const {
  if (lasts <= Duration()) return 0;
  return static_cast<double>(group.Ended(RunEnd::kReplied)) / lasts.seconds();
}

void RunTally::Group::Add(const EndedRequest& request) {
  ++counts.requests;
  ++counts.ends[static_cast<std::size_t>(request.end)];
  if (request.cold) ++counts.cold_starts;
  if (request.end == RunEnd::kRejected) ++counts.rejected[std::min(request.reason, kOtherReason)];
  const bool replied = request.end == RunEnd::kReplied;
  if (replied) {
    latencies.Record(request.latency);
    counts.rows_replied += static_cast<std::uint64_t>(request.rows);
  }
  if (request.latency_bound > Duration() && request.end != RunEnd::kGone) {
    ++counts.bounded;
    if (replied && request.latency <= request.latency_bound) ++counts.bounds_met;
  }
}

void RunTally::Group::Add(const Group& other) {
  counts.requests += other.counts.requests;
  for (std::size_t i = 0; i < kRunEnds; ++i) counts.ends[i] += other.counts.ends[i];
  for (std::size_t i = 0; i < kRunReasons; ++i) counts.rejected[i] += other.counts.rejected[i];
  counts.bounded += other.counts.bounded;
  counts.bounds_met += other.counts.bounds_met;
  counts.rows_replied += other.counts.rows_replied;
  counts.cold_starts += other.counts.cold_starts;
  latencies.Add(other.latencies);
}

GroupResult RunTally::Group::Result(const std::string& name) const {
  GroupResult result = counts;
  result.name = name;
  LatencyFigures& figures = result.latency;
  figures.mean = latencies.Mean();
  figures.least = latencies.Least();
  figures.p50 = latencies.PerMille(500);
  figures.p90 = latencies.PerMille(900);
  figures.p95 = latencies.PerMille(950);
  figures.p99 = latencies.PerMille(990);
  figures.p999 = latencies.PerMille(999);
  figures.greatest = latencies.Greatest();
  return result;
}

RunTally::RunTally(const Scenario& scenario) : scenario_(scenario.name), lasts_(scenario.lasts) {
  for (const Tenant& tenant : scenario.node.tenants) tenant_names_.push_back(tenant.name);
  for (const ScenarioModel& model : scenario.models) {
    model_names_.push_back(model.name);
    Variants& variants = variants_.emplace_back();
    if (model.variants.empty()) continue;
    std::int32_t best = model.accuracy;
    for (const ScenarioVariant& variant : model.variants) best = std::max(best, variant.accuracy);
    const auto add = [&](std::string_view name, std::int32_t accuracy) {
      variants.names.push_back(VariantTitle(model.name, name));
      variants.points_lost.push_back(accuracy == 0 ? 0 : best - accuracy);
    };
    add(kOwnVariantName, model.accuracy);
    for (const ScenarioVariant& variant : model.variants) add(variant.name, variant.accuracy);
  }
}

void RunTally::AddVariants(const Cell& cell, GroupResult& result) const {
  const Variants& variants = variants_[cell.model];
  for (std::size_t i = 0; i < cell.answered_by.size(); ++i) {
    if (cell.answered_by[i] == 0) continue;
    const auto known = std::ranges::find(result.answered_by, variants.names[i],
                                         &std::pair<std::string, std::uint64_t>::first);
    if (known == result.answered_by.end()) {
      result.answered_by.emplace_back(variants.names[i], cell.answered_by[i]);
    } else {
      known->second += cell.answered_by[i];
    }
    result.points_lost += variants.points_lost[i] * static_cast<std::int64_t>(cell.answered_by[i]);
  }
  std::ranges::sort(result.answered_by);
}

void RunTally::Add(const EndedRequest& request) {
  ++ended_;
  ++ends_[static_cast<std::size_t>(request.end)];
  const std::uint64_t key = (std::uint64_t{request.tenant} << 32) | request.model;
  std::uint32_t* index = cell_of_.Find(key);
  if (index == nullptr) {
    cell_of_.Insert(key, static_cast<std::uint32_t>(cells_.size()));
    cells_.push_back({request.tenant, request.model, {}, {}});
    cells_.back().answered_by.resize(variants_[request.model].names.size());
    index = cell_of_.Find(key);
  }
  Cell& cell = cells_[*index];
  cell.group.Add(request);
  if (request.end == RunEnd::kReplied && request.variant < cell.answered_by.size()) {
    ++cell.answered_by[request.variant];
  }
}

void RunTally::AddError(std::string_view text) {
  if (const auto found = errors_.find(text); found != errors_.end()) {
    ++found->second;
  } else if (errors_.size() < kErrorTextsMax) {
    errors_.emplace(text, 1);
  }
}

RunResult RunTally::Result() const {
  Group all;
  std::vector<Group> tenants(tenant_names_.size());
  std::vector<Group> models(model_names_.size());
  for (const Cell& cell : cells_) {
    all.Add(cell.group);
    tenants[cell.tenant].Add(cell.group);
    models[cell.model].Add(cell.group);
  }
  RunResult result;
  result.scenario = scenario_;
  result.lasts = lasts_;
  result.all = all.Result("all");
  for (std::size_t i = 0; i < tenants.size(); ++i) {
    result.tenants.push_back(tenants[i].Result(tenant_names_[i]));
  }
  for (std::size_t i = 0; i < models.size(); ++i) {
    result.models.push_back(models[i].Result(model_names_[i]));
  }
  for (const Cell& cell : cells_) {
    AddVariants(cell, result.all);
    AddVariants(cell, result.tenants[cell.tenant]);
    AddVariants(cell, result.models[cell.model]);
  }
  result.errors.assign(errors_.begin(), errors_.end());
  std::ranges::stable_sort(result.errors, std::greater<>(),
                           [](const auto& error) { return error.second; });
  return result;
}

}  // namespace cotenant
