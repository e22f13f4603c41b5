#pragma once

/// One loaded network: the library's session, what it declares, and what its runs need to know of
/// it.
///
/// Immutable after `Load`, but for what runs learn (atomic). Runs on several threads share it.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "execution/executor.h"
#include "execution/onnx/mapped_files.h"
#include "execution/onnx/memory_pool.h"
#include "execution/onnx/ort_api.h"

namespace cotenant {

/// Where a dynamic dimension of an output comes from: the same dimension of every run's input.
struct DimensionSource {
  std::size_t input = 0;
  std::size_t dimension = 0;
};

struct OnnxOutputPlan {
  /// One per dimension that is dynamic, in order.
  std::vector<DimensionSource> sources;
  /// Do the input shapes say the output's shape?
  bool predictable = false;
};

class OnnxSession final : public Executor {
 public:
  struct Place {
    const OrtEnv& environment;
    OrtAllocator& allocator;
    const OrtMemoryInfo& memory_info;
    MemoryPool& pool;
    Bytes run_memory_max;
    bool drop_unmapped = false;  ///< See `OnnxBackend::DropUnmapped`.
  };

  static Result<std::unique_ptr<Executor>> Load(const Place& place, const VersionFile& file,
                                                const ModelConfig& config,
                                                const std::atomic<bool>* stop);

  /// Where an optimised network goes to, and whether with constants in the form of its kernels.
  struct Saving {
    std::string path;
    bool prepacked = true;
  };
  static Status SaveOptimised(const Place& place, const VersionFile& file,
                              const ModelConfig& config, const Saving& saving);

  const ModelSignature& signature() const override { return signature_; }
  LoadFacts facts() const override { return facts_; }
  ~OnnxSession() override;
  std::unique_ptr<Run> NewRun() override;
  bool Park() override;
  bool Unpark() override;

  const Place& place() const { return place_; }
  OrtSession& session() { return *session_; }
  const OnnxOutputPlan& plan(std::size_t output) const { return plans_[output]; }
  /// False once the network gave an output another shape than it declares: then the library sizes
  /// them.
  bool shapes_hold() const { return shapes_hold_.load(std::memory_order_relaxed); }
  void DistrustShapes() { shapes_hold_.store(false, std::memory_order_relaxed); }

 private:
  explicit OnnxSession(const Place& place)
      : place_(place), account_(MemoryPool::OpenAccount(Bytes(INT64_MAX / 2), false)) {}
  Status Open(const VersionFile& file, const ModelConfig& config, const std::string& what,
              const Saving* saving, const std::atomic<bool>* stop);
  Status ReadSignature(const ModelConfig& config, const std::string& what);

  const Place place_;
  MemoryPool::AccountOwner account_;
  OrtOwner<OrtSession> session_;
  ModelSignature signature_;
  std::vector<OnnxOutputPlan> plans_;
  LoadFacts facts_;
  std::vector<std::string> mapped_files_;
  std::vector<MappedRange> mapped_ranges_;  ///< Of its weights, in our address space.
  std::atomic<bool> shapes_hold_{true};
};

}  // namespace cotenant
