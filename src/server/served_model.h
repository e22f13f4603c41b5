#pragma once

/// One version of a model as it is served: what protocols may read of it.
///
/// Immutable after loading but for counters and buffers; shared by the tables of names and by the
/// requests that use it, so that a reload never pulls it away from under a request. The network
/// itself leaves memory when the brain says so (`Retire`), whoever still holds a reference.

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/ids.h"
#include "catalog/model_config.h"
#include "catalog/model_source.h"
#include "execution/executor.h"
#include "telemetry/model_counters.h"

namespace cotenant {

class ServedModel {
 public:
  ServedModel(ModelId id, std::int64_t version, ModelConfig config, RenderedConfig rendered,
              std::unique_ptr<Executor> executor, std::shared_ptr<ModelCounters> counters);

  ModelId id() const { return id_; }
  std::int64_t version() const { return version_; }
  /// The version as clients write it.
  const std::string& version_text() const { return version_text_; }
  /// Completed from the network: inputs and outputs are filled, in the order of config.pbtxt.
  const ModelConfig& config() const { return config_; }
  const RenderedConfig& rendered() const { return rendered_; }
  LoadFacts facts() const { return facts_; }
  ModelCounters& counters() { return *counters_; }

  /// Index of an input or output in the network's signature, by its index in the configuration.
  std::uint32_t InputIndex(std::size_t config_index) const { return input_index_[config_index]; }
  std::uint32_t OutputIndex(std::size_t config_index) const { return output_index_[config_index]; }

  /// Reusable buffers of runs; taken before a run, given back when the last reply is written. Any
  /// thread.
  std::unique_ptr<Run> TakeRun();
  void GiveRun(std::unique_ptr<Run> run);

  /// Takes the network out of memory once no run's buffers are in use. `idle` is called when that
  /// is so: from inside when it is so now, else on the thread that gives the last run back; it must
  /// not block. Then call `Free`.
  void Retire(std::function<void()> idle);
  /// Destroys the network, on the calling thread. No run may be in use.
  void Free();

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
  std::mutex mutex_;
  std::vector<std::unique_ptr<Run>> idle_runs_;
  std::size_t runs_in_use_ = 0;
  std::function<void()> when_idle_;
};

}  // namespace cotenant
