#include "apps/cotenant/profile_model.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "config/network_hash.h"
#include "server/active_run.h"
#include "server/clock.h"
#include "server/warm_up.h"
#include "server/worker_pool.h"

namespace cotenant {
namespace {

constexpr Duration kSliceMin = Duration::Milliseconds(20);
constexpr Duration kPauseMax = Duration::Milliseconds(5);
/// First runs of a slice that do not count; one is enough when a run is long.
constexpr int kUncounted = 2;
constexpr Duration kLongRun = Duration::Milliseconds(5);
constexpr int kLoadsMax = 7;
/// Lengths that are tried, in order, where nothing says how long a dimension is.
constexpr std::int64_t kOpenDimensions[] = {1, 32, 64, 128, 224, 256, 512};

/// The requests of one run.
struct Batch {
  std::vector<std::vector<InputTensor>> members;
  std::int32_t rows_each = 1;
};

/// Takes a core's own caches for itself, as the run of another network does.
class CacheSweep {
 public:
  void Run() {
    constexpr std::size_t kLine = 64 / sizeof(std::uint64_t);
    for (std::size_t i = 0; i < lines_.size(); i += kLine) lines_[i] += i;
  }

 private:
  static std::size_t Size() {
    constexpr long kUnknown = 1L << 20;
    const long size = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return static_cast<std::size_t>(2 * (size > 0 ? size : kUnknown));
  }
  std::vector<std::uint64_t> lines_ = std::vector<std::uint64_t>(Size() / sizeof(std::uint64_t));
};

/// One thread's way of running a model, as a worker's.
class Runner {
 public:
  explicit Runner(std::shared_ptr<ServedModel> model) : model_(std::move(model)) {}

  Status RunOnce(const Batch& batch) {
    run_.Begin(RunId{}, model_);
    for (const auto& member : batch.members) {
      run_.AddMember(member, batch.rows_each, ~std::uint64_t{0});
    }
    run_.Execute(&MonotonicNow);
    const Status status = run_.status();
    while (!run_.LetGo()) {
    }
    run_.ReturnBuffers();
    return status;
  }
  Duration took() const { return run_.ran_for(); }
  Bytes peak() const { return run_.peak(); }

 private:
  std::shared_ptr<ServedModel> model_;
  ActiveRun run_;
};

/// Threads that run a batch over and over while they are told to, with swept caches each time.
class Neighbours {
 public:
  Neighbours(const std::shared_ptr<ServedModel>& model, int count) {
    for (int i = 0; i < count; ++i) threads_.emplace_back([this, model] { Loop(model); });
  }
  ~Neighbours() {
    end_ = true;
    turn_.fetch_add(1);
    turn_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  bool any() const { return !threads_.empty(); }

  /// Returns when all of them compute.
  void Begin(const Batch& batch) {
    batch_ = &batch;
    begun_ = 0;
    busy_ = true;
    turn_.fetch_add(1);
    turn_.notify_all();
    while (begun_.load() < threads_.size()) std::this_thread::yield();
  }
  /// Returns when none of them computes.
  void End() {
    busy_ = false;
    while (computing_.load() > 0) std::this_thread::yield();
  }

 private:
  void Loop(const std::shared_ptr<ServedModel>& model) {
    PrepareThread("neighbour", kWorkerNice);
    Runner runner(model);
    CacheSweep sweep;
    unsigned seen = 0;
    while (true) {
      turn_.wait(seen);
      seen = turn_.load();
      if (end_) return;
      computing_.fetch_add(1);
      bool first = true;
      // A neighbour's failure is the measured one's too: it runs the same.
      while (busy_ && !end_) {
        sweep.Run();
        if (!runner.RunOnce(*batch_).ok()) std::this_thread::yield();
        if (std::exchange(first, false)) begun_.fetch_add(1);
      }
      computing_.fetch_sub(1);
    }
  }

  const Batch* batch_ = nullptr;
  std::atomic<unsigned> turn_ = 0;
  std::atomic<std::size_t> begun_ = 0;
  std::atomic<std::size_t> computing_ = 0;
  std::atomic<bool> busy_ = false;
  std::atomic<bool> end_ = false;
  std::vector<std::thread> threads_;  // Last: they use everything above.
};

class Measurement {
 public:
  Measurement(ModelSource& source, Backend& backend, Telemetry& telemetry,
              const ModelDescription& description, const VersionFile& file,
              const VariantSource* variant, const ProfileModelOptions& options)
      : source_(source),
        backend_(backend),
        telemetry_(telemetry),
        description_(description),
        file_(variant == nullptr ? file : FileOf(*variant, file.version)),
        variant_(variant == nullptr ? VariantSource() : *variant),
        options_(options) {
    const std::string& name = description.config.name;
    measured_.name = variant == nullptr ? name : VariantTitle(name, variant->name);
    measured_.version = file.version;
  }

