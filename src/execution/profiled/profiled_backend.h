#pragma once

/// An executor without a network: occupies the thread that runs it for a drawn time and answers
/// with a function of the inputs. For emulated devices, and for tests that need runs of a known
/// length.
///
/// What it does is read from the version's file or content: see profile.h. It declares the
/// configuration's inputs and outputs unless the file names others.

#include <memory>

#include "execution/executor.h"
#include "execution/profiled/run_gate.h"

namespace cotenant {

class ProfiledBackend final : public Backend {
 public:
  /// `gate`, if any, holds every run of this backend at its start. Not owned.
  explicit ProfiledBackend(RunGate* gate = nullptr) : gate_(gate) {}

  /// File and content may be absent: then a run takes no time.
  using Backend::Load;
  Result<std::unique_ptr<Executor>> Load(const VersionFile& file, const ModelConfig& config,
                                         const std::atomic<bool>* stop) override;

 private:
  RunGate* const gate_;
};

}  // namespace cotenant
