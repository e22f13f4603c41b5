#include "scheduler/snapshot.h"

#include <algorithm>
#include <array>
#include <bit>

#include "scheduler/history_fields.h"
#include "scheduler/residency_times.h"
#include "scheduler/settings_fields.h"

namespace cotenant {

template <>
inline constexpr Request::State kLastOf<Request::State> = Request::State::kEnded;
template <>
inline constexpr ModelRecord::State kLastOf<ModelRecord::State> = ModelRecord::State::kOut;

// Each list unpacks the whole struct, so that a field that is added and forgotten does not compile.

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<Request> auto& request) {
  auto& [id, sequence, at, taken, deadline, queue_deadline, latest_start, run_ended, tenant, model,
         named, accuracy, rows, level, batch_key, virtual_start, cost, state, gone, alone, delayed,
         cold, queue, run, next_member] = request;
  archive(id, sequence, at, taken, deadline, queue_deadline, latest_start, run_ended, tenant, model,
          named, accuracy, rows, level, virtual_start, cost, state, gone, alone, delayed, cold,
          queue, run, next_member);
  archive.Fixed(batch_key);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<Queue> auto& queue) {
  // `root` and `cost` follow from the requests, `previous` from `next`.
  auto& [model, key, sequence, root, cost, oldest, deadline, exact, may_inline, next, previous] =
      queue;
  archive(model, sequence, oldest, deadline, exact, may_inline, next);
  archive.Fixed(key);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<StartedRun> auto& run) {
  auto& [id, model, rows, cores, member_count, live, first_member, chain] = run;
  archive(id, model, rows, cores, member_count, live, first_member, chain);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<EndCounts> auto& ends) {
  auto& [accepted, replied, rejected, expired, cancelled, failed] = ends;
  archive(accepted, replied, rejected, expired, cancelled, failed);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<Rank> auto& rank) {
  auto& [tier, primary, sequence] = rank;
  archive(tier, primary, sequence);
}

template <typename Archive>
void VisitFields(Archive& archive, MaybeConst<RequestQueues::Due> auto& due) {
  archive(due.first, due.second);
}

namespace {

template <typename T>
void VisitSlab(FieldWriter& writer, const Slab<T>& slab, const auto& visit) {
  writer(std::uint64_t{slab.places()}, slab.free_places());
  const std::vector<bool> used = PlacesInUse(slab);
  for (std::uint32_t i = 0; i < used.size(); ++i) {
    if (used[i]) visit(writer, slab[i]);
  }
}

template <typename T>
void VisitSlab(FieldReader& reader, Slab<T>& slab, const auto& visit) {
  std::uint64_t places = 0;
  std::vector<std::uint32_t> free;
  reader(places, free);
  // Every place takes a byte at least, free or not.
  if (places > free.size() + reader.left() || places >= kNowhere) {
    return reader.Fail("a table has more places than bytes are left");
  }
  if (!slab.Rebuild(static_cast<std::size_t>(places), std::move(free))) {
    return reader.Fail("a table's free places are not its own");
  }
  const std::vector<bool> used = PlacesInUse(slab);
  for (std::uint32_t i = 0; i < used.size() && reader.ok(); ++i) {
    if (used[i]) visit(reader, slab[i]);
  }
}

constexpr auto kAllFields = [](auto& archive, auto& item) { archive(item); };

template <typename Key>
void VisitHeap(FieldWriter& writer, const IndexedHeap<Key>& heap) {
  writer(std::uint64_t{heap.size()});
  heap.ForEach([&writer](std::uint32_t item, const Key& key) { writer(item, key); });
}

/// Items are below `places`.
template <typename Key>
void VisitHeap(FieldReader& reader, IndexedHeap<Key>& heap, std::size_t places) {
  for (std::size_t count = reader.Count(); count > 0 && reader.ok(); --count) {
    std::uint32_t item = 0;
    Key key{};
    reader(item, key);
    if (reader.ok() && (item >= places || !heap.Append(item, key))) {
      return reader.Fail("a heap is out of order");
    }
  }
}

}  // namespace