  Result<MeasuredModel> Run() {
    Result<std::string> hash = NetworkHash(file_);
    if (!hash.ok()) return hash.status();
    measured_.hash = *std::move(hash);
    began_ = MonotonicNow();
    COTENANT_RETURN_IF_ERROR(MeasureLoads());
    COTENANT_RETURN_IF_ERROR(ChooseInputs());
    COTENANT_RETURN_IF_ERROR(MeasureRuns());
    return std::move(measured_);
  }

 private:
  Duration Elapsed() const { return MonotonicNow() - began_; }
  Status CheckStop() {
    if (options_.progress) options_.progress(std::min(Elapsed(), options_.budget));
    if (options_.stop != nullptr && *options_.stop != 0) {
      return Status(Code::kCancelled, "stopped");
    }
    return Status();
  }

  /// As the controller loads, warm-up included.
  Status Load() {
    model_.reset();
    const Instant began = MonotonicNow();
    Result<std::unique_ptr<Executor>> executor = backend_.Load(file_, description_.config);
    COTENANT_RETURN_IF_ERROR(executor.status());
    Result<ModelConfig> config =
        source_.Complete(description_.config, ByNamesOfModel((*executor)->signature(), variant_));
    COTENANT_RETURN_IF_ERROR(config.status());
    RenderedConfig rendered = source_.Render(*config);
    auto counters = telemetry_.ForModel(config->name, std::to_string(file_.version));
    model_ = std::make_shared<ServedModel>(ModelId{}, file_.version, *std::move(config),
                                           std::move(rendered), *std::move(executor), counters,
                                           variant_);
    COTENANT_RETURN_IF_ERROR(WarmUp(*model_).status());
    measured_.load.Add(MonotonicNow() - began);
    measured_.facts = model_->facts();
    return Status();
  }

  /// At least two, so that one has its file in memory, and for a fifth of the time.
  Status MeasureLoads() {
    for (int i = 0; i < kLoadsMax && (i < 2 || Elapsed() < options_.budget / 5); ++i) {
      COTENANT_RETURN_IF_ERROR(Load());
      COTENANT_RETURN_IF_ERROR(CheckStop());
    }
    return Status();
  }

  Batch MakeBatch(const ModelInputs& inputs, std::int32_t rows) {
    Batch batch;
    batch.rows_each = measured_.joined ? 1 : rows;
    for (std::int32_t i = 0; i < (measured_.joined ? rows : 1); ++i) {
      batch.members.push_back(inputs.Request(batch.rows_each, random_));
    }
    return batch;
  }

  Status ChooseInputs() {
    const ModelConfig& config = model_->config();
    measured_.joined = config.batching.has_value();
    std::vector<MeasuredRuns> runs;
    for (const std::int32_t rows : options_.rows) {
      if (rows == 1 || rows <= config.max_batch_size) runs.push_back({rows, {}, {}, {}});
    }
    if (runs.empty()) runs.push_back({});
    for (std::size_t i = 0; i < options_.inputs.Choices(); ++i) {
      measured_.choices.push_back({"", {}, runs});
      COTENANT_RETURN_IF_ERROR(ChooseInputs(options_.inputs.Choice(i), measured_.choices.back()));
    }
    return Status();
  }

  Status ChooseInputs(const InputChoice& choice, MeasuredShapes& measured) {
    const std::int32_t rows = measured.runs.back().rows;
    Status first_failure;
    for (const std::int64_t open : kOpenDimensions) {
      Result<ModelInputs> inputs =
          ModelInputs::Make(*model_, choice, open, measured_.joined ? 1 : rows);
      COTENANT_RETURN_IF_ERROR(inputs.status());
      measured.shapes = inputs->shapes_text();
      measured.request = inputs->row_bytes();
      const Status status = Runner(model_).RunOnce(MakeBatch(*inputs, rows));
      const bool any_open = inputs->any_open();
      if (status.ok()) inputs_.push_back(*std::move(inputs));
      if (status.ok()) return status;
      if (first_failure.ok()) first_failure = status;
      if (!any_open) break;
    }
    return Status(first_failure.code(),
                  first_failure.message() +
                      " (give real inputs: --shape MODEL/INPUT=D,D,… and --data "
                      "MODEL/INPUT=FILE, or model_warmup in its config.pbtxt)");
  }

