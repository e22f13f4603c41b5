#include "simulation/recorded_load.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "catalog/time_samples.h"
#include "scheduler/event_log.h"
#include "scheduler/field_archive.h"
#include "scheduler/scheduler.h"

namespace cotenant {
namespace {

class Recorded {
 public:
  Status Read(std::string_view log) {
    Result<EventLogReader> reader = EventLogReader::Open(log);
    COTENANT_RETURN_IF_ERROR(reader.status());
    numbers_.clear();
    runs_.clear();
    before_.reset();
    LogRecord record;
    for (;;) {
      const Result<bool> more = reader->Next(record);
      COTENANT_RETURN_IF_ERROR(more.status());
      if (!*more) break;
      COTENANT_RETURN_IF_ERROR(Take(record));
    }
    load_.torn_bytes += reader->torn_bytes();
    return Status();
  }

  RecordedLoad Finish() {
    std::ranges::stable_sort(rows_, {}, &Row::at);
    Scenario& scenario = load_.scenario;
    TraceArrivals trace;
    for (const Row& row : rows_) trace.rows.push_back(RowOf(row));
    load_.arrivals = trace.rows.size();
    if (!trace.rows.empty()) {
      // Arrivals come until before the end.
      scenario.lasts = trace.rows.back().at + Duration::Milliseconds(1);
      LoadSource source;
      source.name = "trace";
      source.arrivals = std::move(trace);
      scenario.sources.push_back(std::move(source));
    }
    for (const std::string& name : model_names_) scenario.models.push_back(ModelOf(name));
    return std::move(load_);
  }

 private:
  /// What one name stood for.
  struct Model {
    ModelSettings settings;
    std::map<std::int32_t, TimeSamples> runs;     ///< By rows.
    std::map<std::int32_t, TimeSamples> warm_up;  ///< Estimates from before the first run.
    TimeSamples loads;
    Bytes anonymous;
    Bytes mapped;
    Bytes load_peak;
  };
  struct Row {
    Instant at;
    std::size_t tenant = 0;  ///< Places in the lists of names.
    std::size_t model = 0;
    std::int32_t rows = 1;
    Duration latency_bound;
  };

  static std::size_t PlaceOf(const std::string& name, std::vector<std::string>& names) {
    const auto found = std::ranges::find(names, name);
    const auto place = static_cast<std::size_t>(found - names.begin());
    if (found == names.end()) names.push_back(name);
    return place;
  }

  Status Take(const LogRecord& record) {
    switch (record.kind) {
      case LogRecord::Kind::kSnapshot: return Begin(record);
      case LogRecord::Kind::kModelName: return Name(record);
      case LogRecord::Kind::kCrank: break;
    }
    if (before_ == nullptr)
      return AtOffset(record.offset, InvalidArgument("a crank before any snapshot"));
    for (const Event& event : record.events) {
      COTENANT_RETURN_IF_ERROR(
          std::visit([&](const auto& known) { return On(known, record.offset); }, event));
    }
    for (const Action& action : record.actions.actions) {
      const auto* start = std::get_if<StartRun>(&action);
      if (start != nullptr) runs_[start->run] = {start->model, start->rows};
    }
    return Status();
  }

  Status Begin(const LogRecord& record) {
    Result<std::unique_ptr<Scheduler>> state = Scheduler::Restore(record.state);
    if (!state.ok()) return AtOffset(record.offset, state.status());
    before_ = *std::move(state);
    if (record.lost > 0) {
      ++load_.gaps;
      load_.lost_cranks += record.lost;
      runs_.clear();
    }
    load_.scenario.device.slots = before_->Settings().slots;
    Use(before_->Settings().node);
    return Status();
  }

  Status Name(const LogRecord& record) {
    numbers_[record.model] = record.model_name;
    const ModelSettings* settings =
        before_ == nullptr ? nullptr : before_->SettingsOf(record.model);
    // At a file's start the state knows the model, and the name follows it.
    if (settings != nullptr && !models_.contains(record.model_name)) {
      models_[record.model_name].settings = *settings;
    }
    return Status();
  }

  /// Later properties of a tenant win; its place stays, because rows name it.
  void Use(const NodeSettings& node) {
    NodeSettings& known = load_.scenario.node;
    known.policies = node.policies;
    tenants_.clear();
    for (const Tenant& tenant : node.tenants) {
      auto found = std::ranges::find(known.tenants, tenant.name, &Tenant::name);
      if (found == known.tenants.end()) found = known.tenants.insert(found, tenant);
      *found = tenant;
      tenants_.push_back(static_cast<std::size_t>(found - known.tenants.begin()));
    }
  }

