/// What holds between the parts of a sound state, and what follows from them.

#include <algorithm>

#include "scheduler/history_fields.h"
#include "scheduler/residency_times.h"
#include "scheduler/snapshot.h"

namespace cotenant {
namespace {

/// Walks the list of a model's queues; gives back how many there are, or nothing when it is no list
/// of this model's queues alone. Sets `previous` on the way.
std::optional<std::uint32_t> LinkQueues(Slab<Queue>& queues, const std::vector<bool>& used,
                                        ModelId model, std::uint32_t first) {
  std::uint32_t count = 0;
  std::uint32_t previous = kNowhere;
  for (std::uint32_t i = first; i != kNowhere; previous = i, i = queues[i].next) {
    if (i >= used.size() || !used[i] || queues[i].model != model) return std::nullopt;
    if (++count > queues.size()) return std::nullopt;
    queues[i].previous = previous;
  }
  return count;
}

}  // namespace

const char* Snapshot::Complete(Scheduler::Body& body) {
  for (auto* part : {&CompleteRequests, &CompleteQueues, &CompleteRuns, &CompleteSlots}) {
    if (const char* wrong = (*part)(body); wrong != nullptr) return wrong;
  }
  if (const char* wrong = CheckHeaps(body.queues_); wrong != nullptr) return wrong;
  return CompleteModels(body);
}

/// Sets the counts of models and accounts, and the table of numbers.
const char* Snapshot::CompleteRequests(Scheduler::Body& body) {
  const std::vector<bool> used = PlacesInUse(body.requests_);
  std::vector<std::vector<std::uint32_t>> levels;
  for (const ModelRecord& model : body.models_) {
    levels.emplace_back(model.waiting_by_level.size(), 0);
  }
  for (std::uint32_t i = 0; i < used.size(); ++i) {
    if (!used[i]) continue;
    const Request& request = body.requests_[i];
    if (!body.request_by_id_.Insert(request.id, i)) return "two requests have one number";
    if (request.sequence > body.sequence_) return "a request is of the future";
    if (request.rows < 1) return "a request has no rows";
    if (ToIndex(request.tenant) >= body.accounts_.accounts_.size()) return "no such tenant";
    const bool waits = request.state == Request::State::kWaiting;
    if (waits != (request.queue != kNowhere)) return "a request waits in no queue";
    if (request.state == Request::State::kEnded) continue;
    const std::size_t model = ToIndex(request.model);
    if (model >= body.models_.size() || request.level >= levels[model].size()) {
      return "a request is of no model";
    }
    ++body.models_[model].accepted;
    if (!waits) continue;
    if (body.queues_.queues_[request.queue].model != request.model)
      return "a queue is not of one model";
    ++body.models_[model].waiting;
    ++levels[model][request.level];
    ++body.accounts_.accounts_[ToIndex(request.tenant)].waiting;
  }
  for (std::size_t i = 0; i < levels.size(); ++i) {
    if (levels[i] != body.models_[i].waiting_by_level)
      return "a count of waiting requests is wrong";
  }
  return nullptr;
}

/// Sets sums, back links and the table of keys.
const char* Snapshot::CompleteQueues(Scheduler::Body& body) {
  RequestQueues& queues = body.queues_;
  for (std::uint32_t i = 0; i < body.requests_.places(); ++i) {
    const Request& request = body.requests_[i];
    if (request.queue == kNowhere) continue;
    Queue& queue = queues.queues_[request.queue];
    queue.cost += request.cost;
    if (queue.may_inline) queues.inline_work_ += request.cost;
    ++queues.waiting_;
  }
  const std::vector<bool> used = PlacesInUse(queues.queues_);
  for (std::uint32_t i = 0; i < used.size(); ++i) {
    if (!used[i]) continue;
    const Queue& queue = queues.queues_[i];
    if (queue.root == RankForest::kEmpty) return "a queue is empty";
    if (queue.may_inline && !body.models_[ToIndex(queue.model)].may_inline) {
      return "a queue runs inline though its model does not";
    }
    if (!queues.by_key_.Insert({queue.model, queue.key}, i)) return "two queues have one key";
  }
  std::size_t linked = 0;
  for (std::size_t i = 0; i < body.models_.size(); ++i) {
    const ModelId id{static_cast<std::uint32_t>(i)};
    const auto count = LinkQueues(queues.queues_, used, id, body.models_[i].first_queue);
    if (!count) return "a list of queues is broken";
    linked += *count;
  }
  return linked == queues.queues_.size() ? nullptr : "a queue is of no model";
}

const char* Snapshot::CheckHeaps(const RequestQueues& queues) {
  const std::size_t in_heaps =
      queues.ready_.size() + queues.ready_inline_.size() + queues.held_.size();
  if (in_heaps != queues.queues_.size()) return "a queue is not in one heap";
  const std::vector<bool> used = PlacesInUse(queues.queues_);
  for (std::uint32_t i = 0; i < used.size(); ++i) {
    const bool found =
        queues.ready_.Contains(i) || queues.ready_inline_.Contains(i) || queues.held_.Contains(i);
    if (found != used[i]) return "a queue is not in one heap";
  }
  bool waiting = true;
  queues.timers_.ForEach([&](std::uint32_t item, const RequestQueues::Due&) {
    waiting = waiting && queues.requests_[item].queue != kNowhere;
  });
  return waiting ? nullptr : "a timer is of no waiting request";
}

/// The members of a run lie in its list, and are of this run.
const char* Snapshot::CheckMembers(const Scheduler::Body& body, std::uint32_t index) {
  const StartedRun& run = body.runs_[index];
  std::uint32_t count = 0;
  std::uint32_t live = 0;
  for (std::uint32_t m = run.first_member; m != kNowhere; m = body.requests_[m].next_member) {
    if (m >= body.requests_.places() || ++count > run.member_count) return "a run's list is broken";
    const Request& request = body.requests_[m];
    if (request.state != Request::State::kRunning || request.run != index ||
        request.model != run.model) {
      return "a run's member is not its own";
    }
    if (!request.gone) ++live;
  }
  if (count != run.member_count || count == 0) return "a run's list is broken";
  return live == run.live ? nullptr : "a count of live members is wrong";
}

/// Sets the models' counts of runs and the table of numbers.
const char* Snapshot::CompleteRuns(Scheduler::Body& body) {
  const std::vector<bool> used = PlacesInUse(body.runs_);
  std::size_t members = 0;
  for (std::uint32_t i = 0; i < used.size(); ++i) {
    if (!used[i]) continue;
    const StartedRun& run = body.runs_[i];
    if (!body.run_by_id_.Insert(run.id, i)) return "two runs have one number";
    if (ToIndex(run.id) >= body.next_run_ || run.rows < 1 || run.cores < 1) {
      return "a run is out of shape";
    }
    if (ToIndex(run.model) >= body.models_.size()) return "a run is of no model";
    ++body.models_[ToIndex(run.model)].running;
    if (const char* wrong = CheckMembers(body, i); wrong != nullptr) return wrong;
    members += run.member_count;
  }
  const std::vector<bool> requests = PlacesInUse(body.requests_);
  for (std::uint32_t i = 0; i < requests.size(); ++i) {
    if (!requests[i] || body.requests_[i].state != Request::State::kRunning) continue;
    if (members-- == 0) return "a request runs in no run";
  }
  return nullptr;
}

/// Sets the counts of slots.
const char* Snapshot::CompleteSlots(Scheduler::Body& body) {
  Slots& slots = body.slots_;
  const std::vector<bool> chains = PlacesInUse(slots.chains_);
  const std::vector<bool> runs = PlacesInUse(body.runs_);
  std::vector<std::int32_t> runs_of(chains.size(), 0);
  for (std::uint32_t i = 0; i < runs.size(); ++i) {
    const std::uint32_t chain = body.runs_[i].chain;
    if (!runs[i] || chain == kNowhere) continue;
    if (chain >= chains.size() || !chains[chain]) return "a run is of no chain";
    ++runs_of[chain];
  }
  slots.free_ = 0;
  for (std::uint32_t slot = 0; slot < slots.owner_.size(); ++slot) {
    const std::uint32_t owner = slots.owner_[slot];
    if (owner == Slots::kFree) {
      ++slots.free_;
    } else if (slots.chained_[slot]) {
      const bool known = owner < chains.size() && chains[owner];
      if (!known || slots.chains_[owner].slot != static_cast<std::int32_t>(slot)) {
        return "a slot is of no chain";
      }
    } else if (owner >= runs.size() || !runs[owner] || body.runs_[owner].chain != kNowhere) {
      return "a slot is of no run";
    }
  }
  for (std::uint32_t i = 0; i < chains.size(); ++i) {
    if (!chains[i]) continue;
    const Slots::Chain& chain = slots.chains_[i];
    if (chain.runs < 1 || chain.runs != runs_of[i]) return "a count of a chain's runs is wrong";
    if (chain.slot == -1) {
      ++slots.beyond_;
    } else if (chain.slot < 0 || chain.slot >= slots.total() ||
               slots.owner_[static_cast<std::size_t>(chain.slot)] != i ||
               !slots.chained_[static_cast<std::size_t>(chain.slot)]) {
      return "a chain is on no slot";
    }
  }
  return nullptr;
}

/// What holds of a model by itself.
const char* Snapshot::CheckMemory(const Scheduler::Body& body, const ModelRecord& model) {
  using State = ModelRecord::State;
  const ModelMemory& memory = model.memory;
  for (const Bytes size : {memory.size, memory.held, memory.peak, memory.load_peak}) {
    if (size < Bytes() || size > kModelBytesMax) return "a model's size is out of range";
  }
  if (!SoundHistory(memory.history, body.now_)) return "a model's history is out of range";
  for (const Duration span : {memory.load_takes, memory.backoff}) {
    if (span < Duration() || span > Duration::Max() / 8) return "a model's time is out of range";
  }
  for (const Instant at : {memory.load_began, memory.since, memory.last_used}) {
    if (at < Instant() || at > body.now_) return "a model was used in the future";
  }
  const bool sane = memory.credit >= 0 && memory.credit <= kCreditMax &&
                    memory.tested.chance >= 0 && memory.tested.chance <= 1'000'000 &&
                    memory.tested.constant >= 0 && memory.tested.constant <= 1'000'000;
  if (!sane) return "a model's credit is out of range";
  if (memory.user && ToIndex(*memory.user) >= body.accounts_.accounts_.size()) {
    return "a model is used by no tenant";
  }
  const bool goes = model.state == State::kLeaving || model.state == State::kEvicting ||
                    model.state == State::kOut;
  if (goes && (!body.Limited() || !model.served)) return "a model left memory that has no limit";
  if (model.state == State::kLeaving && model.running == 0) return "a model leaves for nothing";
  const bool runs = model.Resident() || model.running == 0;
  return runs ? nullptr : "a model runs that is not in memory";
}

/// Each model is the first of its variants, or in the list of the first.
const char* Snapshot::CheckVariants(const Scheduler::Body& body) {
  const std::vector<ModelRecord>& models = body.models_;
  std::size_t listed = 0;
  std::size_t present = 0;
  for (std::size_t i = 0; i < models.size(); ++i) {
    const ModelRecord& model = models[i];
    const ModelId id{static_cast<std::uint32_t>(i)};
    const bool absent = model.state == ModelRecord::State::kAbsent;
    present += absent ? 0 : 1;
    if (absent != (model.family == kNoModelId)) return "a model is of no family";
    if (!model.variants.empty() && (absent || model.variants.front() != id)) {
      return "a list of variants does not begin with the first";
    }
    if (model.accuracy < 0 || model.tenants_ask < 0) return "an accuracy is below zero";
    std::vector<ModelId> sorted = model.variants;
    std::ranges::sort(sorted);
    if (std::ranges::adjacent_find(sorted) != sorted.end()) return "a variant is listed twice";
    for (const ModelId variant : model.variants) {
      const bool own = ToIndex(variant) < models.size() && models[ToIndex(variant)].family == id;
      if (!own) return "a variant is not of its model";
    }
    listed += model.variants.size();
  }
  return listed == present ? nullptr : "a variant is not listed";
}

/// Sets the count of loads, and the account of memory.
const char* Snapshot::CompleteModels(Scheduler::Body& body) {
  if (const char* wrong = CheckVariants(body); wrong != nullptr) return wrong;
  std::int32_t queued = 0;
  for (const ModelRecord& model : body.models_) {
    using State = ModelRecord::State;
    if (model.state == State::kQueued) ++queued;
    if (model.state == State::kOut && model.waiting > 0) ++queued;
    if (model.state == State::kLoading) ++body.loading_;
    if (const char* wrong = CheckMemory(body, model); wrong != nullptr) return wrong;
    const bool unloading = model.state == State::kUnloading || model.state == State::kAbsent;
    const bool serves = model.served && !unloading;
    if (model.accepted > 0 && (!serves || model.batching == nullptr)) {
      return "a model that does not serve has requests";
    }
    if (model.may_inline && !model.estimates.known()) return "a model's run time is not known";
    if (model.settings.rows_max < 1) return "a model takes no rows";
    const std::size_t levels = model.settings.batching ? model.settings.window.priority_levels : 0;
    const bool takes = serves && !model.unload_wanted;
    if (takes && (model.batching == nullptr || model.waiting_by_level.size() != levels + 1)) {
      return "a model is out of shape";
    }
    if (model.settings.window.default_priority_level > model.settings.window.priority_levels) {
      return "a model's default priority is none of its levels";
    }
  }
  for (ModelId id : body.loads_waiting_) {
    if (ToIndex(id) >= body.models_.size()) return "a load waits for no model";
    const ModelRecord& model = body.models_[ToIndex(id)];
    const bool wanted = model.state == ModelRecord::State::kQueued ||
                        (model.state == ModelRecord::State::kOut && model.waiting > 0);
    if (!wanted || --queued < 0) return "a load waits for no model";
  }
  if (body.Limited()) body.Reckon();
  return queued == 0 ? nullptr : "a model's load is not in the queue";
}

}  // namespace cotenant