void Snapshot::VisitWindow(auto& archive, auto& window) {
  archive(window.size_, window.next_, window.first_kept_);
  if constexpr (std::remove_reference_t<decltype(archive)>::kReads) {
    const bool full = window.size_ == QuantileWindow::kSamplesMax;
    if (window.size_ > QuantileWindow::kSamplesMax || window.next_ >= QuantileWindow::kSamplesMax ||
        (!full && window.next_ != window.size_) || (window.first_kept_ && window.size_ != 1)) {
      return archive.Fail("a window of samples is out of shape");
    }
  }
  for (std::uint32_t i = 0; i < window.size_; ++i) archive(window.by_age_[i]);
  if constexpr (std::remove_reference_t<decltype(archive)>::kReads) {
    window.sorted_ = window.by_age_;
    std::sort(window.sorted_.begin(), window.sorted_.begin() + window.size_);
  }
}

void Snapshot::VisitEstimates(auto& archive, auto& estimates) {
  archive(estimates.mean_per_row_, estimates.learnt_at_, estimates.learnt_, estimates.known_);
  auto classes = static_cast<std::uint32_t>(estimates.classes_.size());
  archive(classes);
  if constexpr (std::remove_reference_t<decltype(archive)>::kReads) {
    if (classes > 32) return archive.Fail("too many classes of run times");
    estimates.classes_.resize(classes);
  }
  bool known = false;
  for (auto& seen : estimates.classes_) {
    archive(seen.fastest, seen.rows_least);
    VisitWindow(archive, seen.window);
    known = known || seen.rows_least > 0;
    if constexpr (std::remove_reference_t<decltype(archive)>::kReads) {
      if (seen.rows_least < 0 || (seen.rows_least == 0) != seen.window.empty()) {
        return archive.Fail("a class of run times is out of shape");
      }
    }
  }
  if constexpr (std::remove_reference_t<decltype(archive)>::kReads) {
    if (known != estimates.known_) archive.Fail("run times are known and not known");
  }
}

void Snapshot::VisitMemory(auto& archive, auto& memory) {
  auto& [size, held, peak, load_peak, load_takes, load_began, since, due, retry_at, backoff,
         last_used, expected, credit, ran, user, shared, for_requests, load_peak_guessed,
         load_stopped, load_given_up, tested, history] = memory;
  archive(size, held, peak, load_peak, load_takes, load_began, since, due, retry_at, backoff,
          last_used, expected, credit, ran, user, shared, for_requests, load_peak_guessed,
          load_stopped, load_given_up, tested.until, tested.chance, tested.constant, tested.open);
  VisitHistory(archive, history);
}

void Snapshot::VisitModel(auto& archive, auto& model) {
  // The three counts follow from requests and runs.
  auto& [state, served, unload_wanted, may_inline, one_queue, family, accuracy, variants,
         tenants_ask, settings, batching, estimates, accepted, waiting, running, waiting_by_level,
         first_queue, memory] = model;
  archive(state, served, unload_wanted, may_inline, one_queue, family, accuracy, variants,
          tenants_ask, settings, waiting_by_level, first_queue);
  VisitEstimates(archive, estimates);
  VisitMemory(archive, memory);
  std::string name(batching == nullptr ? std::string_view() : batching->name());
  archive(name);
  if constexpr (std::remove_reference_t<decltype(archive)>::kReads) {
    if (!archive.ok() || name.empty()) return;
    const Result<const BatchingPolicy*> found = FindBatching(name);
    if (!found.ok() || *found == nullptr) return archive.Fail("no such batching policy");
    batching = *found;
  }
}

