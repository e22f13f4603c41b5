/// What holds while memory is limited.

#include <algorithm>
#include <functional>

#include "simulation/checker.h"

namespace cotenant {
namespace {

/// No model with waiting requests is out of memory for longer: this, and ten times all loads.
constexpr Duration kOutLongest = Duration::Seconds(10);
constexpr std::int64_t kOutLoads = 10;

}  // namespace

void Checker::NoteOut(Model& model) {
  const bool out = model.waiting > 0 && model.state != Model::State::kReady;
  if (!out) {
    model.out_since = Instant::Max();
  } else if (model.out_since == Instant::Max()) {
    model.out_since = now_;
  }
}

void Checker::SetState(Model& model, Model::State state) {
  using State = Model::State;
  account_moved_ = true;
  Model* const first = FirstOf(model);
  if (first != nullptr) waiting_out_ -= OutOf(*first);
  if (model.state != State::kReady) waiting_out_ -= model.waiting;
  const auto count = [&model](State counted) { return model.state == counted ? 1 : 0; };
  loading_ -= count(State::kLoading);
  evicting_ -= count(State::kEvicting);
  unloading_ -= count(State::kUnloading);
  wanted_ -= count(State::kWanted);
  model.state = state;
  loading_ += count(State::kLoading);
  evicting_ += count(State::kEvicting);
  unloading_ += count(State::kUnloading);
  wanted_ += count(State::kWanted);
  if (state != State::kReady) waiting_out_ += model.waiting;
  if (state == State::kAbsent) {
    LeaveFamily(model);
    model = Model{};
  }
  NoteOut(model);
  if (first == nullptr || first->state == State::kAbsent) return;
  waiting_out_ += OutOf(*first);
  NoteOutOf(*first);
}

void Checker::CheckEvict(ModelId id) {
  Digest(ToIndex(id));
  Model& model = ModelOf(id);
  Expect(Limited() && model.state == Model::State::kReady,
         [&] { return "model " + Name(id) + " is to be evicted, but is not there"; });
  Expect(model.running == 0, [&] { return "model " + Name(id) + " is evicted under a run"; });
  SetState(model, Model::State::kEvicting);
}

void Checker::CheckStopLoad(ModelId id) {
  Digest(ToIndex(id));
  Model& model = ModelOf(id);
  const bool unwanted = Limited() && model.served && MemoryIsWanted();
  Expect(model.state == Model::State::kLoading && (model.leaving || unwanted),
         [&] { return "the load of model " + Name(id) + " is stopped without cause"; });
  Expect(!model.load_stopped, [&] { return "the load of model " + Name(id) + " stops twice"; });
  const bool waits = model.waiting > 0 && !model.leaving && several_.empty();
  Expect(!waits, [&] { return "the load of model " + Name(id) + " stops while requests wait"; });
  model.load_stopped = true;
}

void Checker::NoteUser(Model& model, TenantId tenant) {
  if (model.shared || model.user == tenant) return;
  model.shared = model.user.has_value();
  model.user = tenant;
}

Bytes Checker::MemoryMaxOf(TenantId tenant) const {
  const auto& tenants = settings_.node.tenants;
  return ToIndex(tenant) < tenants.size() ? tenants[ToIndex(tenant)].memory_max : Bytes();
}

Bytes Checker::TakenBy(TenantId tenant) const {
  Bytes sum;
  for (const Model& model : models_) {
    if (!model.shared && model.user == tenant) sum += model.held;
  }
  return sum;
}

bool Checker::TenantsOver() const {
  const auto& tenants = settings_.node.tenants;
  for (std::size_t i = 0; i < tenants.size(); ++i) {
    const Bytes most = tenants[i].memory_max;
    // Which variant a request waits for is the brain's.
    if (most == Bytes()) continue;
    if (!several_.empty() || TakenBy(TenantId{static_cast<std::uint32_t>(i)}) > most) return true;
  }
  return false;
}

/// A load begins: those who wait for it are all who have asked for it, and it is within the limit
/// of the only one.
void Checker::CheckTenant(ModelId id) {
  Model& model = ModelOf(id);
  model.user.reset();
  model.shared = false;
  for (std::uint32_t i = 0; i < requests_.places(); ++i) {
    const Request& request = requests_[i];
    const bool known = Find(request.id) == &request;
    if (known && request.model == id && !request.running && !request.ended) {
      NoteUser(model, request.tenant);
    }
  }
  if (!model.user || model.shared || !several_.empty()) return;
  const Bytes most = MemoryMaxOf(*model.user);
  Expect(most == Bytes() || TakenBy(*model.user) <= most, [&] {
    return "load of model " + Name(id) + " beyond what tenant " + Name(*model.user) + " may have";
  });
}

void Checker::FinishMemory() {
  const bool some = std::ranges::any_of(models_, [](const Model& model) {
    return model.state == Model::State::kReady && !model.settings.pinned && !model.leaving;
  });
  Expect(!some || Taken() <= limit_, [&] {
    return "models take " + std::to_string((Taken() - limit_).count()) + " bytes too much";
  });
  for (std::size_t i = 0; i < models_.size(); ++i) {
    const Model& model = models_[i];
    const bool idles = model.state == Model::State::kReady && !model.leaving &&
                       model.settings.idle_unload > Duration() && !model.settings.pinned;
    Expect(!idles || wake_.has_value(),
           [&] { return "model " + std::to_string(i) + " is never unloaded, though nobody asks"; });
  }
}

void Checker::EndLoad(Model& model, const LoadFinished& event) {
  SetState(model, Model::State::kReady);
  if (!model.served) model.settings = event.settings;
  model.served = true;
  model.size = model.held = event.anonymous + event.mapped;
  model.peak = std::max(model.peak, event.run_peak);
  model.load_takes_max = std::max(model.load_takes_max, now_ - model.load_began);
  grew_ = true;
}

void Checker::Ledger(const MemoryFacts& facts) {
  if (!Limited()) return;
  const bool same = facts.models == ledger_.models && facts.reserve == ledger_.reserve &&
                    facts.free == ledger_.free && facts.left == ledger_.left;
  if (same && !account_moved_) return;
  Expect(facts.models >= Bytes() && facts.reserve >= Bytes(),
         [] { return std::string("the account of memory is negative"); });
  Expect(facts.limit == settings_.memory && facts.left == limit_ &&
             facts.free == facts.left - facts.models - facts.reserve,
         [] { return std::string("the account of memory does not add up"); });
  // What several loads take at once depends on their order.
  const Bytes taken = loading_ > 1 ? facts.models + facts.reserve : Taken();
  Expect(facts.models + facts.reserve == taken, [&] {
    return "the account of memory says " + std::to_string((facts.models + facts.reserve).count()) +
           " bytes, but models and runs take " + std::to_string(taken.count());
  });
  Expect(facts.free >= Bytes() || facts.free >= ledger_.free || grew_, [&] {
    return "memory is given out " + std::to_string(-facts.free.count()) + " bytes beyond its limit";
  });
  ledger_ = facts;
  account_moved_ = grew_ = false;
}

Bytes Checker::Taken() {
  Bytes most = TakenWhileLoading(nullptr);
  for (const Model& model : models_) {
    if (model.state != Model::State::kLoading) continue;
    most = std::max(most, TakenWhileLoading(&model));
  }
  return most;
}

Bytes Checker::TakenWhileLoading(const Model* loading) {
  using State = Model::State;
  Bytes sum;
  peaks_.clear();
  for (const Model& model : models_) {
    sum += &model == loading ? LoadPeakOf(model) : model.held;
    if (&model == loading) continue;
    if (model.state != State::kReady && model.state != State::kLoading) continue;
    peaks_.push_back(std::max(model.peak, settings_.run_peak_floor));
  }
  peaks_.resize(peaks_.size() + static_cast<std::size_t>(settings_.slots),
                settings_.run_peak_floor);
  std::ranges::sort(peaks_, std::greater<>());
  for (std::int32_t i = 0; i < settings_.slots; ++i) sum += peaks_[static_cast<std::size_t>(i)];
  return sum;
}

Bytes Checker::LoadPeakOf(const Model& model) const {
  if (!model.load_peak_guessed) return model.load_peak;
  const Bytes least(settings_.run_peak_floor.count() * settings_.slots);
  return std::min(model.load_peak, limit_ - least);
}

bool Checker::FitsInto(Bytes memory, const Model& model) const {
  const Bytes others(settings_.run_peak_floor.count() * (settings_.slots - 1));
  const Bytes loaded = model.size + std::max(model.peak, settings_.run_peak_floor) + others;
  const Bytes loading = LoadPeakOf(model) + settings_.run_peak_floor + others;
  return std::max(loaded, loading) <= memory;
}

void Checker::CheckRefusal(const Reject& reject) {
  const Request* const request = Find(reject.request);
  if (request == nullptr) return;
  const auto refused = [&] {
    return "request " + Name(reject.request) + " is refused as " +
           std::string(RejectReasonName(reject.reason)) + " without cause";
  };
  switch (reject.reason) {
    case RejectReason::kNeverFits: Expect(Limited() && !AllPossible(*request), refused); break;
    case RejectReason::kNoRoom:
      // A variant that another one replaces begins no more runs either.
      Expect(Limited() && (IsOut(*request) || MemoryIsWanted() || request->wants != kNowhere),
             refused);
      break;
    case RejectReason::kLoadFailed:
      Expect(Limited() && (IsOut(*request) || request->wants != kNowhere), refused);
      break;
    case RejectReason::kNotAccurate: Expect(NobodyMayAnswer(*request), refused); break;
    case RejectReason::kTenantMemory:
      Expect(Limited() && (MemoryMaxOf(request->tenant) > Bytes() || settings_changed_ == crank_),
             refused);
      break;
    default: break;
  }
}

void Checker::CheckWaits() {
  Duration loads;
  for (const Model& model : models_) loads += model.load_takes_max;
  for (std::size_t i = 0; i < models_.size(); ++i) {
    Model& model = models_[i];
    if (model.out_since == Instant::Max()) continue;
    if (now_ - model.out_since <= kOutLongest + loads * kOutLoads) continue;
    Expect(false, [&] { return "requests of model " + std::to_string(i) + " wait without end"; });
    model.out_since = now_;  // Once is enough.
  }
  for (const ModelId id : several_) {
    for (Wants& wants : models_[ToIndex(id)].wants) {
      if (wants.out_since == Instant::Max()) continue;
      if (now_ - wants.out_since <= kOutLongest + loads * kOutLoads) continue;
      Expect(false, [&] { return "requests of model " + Name(id) + " wait without end"; });
      wants.out_since = now_;
    }
  }
}

}  // namespace cotenant
