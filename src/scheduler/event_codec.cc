#include "scheduler/event_codec.h"

#include <utility>
#include <variant>

#include "scheduler/history_fields.h"
#include "scheduler/settings_fields.h"

namespace cotenant {

template <>
inline constexpr Code kLastOf<Code> = Code::kInternal;
template <>
inline constexpr End kLastOf<End> = End::kFailed;
template <>
inline constexpr RejectReason kLastOf<RejectReason> = RejectReason::kTenantMemory;
template <>
inline constexpr Where kLastOf<Where> = Where::kWorker;

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<RequestBounds> auto& bounds) {
  auto& [latency, queue_timeout, accuracy] = bounds;
  archive(latency, queue_timeout, accuracy);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<Arrived> auto& event) {
  auto& [at, request, tenant, model, rows, batch_key, priority, bounds, variant, client_id] = event;
  archive(at, request, tenant, model, rows, priority, bounds, variant, client_id);
  archive.Fixed(batch_key);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<Gone> auto& event) {
  auto& [at, request] = event;
  archive(at, request);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<RunFinished> auto& event) {
  auto& [at, run, ran_for, peak] = event;
  archive(at, run, ran_for, peak);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<RunFailed> auto& event) {
  auto& [at, run, ran_for, code, on_content] = event;
  archive(at, run, ran_for, code, on_content);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<ReplyWritten> auto& event) {
  auto& [at, request] = event;
  archive(at, request);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<LoadWanted> auto& event) {
  auto& [at, model, expected, load_peak, load_peak_guessed, run_peak, variant_of, accuracy] = event;
  archive(at, model, expected, load_peak, load_peak_guessed, run_peak, variant_of, accuracy);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<LoadFinished> auto& event) {
  auto& [at, model, settings, ran_for, anonymous, mapped, run_peak] = event;
  archive(at, model, settings, ran_for, anonymous, mapped, run_peak);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<LoadFailed> auto& event) {
  auto& [at, model, code] = event;
  archive(at, model, code);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<WarmedUp> auto& event) {
  auto& [at, model, rows, ran_for] = event;
  archive(at, model, rows, ran_for);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<UnloadWanted> auto& event) {
  auto& [at, model] = event;
  archive(at, model);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<Unloaded> auto& event) {
  auto& [at, model, returned] = event;
  archive(at, model, returned);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<Woken> auto& event) {
  auto& [at] = event;
  archive(at);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<SettingsChanged> auto& event) {
  auto& [at, settings] = event;
  archive(at, settings);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<DrainWanted> auto& event) {
  auto& [at] = event;
  archive(at);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<Evicted> auto& event) {
  auto& [at, model, returned] = event;
  archive(at, model, returned);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<MemoryChanged> auto& event) {
  auto& [at, memory] = event;
  archive(at, memory);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<HistoryKnown> auto& event) {
  auto& [at, model, history] = event;
  archive(at, model);
  if constexpr (std::remove_reference_t<decltype(archive)>::kReads) {
    auto known = std::make_shared<ArrivalHistory>();
    VisitHistory(archive, *known);
    history = std::move(known);
  } else {
    VisitHistory(archive, *history);
  }
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<StopRun> auto& action) {
  auto& [run] = action;
  archive(run);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<Reply> auto& action) {
  auto& [request, end, cold] = action;
  archive(request, end, cold);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<Reject> auto& action) {
  auto& [request, end, code, reason, earliest_bound, retry_after, estimate] = action;
  archive(request, end, code, reason, earliest_bound, retry_after, estimate);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<StartLoad> auto& action) {
  auto& [model] = action;
  archive(model);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<StartUnload> auto& action) {
  auto& [model] = action;
  archive(model);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<WakeAt> auto& action) {
  auto& [at] = action;
  archive(at);
}

template <typename Archive>
void VisitFields(Archive&, MaybeConst<Drained> auto&) {}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<StartEvict> auto& action) {
  auto& [model] = action;
  archive(model);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<StopLoad> auto& action) {
  auto& [model] = action;
  archive(model);
}

namespace {

/// A run's members follow it; where they lie in the list is not stored, because they lie there in
/// order.
template <typename Archive>
void VisitRun(Archive& archive, MaybeConst<StartRun> auto& action) {
  auto& [run, model, first_member, member_count, rows, where, slot, cores] = action;
  archive(run, model, member_count, rows, where, slot, cores);
}

/// Reads the alternative with this number into `value`.
template <typename Variant, std::size_t kIndex = 0>
void ReadAlternative(FieldReader& reader, std::uint64_t number, Variant& value) {
  if constexpr (kIndex == std::variant_size_v<Variant>) {
    reader.Fail("no such kind of event or action");
  } else if (number == kIndex) {
    auto& alternative = value.template emplace<kIndex>();
    if constexpr (std::is_same_v<std::remove_reference_t<decltype(alternative)>, StartRun>) {
      VisitRun(reader, alternative);
    } else {
      reader(alternative);
    }
  } else {
    ReadAlternative<Variant, kIndex + 1>(reader, number, value);
  }
}

}  // namespace

void EncodeEvents(std::span<const Event> events, FieldWriter& writer) {
  writer.Varint(events.size());
  for (const Event& event : events) {
    writer.Varint(event.index());
    std::visit([&writer](const auto& known) { writer(known); }, event);
  }
}

void EncodeActions(const ActionList& actions, FieldWriter& writer) {
  writer.Varint(actions.actions.size());
  for (const Action& action : actions.actions) {
    writer.Varint(action.index());
    if (const auto* start = std::get_if<StartRun>(&action)) {
      VisitRun(writer, *start);
      for (RequestId member : actions.MembersOf(*start)) writer(member);
    } else {
      std::visit(
          [&writer]<typename T>(const T& known) {
            if constexpr (!std::is_same_v<T, StartRun>) writer(known);
          },
          action);
    }
  }
}

void DecodeEvents(FieldReader& reader, std::vector<Event>& events) {
  events.clear();
  for (std::size_t count = reader.Count(); count > 0 && reader.ok(); --count) {
    ReadAlternative(reader, reader.Varint(), events.emplace_back());
  }
}

void DecodeActions(FieldReader& reader, ActionList& actions) {
  actions.Clear();
  for (std::size_t count = reader.Count(); count > 0 && reader.ok(); --count) {
    Action& action = actions.actions.emplace_back();
    ReadAlternative(reader, reader.Varint(), action);
    auto* start = std::get_if<StartRun>(&action);
    if (start == nullptr) continue;
    start->first_member = static_cast<std::uint32_t>(actions.members.size());
    if (start->member_count > reader.left()) reader.Fail("a run has more members than bytes left");
    for (std::uint32_t i = 0; i < start->member_count && reader.ok(); ++i) {
      reader(actions.members.emplace_back());
    }
  }
  if (!reader.ok()) actions.Clear();
}

}  // namespace cotenant