void Snapshot::VisitAccounts(auto& archive, auto& accounts) {
  archive(accounts.virtual_time_);
  auto count = static_cast<std::uint64_t>(accounts.accounts_.size());
  archive(count);
  if constexpr (std::remove_reference_t<decltype(archive)>::kReads) {
    if (count < accounts.accounts_.size() || count > archive.left()) {
      return archive.Fail("there are fewer accounts than tenants");
    }
    accounts.accounts_.resize(static_cast<std::size_t>(count));
  }
  for (auto& account : accounts.accounts_) {
    auto& [weight, latency_bound, waiting_max, waiting, finish, last_start, remainder] = account;
    archive(weight, latency_bound, waiting_max, finish, last_start, remainder);
    if constexpr (std::remove_reference_t<decltype(archive)>::kReads) {
      if (weight < 1) return archive.Fail("a weight is below 1");
    }
  }
}

void Snapshot::VisitSlots(auto& archive, auto& slots) {
  for (std::size_t slot = 0; slot < slots.owner_.size(); ++slot) {
    bool chained = slots.chained_[slot];
    archive(slots.owner_[slot], slots.until_[slot], chained);
    if constexpr (std::remove_reference_t<decltype(archive)>::kReads) {
      slots.chained_[slot] = chained;
    }
  }
  VisitSlab(archive, slots.chains_,
            [](auto& inner, auto& chain) { inner(chain.slot, chain.runs); });
}

void Snapshot::VisitQueues(auto& archive, auto& queues) {
  VisitSlab(archive, queues.queues_, kAllFields);
  if constexpr (std::remove_reference_t<decltype(archive)>::kReads) {
    const std::size_t places = queues.queues_.places();
    VisitHeap(archive, queues.ready_, places);
    VisitHeap(archive, queues.ready_inline_, places);
    VisitHeap(archive, queues.held_, places);
    VisitHeap(archive, queues.timers_, queues.requests_.places());
    ReadRanks(archive, queues);
  } else {
    VisitHeap(archive, queues.ready_);
    VisitHeap(archive, queues.ready_inline_);
    VisitHeap(archive, queues.held_);
    VisitHeap(archive, queues.timers_);
    WriteRanks(archive, queues);
  }
}

void Snapshot::WriteRanks(FieldWriter& writer, const RequestQueues& queues) {
  for (std::uint32_t i = 0; i < queues.requests_.places(); ++i) {
    if (queues.requests_[i].queue == kNowhere) continue;
    const Rank& rank = queues.by_queue_.RankOf(i);
    writer(rank.tier, rank.primary, queues.by_rank_.RankOf(i).primary);
  }
}

void Snapshot::ReadRanks(FieldReader& reader, RequestQueues& queues) {
  const std::vector<bool> used = PlacesInUse(queues.queues_);
  std::uint64_t work = 0;
  std::vector<std::uint64_t> sequences;
  for (std::uint32_t i = 0; i < queues.requests_.places() && reader.ok(); ++i) {
    const Request& request = queues.requests_[i];
    if (request.queue == kNowhere) continue;
    Rank in_queue{0, 0, request.sequence};
    Rank in_all = in_queue;
    reader(in_queue.tier, in_queue.primary, in_all.primary);
    if (request.queue >= used.size() || !used[request.queue]) {
      return reader.Fail("a request waits in no queue");
    }
    // Sums of work stay far from the end of the numbers.
    constexpr std::int64_t kCostMax = Duration::Max().nanoseconds();
    const std::int64_t cost = request.cost.nanoseconds();
    if (cost > kCostMax || cost < -kCostMax) return reader.Fail("a cost is too large");
    work += static_cast<std::uint64_t>(cost < 0 ? -cost : cost);
    if (work > static_cast<std::uint64_t>(kCostMax)) return reader.Fail("a cost is too large");
    sequences.push_back(request.sequence);
    queues.by_queue_.Insert(queues.queues_[request.queue].root, i, in_queue, request.rows);
    queues.by_rank_.Insert(queues.all_, i, in_all, cost);
  }
  std::ranges::sort(sequences);
  if (std::ranges::adjacent_find(sequences) != sequences.end()) {
    reader.Fail("two requests have one sequence number");
  }
}

