/// Could these events come from a driver that keeps its contract? For logs, which are files.

#include <algorithm>

#include "scheduler/body.h"
#include "scheduler/history_fields.h"
#include "scheduler/residency_times.h"

namespace cotenant {
namespace {

/// More rows, levels or models than any node has; below them no sum overflows.
constexpr std::int32_t kRowsMax = 1 << 24;
constexpr std::uint32_t kLevelsMax = 1 << 16;
constexpr std::size_t kModelsMax = std::size_t{1} << 20;
constexpr std::int32_t kAccuracyMax = 1'000'000;
constexpr Duration kSpanMax = Duration::Seconds(100LL * 24 * 3600);

bool Sound(Duration span) { return span >= Duration() && span <= kSpanMax; }

bool Sound(Bytes size) { return size >= Bytes() && size <= kModelBytesMax; }

bool SoundAccuracy(std::int32_t milli) { return milli >= 0 && milli <= kAccuracyMax; }

bool Sound(const ModelSettings& settings) {
  const DynamicBatching& window = settings.window;
  return settings.rows_max <= kRowsMax && window.priority_levels <= kLevelsMax &&
         window.default_priority_level <= window.priority_levels && Sound(window.queue_delay_max) &&
         SoundAccuracy(settings.accuracy_min) && Sound(settings.idle_unload);
}

Status Wrong(const std::string& what) {
  return InvalidArgument("an event that no driver tells: " + what);
}

/// The numbers of the requests that arrive; one that arrives twice is wrong.
Status CheckDistinct(std::span<const Event> events) {
  std::vector<std::uint64_t> arrived;
  for (const Event& event : events) {
    if (const auto* arrival = std::get_if<Arrived>(&event)) {
      arrived.push_back(static_cast<std::uint64_t>(arrival->request));
    }
  }
  std::ranges::sort(arrived);
  const auto twice = std::ranges::adjacent_find(arrived);
  if (twice == arrived.end()) return Status();
  return Wrong("request " + std::to_string(*twice) + " arrives twice");
}

}  // namespace

Status Scheduler::Body::CheckEvents(Instant now, std::span<const Event> events) {
  if (now < now_ || now > Instant::FromNanoseconds(Duration::Max().nanoseconds())) {
    return Wrong("the time goes back or is out of range");
  }
  COTENANT_RETURN_IF_ERROR(CheckDistinct(events));
  std::size_t tenants = accounts_.size();
  // Does an earlier event of the same crank make way for this one?
  const auto earlier = [&events](const Event& event, const auto& frees) {
    return std::any_of(events.data(), &event, frees);
  };
  for (const Event& event : events) {
    const Instant at = std::visit([](const auto& known) { return known.at; }, event);
    if (at > now || at < Instant()) return Wrong("it happens later than its crank");
    if (const auto* change = std::get_if<SettingsChanged>(&event)) {
      COTENANT_RETURN_IF_ERROR(CheckPolicies(change->settings.policies));
      tenants = std::max(tenants, change->settings.tenants.size());
    } else if (const auto* arrived = std::get_if<Arrived>(&event)) {
      const std::string name = "request " + std::to_string(ToIndex(arrived->request));
      if (ToIndex(arrived->tenant) >= tenants) return Wrong(name + " is of no tenant");
      if (arrived->rows < 1 || arrived->rows > kRowsMax || !Sound(arrived->bounds.latency) ||
          !Sound(arrived->bounds.queue_timeout) || !SoundAccuracy(arrived->bounds.accuracy)) {
        return Wrong(name + " is out of range");
      }
      const bool freed = earlier(event, [&](const Event& other) {
        const auto* written = std::get_if<ReplyWritten>(&other);
        return written != nullptr && written->request == arrived->request;
      });
      if (!freed && request_by_id_.Find(arrived->request) != nullptr) {
        return Wrong(name + " is known already");
      }
    } else if (const auto* wanted = std::get_if<LoadWanted>(&event)) {
      const std::string name = "model " + std::to_string(ToIndex(wanted->model));
      if (ToIndex(wanted->model) >= kModelsMax || !Sound(wanted->expected) ||
          !Sound(wanted->load_peak) || !Sound(wanted->run_peak)) {
        return Wrong(name + " is out of range");
      }
      const bool freed = earlier(event, [&](const Event& other) {
        const auto* unloaded = std::get_if<Unloaded>(&other);
        const auto* failed = std::get_if<LoadFailed>(&other);
        return (unloaded != nullptr && unloaded->model == wanted->model) ||
               (failed != nullptr && failed->model == wanted->model);
      });
      if (!freed && FindModel(wanted->model) != nullptr) return Wrong(name + " is there already");
      if (!SoundAccuracy(wanted->accuracy)) return Wrong(name + " is out of range");
      if (wanted->variant_of && ToIndex(*wanted->variant_of) >= kModelsMax) {
        return Wrong(name + " is a variant of no model");
      }
    } else if (const auto* loaded = std::get_if<LoadFinished>(&event)) {
      if (!Sound(loaded->settings)) return Wrong("a model's settings are out of range");
      if (!Sound(loaded->anonymous) || !Sound(loaded->mapped) || !Sound(loaded->run_peak) ||
          !Sound(loaded->ran_for)) {
        return Wrong("a model's size or time is out of range");
      }
    } else if (const auto* finished = std::get_if<RunFinished>(&event)) {
      if (!Sound(finished->ran_for)) return Wrong("a run's time is out of range");
      if (!Sound(finished->peak)) return Wrong("a run's peak is out of range");
    } else if (const auto* failed = std::get_if<RunFailed>(&event)) {
      if (!Sound(failed->ran_for)) return Wrong("a run's time is out of range");
    } else if (const auto* changed = std::get_if<MemoryChanged>(&event)) {
      if (!Sound(changed->memory)) return Wrong("the memory that is left is out of range");
    } else if (const auto* known = std::get_if<HistoryKnown>(&event)) {
      if (!SoundHistory(*known->history, now)) return Wrong("a model's history is out of range");
    }
  }
  return Status();
}

}  // namespace cotenant
