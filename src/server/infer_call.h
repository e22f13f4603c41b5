#pragma once

/// One inference request on its way through the node, shared by the protocols and the server.
///
/// A protocol fills the request part and gives the call to `Node::Submit`; the server fills the
/// reply part and calls `Complete` exactly once for every call that `Submit` accepted. The protocol
/// owns the object (HTTP keeps one per connection and reuses it) and keeps it, and the tensor bytes
/// it points to, until `Complete`. Nothing here allocates once the vectors have grown.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "catalog/variant.h"
#include "execution/executor.h"
#include "scheduler/actions.h"
#include "scheduler/events.h"

namespace cotenant {

class ActiveRun;
class ServedModel;

/// One input as the client gave it. `name` need only live through `Submit`; `bytes` until
/// `Complete`.
struct NamedInput {
  std::string_view name;
  DataType datatype = DataType::kInvalid;
  Shape shape;
  std::span<const std::byte> bytes;
};

/// One output that the client asked for. `tag` is the protocol's own (binary or JSON, …), given
/// back untouched.
struct WantedOutput {
  std::string_view name;  ///< Lives through `Submit` only.
  std::uint32_t classification = 0;
  std::uint32_t tag = 0;
  std::uint32_t index = 0;  ///< Set by `Submit`: into the model's configured outputs.
};

/// One output of the reply: `bytes` points into the run's buffers until `Node::Written`.
struct ReplyOutput {
  const TensorSpec* spec = nullptr;  ///< Name and labels; lives as long as the call's model.
  DataType datatype = DataType::kInvalid;
  Shape shape;
  std::span<const std::byte> bytes;
  std::uint32_t classification = 0;
  std::uint32_t tag = 0;
};

/// What the reply says of how it was made (response parameters of design.md).
struct ReplyFacts {
  Duration queue;            ///< From arrival to the start of the run.
  Duration compute;          ///< The run.
  bool cold = false;         ///< Its model was not in memory when it arrived.
  std::string_view variant;  ///< That answered; empty where the model has one only.
  Accuracy accuracy;         ///< Of that variant.
  bool bounded = false;      ///< Had the request a latency bound?
  bool bound_met = false;    ///< Judged when the reply is ready to be written.
  Duration earliest_bound;   ///< Refusals for feasibility: the smallest bound that would do.
  Duration estimate;         ///< Refusals for feasibility: what the bound was compared with.
  Duration retry_after;      ///< Refusals: when to try again; zero when unknown.
};

class InferCall {
 public:
  virtual ~InferCall() = default;

  /// The reply part is filled. Called once per accepted call, on any thread that turns, with no
  /// lock held; must not block. After the reply is written (or could not be) the protocol calls
  /// `Node::Written`.
  virtual void Complete() = 0;

  /// Empties the object for the next request; keeps capacity.
  void Reset();

  // The request, filled by the protocol. Views of text need only live through `Submit`.
  std::string_view model;
  std::string_view version;  ///< Empty: the server's choice.
  std::string_view tenant;   ///< Empty: `default`.
  std::string_view variant;  ///< Empty: any that meets the bounds.
  std::string id;            ///< Echoed.
  std::string sequence;      ///< Triton's `sequence_id`: one variant answers all of it.
  bool sequence_start = false;
  bool sequence_end = false;
  Instant at;  ///< When the turn that read its first byte began.
  RequestBounds bounds;
  std::uint32_t priority = 0;
  std::vector<NamedInput> inputs;
  std::vector<WantedOutput> wanted;  ///< Empty: all outputs.
  /// For outputs that are not named one by one.
  std::uint32_t default_tag = 0;

  // The reply, filled by the server before `Complete`.
  Status status;
  End end = End::kReplied;
  RejectReason reject_reason = RejectReason::kQueueFull;  ///< Meaningful for rejected and expired.
  ReplyFacts facts;
  std::vector<ReplyOutput> outputs;
  /// The model that was chosen; set by `Submit`, kept until `Written`.
  std::shared_ptr<ServedModel> served;

 private:
  friend class Node;
  friend class Lane;
  friend class LiveBrain;
  RequestId request_{};
  TenantId tenant_{};
  std::vector<InputTensor> tensors_;
  std::int32_t rows_ = 1;
  std::uint64_t output_mask_ = 0;
  ActiveRun* run_ = nullptr;
  std::uint32_t member_ = 0;
};

}  // namespace cotenant
