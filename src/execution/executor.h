#pragma once

/// What runs a network. The server sees only this; ONNX Runtime and the emulated executor are
/// behind it.
///
/// A `Backend` loads; an `Executor` is one loaded version; a `Run` is a reusable set of buffers
/// that carries out one batch at a time. All calls but `Run::Stop` block the calling thread until
/// done, and computation happens on the calling thread (plus the model's own intra-op threads if it
/// has more than one).

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/shape.h"
#include "base/time.h"
#include "catalog/model_config.h"
#include "catalog/model_source.h"

namespace cotenant {

/// One input of one member. `bytes` is the protocol's raw form: little-endian elements, BYTES
/// elements each with a u32 length before it (validated by the server). Need not be aligned. Not
/// owned: stays until the run ends.
struct InputTensor {
  std::uint32_t index = 0;  ///< Into `ModelSignature::inputs`.
  DataType datatype = DataType::kInvalid;
  Shape shape;  ///< In full, batch dimension included.
  std::span<const std::byte> bytes;
};

/// One output of one member, in the same raw form. Owned by the `Run`.
struct OutputTensor {
  std::uint32_t index = 0;  ///< Into `ModelSignature::outputs`.
  DataType datatype = DataType::kInvalid;
  Shape shape;
  std::span<const std::byte> bytes;
};

/// One request's part of a batch.
struct Member {
  std::span<const InputTensor> inputs;
  std::int32_t rows = 1;
};

class Run {
 public:
  virtual ~Run() = default;

  /// Joins the members along the first dimension, runs, and splits the outputs likewise. Members of
  /// one call agree in datatypes and in all dimensions but the first; if they do not:
  /// InvalidArgument. `output_mask` has bit i set when some member wants output i (all set: every
  /// output). Errors: InvalidArgument when the network refuses the content, ResourceExhausted when
  /// it asks for too much memory, Cancelled after `Stop`, Internal for the rest. After an error the
  /// object can be used again.
  virtual Status Execute(std::span<const Member> members, std::uint64_t output_mask) = 0;
  /// Ends a running `Execute` soon (between two kernels). Any thread; harmless when nothing runs. A
  /// stop that comes between two runs does not reach the next one.
  virtual void Stop() = 0;
  /// The outputs of one member of the last `Execute`, in the signature's order, only those in the
  /// mask. Valid until the next `Execute` or `Recycle`.
  virtual std::span<const OutputTensor> Outputs(std::size_t member) const = 0;
  /// Most memory that the last run had in use for activations and outputs, as counted by the
  /// allocator.
  virtual Bytes Peak() const = 0;
  /// When the network itself ran within the last `Execute`, of the monotonic clock: before it the
  /// inputs were put in place, after it the outputs. Both zero where nothing is put in place, or
  /// the network did not run.
  struct Span {
    Instant began;
    Instant ended;
  };
  virtual Span NetworkRan() const { return {}; }
  /// Gives the outputs' memory back, and keeps what is worth keeping for the next run.
  virtual void Recycle() = 0;
};

/// What loading a network cost.
struct LoadFacts {
  Bytes anonymous;  ///< Heap taken by the session, as counted by allocator and malloc.
  Bytes mapped;     ///< File-backed weights.
  Bytes taken() const { return anonymous + mapped; }
};

class Executor {
 public:
  virtual ~Executor() = default;
  virtual const ModelSignature& signature() const = 0;
  virtual LoadFacts facts() const = 0;
  /// Several may exist and execute at the same time, on different threads. The executor outlives
  /// every `Execute`; what a run holds after that, its outputs too, does not need it.
  virtual std::unique_ptr<Run> NewRun() = 0;

  /// Parks the network: the pages of its mapped weights go back to the system, all else stays. No
  /// run is in progress, nor begins before `Unpark`. False, and nothing was done: nothing is
  /// mapped, or what is mapped was written to.
  virtual bool Park() { return false; }
  /// Brings the weights back, from the page cache or the disk. Blocks. The files must be what they
  /// were. False: they cannot be read, and the network is of no use any more.
  virtual bool Unpark() { return false; }
};

/// The memory that networks take through one allocator: blocks in use, the most there ever were,
/// and free blocks that are kept for the next run.
struct PoolFigures {
  Bytes in_use;
  Bytes peak;
  Bytes kept;
};

class Backend {
 public:
  virtual ~Backend() = default;
  /// Loads one version. Blocks. Errors name the file and what is wrong with it; never throws. Gives
  /// up with Cancelled as soon as it can once `stop`, where there is one, is set.
  virtual Result<std::unique_ptr<Executor>> Load(const VersionFile& file, const ModelConfig& config,
                                                 const std::atomic<bool>* stop) = 0;
  Result<std::unique_ptr<Executor>> Load(const VersionFile& file, const ModelConfig& config) {
    return Load(file, config, nullptr);
  }

  // Memory. Any thread. A backend without an allocator of its own has nothing to tell or to give.

  virtual PoolFigures pool() const { return {}; }
  /// Free blocks are kept only while they and what runs have in use stay within this.
  virtual void KeepWithin(Bytes) {}
  /// Gives all that is only kept back to the system.
  virtual void Trim() {}
  /// Gives back what lay unused since before the last call. True when something is still kept.
  virtual bool TrimUnused() { return false; }
};

}  // namespace cotenant
