#pragma once

/// One version of a model as it is served: what protocols may read of it.
///
/// Immutable after loading but for counters and buffers; shared by the tables of names and by the
/// requests that use it, so that a reload never pulls it away from under a request. The network
/// itself leaves memory when the brain says so (`Retire`), whoever still holds a reference, and may
/// come back (`Revive`): name, configuration and signature stay meanwhile.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "catalog/model_config.h"
#include "catalog/model_source.h"
#include "catalog/variant.h"
#include "execution/executor.h"
#include "telemetry/model_counters.h"

namespace cotenant {

/// Where the network is.
/// kParked: out of memory, but for its session (server/parking_lot.h).
enum class Residence : unsigned char { kResident, kLeaving, kOut, kLoading, kParked };
std::string_view ResidenceName(Residence residence);

/// Buffers of one run, and of which load of the network they are.
struct TakenRun {
  std::unique_ptr<Run> run;
  std::uint32_t load = 0;
};

/// A variant that could not be used, for the memory page.
struct DroppedVariant {
  std::string name;
  std::string reason;
};

class ServedModel {
 public:
  /// `names`: of a variant that is measured alone, what stands for the configuration's names.
  ServedModel(ModelId id, std::int64_t version, ModelConfig config, RenderedConfig rendered,
              std::unique_ptr<Executor> executor, std::shared_ptr<ModelCounters> counters,
              const VariantSource& names = {});
  /// Another variant of `main`, whose signature agrees with that one's (`CheckAgrees`).
  ServedModel(ModelId id, const ServedModel& main, const VariantSource& variant,
              std::unique_ptr<Executor> executor);

  ModelId id() const { return id_; }
  std::int64_t version() const { return version_; }
  /// The version as clients write it.
  const std::string& version_text() const { return version_text_; }
  /// Completed from the network: inputs and outputs are filled, in the order of config.pbtxt.
  const ModelConfig& config() const { return config_; }
  const RenderedConfig& rendered() const { return rendered_; }
  /// Of the last load, also while the network is out.
  LoadFacts facts() const;
  ModelCounters& counters() { return *counters_; }

  /// Index of an input or output in the network's signature, by its index in the configuration.
  std::uint32_t InputIndex(std::size_t config_index) const { return input_index_[config_index]; }
  std::uint32_t OutputIndex(std::size_t config_index) const { return output_index_[config_index]; }

  // Variants. The model's own network is one of them, by the name "default".

  const std::string& variant() const { return variant_; }
  Accuracy accuracy() const { return accuracy_; }
  /// Of the own network: the others. Set before the model is published.
  const std::vector<std::shared_ptr<ServedModel>>& variants() const { return variants_; }
  const std::vector<DroppedVariant>& dropped() const { return dropped_; }
  void SetAccuracy(Accuracy accuracy) { accuracy_ = accuracy; }
  /// All requests of one tenant are one sequence.
  bool stateful() const { return stateful_; }
  void SetStateful(bool stateful) { stateful_ = stateful; }
  void AddVariant(std::shared_ptr<ServedModel> variant) { variants_.push_back(std::move(variant)); }
  void DropVariant(DroppedVariant dropped) { dropped_.push_back(std::move(dropped)); }
  /// Among all variants, itself included; nullptr when there is none of this name.
  const ServedModel* FindVariant(std::string_view name) const;
  bool HasVariant(ModelId id) const;
  /// The most accurate variant of known accuracy; nullptr when none is known.
  const ServedModel* BestVariant() const;
  /// "default, int8", for messages.
  std::string VariantNames() const;
  /// From the own network's signature to this variant's; empty where they are the same.
  const std::vector<std::uint32_t>& inputs_from_main() const { return inputs_from_main_; }
  const std::vector<std::uint32_t>& outputs_from_main() const { return outputs_from_main_; }

  /// Reusable buffers of runs; taken before a run, given back when the last reply is written. Any
  /// thread.
  TakenRun TakeRun();
  void GiveRun(TakenRun taken);