void Snapshot::VisitBody(auto& archive, auto& body) {
  archive(body.ends_, body.sequence_, body.next_run_, body.draining_, body.drained_, body.armed_,
          body.loads_waiting_, body.stirred_, body.tend_at_, body.room_for_, body.grow_to_,
          body.credit_floor_, body.limit_);
  auto score = std::bit_cast<std::array<std::int64_t, 3>>(body.score_);
  auto turnover = std::bit_cast<std::array<std::int64_t, 2>>(body.turnover_);
  archive(score[0], score[1], score[2], turnover[0], turnover[1]);
  if constexpr (std::remove_reference_t<decltype(archive)>::kReads) {
    for (const std::int64_t sum : score) {
      if (sum < 0 || sum > kCreditMax) return archive.Fail("a score is out of range");
    }
    for (const std::int64_t time : turnover) {
      if (time < 0 || time > kCreditMax) return archive.Fail("a time of loads is out of range");
    }
    if (body.limit_ < Bytes() || body.limit_ > body.settings_.memory) {
      return archive.Fail("the memory that is left is out of range");
    }
    if (body.credit_floor_ < 0 || body.credit_floor_ > kCreditMax) {
      return archive.Fail("a credit is out of range");
    }
    body.score_ = std::bit_cast<ForecastScore>(score);
    body.turnover_ = std::bit_cast<LoadTurnover>(turnover);
  }
  auto models = static_cast<std::uint64_t>(body.models_.size());
  archive(models);
  if constexpr (std::remove_reference_t<decltype(archive)>::kReads) {
    if (models > archive.left()) return archive.Fail("there are more models than bytes left");
    body.models_.resize(static_cast<std::size_t>(models));
  }
  for (auto& model : body.models_) VisitModel(archive, model);
  VisitWindow(archive, body.reply_overhead_);
  VisitAccounts(archive, body.accounts_);
  VisitSlab(archive, body.requests_, kAllFields);
  VisitSlab(archive, body.runs_, kAllFields);
  VisitSlots(archive, body.slots_);
  VisitQueues(archive, body.queues_);
}

void Snapshot::Save(const Scheduler::Body& body, std::string& bytes) {
  FieldWriter head(bytes);
  head(body.settings_, body.now_);
  head.Flush();
  FieldWriter writer(bytes, body.now_);
  VisitBody(writer, body);
}

SchedulerSettings Snapshot::ReadSettings(FieldReader& reader) {
  SchedulerSettings settings;
  reader(settings);
  constexpr std::int32_t kSlotsMax = 65'536;
  if (!reader.ok()) return settings;
  if (settings.slots > kSlotsMax) reader.Fail("too many slots");
  if (settings.node.tenants.empty()) reader.Fail("no tenant");
  if (!CheckPolicies(settings.node.policies).ok()) reader.Fail("no such policy");
  const auto sound = [](Bytes size) { return size >= Bytes() && size <= kModelBytesMax; };
  if (!sound(settings.memory) || !sound(settings.run_peak_floor)) {
    reader.Fail("a size of memory is out of range");
  }
  return settings;
}

void Snapshot::Load(FieldReader& reader, Scheduler::Body& body) {
  reader(body.now_);
  reader.SetOrigin(body.now_);
  VisitBody(reader, body);
  if (reader.ok() && reader.left() > 0) reader.Fail("bytes are left over after the state");
  if (!reader.ok()) return;
  if (const char* wrong = Complete(body); wrong != nullptr) reader.Fail(wrong);
}

void Scheduler::Save(std::string& bytes) const { Snapshot::Save(*body_, bytes); }

Result<std::unique_ptr<Scheduler>> Scheduler::Restore(std::string_view bytes) {
  FieldReader reader(bytes);
  SchedulerSettings settings = Snapshot::ReadSettings(reader);
  if (!reader.ok()) return reader.status();
  auto scheduler = std::make_unique<Scheduler>(std::move(settings));
  Snapshot::Load(reader, *scheduler->body_);
  if (!reader.ok()) return reader.status();
  return scheduler;
}

}  // namespace cotenant
