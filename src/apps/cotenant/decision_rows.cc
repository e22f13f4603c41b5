#include "apps/cotenant/decision_rows.h"

#include <cinttypes>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "scheduler/event_log.h"
#include "scheduler/field_archive.h"
#include "scheduler/scheduler.h"

namespace cotenant {
namespace {

std::uint64_t Number(auto id) { return static_cast<std::uint64_t>(id); }

class Rows {
 public:
  explicit Rows(std::FILE* file) : file_(file) {}

  Status Take(const LogRecord& record) {
    if (record.kind == LogRecord::Kind::kModelName) {
      models_[record.model] = record.model_name;
    } else if (record.kind == LogRecord::Kind::kSnapshot) {
      Result<std::unique_ptr<Scheduler>> state = Scheduler::Restore(record.state);
      if (!state.ok()) {
        return AtOffset(record.offset, state.status());
      }
      tenants_ = (*state)->Settings().node.tenants;
    } else {
      const std::int64_t now = record.now.nanoseconds();
      for (const Event& event : record.events) WriteEvent(now, event);
      for (const Action& action : record.actions.actions) {
        WriteAction(now, action, record.actions);
      }
    }
    return Status();
  }

 private:
  std::string Name(ModelId model) const {
    const auto name = models_.find(model);
    return name == models_.end() ? std::to_string(Number(model)) : name->second;
  }
  std::string Name(TenantId tenant) const {
    return ToIndex(tenant) < tenants_.size() ? tenants_[ToIndex(tenant)].name
                                             : std::to_string(Number(tenant));
  }

  void WriteEvent(std::int64_t now, const Event& event) {
    if (const auto* arrived = std::get_if<Arrived>(&event)) {
      std::fprintf(file_, "arrived,%" PRId64 ",%" PRId64 ",%" PRIu64 ",%s,%s,%d,%" PRId64 "\n", now,
                   arrived->at.nanoseconds(), Number(arrived->request),
                   Name(arrived->model).c_str(), Name(arrived->tenant).c_str(), arrived->rows,
                   arrived->bounds.latency.nanoseconds());
    } else if (const auto* done = std::get_if<RunFinished>(&event)) {
      WriteRunEnd("finished", now, *done);
    } else if (const auto* failed = std::get_if<RunFailed>(&event)) {
      WriteRunEnd("failed", now, *failed);
    } else if (const auto* changed = std::get_if<SettingsChanged>(&event)) {
      tenants_ = changed->settings.tenants;
    }
  }

  void WriteRunEnd(const char* kind, std::int64_t now, const auto& event) {
    std::fprintf(file_, "%s,%" PRId64 ",%" PRId64 ",%" PRIu64 ",%" PRId64 "\n", kind, now,
                 event.at.nanoseconds(), Number(event.run), event.ran_for.nanoseconds());
  }

  void WriteAction(std::int64_t now, const Action& action, const ActionList& actions) {
    if (const auto* run = std::get_if<StartRun>(&action)) {
      std::fprintf(file_, "run,%" PRId64 ",%" PRIu64 ",%s,%d,%d,%s,%d,", now, Number(run->run),
                   Name(run->model).c_str(), run->slot, run->cores,
                   run->where == Where::kInline ? "inline" : "worker", run->rows);
      const char* separator = "";
      for (RequestId id : actions.MembersOf(*run)) {
        std::fprintf(file_, "%s%" PRIu64, separator, Number(id));
        separator = ";";
      }
      std::fputs("\n", file_);
    } else if (const auto* reply = std::get_if<Reply>(&action)) {
      WriteEnd(now, reply->request, reply->end, "");
    } else if (const auto* reject = std::get_if<Reject>(&action)) {
      WriteEnd(now, reject->request, reject->end, RejectReasonName(reject->reason));
    }
  }

  void WriteEnd(std::int64_t now, RequestId request, End end, std::string_view reason) {
    std::fprintf(file_, "ended,%" PRId64 ",%" PRIu64 ",%s,%s\n", now, Number(request),
                 EndName(end).data(), reason.data());
  }

  std::FILE* file_;
  std::map<ModelId, std::string> models_;
  std::vector<Tenant> tenants_;
};

}  // namespace

Status WriteDecisionRows(std::string_view log, std::FILE* file) {
  Result<EventLogReader> reader = EventLogReader::Open(log);
  COTENANT_RETURN_IF_ERROR(reader.status());
  Rows rows(file);
  LogRecord record;
  for (;;) {
    const Result<bool> more = reader->Next(record);
    COTENANT_RETURN_IF_ERROR(more.status());
    if (!*more) break;
    COTENANT_RETURN_IF_ERROR(rows.Take(record));
  }
  return std::ferror(file) == 0 ? Status() : Unavailable("cannot write the decisions");
}

}  // namespace cotenant