  /// Takes the network out of memory once no run's buffers are in use. `idle` is called when that
  /// is so: from inside when it is so now, else on the thread that gives the last run back; it must
  /// not block. Then call `Free`.
  void Retire(std::function<void()> idle);
  /// Destroys the network, on the calling thread. No run may be in use.
  void Free();
  /// Takes the network out at once; no run may be executing. Replies that still read a run's
  /// outputs, for clients that are slow, hold those and nothing else.
  std::unique_ptr<Executor> Evict();
  /// Takes the same network in again, after `Evict`.
  void Revive(std::unique_ptr<Executor> executor);
  /// Why the network did not come back, for those who waited for it.
  void SetLoadError(std::string error);
  std::string load_error() const;

  // What the memory page says of it. Any thread.

  Residence residence() const { return residence_.load(std::memory_order_relaxed); }
  void SetResidence(Residence residence) { residence_.store(residence, std::memory_order_relaxed); }
  /// The greatest that one run took.
  Bytes run_peak() const { return Bytes(run_peak_.load(std::memory_order_relaxed)); }
  void NotePeak(Bytes peak);
  /// The most in use at any moment of its load. Zero: nobody has measured it.
  Bytes load_peak() const { return Bytes(load_peak_.load(std::memory_order_relaxed)); }
  void SetLoadPeak(Bytes peak) { load_peak_.store(peak.count(), std::memory_order_relaxed); }
  /// Of this variant alone; `counters` are of all.
  std::uint64_t runs() const { return runs_.load(std::memory_order_relaxed); }
  void CountRun() { runs_.fetch_add(1, std::memory_order_relaxed); }
  /// Arrival of the request that ended last. Zero: none did.
  Instant last_used() const {
    return Instant::FromNanoseconds(last_used_.load(std::memory_order_relaxed));
  }
  void NoteUse(Instant arrived) {
    last_used_.store(arrived.nanoseconds(), std::memory_order_relaxed);
  }

 private:
  ModelId id_;
  std::int64_t version_;
  std::string version_text_;
  ModelConfig config_;
  RenderedConfig rendered_;
  std::unique_ptr<Executor> executor_;
  LoadFacts facts_;
  std::shared_ptr<ModelCounters> counters_;
  std::vector<std::uint32_t> input_index_;
  std::vector<std::uint32_t> output_index_;
  std::string variant_{kOwnVariantName};
  Accuracy accuracy_;
  bool stateful_ = false;
  std::vector<std::shared_ptr<ServedModel>> variants_;
  std::vector<DroppedVariant> dropped_;
  std::vector<std::uint32_t> inputs_from_main_;
  std::vector<std::uint32_t> outputs_from_main_;
  std::atomic<Residence> residence_ = Residence::kResident;
  std::atomic<std::int64_t> run_peak_ = 0;
  std::atomic<std::int64_t> load_peak_ = 0;
  std::atomic<std::uint64_t> runs_ = 0;
  std::atomic<std::int64_t> last_used_ = 0;
  mutable std::mutex mutex_;  // Guards what follows, `executor_` and `facts_`.
  std::vector<std::unique_ptr<Run>> idle_runs_;
  std::size_t runs_in_use_ = 0;
  std::uint32_t load_ = 0;  ///< Counts evictions: buffers of earlier loads are not used again.
  std::string load_error_;
  std::function<void()> when_idle_;
};

/// Can the variant answer whatever the model's own network can? The same inputs, and its outputs at
/// least, by name, or by the names that stand for them; equal datatypes; equal dimensions, or the
/// variant's is dynamic. Else InvalidArgument says what differs.
Status CheckAgrees(const ModelSignature& main, const ModelSignature& variant,
                   const VariantSource& source);

/// The variant's signature, with its tensors by the model's names.
ModelSignature ByNamesOfModel(ModelSignature signature, const VariantSource& variant);

}  // namespace cotenant
