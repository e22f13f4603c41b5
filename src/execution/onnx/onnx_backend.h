#pragma once

/// ONNX Runtime as a backend: loads networks from files or bytes and runs them on the calling
/// thread.
///
/// One per process, because the library has one environment. It owns that environment and the one
/// allocator that every session uses, and outlives its executors. Its telemetry is switched off
/// before the library's first call. `Load` and runs may go on at the same time on different
/// threads.

#include <memory>
#include <string>
#include <string_view>

#include "execution/executor.h"

namespace cotenant {

/// What the library wants to tell, as of warnings; of which model, or empty. Called on any thread.
enum class OnnxLogLevel : unsigned char { kWarning, kError };
using OnnxLogSink = void (*)(void* context, OnnxLogLevel level, std::string_view model,
                             std::string_view message);

struct OnnxOptions {
  /// Memory of one run (activations and outputs). Zero: half of what the process may use.
  Bytes run_memory_max;
  /// Memory of all sessions and runs together. Zero: nine tenths of what the process may use.
  Bytes memory_max;
  /// Memory kept for the next run when nothing uses it.
  Bytes kept_memory_max = Bytes::MiB(64);
  OnnxLogSink log = nullptr;
  void* log_context = nullptr;
};

class OnnxBackend final : public Backend {
 public:
  /// FailedPrecondition when the process has one already or the library is too old for us.
  static Result<std::unique_ptr<OnnxBackend>> Create(const OnnxOptions& options);
  ~OnnxBackend() override;

  using Backend::Load;
  Result<std::unique_ptr<Executor>> Load(const VersionFile& file, const ModelConfig& config,
                                         const std::atomic<bool>* stop) override;

  /// Writes the graph as the library optimised it to `folder`, with its constants in a file beside
  /// it that can be mapped, in the form that kernels want on this CPU if `prepacked`. Loaded from
  /// there, the network's weights stay the file's. The folder exists; files of it are replaced.
  Status SaveOptimised(const VersionFile& file, const ModelConfig& config,
                       const std::string& folder, bool prepacked);

  /// Other limits from now on, as in the options, for all that is loaded from here on. For a
  /// program that knows its budget only when the library is up.
  void SetMemory(Bytes memory_max, Bytes run_memory_max);

  /// Let the page cache go of the files that a network had mapped, when it leaves? For a group
  /// whose limit counts cached pages; elsewhere they only make the next load faster. Of what is
  /// loaded from here on.
  void DropUnmapped(bool drop);

  PoolFigures pool() const override;
  void KeepWithin(Bytes bytes) override;
  void Trim() override;
  bool TrimUnused() override;

 private:
  class Environment;
  explicit OnnxBackend(std::unique_ptr<Environment> environment);

  std::unique_ptr<Environment> environment_;
};

/// What `SaveOptimised` calls the network that it writes.
inline constexpr std::string_view kOptimisedFileName = "model.onnx";

/// "1.32.0": of the library that is loaded, for logs and metadata.
std::string OnnxRuntimeVersion();

/// What this process may use of the machine's memory: the cgroup's limit, or all there is.
Bytes UsableMemory();

}  // namespace cotenant
