#pragma once

/// What a model's folder says of the model, after reading and validation. Plain data.
///
/// The fields are those of Triton's configuration that change what Cotenant does; a field that
/// would change results and is not here was refused by the reader (config/), by name.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/shape.h"
#include "base/time.h"
#include "catalog/datatype.h"

namespace cotenant {

/// One input or output as clients see it. `dims` is without the batch dimension when the model's
/// `max_batch_size` is above 0, as in config.pbtxt.
struct TensorSpec {
  std::string name;
  DataType datatype = DataType::kInvalid;
  Shape dims;
  bool optional = false;
  /// Outputs only: names of the classes by index, empty when the folder gives none.
  std::vector<std::string> labels;
  std::string label_filename;
};

/// What happens to a request that waited longer than its queue allows (Triton's timeout_action).
enum class TimeoutAction : unsigned char { kReject, kDelay };

struct QueuePolicy {
  TimeoutAction timeout_action = TimeoutAction::kReject;
  Duration default_timeout;             ///< Zero: none.
  bool allow_timeout_override = false;  ///< May a request's `timeout` shorten it?
  std::uint32_t waiting_max = 0;        ///< Zero: only the node's own limit holds.
};

/// Triton's dynamic batcher, as configured.
struct DynamicBatching {
  std::vector<std::int32_t> preferred_sizes;  ///< Ascending.
  Duration queue_delay_max;
  bool preserve_ordering = false;
  std::uint32_t priority_levels = 0;
  std::uint32_t default_priority_level = 0;
  QueuePolicy default_policy;
  std::map<std::uint32_t, QueuePolicy> priority_policies;
};

struct WarmupInput {
  enum class Kind : unsigned char { kZero, kRandom, kFile };
  std::string name;
  DataType datatype = DataType::kInvalid;
  Shape dims;
  Kind kind = Kind::kZero;
  std::string file;  ///< Absolute path; kFile only. Raw little-endian bytes, BYTES length-prefixed.
};

struct Warmup {
  std::string name;
  std::uint32_t batch_size = 0;
  std::uint32_t count = 1;
  std::vector<WarmupInput> inputs;
};

struct VersionPolicy {
  enum class Kind : unsigned char { kLatest, kAll, kSpecific };
  Kind kind = Kind::kLatest;
  std::uint32_t latest_count = 1;
  std::vector<std::int64_t> specific;
};

/// How ONNX Runtime is to run the network. Defaults suit several tenants on few cores.
struct RuntimeOptions {
  std::int32_t intra_op_threads = 1;  ///< Also the slots that one run takes of the CPU.
  std::int32_t inter_op_threads = 1;
  bool parallel_execution = false;
  /// ONNX Runtime's level: 0 none, 1 basic, 2 extended, 99 all.
  std::int32_t graph_optimization_level = 99;
  bool enable_memory_pattern = true;
  /// Session configuration entries given as-is ("session.disable_prepacking" …).
  std::map<std::string, std::string> session_entries;
};

struct ModelConfig {
  std::string name;
  std::string platform = "onnxruntime_onnx";
  std::string backend = "onnxruntime";
  std::int32_t max_batch_size = 0;
  /// Was `max_batch_size` written down, or is it to be completed from the network?
  bool max_batch_size_given = false;
  std::vector<TensorSpec> inputs;   ///< May be empty until completed from the network.
  std::vector<TensorSpec> outputs;  ///< May be empty until completed from the network.
  std::optional<DynamicBatching> batching;
  VersionPolicy version_policy;
  std::vector<Warmup> warmups;
  RuntimeOptions runtime;
  std::string default_model_filename = "model.onnx";
  /// The whole configuration as written, a serialised `inference.ModelConfig`. Only config/ looks
  /// inside: it renders the reply to a configuration request from it and from the fields above.
  std::string written;
};

/// What the network file itself declares. Full dimensions, -1 where dynamic.
struct ModelSignature {
  struct Tensor {
    std::string name;
    DataType datatype = DataType::kInvalid;
    Shape shape;
  };
  std::vector<Tensor> inputs;
  std::vector<Tensor> outputs;
};

}  // namespace cotenant
