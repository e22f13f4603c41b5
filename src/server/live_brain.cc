#include "server/live_brain.h"

#include <algorithm>

#include "server/clock.h"

namespace cotenant {
namespace {

std::uint32_t SlotOf(RequestId id) {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(id));
}
std::uint32_t GenerationOf(RequestId id) {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(id) >> 32);
}

}  // namespace

LiveBrain::LiveBrain(SchedulerSettings settings, std::uint32_t decisions_max,
                     std::function<void(Instant)> set_wake)
    : scheduler_(std::move(settings)), decisions_(decisions_max), set_wake_(std::move(set_wake)) {}

LiveBrain::~LiveBrain() = default;

Status LiveBrain::StartRecording(RecorderOptions options) {
  std::lock_guard lock(mutex_);
  Result<std::unique_ptr<EventRecorder>> recorder =
      EventRecorder::Open(std::move(options), scheduler_);
  COTENANT_RETURN_IF_ERROR(recorder.status());
  recorder_ = *std::move(recorder);
  return Status();
}

void LiveBrain::FlushRecording() {
  if (recorder_) recorder_->Flush();
}

void LiveBrain::Crank(LaneEvents events, LaneWork& work) {
  work.endings.clear();
  work.inline_runs.clear();
  work.worker_runs.clear();
  work.released.clear();
  work.loads.clear();
  work.unloads.clear();
  work.evictions.clear();
  work.stopped_loads.clear();
  work.drained = false;

  std::lock_guard lock(mutex_);
  now_ = std::max(now_, MonotonicNow());
  idle_runs_.insert(idle_runs_.end(), events.free_runs.begin(), events.free_runs.end());
  events.free_runs.clear();
  auto arrival = events.arrivals.begin();
  auto departure = events.departures.begin();
  for (Event& event : events.events) {
    if (auto* arrived = std::get_if<Arrived>(&event)) {
      arrived->request = Register(**arrival++);
    } else if (auto* gone = std::get_if<Gone>(&event)) {
      if (const InferCall* unnumbered = *departure++) gone->request = unnumbered->request_;
    }
  }
  for (ActiveRun* run : events.ended) std::erase(active_, run);
  work.actions.with_reasons = decisions_.on();
  scheduler_.Crank(now_, events.events, work.actions);
  if (decisions_.on()) KeepDecisions(work.actions);
  if (recorder_) recorder_->Add(now_, events.events, work.actions, scheduler_);
  Resolve(work);
  for (ActiveRun* run : events.ended) {
    if (run->LetGo()) work.released.push_back(run);
  }
}

void LiveBrain::KeepDecisions(const ActionList& actions) {
  for (const Decision& decision : actions.decisions) {
    const auto* admission = std::get_if<AdmissionDecision>(&decision);
    const std::string_view id =
        admission != nullptr ? std::string_view(Known(admission->request).id) : "";
    decisions_.Add(now_, decision, id);
  }
}

void LiveBrain::Resolve(LaneWork& work) {
  for (const Action& action : work.actions.actions) {
    if (const auto* start = std::get_if<StartRun>(&action)) {
      Begin(*start, work);
    } else if (const auto* reply = std::get_if<Reply>(&action)) {
      InferCall& call = Forget(reply->request);
      if (reply->end != End::kReplied && reply->end != End::kFailed) Detach(call, work);
      work.endings.push_back({&call, reply->end, {}, reply->cold});
    } else if (const auto* reject = std::get_if<Reject>(&action)) {
      InferCall& call = Forget(reject->request);
      Detach(call, work);
      work.endings.push_back({&call, reject->end, *reject, false});
    } else if (const auto* stop = std::get_if<StopRun>(&action)) {
      for (ActiveRun* run : active_) {
        if (run->id() == stop->run) run->Stop();
      }
    } else if (const auto* load = std::get_if<StartLoad>(&action)) {
      work.loads.push_back(load->model);
    } else if (const auto* unload = std::get_if<StartUnload>(&action)) {
      work.unloads.push_back(unload->model);
    } else if (const auto* evict = std::get_if<StartEvict>(&action)) {
      work.evictions.push_back(evict->model);
    } else if (const auto* stop_load = std::get_if<StopLoad>(&action)) {
      work.stopped_loads.push_back(stop_load->model);
    } else if (const auto* wake = std::get_if<WakeAt>(&action)) {
      set_wake_(wake->at);
    } else if (std::holds_alternative<Drained>(action)) {
      work.drained = true;
    }
  }
}

