#include "simulation/log_text.h"

#include <array>
#include <cinttypes>
#include <cstdio>

namespace cotenant {
namespace {

/// Builds "Name a=1 b=2us".
class Line {
 public:
  explicit Line(const char* name) : text_(name) {}

  Line& Number(const char* key, std::int64_t value) {
    text_ += std::string(" ") + key + "=" + std::to_string(value);
    return *this;
  }
  Line& Id(const char* key, auto id) {
    text_ += std::string(" ") + key + "=" + std::to_string(static_cast<std::uint64_t>(id));
    return *this;
  }
  Line& Word(const char* key, std::string_view value) {
    text_ += std::string(" ") + key + "=" + std::string(value);
    return *this;
  }
  Line& Span(const char* key, Duration value) {
    const std::int64_t ns = value.nanoseconds();
    std::array<char, 48> text{};
    std::snprintf(text.data(), text.size(), "%s%" PRId64 ".%03" PRId64 "us", ns < 0 ? "-" : "",
                  (ns < 0 ? -ns : ns) / 1'000, (ns < 0 ? -ns : ns) % 1'000);
    return Word(key, text.data());
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string Text(const Arrived& event) {
  Line line("Arrived");
  line.Id("request", event.request)
      .Id("tenant", event.tenant)
      .Id("model", event.model)
      .Number("rows", event.rows)
      .Id("batch_key", event.batch_key)
      .Number("priority", event.priority)
      .Span("latency_bound", event.bounds.latency)
      .Span("queue_timeout", event.bounds.queue_timeout);
  if (event.bounds.accuracy > 0) line.Number("accuracy", event.bounds.accuracy);
  if (event.variant) line.Id("variant", *event.variant);
  return line.Take();
}
std::string Text(const Gone& event) { return Line("Gone").Id("request", event.request).Take(); }
std::string Text(const RunFinished& event) {
  Line line("RunFinished");
  line.Id("run", event.run).Span("ran_for", event.ran_for);
  if (event.peak > Bytes()) line.Number("peak", event.peak.count());
  return line.Take();
}
std::string Text(const RunFailed& event) {
  return Line("RunFailed")
      .Id("run", event.run)
      .Span("ran_for", event.ran_for)
      .Word("code", CodeName(event.code))
      .Number("on_content", event.on_content ? 1 : 0)
      .Take();
}
std::string Text(const ReplyWritten& event) {
  return Line("ReplyWritten").Id("request", event.request).Take();
}
std::string Text(const LoadWanted& event) {
  Line line("LoadWanted");
  line.Id("model", event.model);
  if (event.expected > Bytes()) line.Number("expected", event.expected.count());
  if (event.load_peak > Bytes()) line.Number("load_peak", event.load_peak.count());
  if (event.load_peak_guessed) line.Number("load_peak_guessed", 1);
  if (event.run_peak > Bytes()) line.Number("run_peak", event.run_peak.count());
  if (event.variant_of) line.Id("variant_of", *event.variant_of);
  if (event.accuracy > 0) line.Number("accuracy", event.accuracy);
  return line.Take();
}
std::string Text(const LoadFinished& event) {
  return Line("LoadFinished")
      .Id("model", event.model)
      .Number("rows_max", event.settings.rows_max)
      .Number("cores", event.settings.cores)
      .Number("batching", event.settings.batching ? 1 : 0)
      .Span("ran_for", event.ran_for)
      .Number("anonymous", event.anonymous.count())
      .Number("mapped", event.mapped.count())
      .Number("run_peak", event.run_peak.count())
      .Take();
}
std::string Text(const LoadFailed& event) {
  return Line("LoadFailed").Id("model", event.model).Word("code", CodeName(event.code)).Take();
}
std::string Text(const WarmedUp& event) {
  return Line("WarmedUp")
      .Id("model", event.model)
      .Number("rows", event.rows)
      .Span("ran_for", event.ran_for)
      .Take();
}
std::string Text(const UnloadWanted& event) {
  return Line("UnloadWanted").Id("model", event.model).Take();
}
std::string Text(const Unloaded& event) { return Line("Unloaded").Id("model", event.model).Take(); }
std::string Text(const Evicted& event) {
  return Line("Evicted").Id("model", event.model).Number("returned", event.returned.count()).Take();
}
std::string Text(const Woken&) { return "Woken"; }
std::string Text(const SettingsChanged& event) {
  const PolicyChoice& policies = event.settings.policies;
  return Line("SettingsChanged")
      .Number("tenants", static_cast<std::int64_t>(event.settings.tenants.size()))
      .Word("dispatch", policies.dispatch)
      .Word("batching", policies.batching)
      .Word("admission", policies.admission)
      .Word("residency", policies.residency)
      .Word("prediction", policies.prediction)
      .Take();
}
std::string Text(const DrainWanted&) { return "DrainWanted"; }
std::string Text(const HistoryKnown& event) {
  return Line("HistoryKnown")
      .Id("model", event.model)
      .Number("requests", static_cast<std::int64_t>(event.history->requests))
      .Take();
}
std::string Text(const MemoryChanged& event) {
  return Line("MemoryChanged").Number("memory", event.memory.count()).Take();
}

std::string Text(const StartRun& run, const ActionList& actions, Instant) {
  std::string members;
  for (RequestId member : actions.MembersOf(run)) {
    members += (members.empty() ? "" : ",") + std::to_string(ToIndex(member));
  }
  return Line("StartRun")
      .Id("run", run.run)
      .Id("model", run.model)
      .Number("rows", run.rows)
      .Word("where", run.where == Where::kInline ? "inline" : "worker")
      .Number("slot", run.slot)
      .Number("cores", run.cores)
      .Word("requests", members)
      .Take();
}
std::string Text(const StopRun& stop, const ActionList&, Instant) {
  return Line("StopRun").Id("run", stop.run).Take();
}
std::string Text(const Reply& reply, const ActionList&, Instant) {
  Line line("Reply");
  line.Id("request", reply.request).Word("end", EndName(reply.end));
  if (reply.cold) line.Word("start", "cold");
  return line.Take();
}
std::string Text(const Reject& reject, const ActionList&, Instant) {
  return Line("Reject")
      .Id("request", reject.request)
      .Word("end", EndName(reject.end))
      .Word("code", CodeName(reject.code))
      .Word("reason", RejectReasonName(reject.reason))
      .Span("earliest_bound", reject.earliest_bound)
      .Span("retry_after", reject.retry_after)
      .Take();
}
std::string Text(const StartLoad& load, const ActionList&, Instant) {
  return Line("StartLoad").Id("model", load.model).Take();
}
std::string Text(const StartUnload& unload, const ActionList&, Instant) {
  return Line("StartUnload").Id("model", unload.model).Take();
}
std::string Text(const StartEvict& evict, const ActionList&, Instant) {
  return Line("StartEvict").Id("model", evict.model).Take();
}
std::string Text(const StopLoad& stop, const ActionList&, Instant) {
  return Line("StopLoad").Id("model", stop.model).Take();
}
std::string Text(const WakeAt& wake, const ActionList&, Instant now) {
  return Line("WakeAt").Span("in", wake.at - now).Take();
}
std::string Text(const Drained&, const ActionList&, Instant) { return "Drained"; }

}  // namespace

std::string TextOf(const Event& event, Instant now) {
  const Instant at = std::visit([](const auto& known) { return known.at; }, event);
  const std::string text = std::visit([](const auto& known) { return Text(known); }, event);
  return text + Line("").Span("at", at - now).Take();
}

std::string TextOf(const Action& action, const ActionList& actions, Instant now) {
  return std::visit([&](const auto& known) { return Text(known, actions, now); }, action);
}

}  // namespace cotenant
