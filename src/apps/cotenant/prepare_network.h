#pragma once

/// Prepares one network: builds its optimised forms, measures each in a process of its own, keeps
/// those that win something, and puts them into the cache.
///
/// Blocks for seconds to minutes. Any thread; several networks at the same time.

#include <csignal>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "apps/cotenant/network_measurer.h"
#include "catalog/model_source.h"
#include "config/prepared_store.h"

namespace cotenant {

struct PrepareOptions {
  /// The program that makes an int8 network of another: it is called with the files and the kinds
  /// of operators (see tools/quantise). Empty: no such form is tried.
  std::string quantiser;
  /// A folder of samples for each model, by its name (see `ReadSamples`). Empty: warm-ups' data.
  std::string data;
  /// Nothing with losses is made or served: of a variant that somebody declared.
  bool exact_only = false;
  /// See `PreparedNetwork::served_agreement_min`.
  std::int32_t served_agreement_min = kFullAccuracy;
  Duration runs_for = Duration::Milliseconds(300);
  Duration child_max = Duration::Seconds(120);  ///< Of each process. Raise it for huge networks.
  Bytes cache_max = Bytes::MiB(1024);
  /// What was used since then does not leave a full cache.
  std::filesystem::file_time_type began = std::filesystem::file_time_type::clock::now();
  /// Told before each step; empty at the end.
  std::function<void(const std::string& step)> progress;
  /// Set by a signal: give up before the next step.
  const volatile std::sig_atomic_t* stop = nullptr;
};

struct PreparedOutcome {
  PreparedNetwork network;
  bool was_there = false;         ///< Nothing had to be done.
  std::string remark;             ///< What was in the cache and not used.
  std::vector<std::string> left;  ///< Networks that left the full cache.
};

/// Steps that `progress` is told of, at most.
int StepsOf(const PrepareOptions& options);

/// `shipped` says where the network is, and `file` what it is. FailedPrecondition when it cannot be
/// loaded or run as shipped.
Result<PreparedOutcome> PrepareNetwork(NetworkToMeasure shipped, const ModelConfig& config,
                                       const VersionFile& file, PreparedKey key,
                                       const PrepareOptions& options, PreparedStore& store);

}  // namespace cotenant
