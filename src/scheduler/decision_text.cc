#include "scheduler/decision_text.h"

#include <algorithm>

#include "catalog/variant.h"

namespace cotenant {
namespace {

template <typename Id>
std::string Number(Id id) {
  return std::to_string(static_cast<std::uint64_t>(id));
}

std::string Count(std::int64_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

std::string ModelName(const DecisionNames& names, ModelId model) {
  return names.model ? names.model(model) : "model " + Number(model);
}

std::string TenantName(const DecisionNames& names, TenantId tenant) {
  return names.tenant ? names.tenant(tenant) : "tenant " + Number(tenant);
}

std::string MebibytesText(Bytes size) {
  constexpr std::int64_t kMebibyte = 1 << 20;
  const std::int64_t tenths = (size.count() * 10 + kMebibyte / 2) / kMebibyte;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " MiB";
}

std::string WhyRefused(const AdmissionDecision& why) {
  const std::string full = " is full: " + std::to_string(why.waiting) + " of " +
                           std::to_string(why.waiting_max) + " wait";
  switch (*why.refused) {
    case RejectReason::kQueueFull:
      if (why.full == FullQueue::kModel) return "its model's queue" + full;
      if (why.full == FullQueue::kTenant) return "its tenant's queue" + full;
      return "the node's queue" + full;
    case RejectReason::kExpired:
      return "its bound of " + SpanText(why.bound) + " had passed before it was read";
    case RejectReason::kQueueTimeout: return "its queue timeout passed";
    case RejectReason::kDraining: return "the node is shutting down";
    case RejectReason::kModelUnloaded: return "its model is not loaded";
    case RejectReason::kNeverFits: return "its model or its run takes more memory than there is";
    case RejectReason::kLoadFailed: return "its model left memory and could not be loaded again";
    case RejectReason::kNotAccurate: return "no variant is as accurate as its bound";
    case RejectReason::kTenantMemory: return "its model takes more memory than its tenant may have";
    case RejectReason::kNotFeasible:
    case RejectReason::kNoRoom: break;
  }
  const bool never = why.reason == AdmissionReason::kBelowFastest;
  return std::string(why.policy) + " compares its bound of " + SpanText(why.bound) + " with " +
         (never ? "the fastest run ever seen, " + SpanText(why.estimate)
                : "an estimated " + SpanText(why.estimate) + " to its reply (p95" +
                      (why.cold ? ", with its model's load)" : ")")) +
         "; the smallest bound that would do is " + SpanText(why.earliest_bound);
}

std::string WhyTaken(const AdmissionDecision& why) {
  if (!why.reason) return "it has no latency bound";
  const std::string policy(why.policy);
  if (*why.reason == AdmissionReason::kUnknown) {
    return policy + " takes it to learn, as nothing is known of its run time";
  }
  if (*why.reason == AdmissionReason::kStale) {
    return policy + " takes it to learn anew: its bound of " + SpanText(why.bound) +
           " is below an estimated " + SpanText(why.estimate) + ", which is old";
  }
  if (why.estimate == Duration()) return policy + " asks for nothing";
  return policy + " compares its bound of " + SpanText(why.bound) + " with an estimated " +
         SpanText(why.estimate) + " to its reply";
}

/// Why this variant. Nothing where there is one only.
std::string WhyVariant(const AdmissionDecision& why) {
  if (why.named) return "; its client named the variant";
  if (why.accuracy == 0) return {};
  std::string text = "; the variant has " + AccuracyText(why.accuracy) + " points";
  if (why.accuracy_min > 0) text += ", " + AccuracyText(why.accuracy_min) + " are needed";
  if (why.passed_over > 0) {
    text += ", " + std::to_string(why.passed_over) + " better in memory would be too late";
  }
  return text;
}

std::string Text(const AdmissionDecision& why, const DecisionNames& names) {
  std::string text = "request " + Number(why.request) + " of " + TenantName(names, why.tenant) +
                     " for " + ModelName(names, why.model) + " (" + Count(why.rows, "row") + ")";
  if (why.refused) return text + " is refused: " + WhyRefused(why);
  text += " is taken in: " + WhyTaken(why) + (why.cold ? "; its model is not in memory" : "") +
          WhyVariant(why) + "; " + Count(why.waiting, "request") +
          (why.waiting == 1 ? " waits" : " wait");
  if (why.work_before > Duration()) text += ", " + SpanText(why.work_before) + " of work go first";
  return text + ", " + Count(why.running, "run") + (why.running == 1 ? " is" : " are") +
         " under way";
}

std::string_view BatchReasonText(BatchReason reason) {
  switch (reason) {
    case BatchReason::kAlone: return "joins nothing";
    case BatchReason::kFull: return "no more rows fit";
    case BatchReason::kPreferred: return "a preferred size is reached";
    case BatchReason::kDelayOver: return "the oldest waited as long as it may";
    case BatchReason::kDeadline: return "waiting longer would break a deadline";
    case BatchReason::kNoDelay: return "no wait is configured";
    case BatchReason::kFilling: return "more rows may come";
  }
  return "";
}

std::string WhyThere(const StartDecision& why) {
  const std::string takes = "its p99 of " + SpanText(why.takes_p99);
  switch (why.where_reason) {
    case WhereReason::kShort: return takes + " is short";
    case WhereReason::kFirstAlone: return "only its first request is short enough";
    case WhereReason::kUnknown: return "nothing is known of its run time";
    case WhereReason::kSeveralCores: return "it takes " + Count(why.cores, "core");
    case WhereReason::kTooLong: return takes + " is too long to run inline";
    case WhereReason::kTurnFull: return "this turn has no room left for " + SpanText(why.takes_p99);
  }
  return "";
}

std::string WhyFirst(const StartDecision& why) {
  const std::string policy(why.dispatch);
  if (!why.next) return policy + " has nobody else in turn";
  const std::string next = "request " + Number(*why.next);
  const Duration ahead = Duration::Nanoseconds(why.next_rank - why.rank);
  if (ahead == Duration()) return policy + " ranks it as " + next + ", which came later";
  if (ahead > Duration()) return policy + " ranks it " + SpanText(ahead) + " ahead of " + next;
  return policy + " ranks " + next + " " + SpanText(Duration() - ahead) +
         " ahead of it, but that one finds no room";
}

std::string Text(const StartDecision& why, const DecisionNames& names) {
  std::string text = "request " + Number(why.first) + " starts after " + SpanText(why.waited);
  if (why.members > 1) text += ", with " + Count(why.members - 1, "other");
  text += ", as run " + Number(why.run) + " of " + ModelName(names, why.model) + " (" +
          std::to_string(why.rows) + " of " + Count(why.rows_waiting, "waiting row") +
          ", at most " + std::to_string(why.rows_max) + "): " + WhyFirst(why) + "; " +
          std::string(why.batching) + ": " + std::string(BatchReasonText(why.batch_reason)) + "; ";
  text += why.where == Where::kInline ? "inline" : "on a worker";
  text += why.slot < 0 ? ", beyond the slots" : ", slot " + std::to_string(why.slot);
  return text + ": " + WhyThere(why);
}

std::string Text(const JoinDecision& why, const DecisionNames&) {
  return "request " + Number(why.request) + " joins run " + Number(why.run) + " after " +
         SpanText(why.waited);
}

std::string Text(const HoldDecision& why, const DecisionNames& names) {
  std::string text = ModelName(names, why.model) + " waits, with request " + Number(why.first) +
                     " first in turn: ";
  if (why.keeps_order) return text + "its replies go out in order, and its last run has not ended";
  text += std::string(why.batching) + " has " + std::to_string(why.rows) + " of at most " +
          Count(why.rows_max, "row") + ", " + std::string(BatchReasonText(why.reason)) +
          ", for at most " + SpanText(why.wait) + "; the oldest waited " + SpanText(why.waited);
  if (why.due < Duration::Max()) text += ", the earliest deadline is in " + SpanText(why.due);
  if (why.finish_p95 >= Duration()) text += ", a run takes " + SpanText(why.finish_p95) + " (p95)";
  return text;
}

std::string Text(const EndDecision& why, const DecisionNames&) {
  const std::string after = " after " + SpanText(why.since_arrival);
  const std::string request = "request " + Number(why.request);
  switch (why.end) {
    case End::kExpired:
      if (why.since_arrival < why.bound) {
        return request + " is given up" + after + ": by the estimate of its run it can no longer " +
               "meet its bound of " + SpanText(why.bound);
      }
      return request + " expired" + after + ": its bound of " + SpanText(why.bound) +
             " passed while it waited";
    case End::kRejected:
      switch (why.reason) {
        case RejectReason::kNeverFits:
          return request + " is refused" + after +
                 ": its model or its run takes more memory than there is";
        case RejectReason::kNoRoom:
          return request + " is refused" + after +
                 ": the residency policy makes no room for its model";
        case RejectReason::kLoadFailed:
          return request + " is refused" + after + ": its model could not be loaded again";
        case RejectReason::kTenantMemory:
          return request + " is refused" + after +
                 ": its model takes more memory than its tenant may have";
        default: break;
      }
      return request + " is given up" + after + ": its queue timeout passed while it waited";
    case End::kFailed: return request + " failed" + after + ", with its run";
    case End::kCancelled:
    case End::kReplied: break;
  }
  return request + "'s client went away" + after +
         (why.ran ? ", while it ran" : ", while it waited");
}

std::string Text(const RerunDecision& why, const DecisionNames&) {
  return "request " + Number(why.request) + " runs once more, by itself: run " + Number(why.run) +
         " of " + Count(why.members, "member") + " failed on its content";
}

std::string DueText(Duration due) {
  return due < Duration() ? SpanText(Duration() - due) + " ago" : "in " + SpanText(due);
}

std::string Text(const LoadDecision& why, const DecisionNames& names) {
  std::string text = ModelName(names, why.model) + " is loaded" + (why.again ? " again: " : ": ");
  switch (why.reason) {
    case LoadReason::kControl: text += "it was asked for"; break;
    case LoadReason::kWaiting:
      text += Count(why.waiting, "request") + (why.waiting == 1 ? " waits" : " wait") + " for it";
      break;
    case LoadReason::kExpected: text += "a request is expected"; break;
    case LoadReason::kBetter: text += "it is more accurate, and there is room"; break;
    case LoadReason::kSmaller: text += "it is smaller, and others need the room"; break;
  }
  if (why.in_place_of) text += ", in place of " + ModelName(names, *why.in_place_of);
  if (why.next) {
    text += "; due " + DueText(why.due) + ", before " + ModelName(names, *why.next) + ", due " +
            DueText(why.next_due);
  }
  if (why.limit == Bytes()) return text;
  return text + "; it takes " + MebibytesText(why.size) + " of " + MebibytesText(why.free) +
         " free";
}

/// What the choice went by, and who was spared.
std::string WhyIt(const EvictDecision& why, const DecisionNames& names) {
  if (why.figure.empty()) return {};
  std::string text = " by " + std::string(why.figure) + ", " + std::to_string(why.value) + "; ";
  if (!why.next) return text + "nobody else could leave";
  return text + ModelName(names, *why.next) + " is next with " + std::to_string(why.next_value);
}

std::string Text(const EvictDecision& why, const DecisionNames& names) {
  std::string text = ModelName(names, why.model) + " leaves memory";
  if (why.asked) text += " for " + ModelName(names, *why.asked);
  switch (why.reason) {
    case EvictReason::kForModel: text += ": " + std::string(why.policy) + " chose it"; break;
    case EvictReason::kForced:
      text += ": it was used least recently, and " + std::string(why.policy) + " makes no room";
      break;
    case EvictReason::kShortage: text += ": models or runs took more than was expected"; break;
    case EvictReason::kReplaced: text += ": that variant takes its place"; break;
    case EvictReason::kIdle:
      text += ": nobody has asked for it for as long as it may stay so";
      break;
    case EvictReason::kTenant: text += ": its tenant's models take more than they may"; break;
  }
  text += WhyIt(why, names);
  text += "; it gives " + MebibytesText(why.size);
  if (why.needed > Bytes()) text += ", " + MebibytesText(why.needed) + " were lacking";
  text += "; ";
  text += why.unused < Duration() ? "no request came for it"
                                  : "its last request came " + SpanText(why.unused) + " ago";
  if (why.running > 0) text += "; it goes after " + Count(why.running, "run");
  if (why.waiting > 0) text += "; " + Count(why.waiting, "request") + " will wait for its return";
  return text;
}

std::string Text(const MoveDecision& why, const DecisionNames& names) {
  return "request " + Number(why.request) + " is to be answered by " + ModelName(names, why.to) +
         " instead of " + ModelName(names, why.from);
}

using Visit = std::function<void(const DecisionField&)>;

std::int64_t Signed(auto id) { return static_cast<std::int64_t>(id); }

void Fields(const AdmissionDecision& why, const DecisionNames& names, const Visit& visit) {
  visit({"kind", std::string_view(why.refused ? "refused" : "admitted")});
  visit({"request", Signed(why.request)});
  visit({"tenant", std::string_view(TenantName(names, why.tenant))});
  visit({"model", std::string_view(ModelName(names, why.model))});
  visit({"rows", std::int64_t{why.rows}});
  if (why.refused) visit({"reason", RejectReasonName(*why.refused)});
  if (why.reason) visit({"policy", why.policy});
  if (why.bound > Duration()) visit({"latency_bound_ms", why.bound});
  if (why.estimate > Duration()) visit({"estimate_ms", why.estimate});
  if (why.earliest_bound > Duration()) visit({"earliest_bound_ms", why.earliest_bound});
  visit({"work_before_ms", why.work_before});
  visit({"running", std::int64_t{why.running}});
  visit({"waiting", std::int64_t{why.waiting}});
  if (why.waiting_max > 0) visit({"waiting_max", std::int64_t{why.waiting_max}});
  if (why.cold) visit({"cold", true});
  if (why.named) visit({"named", true});
  if (why.accuracy > 0) visit({"accuracy_milli", std::int64_t{why.accuracy}});
  if (why.accuracy_min > 0) visit({"accuracy_min_milli", std::int64_t{why.accuracy_min}});
  if (why.passed_over > 0) visit({"passed_over", std::int64_t{why.passed_over}});
}

void Fields(const StartDecision& why, const DecisionNames& names, const Visit& visit) {
  visit({"kind", std::string_view("started")});
  visit({"request", Signed(why.first)});
  visit({"run", Signed(why.run)});
  visit({"model", std::string_view(ModelName(names, why.model))});
  visit({"requests", std::int64_t{why.members}});
  visit({"rows", std::int64_t{why.rows}});
  visit({"rows_waiting", why.rows_waiting});
  visit({"rows_max", std::int64_t{why.rows_max}});
  visit({"waited_ms", why.waited});
  visit({"dispatch", why.dispatch});
  visit({"rank", why.rank});
  if (why.next) {
    visit({"next_request", Signed(*why.next)});
    visit({"next_rank", why.next_rank});
  }
  visit({"batching", why.batching});
  visit({"batch_reason", BatchReasonText(why.batch_reason)});
  visit({"where", std::string_view(why.where == Where::kInline ? "inline" : "worker")});
  if (why.takes_p99 >= Duration()) visit({"run_p99_ms", why.takes_p99});
  visit({"slot", std::int64_t{why.slot}});
  visit({"cores", std::int64_t{why.cores}});
  visit({"slots_free", std::int64_t{why.slots_free}});
}

void Fields(const JoinDecision& why, const DecisionNames&, const Visit& visit) {
  visit({"kind", std::string_view("joined")});
  visit({"request", Signed(why.request)});
  visit({"run", Signed(why.run)});
  visit({"waited_ms", why.waited});
}

void Fields(const HoldDecision& why, const DecisionNames& names, const Visit& visit) {
  visit({"kind", std::string_view("held")});
  visit({"request", Signed(why.first)});
  visit({"model", std::string_view(ModelName(names, why.model))});
  visit({"batching", why.batching});
  visit({"keeps_order", why.keeps_order});
  visit({"rows", std::int64_t{why.rows}});
  visit({"rows_max", std::int64_t{why.rows_max}});
  visit({"waited_ms", why.waited});
  if (why.wait < Duration::Max()) visit({"wait_max_ms", why.wait});
  if (why.due < Duration::Max()) visit({"deadline_in_ms", why.due});
  if (why.finish_p95 >= Duration()) visit({"finish_p95_ms", why.finish_p95});
}

void Fields(const EndDecision& why, const DecisionNames& names, const Visit& visit) {
  visit({"kind", EndName(why.end)});
  visit({"request", Signed(why.request)});
  visit({"model", std::string_view(ModelName(names, why.model))});
  if (why.end == End::kRejected || why.end == End::kExpired) {
    visit({"reason", RejectReasonName(why.reason)});
  }
  visit({"ran", why.ran});
  visit({"since_arrival_ms", why.since_arrival});
  if (why.bound > Duration()) visit({"latency_bound_ms", why.bound});
}

void Fields(const RerunDecision& why, const DecisionNames&, const Visit& visit) {
  visit({"kind", std::string_view("rerun_alone")});
  visit({"request", Signed(why.request)});
  visit({"run", Signed(why.run)});
  visit({"requests", std::int64_t{why.members}});
}

void Fields(const LoadDecision& why, const DecisionNames& names, const Visit& visit) {
  constexpr std::string_view kReasons[] = {"control", "waiting", "expected", "better", "smaller"};
  visit({"kind", std::string_view("load")});
  visit({"model", std::string_view(ModelName(names, why.model))});
  visit({"reason", kReasons[static_cast<std::size_t>(why.reason)]});
  visit({"again", why.again});
  visit({"waiting", std::int64_t{why.waiting}});
  if (why.due < Duration::Max()) visit({"due_in_ms", why.due});
  if (why.next) {
    visit({"next_model", std::string_view(ModelName(names, *why.next))});
    visit({"next_due_in_ms", why.next_due});
  }
  if (why.in_place_of) {
    visit({"in_place_of", std::string_view(ModelName(names, *why.in_place_of))});
  }
  if (why.limit == Bytes()) return;
  visit({"size_bytes", why.size.count()});
  visit({"free_bytes", why.free.count()});
}

void Fields(const EvictDecision& why, const DecisionNames& names, const Visit& visit) {
  constexpr std::string_view kReasons[] = {"for_model", "forced", "shortage",
                                           "replaced",  "idle",   "tenant"};
  visit({"kind", std::string_view("evict")});
  visit({"model", std::string_view(ModelName(names, why.model))});
  visit({"reason", kReasons[static_cast<std::size_t>(why.reason)]});
  visit({"policy", why.policy});
  if (why.asked) visit({"for_model", std::string_view(ModelName(names, *why.asked))});
  visit({"size_bytes", why.size.count()});
  visit({"needed_bytes", why.needed.count()});
  if (!why.figure.empty()) {
    visit({"figure", why.figure});
    visit({"value", why.value});
  }
  if (why.next) {
    visit({"next_model", std::string_view(ModelName(names, *why.next))});
    visit({"next_value", why.next_value});
  }
  if (why.unused >= Duration()) visit({"unused_ms", why.unused});
  visit({"running", std::int64_t{why.running}});
  visit({"waiting", std::int64_t{why.waiting}});
}

void Fields(const MoveDecision& why, const DecisionNames& names, const Visit& visit) {
  visit({"kind", std::string_view("moved")});
  visit({"request", Signed(why.request)});
  visit({"from", std::string_view(ModelName(names, why.from))});
  visit({"to", std::string_view(ModelName(names, why.to))});
}

}  // namespace

std::string SpanText(Duration span) {
  if (span < Duration()) return "-" + SpanText(Duration() - span);
  const std::int64_t micros = (span.nanoseconds() + 999) / 1'000;
  std::string digits = std::to_string(1'000 + micros % 1'000).substr(1);
  while (!digits.empty() && digits.back() == '0') digits.pop_back();
  return std::to_string(micros / 1'000) + (digits.empty() ? "" : "." + digits) + " ms";
}

std::string DecisionText(const Decision& decision, const DecisionNames& names) {
  return std::visit([&names](const auto& why) { return Text(why, names); }, decision);
}

void VisitFields(const Decision& decision, const DecisionNames& names,
                 const std::function<void(const DecisionField&)>& visit) {
  std::visit([&](const auto& why) { Fields(why, names, visit); }, decision);
}

bool IsAbout(const Decision& decision, RequestId request) {
  return std::visit(
      [request](const auto& why) {
        if constexpr (requires { why.first; }) {
          return why.first == request;
        } else if constexpr (requires { why.request; }) {
          return why.request == request;
        } else {
          return false;
        }
      },
      decision);
}

std::optional<RunId> RunOf(const Decision& decision) {
  if (const auto* start = std::get_if<StartDecision>(&decision)) return start->run;
  if (const auto* join = std::get_if<JoinDecision>(&decision)) return join->run;
  return std::nullopt;
}

}  // namespace cotenant