  /// Null for a number without a name.
  Model* Named(ModelId model) {
    const auto name = numbers_.find(model);
    return name == numbers_.end() ? nullptr : &models_[name->second];
  }

  template <typename Other>
  Status On(const Other&, std::size_t) {
    return Status();
  }
  Status On(const Arrived& event, std::size_t offset) {
    const auto name = numbers_.find(event.model);
    if (name == numbers_.end()) {
      return AtOffset(offset, InvalidArgument("model " + std::to_string(ToIndex(event.model)) +
                                              " has no name"));
    }
    if (ToIndex(event.tenant) >= tenants_.size()) {
      return AtOffset(offset, InvalidArgument("tenant " + std::to_string(ToIndex(event.tenant)) +
                                              " is not declared"));
    }
    rows_.push_back({event.at, tenants_[ToIndex(event.tenant)], PlaceOf(name->second, model_names_),
                     event.rows, event.bounds.latency});
    return Status();
  }
  Status On(const RunFinished& event, std::size_t) {
    const auto run = runs_.find(event.run);
    if (run == runs_.end()) return Status();  // It began before the log did.
    if (Model* model = Named(run->second.first)) {
      model->runs[run->second.second].Add(event.ran_for);
    }
    runs_.erase(run);
    return Status();
  }
  Status On(const RunFailed& event, std::size_t) {
    runs_.erase(event.run);
    return Status();
  }
  Status On(const WarmedUp& event, std::size_t) {
    if (Model* model = Named(event.model)) model->warm_up[event.rows].Add(event.ran_for);
    return Status();
  }
  Status On(const LoadWanted& event, std::size_t) {
    if (Model* model = Named(event.model); model != nullptr && !event.load_peak_guessed) {
      model->load_peak = event.load_peak;
    }
    return Status();
  }
  Status On(const LoadFinished& event, std::size_t) {
    if (Model* model = Named(event.model)) {
      model->settings = event.settings;
      model->loads.Add(event.ran_for);
      model->anonymous = event.anonymous;
      model->mapped = event.mapped;
    }
    return Status();
  }
  Status On(const SettingsChanged& event, std::size_t) {
    Use(event.settings);
    return Status();
  }

  TraceArrivals::Row RowOf(const Row& row) const {
    // The live server writes the tenant's bound into each request; so it can be changed in one
    // place.
    const bool tenants = row.latency_bound == load_.scenario.node.tenants[row.tenant].latency_bound;
    return {row.at - rows_.front().at, row.tenant, row.model, row.rows,
            tenants ? Duration() : row.latency_bound};
  }

  ScenarioModel ModelOf(const std::string& name) const {
    ScenarioModel model;
    model.name = name;
    const auto found = models_.find(name);
    if (found == models_.end()) return model;
    const Model& seen = found->second;
    model.rows_max = seen.settings.rows_max;
    model.cores = seen.settings.cores;
    if (seen.settings.batching) model.batching = seen.settings.window;
    model.profile.model = name;
    for (const auto& [rows, times] : seen.runs.empty() ? seen.warm_up : seen.runs) {
      model.profile.runs.push_back({rows, times.Distribution(kRecordedQuantiles), {}, {}});
    }
    model.profile.load = seen.loads.Distribution(kRecordedQuantiles);
    model.profile.anonymous = seen.anonymous;
    model.profile.mapped = seen.mapped;
    model.profile.load_peak = seen.load_peak;
    return model;
  }

  RecordedLoad load_;
  std::vector<Row> rows_;
  std::vector<std::string> model_names_;  ///< Of the scenario's models, in order.
  std::map<std::string, Model> models_;

  // Of the log that is being read.
  std::unique_ptr<Scheduler> before_;  ///< The last state told; nothing is decided with it.
  std::map<ModelId, std::string> numbers_;
  std::vector<std::size_t> tenants_;  ///< By TenantId, the place in the scenario.
  std::map<RunId, std::pair<ModelId, std::int32_t>> runs_;
};

}  // namespace

Result<RecordedLoad> ReadRecordedLoad(std::span<const std::string_view> logs) {
  Recorded recorded;
  for (std::size_t i = 0; i < logs.size(); ++i) {
    const Status status = recorded.Read(logs[i]);
    if (!status.ok()) {
      return InvalidArgument("log " + std::to_string(i + 1) + ": " + status.message());
    }
  }
  return recorded.Finish();
}

}  // namespace cotenant
