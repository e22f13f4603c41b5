#include "execution/profiled/profiled_backend.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

#include "base/random.h"
#include "execution/profiled/profile.h"

namespace cotenant {
namespace {

class ProfiledExecutor final : public Executor {
 public:
  ProfiledExecutor(RunProfile profile, RunGate* gate)
      : profile_(std::move(profile)), gate_(gate), random_(profile_.seed) {}

  const ModelSignature& signature() const override { return profile_.signature; }
  LoadFacts facts() const override { return {profile_.anonymous, profile_.mapped}; }
  std::unique_ptr<Run> NewRun() override;

  const RunProfile& profile() const { return profile_; }
  RunGate* gate() const { return gate_; }

  struct Draw {
    Duration time;
    bool fails = false;
  };
  Draw DrawRun(std::int32_t rows) {
    std::lock_guard lock(mutex_);
    Draw draw;
    draw.time = profile_.samples.empty() ? profile_.TimeOf(rows)
                                         : profile_.samples[random_.Below(profile_.samples.size())];
    draw.time += Duration::Nanoseconds(random_.Between(0, profile_.jitter.nanoseconds()));
    ++runs_;
    draw.fails = profile_.fail_every != 0 && runs_ % profile_.fail_every == 0;
    return draw;
  }

 private:
  const RunProfile profile_;
  RunGate* const gate_;
  std::mutex mutex_;  // Guards the two below.
  Random random_;
  std::uint64_t runs_ = 0;
};

}  // namespace

class ProfiledRun final : public Run {
 public:
  explicit ProfiledRun(ProfiledExecutor& executor)
      : executor_(executor), gate_(executor.gate() != nullptr ? *executor.gate() : own_gate_) {}

  Status Execute(std::span<const Member> members, std::uint64_t output_mask) override;
  void Stop() override;
  std::span<const OutputTensor> Outputs(std::size_t member) const override {
    const std::size_t wanted = members_ == 0 ? 0 : outputs_.size() / members_;
    return std::span(outputs_).subspan(member * wanted, wanted);
  }
  Bytes Peak() const override { return executor_.profile().memory; }
  void Recycle() override { Clear(); }

 private:
  Status Perform(std::span<const Member> members, std::uint64_t output_mask);
  Status Check(std::span<const Member> members) const;
  /// False when it was stopped.
  bool Occupy(Duration time);
  void Answer(const Member& member, std::uint64_t output_mask);
  void Clear();

  ProfiledExecutor& executor_;
  RunGate own_gate_;  // Always open: where no test holds runs.
  RunGate& gate_;
  std::mutex mutex_;  // Guards the three below.
  std::condition_variable changed_;
  bool running_ = false;
  std::atomic<bool> stopped_{false};
  bool gate_stopped_ = false;  // Guarded by the gate.
  std::size_t members_ = 0;
  std::vector<OutputTensor> outputs_;
  /// Kept for the next run; the first `bytes_used_` hold outputs.
  std::vector<std::vector<std::byte>> bytes_;
  std::size_t bytes_used_ = 0;
};

std::unique_ptr<Run> ProfiledExecutor::NewRun() { return std::make_unique<ProfiledRun>(*this); }

void ProfiledRun::Clear() {
  outputs_.clear();
  bytes_used_ = 0;
  members_ = 0;
}

Status ProfiledRun::Execute(std::span<const Member> members, std::uint64_t output_mask) {
  Clear();
  {
    std::lock_guard lock(mutex_);
    running_ = true;
    stopped_ = false;
    gate_stopped_ = false;
  }
  Status status = Perform(members, output_mask);
  std::lock_guard lock(mutex_);
  running_ = false;
  return status;
}

Status ProfiledRun::Perform(std::span<const Member> members, std::uint64_t output_mask) {
  gate_.Pass(gate_stopped_);
  const RunProfile& profile = executor_.profile();
  COTENANT_RETURN_IF_ERROR(Check(members));
  std::int32_t rows = 0;
  for (const Member& member : members) rows += member.rows;
  const auto draw = executor_.DrawRun(rows);
  if (!Occupy(draw.time)) return Status(Code::kCancelled, "the run was stopped");
  if (draw.fails)
    return Internal("the profile lets every " + std::to_string(profile.fail_every) + "th run fail");
  for (const Member& member : members) Answer(member, output_mask);
  members_ = members.size();
  return Status();
}

Status ProfiledRun::Check(std::span<const Member> members) const {
  if (members.empty()) return InvalidArgument("a run has no members");
  const auto first = members[0].inputs;
  for (const Member& member : members) {
    if (member.inputs.size() != first.size()) {
      return InvalidArgument("the members of a batch give different inputs");
    }
    for (std::size_t i = 0; i < first.size(); ++i) {
      const InputTensor& input = member.inputs[i];
      const auto& dims = input.shape.dims();
      const auto& others = first[i].shape.dims();
      if (input.datatype != first[i].datatype || dims.size() != others.size() ||
          (!dims.empty() && !std::ranges::equal(dims.subspan(1), others.subspan(1)))) {
        return InvalidArgument("the members of a batch do not agree in type or shape");
      }
    }
    if (!first.empty() && !member.inputs[0].bytes.empty() &&
        std::to_integer<std::int32_t>(member.inputs[0].bytes[0]) ==
            executor_.profile().refuse_byte) {
      return InvalidArgument("the profile refuses content that begins with this byte");
    }
  }
  return Status();
}

bool ProfiledRun::Occupy(Duration time) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::nanoseconds(time.nanoseconds());
  if (executor_.profile().occupy == RunProfile::Occupy::kSleep) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_until(lock, end, [&] { return stopped_.load(); });
  }
  while (std::chrono::steady_clock::now() < end) {
    if (stopped_.load(std::memory_order_relaxed)) return false;
  }
  return !stopped_.load();
}

