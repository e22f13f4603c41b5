#include "server/served_model.h"

#include <algorithm>
#include <map>
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

/// The variant's index of each of the main network's tensors; empty when it is the same for all.
std::vector<std::uint32_t> FromMain(const std::vector<std::uint32_t>& main,
                                    const std::vector<std::uint32_t>& own) {
  std::vector<std::uint32_t> from;
  bool same = true;
  for (std::size_t i = 0; i < main.size(); ++i) {
    if (main[i] >= from.size()) from.resize(main[i] + 1, 0);
    from[main[i]] = own[i];
    same = same && main[i] == own[i];
  }
  if (same) from.clear();
  return from;
}

std::vector<TensorSpec> Renamed(std::vector<TensorSpec> specs,
                                const std::map<std::string, std::string>& names) {
  for (TensorSpec& spec : specs) {
    const auto found = names.find(spec.name);
    if (found != names.end()) spec.name = found->second;
  }
  return specs;
}

Status CheckTensors(const char* kind, const std::vector<ModelSignature::Tensor>& main,
                    const std::vector<ModelSignature::Tensor>& variant,
                    const std::map<std::string, std::string>& names) {
  for (const ModelSignature::Tensor& tensor : main) {
    const auto renamed = names.find(tensor.name);
    const std::string& wanted = renamed == names.end() ? tensor.name : renamed->second;
    const auto own = std::ranges::find(variant, wanted, &ModelSignature::Tensor::name);
    const std::string what = std::string(kind) + " '" + wanted + "'";
    if (own == variant.end()) return InvalidArgument("it has no " + what);
    if (own->datatype != tensor.datatype) {
      return InvalidArgument("its " + what + " is " + std::string(DataTypeName(own->datatype)) +
                             ", not " + std::string(DataTypeName(tensor.datatype)));
    }
    bool same = own->shape.rank() == tensor.shape.rank();
    for (std::size_t i = 0; same && i < tensor.shape.rank(); ++i) {
      same = own->shape[i] == tensor.shape[i] || own->shape[i] == -1;
    }
    if (!same) {
      return InvalidArgument("its " + what + " has shape " + own->shape.ToString() + ", not " +
                             tensor.shape.ToString());
    }
  }
  for (const auto& [name, ignored] : names) {
    if (std::ranges::find(main, name, &ModelSignature::Tensor::name) == main.end()) {
      return InvalidArgument("it maps " + std::string(kind) + " '" + name +
                             "', which the model does not have");
    }
  }
  return Status();
}

}  // namespace

Status CheckAgrees(const ModelSignature& main, const ModelSignature& variant,
                   const VariantSource& source) {
  COTENANT_RETURN_IF_ERROR(CheckTensors("input", main.inputs, variant.inputs, source.inputs));
  if (variant.inputs.size() != main.inputs.size()) {
    return InvalidArgument("it has " + std::to_string(variant.inputs.size()) + " inputs, not " +
                           std::to_string(main.inputs.size()));
  }
  return CheckTensors("output", main.outputs, variant.outputs, source.outputs);
}

ModelSignature ByNamesOfModel(ModelSignature signature, const VariantSource& variant) {
  const auto rename = [](std::vector<ModelSignature::Tensor>& tensors, const auto& names) {
    for (ModelSignature::Tensor& tensor : tensors) {
      const auto found =
          std::ranges::find(names, tensor.name, [](auto& pair) { return pair.second; });
      if (found != names.end()) tensor.name = found->first;
    }
  };
  rename(signature.inputs, variant.inputs);
  rename(signature.outputs, variant.outputs);
  return signature;
}

std::string_view ResidenceName(Residence residence) {
  switch (residence) {
    case Residence::kResident: return "resident";
    case Residence::kLeaving: return "leaving";
    case Residence::kOut: return "out";
    case Residence::kLoading: return "loading";
    case Residence::kParked: return "parked";
  }
  return "unknown";
}

ServedModel::ServedModel(ModelId id, std::int64_t version, ModelConfig config,
                         RenderedConfig rendered, std::unique_ptr<Executor> executor,
                         std::shared_ptr<ModelCounters> counters, const VariantSource& names)
    : id_(id),
      version_(version),
      version_text_(std::to_string(version)),
      config_(std::move(config)),
      rendered_(std::move(rendered)),
      executor_(std::move(executor)),
      facts_(executor_->facts()),
      counters_(std::move(counters)),
      input_index_(
          IndexByName(Renamed(config_.inputs, names.inputs), executor_->signature().inputs)),
      output_index_(
          IndexByName(Renamed(config_.outputs, names.outputs), executor_->signature().outputs)) {}

ServedModel::ServedModel(ModelId id, const ServedModel& main, const VariantSource& variant,
                         std::unique_ptr<Executor> executor)
    : id_(id),
      version_(main.version_),
      version_text_(main.version_text_),
      config_(main.config_),
      rendered_(main.rendered_),
      executor_(std::move(executor)),
      facts_(executor_->facts()),
      counters_(main.counters_),
      input_index_(
          IndexByName(Renamed(config_.inputs, variant.inputs), executor_->signature().inputs)),
      output_index_(
          IndexByName(Renamed(config_.outputs, variant.outputs), executor_->signature().outputs)),
      variant_(variant.name),
      accuracy_(Comparable(variant.accuracy, main.accuracy_)),
      inputs_from_main_(FromMain(main.input_index_, input_index_)),
      outputs_from_main_(FromMain(main.output_index_, output_index_)) {}

const ServedModel* ServedModel::FindVariant(std::string_view name) const {
  if (name == variant_) return this;
  for (const std::shared_ptr<ServedModel>& variant : variants_) {
    if (variant->variant_ == name) return variant.get();
  }
  return nullptr;
}

bool ServedModel::HasVariant(ModelId id) const {
  return id == id_ || std::ranges::any_of(variants_, [id](const auto& v) { return v->id_ == id; });
}

const ServedModel* ServedModel::BestVariant() const {
  const ServedModel* best = accuracy_.known() ? this : nullptr;
  for (const std::shared_ptr<ServedModel>& variant : variants_) {
    if (!variant->accuracy_.known()) continue;
    if (best == nullptr || variant->accuracy_.milli > best->accuracy_.milli) best = variant.get();
  }
  return best;
}

std::string ServedModel::VariantNames() const {
  std::string names = variant_;
  for (const std::shared_ptr<ServedModel>& variant : variants_) names += ", " + variant->variant_;
  return names;
}

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

std::unique_ptr<Executor> ServedModel::Evict() {
  std::lock_guard lock(mutex_);
  ++load_;
  idle_runs_.clear();
  return std::move(executor_);
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
