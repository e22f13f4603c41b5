/// The account of memory: what models take, what is kept for their runs, what is free.
///
/// A model takes its size from the start of its load until it has left. Runs take what their peaks
/// are beyond that: activations belong to the threads that run, so the account keeps the greatest
/// peaks of the models in memory, one for each slot.
///
/// A load may take more for a while than the loaded model does. What is kept for the model's own
/// runs serves it too, because none begins before its end; only what is lacking beyond that is
/// held besides.

#include <algorithm>
#include <functional>

#include "scheduler/body.h"

namespace cotenant {

void Scheduler::Body::Reckon() {
  taken_ = Bytes();
  reserve_ = PeaksWith(nullptr);
  for (ModelRecord& model : models_) {
    ModelMemory& memory = model.memory;
    if (model.state == ModelRecord::State::kLoading) {
      memory.held = HeldWhileLoading(model, nullptr);
    }
    taken_ += memory.held;
  }
}

Bytes Scheduler::Body::PeaksWith(const ModelRecord* coming, const ModelRecord* without) {
  using State = ModelRecord::State;
  const auto slots = static_cast<std::size_t>(slots_.total());
  const Bytes least = settings_.run_peak_floor;
  peaks_.clear();
  for (const ModelRecord& model : models_) {
    if (&model == without) continue;
    if (model.Resident() || model.state == State::kLoading || &model == coming) {
      peaks_.push_back(std::max(model.memory.peak, least));
    }
  }
  if (peaks_.size() > slots) {
    std::ranges::nth_element(peaks_, peaks_.begin() + slots_.total(), std::greater<>());
    peaks_.resize(slots);
  }
  Bytes sum(least.count() * static_cast<std::int64_t>(slots - peaks_.size()));
  for (const Bytes peak : peaks_) sum += peak;
  return sum;
}

Bytes Scheduler::Body::HeldWhileLoading(const ModelRecord& model, const ModelRecord* coming) {
  const Bytes load_peak = LoadPeakOf(model);
  if (load_peak <= model.memory.size) return model.memory.size;
  const Bytes for_its_runs = PeaksWith(coming) - PeaksWith(coming, &model);
  return std::max(model.memory.size, load_peak - for_its_runs);
}

Bytes Scheduler::Body::NeedOf(const ModelRecord& model) {
  const Bytes loaded = model.memory.size + (PeaksWith(&model) - reserve_);
  Bytes need = std::max(loaded, LoadPeakOf(model));
  if (loading_ == 0) return need;
  // What is kept for the runs of one that is being loaded may become this one's.
  for (const ModelRecord& other : models_) {
    if (other.state != ModelRecord::State::kLoading || &other == &model) continue;
    need += HeldWhileLoading(other, &model) - other.memory.held;
  }
  return need;
}

Bytes Scheduler::Body::LoadPeakOf(const ModelRecord& model) const {
  const Bytes most = limit_ - LeastReserve();
  return model.memory.load_peak_guessed ? std::min(model.memory.load_peak, most)
                                        : model.memory.load_peak;
}

bool Scheduler::Body::FitsInto(Bytes memory, const ModelRecord& model) const {
  const Bytes floor = settings_.run_peak_floor;
  const Bytes least = LeastReserve();
  const Bytes peak = std::max(model.memory.peak, floor);
  return model.memory.size + peak + least - floor <= memory && LoadPeakOf(model) + least <= memory;
}

void Scheduler::Body::On(const MemoryChanged& event) {
  if (!Limited()) return;
  limit_ = std::min(std::max(event.memory, LeastReserve()), settings_.memory);
  Reckon();  // What a load may take for a while follows the limit.
  Stir();
}

void Scheduler::Body::LearnPeak(ModelRecord& model, Bytes peak) {
  if (peak <= model.memory.peak) return;
  model.memory.peak = peak;
  Reckon();
  Stir();
}

Bytes Scheduler::Body::OnTheirWayOut() const {
  using State = ModelRecord::State;
  Bytes sum;
  for (const ModelRecord& model : models_) {
    const bool goes = model.state == State::kLeaving || model.state == State::kEvicting ||
                      model.state == State::kUnloading;
    if (goes || (model.state == State::kReady && IsReplaced(model))) sum += model.memory.held;
  }
  return sum;
}

bool Scheduler::Body::OnlyPinnedAndShort() const {
  if (Free() >= Bytes() || loading_ > 0 || OnTheirWayOut() > Bytes()) return false;
  bool pinned = false;
  for (const ModelRecord& model : models_) {
    if (!model.Resident()) continue;
    if (!model.settings.pinned) return false;
    pinned = true;
  }
  return pinned;
}

MemoryFacts Scheduler::Body::Memory() const {
  if (!Limited()) return {};
  return {settings_.memory, limit_, taken_, reserve_, Free()};
}

}  // namespace cotenant
