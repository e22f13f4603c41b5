#pragma once

/// One run that the brain started: its members, its buffers, and who still reads them.
///
/// Made and ended under the brain's lock; executed by one thread without it. The buffers go back to
/// the model when the last reader lets go: every member holds one reference until its reply is
/// written (or it ended without outputs).

#include <atomic>
#include <memory>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "execution/executor.h"
#include "server/served_model.h"

namespace cotenant {

class ActiveRun {
 public:
  /// Executes on the calling thread and keeps status and time. `clock` is read before and after.
  void Execute(Instant (*clock)());

  /// True for the caller that let go last: it must call `ReturnBuffers`.
  bool LetGo() { return readers_.fetch_sub(1, std::memory_order_acq_rel) == 1; }
  /// Gives the buffers back to the model. The object may then be used for another run.
  void ReturnBuffers();

  /// Prepares for a new run of `model`; the members are added next.
  void Begin(RunId id, std::shared_ptr<ServedModel> model);
  /// Indices are those of the model's own network, whatever its variant.
  void AddMember(std::span<const InputTensor> inputs, std::int32_t rows, std::uint64_t output_mask);
  /// Under the brain's lock, while the run has not ended.
  void Stop();

  RunId id() const { return id_; }
  ServedModel& model() { return *model_; }
  std::int32_t rows() const { return rows_; }
  std::size_t member_count() const { return members_.size(); }
  const Status& status() const { return status_; }
  Instant started() const { return started_; }
  Duration ran_for() const { return ran_for_; }
  /// What `ran_for` was spent on: inputs, the network, outputs.
  Duration input() const { return input_; }
  Duration infer() const { return ran_for_ - input_ - output_; }
  Duration output() const { return output_; }
  Bytes peak() const { return peak_; }
  std::span<const OutputTensor> Outputs(std::size_t member) const {
    return taken_.run->Outputs(member);
  }

 private:
  RunId id_{};
  std::shared_ptr<ServedModel> model_;
  TakenRun taken_;
  std::vector<Member> members_;
  /// By member, where the variant's inputs have other places.
  std::vector<std::vector<InputTensor>> replaced_inputs_;
  std::uint64_t output_mask_ = 0;
  std::int32_t rows_ = 0;
  Status status_;
  Instant started_;
  Duration ran_for_;
  Duration input_;
  Duration output_;
  Bytes peak_;
  std::atomic<int> readers_ = 0;
  std::atomic<bool> stopped_ = false;
};

}  // namespace cotenant
