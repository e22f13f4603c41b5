#include "server/decision_trace.h"

#include <cinttypes>

namespace cotenant {
namespace {

std::uint64_t Number(auto id) { return static_cast<std::uint64_t>(id); }

int WriteEvent(std::FILE* file, std::int64_t now, const Event& event) {
  if (const auto* arrived = std::get_if<Arrived>(&event)) {
    return std::fprintf(
        file,
        "arrived,%" PRId64 ",%" PRId64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%d,%" PRId64 "\n", now,
        arrived->at.nanoseconds(), Number(arrived->request), Number(arrived->model),
        Number(arrived->tenant), arrived->rows, arrived->bounds.latency.nanoseconds());
  }
  if (const auto* done = std::get_if<RunFinished>(&event)) {
    return std::fprintf(file, "finished,%" PRId64 ",%" PRId64 ",%" PRIu64 ",%" PRId64 "\n", now,
                        done->at.nanoseconds(), Number(done->run), done->ran_for.nanoseconds());
  }
  if (const auto* failed = std::get_if<RunFailed>(&event)) {
    return std::fprintf(file, "failed,%" PRId64 ",%" PRId64 ",%" PRIu64 ",%" PRId64 "\n", now,
                        failed->at.nanoseconds(), Number(failed->run),
                        failed->ran_for.nanoseconds());
  }
  return 0;
}

int WriteRun(std::FILE* file, std::int64_t now, const StartRun& run, const ActionList& actions) {
  int written = std::fprintf(file, "run,%" PRId64 ",%" PRIu64 ",%" PRIu64 ",%d,%d,%s,%d,", now,
                             Number(run.run), Number(run.model), run.slot, run.cores,
                             run.where == Where::kInline ? "inline" : "worker", run.rows);
  const char* separator = "";
  for (RequestId id : actions.MembersOf(run)) {
    written += std::fprintf(file, "%s%" PRIu64, separator, Number(id));
    separator = ";";
  }
  return written + std::fprintf(file, "\n");
}

int WriteEnd(std::FILE* file, std::int64_t now, RequestId request, End end, const char* reason) {
  return std::fprintf(file, "ended,%" PRId64 ",%" PRIu64 ",%s,%s\n", now, Number(request),
                      EndName(end).data(), reason);
}

}  // namespace

DecisionTrace::DecisionTrace(const std::string& path) : file_(std::fopen(path.c_str(), "w")) {}

DecisionTrace::~DecisionTrace() {
  if (file_ != nullptr) std::fclose(file_);
}

void DecisionTrace::Write(Instant at, std::span<const Event> events, const ActionList& actions) {
  if (file_ == nullptr || written_ >= kTraceBytesMax) return;
  const std::int64_t now = at.nanoseconds();
  for (const Event& event : events) written_ += WriteEvent(file_, now, event);
  for (const Action& action : actions.actions) {
    if (const auto* run = std::get_if<StartRun>(&action)) {
      written_ += WriteRun(file_, now, *run, actions);
    } else if (const auto* reply = std::get_if<Reply>(&action)) {
      written_ += WriteEnd(file_, now, reply->request, reply->end, "");
    } else if (const auto* reject = std::get_if<Reject>(&action)) {
      written_ += WriteEnd(file_, now, reject->request, reject->end,
                           RejectReasonName(reject->reason).data());
    } else if (std::holds_alternative<Drained>(action)) {
      // The program ends from here without closing its files.
      std::fflush(file_);
    }
  }
  if (written_ >= kTraceBytesMax) std::fputs("truncated\n", file_);
}

}  // namespace cotenant