  Status MeasureRuns() {
    std::vector<Batch> batches;
    std::vector<MeasuredRuns*> measured;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      for (MeasuredRuns& runs : measured_.choices[i].runs) {
        batches.push_back(MakeBatch(inputs_[i], runs.rows));
        measured.push_back(&runs);
      }
    }
    const int cores = std::max(1, model_->config().runtime.intra_op_threads);
    Neighbours neighbours(model_, std::max(0, options_.slots - cores));
    // The first runs of a size make room in memory.
    for (const Batch& batch : batches) COTENANT_RETURN_IF_ERROR(Runner(model_).RunOnce(batch));
    while (true) {
      for (std::size_t i = 0; i < batches.size(); ++i) {
        MeasuredRuns& runs = *measured[i];
        COTENANT_RETURN_IF_ERROR(MeasureSlice(batches[i], true, runs.alone, runs.peak));
        if (!neighbours.any()) continue;
        neighbours.Begin(batches[i]);
        const Status status = MeasureSlice(batches[i], false, runs.beside, runs.peak);
        neighbours.End();
        COTENANT_RETURN_IF_ERROR(status);
      }
      if (Elapsed() >= options_.budget) return Status();
    }
  }

  Status MeasureSlice(const Batch& batch, bool pauses, TimeSamples& times, Bytes& peak) {
    Runner runner(model_);
    const Instant began = MonotonicNow();
    COTENANT_RETURN_IF_ERROR(runner.RunOnce(batch));
    if (runner.took() < kLongRun) {
      for (int i = 1; i < kUncounted; ++i) COTENANT_RETURN_IF_ERROR(runner.RunOnce(batch));
    }
    do {
      // Two at a time, so that runs after pauses are one half.
      for (const bool after_pause : {false, true}) {
        if (pauses && after_pause) {
          const Duration pause = std::min(runner.took(), kPauseMax);
          std::this_thread::sleep_for(std::chrono::nanoseconds(pause.nanoseconds()));
        }
        if (!pauses) sweep_.Run();
        COTENANT_RETURN_IF_ERROR(runner.RunOnce(batch));
        peak = std::max(peak, runner.peak());
        times.Add(runner.took());
      }
    } while (MonotonicNow() - began < kSliceMin);
    return CheckStop();
  }

  ModelSource& source_;
  Backend& backend_;
  Telemetry& telemetry_;
  const ModelDescription& description_;
  const VersionFile file_;
  const VariantSource variant_;  ///< Without a name: the model's own network.
  const ProfileModelOptions& options_;
  Instant began_;
  Random random_{2};
  std::shared_ptr<ServedModel> model_;
  std::vector<ModelInputs> inputs_;  ///< By choice.
  CacheSweep sweep_;
  MeasuredModel measured_;
};

}  // namespace

ModelProfile MeasuredModel::Profile() const {
  ModelProfile profile;
  profile.model = name;
  profile.version = version;
  for (const MeasuredRuns& run : choices.front().runs) {
    profile.runs.push_back(
        {run.rows, run.alone.Distribution(), run.beside.Distribution(), run.peak});
  }
  profile.load = load.Distribution();
  profile.mapped = facts.mapped;
  profile.anonymous = facts.anonymous;
  profile.load_peak = load_peak;
  return profile;
}

Result<MeasuredModel> MeasureModel(ModelSource& source, Backend& backend, Telemetry& telemetry,
                                   const ModelDescription& description, const VersionFile& file,
                                   const VariantSource* variant,
                                   const ProfileModelOptions& options) {
  std::optional<Result<MeasuredModel>> result;
  // On a thread of a worker's priority.
  std::thread([&] {
    PrepareThread("worker-0", kWorkerNice);
    result.emplace(
        Measurement(source, backend, telemetry, description, file, variant, options).Run());
  }).join();
  return *std::move(result);
}

}  // namespace cotenant
