#include "server/served_model.h"

#include <utility>

namespace cotenant {
namespace {

/// Buffers kept for the next runs of one model. More run at the same time only on boxes with more
/// CPUs than this; each idle one holds the model's small steady buffers.
constexpr std::size_t kIdleRunsMax = 64;

std::vector<std::uint32_t> IndexByName(const std::vector<TensorSpec>& specs,
                                       const std::vector<ModelSignature::Tensor>& tensors) {
  std::vector<std::uint32_t> index;
  index.reserve(specs.size());
  for (const TensorSpec& spec : specs) {
    std::uint32_t i = 0;
    while (i < tensors.size() && tensors[i].name != spec.name) ++i;
    COTENANT_CHECK(i < tensors.size());  // Completing the configuration checked the names.
    index.push_back(i);
  }
  return index;
}

}  // namespace

std::string_view ResidenceName(Residence residence) {
  switch (residence) {
    case Residence::kResident: return "resident";
    case Residence::kLeaving: return "leaving";
    case Residence::kOut: return "out";
    case Residence::kLoading: return "loading";
  }
  return "unknown";
}

ServedModel::ServedModel(ModelId id, std::int64_t version, ModelConfig config,
                         RenderedConfig rendered, std::unique_ptr<Executor> executor,
                         std::shared_ptr<ModelCounters> counters)
    : id_(id),
      version_(version),
      version_text_(std::to_string(version)),
      config_(std::move(config)),
      rendered_(std::move(rendered)),
      executor_(std::move(executor)),
      facts_(executor_->facts()),
      counters_(std::move(counters)),
      input_index_(IndexByName(config_.inputs, executor_->signature().inputs)),
      output_index_(IndexByName(config_.outputs, executor_->signature().outputs)) {}

LoadFacts ServedModel::facts() const {
  std::lock_guard lock(mutex_);
  return facts_;
}

void ServedModel::NotePeak(Bytes peak) {
  std::int64_t known = run_peak_.load(std::memory_order_relaxed);
  while (peak.count() > known &&
         !run_peak_.compare_exchange_weak(known, peak.count(), std::memory_order_relaxed)) {
  }
}

TakenRun ServedModel::TakeRun() {
  std::uint32_t load = 0;
  {
    std::lock_guard lock(mutex_);
    ++runs_in_use_;
    load = load_;
    if (!idle_runs_.empty()) {
      std::unique_ptr<Run> run = std::move(idle_runs_.back());
      idle_runs_.pop_back();
      return {std::move(run), load};
    }
  }
  return {executor_->NewRun(), load};
}

void ServedModel::GiveRun(TakenRun taken) {
  std::function<void()> idle;
  {
    std::lock_guard lock(mutex_);
    --runs_in_use_;
    const bool useful = taken.load == load_ && executor_ != nullptr;
    if (useful && idle_runs_.size() < kIdleRunsMax) idle_runs_.push_back(std::move(taken.run));
    if (runs_in_use_ == 0) idle = std::exchange(when_idle_, nullptr);
  }
  if (idle) idle();
}

void ServedModel::Retire(std::function<void()> idle) {
  {
    std::lock_guard lock(mutex_);
    if (runs_in_use_ > 0) {
      when_idle_ = std::move(idle);
      return;
    }
  }
  idle();
}

void ServedModel::Free() {
  std::lock_guard lock(mutex_);
  COTENANT_CHECK(runs_in_use_ == 0);
  idle_runs_.clear();
  executor_.reset();
}

void ServedModel::Evict() {
  std::lock_guard lock(mutex_);
  ++load_;
  idle_runs_.clear();
  executor_.reset();
}

void ServedModel::SetLoadError(std::string error) {
  std::lock_guard lock(mutex_);
  load_error_ = std::move(error);
}

std::string ServedModel::load_error() const {
  std::lock_guard lock(mutex_);
  return load_error_;
}

void ServedModel::Revive(std::unique_ptr<Executor> executor) {
  std::lock_guard lock(mutex_);
  COTENANT_CHECK(executor_ == nullptr);
  executor_ = std::move(executor);
  facts_ = executor_->facts();
}

}  // namespace cotenant