void ProfiledRun::Answer(const Member& member, std::uint64_t output_mask) {
  const RunProfile& profile = executor_.profile();
  const auto& declared = profile.signature.outputs;
  for (std::size_t i = 0; i < declared.size(); ++i) {
    const bool wanted = i < 64 ? ((output_mask >> i) & 1) != 0 : output_mask == ~std::uint64_t{0};
    if (!wanted) continue;
    const InputTensor* source = i < member.inputs.size() ? &member.inputs[i] : nullptr;
    OutputTensor output;
    output.index = static_cast<std::uint32_t>(i);
    output.datatype = declared[i].datatype;
    // A dynamic dimension is the batch's where it is the first, else the same one of the input
    // copied.
    for (std::size_t d = 0; d < declared[i].shape.rank(); ++d) {
      std::int64_t dim = declared[i].shape[d];
      if (dim < 0) dim = d == 0 ? member.rows : 1;
      if (declared[i].shape[d] < 0 && source != nullptr && d < source->shape.rank()) {
        dim = source->shape[d];
      }
      output.shape.Append(dim);
    }
    const bool strings = output.datatype == DataType::kBytes;
    const bool copies = profile.answer == RunProfile::Answer::kCopy && source != nullptr &&
                        (!strings || (source->datatype == DataType::kBytes &&
                                      source->shape.ElementCount() == output.shape.ElementCount()));
    const auto count = static_cast<std::size_t>(output.shape.ElementCount());
    // A string's raw form with no bytes in it is its length of zero.
    const std::size_t size = strings ? (copies ? source->bytes.size() : count * 4)
                                     : count * ElementSize(output.datatype);
    if (bytes_used_ == bytes_.size()) bytes_.emplace_back();
    std::vector<std::byte>& bytes = bytes_[bytes_used_++];
    bytes.assign(size, std::byte{0});
    if (copies) {
      const std::size_t copied = std::min(size, source->bytes.size());
      if (copied > 0) std::memcpy(bytes.data(), source->bytes.data(), copied);
    }
    output.bytes = bytes;
    outputs_.push_back(output);
  }
}

void ProfiledRun::Stop() {
  std::lock_guard lock(mutex_);
  if (!running_) return;
  stopped_ = true;
  changed_.notify_all();
  gate_.Wake(gate_stopped_);
}

Result<std::unique_ptr<Executor>> ProfiledBackend::Load(const VersionFile& file,
                                                        const ModelConfig& config,
                                                        const std::atomic<bool>* stop) {
  std::string text;
  std::string what = "model '" + config.name + "' version " + std::to_string(file.version);
  if (file.content != nullptr) {
    text = *file.content;
  } else if (!file.path.empty()) {
    what = file.path;
    std::ifstream stream(file.path, std::ios::binary);
    std::ostringstream read;
    if (!stream || !(read << stream.rdbuf())) return NotFound(what + ": cannot be read");
    text = read.str();
  }
  auto profile = ReadProfile(config, text, what);
  if (!profile.ok()) return profile.status();
  if (profile->load > Duration()) {
    const auto until =
        std::chrono::steady_clock::now() + std::chrono::nanoseconds(profile->load.nanoseconds());
    const auto stopped = [stop] { return stop != nullptr && stop->load(); };
    constexpr std::chrono::milliseconds kLook{1};
    while (!stopped() && std::chrono::steady_clock::now() + kLook < until) {
      std::this_thread::sleep_for(kLook);
    }
    if (!stopped()) std::this_thread::sleep_until(until);
    if (stopped()) return Status(Code::kCancelled, what + ": nobody waits for it any more");
  }
  if (!profile->load_error.empty()) return InvalidArgument(what + ": " + profile->load_error);
  return std::unique_ptr<Executor>(
      std::make_unique<ProfiledExecutor>(std::move(profile).value(), gate_));
}

}  // namespace cotenant
