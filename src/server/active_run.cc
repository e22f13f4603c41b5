#include "server/active_run.h"

namespace cotenant {

void ActiveRun::Begin(RunId id, std::shared_ptr<ServedModel> model) {
  COTENANT_CHECK(readers_.load(std::memory_order_relaxed) == 0);
  id_ = id;
  model_ = std::move(model);
  taken_ = model_->TakeRun();
  members_.clear();
  replaced_inputs_.clear();
  output_mask_ = 0;
  rows_ = 0;
  status_ = Status();
  ran_for_ = Duration();
  peak_ = Bytes();
  stopped_.store(false, std::memory_order_relaxed);
  readers_.store(1, std::memory_order_relaxed);  // The execution itself, until the run has ended.
}

void ActiveRun::AddMember(std::span<const InputTensor> inputs, std::int32_t rows,
                          std::uint64_t output_mask) {
  const std::vector<std::uint32_t>& inputs_from = model_->inputs_from_main();
  const std::vector<std::uint32_t>& outputs_from = model_->outputs_from_main();
  if (!inputs_from.empty()) {
    std::vector<InputTensor>& own = replaced_inputs_.emplace_back(inputs.begin(), inputs.end());
    for (InputTensor& input : own) input.index = inputs_from[input.index];
    inputs = own;
  }
  members_.push_back(Member{inputs, rows});
  if (outputs_from.empty()) {
    output_mask_ |= output_mask;
  } else {
    for (std::size_t i = 0; i < outputs_from.size(); ++i) {
      if ((output_mask >> i & 1) != 0) output_mask_ |= std::uint64_t{1} << outputs_from[i];
    }
  }
  rows_ += rows;
  readers_.fetch_add(1, std::memory_order_relaxed);
}

void ActiveRun::Execute(Instant (*clock)()) {
  started_ = clock();
  if (stopped_.load(std::memory_order_acquire)) {
    status_ = Status(Code::kCancelled, "stopped before it began");
  } else {
    status_ = taken_.run->Execute(members_, output_mask_);
  }
  const Instant ended = clock();
  ran_for_ = ended - started_;
  const Run::Span network = taken_.run->NetworkRan();
  const bool known = started_ <= network.began && network.ended <= ended;
  input_ = known ? network.began - started_ : Duration();
  output_ = known ? ended - network.ended : Duration();
  peak_ = taken_.run->Peak();
}

void ActiveRun::Stop() {
  stopped_.store(true, std::memory_order_release);
  taken_.run->Stop();
}

void ActiveRun::ReturnBuffers() {
  taken_.run->Recycle();
  model_->GiveRun(std::move(taken_));
  model_.reset();
}

}  // namespace cotenant
