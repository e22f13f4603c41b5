#include "server/active_run.h"

namespace cotenant {

void ActiveRun::Begin(RunId id, std::shared_ptr<ServedModel> model) {
  COTENANT_CHECK(readers_.load(std::memory_order_relaxed) == 0);
  id_ = id;
  model_ = std::move(model);
  run_ = model_->TakeRun();
  members_.clear();
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
  members_.push_back(Member{inputs, rows});
  output_mask_ |= output_mask;
  rows_ += rows;
  readers_.fetch_add(1, std::memory_order_relaxed);
}

void ActiveRun::Execute(Instant (*clock)()) {
  started_ = clock();
  if (stopped_.load(std::memory_order_acquire)) {
    status_ = Status(Code::kCancelled, "stopped before it began");
  } else {
    status_ = run_->Execute(members_, output_mask_);
  }
  ran_for_ = clock() - started_;
  peak_ = run_->Peak();
}

void ActiveRun::Stop() {
  stopped_.store(true, std::memory_order_release);
  run_->Stop();
}

void ActiveRun::ReturnBuffers() {
  run_->Recycle();
  model_->GiveRun(std::move(run_));
  model_.reset();
}

}  // namespace cotenant