void LiveBrain::Begin(const StartRun& start, LaneWork& work) {
  if (idle_runs_.empty()) {
    all_runs_.push_back(std::make_unique<ActiveRun>());
    idle_runs_.push_back(all_runs_.back().get());
  }
  ActiveRun* run = idle_runs_.back();
  idle_runs_.pop_back();
  const std::shared_ptr<ServedModel>& model = models_[ToIndex(start.model)];
  COTENANT_CHECK(model != nullptr);
  run->Begin(start.run, model);
  for (RequestId id : work.actions.MembersOf(start)) {
    InferCall& call = Known(id);
    Detach(call, work);  // From the run of a batch that failed on content, if this is its second.
    call.run_ = run;
    call.member_ = static_cast<std::uint32_t>(run->member_count());
    run->AddMember(call.tensors_, call.rows_, call.output_mask_);
  }
  active_.push_back(run);
  (start.where == Where::kInline ? work.inline_runs : work.worker_runs).push_back(run);
}

void LiveBrain::Detach(InferCall& call, LaneWork& work) {
  ActiveRun* run = std::exchange(call.run_, nullptr);
  if (run != nullptr && run->LetGo()) work.released.push_back(run);
}

RequestId LiveBrain::Register(InferCall& call) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t index = free_slots_.back();
  free_slots_.pop_back();
  CallSlot& slot = slots_[index];
  slot.call = &call;
  ++slot.generation;
  call.request_ =
      static_cast<RequestId>((static_cast<std::uint64_t>(slot.generation) << 32) | index);
  return call.request_;
}

InferCall& LiveBrain::Known(RequestId id) {
  CallSlot& slot = slots_[SlotOf(id)];
  COTENANT_CHECK(slot.generation == GenerationOf(id) && slot.call != nullptr);
  return *slot.call;
}

InferCall& LiveBrain::Forget(RequestId id) {
  InferCall& call = Known(id);
  slots_[SlotOf(id)].call = nullptr;
  free_slots_.push_back(SlotOf(id));
  return call;
}

ModelId LiveBrain::Allocate(const std::string& name) {
  std::lock_guard lock(mutex_);
  std::size_t i = 0;
  while (i < model_taken_.size() && model_taken_[i]) ++i;
  if (i == model_taken_.size()) {
    model_taken_.push_back(false);
    models_.emplace_back();
  }
  model_taken_[i] = true;
  const auto id = static_cast<ModelId>(i);
  if (recorder_) recorder_->NameModel(id, name);
  return id;
}

void LiveBrain::Bind(ModelId id, std::shared_ptr<ServedModel> model) {
  std::lock_guard lock(mutex_);
  models_[ToIndex(id)] = std::move(model);
}

void LiveBrain::Unbind(ModelId id) {
  std::lock_guard lock(mutex_);
  models_[ToIndex(id)].reset();
  model_taken_[ToIndex(id)] = false;
}

std::vector<RecordedDecision> LiveBrain::LastDecisions(std::size_t count) const {
  std::lock_guard lock(mutex_);
  return decisions_.Last(count);
}

std::vector<RecordedDecision> LiveBrain::DecisionsOf(std::string_view request) const {
  std::lock_guard lock(mutex_);
  return decisions_.Of(request);
}

std::string LiveBrain::ModelName(ModelId id) const {
  std::lock_guard lock(mutex_);
  const bool known = ToIndex(id) < models_.size() && models_[ToIndex(id)] != nullptr;
  if (!known) return {};
  const ServedModel& model = *models_[ToIndex(id)];
  const bool own = model.variant() == kOwnVariantName;
  return own ? model.config().name : VariantTitle(model.config().name, model.variant());
}

EndCounts LiveBrain::Ends() const {
  std::lock_guard lock(mutex_);
  return scheduler_.Ends();
}

MemoryFacts LiveBrain::Memory() const {
  std::lock_guard lock(mutex_);
  return scheduler_.Memory();
}

std::optional<ArrivalHistory> LiveBrain::HistoryOf(ModelId id) const {
  std::lock_guard lock(mutex_);
  const ArrivalHistory* const history = scheduler_.HistoryOf(id);
  return history == nullptr ? std::nullopt : std::optional(*history);
}

std::uint32_t LiveBrain::Waiting(ModelId id) const {
  std::lock_guard lock(mutex_);
  return scheduler_.Waiting(id);
}

std::uint32_t LiveBrain::Running() const {
  std::lock_guard lock(mutex_);
  return scheduler_.Running();
}

}  // namespace cotenant
