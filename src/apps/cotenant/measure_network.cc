#include "apps/cotenant/measure_network.h"

#include <malloc.h>
#include <sys/prctl.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "apps/cotenant/model_inputs.h"
#include "apps/cotenant/sample_inputs.h"
#include "config/command_flags.h"
#include "config/directory_source.h"
#include "config/prepared_manifest.h"
#include "execution/onnx/onnx_backend.h"
#include "server/clock.h"
#include "telemetry/memory_meters.h"
#include "telemetry/telemetry.h"

namespace cotenant {
namespace {

/// Lengths of the dimensions that nobody says. The first that the network takes is the usual one:
/// long enough to be like real inputs, short enough for every text and picture network.
constexpr std::int64_t kOpenDimensions[] = {64, 32, 128, 224, 256, 512, 16, 1};
/// And once more with longer ones, for what larger inputs take.
constexpr std::int64_t kLongDimension = 224;
constexpr std::int32_t kRowsMost = 4;
/// Random samples whose outputs are written, for comparing forms.
constexpr std::size_t kSamples = 16;
constexpr int kRunsMin = 9;
/// Runs of seconds are not repeated so often: one counts.
constexpr Duration kSlowRunsMost = Duration::Seconds(1);
/// Of samples that differ in their shapes, the largest so many are measured.
constexpr std::size_t kShapesMost = 8;

struct Settings {
  std::string repository;
  std::string model;
  std::int64_t version = 1;
  std::string variant;  ///< A declared one, in place of the model's own network.
  std::string path;     ///< Loaded instead of the model's own network.
  std::int64_t level = -1;
  std::vector<std::string> entries;  ///< "key=value"
  std::string save;                  ///< Write the optimised network there, and measure nothing.
  bool unpacked = false;
  std::string outputs;  ///< Write what the samples give.
  std::string data;     ///< Folder of real samples; those of warm-ups count too.
  std::string samples;  ///< Write the real samples there, as they are sent.
  Duration runs_for = Duration::Milliseconds(300);
};

constexpr CommandUsage kUsage = {"measure-network",
                                 "MODELS_DIR MODEL",
                                 "a repository and a model",
                                 2,
                                 2,
                                 "Measures one network in this process; started by others."};

std::vector<CommandFlag> Flags(Settings& s) {
  using enum FlagKind;
  return {
      {"version", kValue, "N", "of the model", SetsNumber(s.version, 0, INT64_MAX)},
      {"variant", kValue, "NAME", "a variant that lies beside the model's own network",
       SetsText(s.variant)},
      {"path", kValue, "FILE", "the network, instead of the model's own", SetsText(s.path)},
      {"level", kValue, "N", "of graph optimisation", SetsNumber(s.level, 0, 99)},
      {"entry", kValue, "KEY=VALUE", "a session configuration entry; repeatable",
       [&s](const std::string& text) {
         if (text.find('=') == std::string::npos) return InvalidArgument("expected KEY=VALUE");
         s.entries.push_back(text);
         return Status();
       }},
      {"save", kValue, "DIR", "write the optimised network there", SetsText(s.save)},
      {"unpacked", kSwitch, "", "… with constants as they are in the file", SetsSwitch(s.unpacked)},
      {"outputs", kValue, "FILE", "write what sample inputs give", SetsText(s.outputs)},
      {"data", kValue, "DIR", "samples of its inputs", SetsText(s.data)},
      {"samples", kValue, "DIR", "write all samples there", SetsText(s.samples)},
      {"seconds", kValue, "S", "of running",
       SetsSeconds(s.runs_for, Duration::Milliseconds(1), Duration::Seconds(60))},
  };
}

int Fail(const Status& status) { return FailCommand(kUsage, 1, status.message()); }

/// Reads the process's anonymous memory all the time, from a thread of its own.
class AnonymousPeak {
 public:
  AnonymousPeak() : thread_([this] { Watch(); }) {}
  Bytes Stop() {
    end_ = true;
    thread_.join();
    return Bytes(most_.load());
  }

 private:
  void Watch() {
    while (!end_) {
      const Bytes now = ReadProcessMemory().anonymous;
      most_ = std::max(most_.load(), now.count());
      std::this_thread::sleep_for(std::chrono::microseconds(300));
    }
  }
  std::atomic<bool> end_ = false;
  std::atomic<std::int64_t> most_ = 0;
  std::thread thread_;
};

/// From now on the kernel's figure of the greatest resident size counts anew.
void RestartResidentPeak() { std::ofstream("/proc/self/clear_refs") << "5"; }

/// CPU time of the calling thread: what others compute meanwhile does not count.
Duration ThreadCpu() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return Duration::Seconds(time.tv_sec) + Duration::Nanoseconds(time.tv_nsec);
}

class Measuring {
 public:
  Measuring(const Settings& settings, OnnxBackend& backend, DirectorySource& source)
      : settings_(settings), backend_(backend), source_(source) {}

  Status ReadModel() {
    Result<ModelDescription> description = source_.Read(settings_.model, {});
    COTENANT_RETURN_IF_ERROR(description.status());
    config_ = description->config;
    if (settings_.level >= 0) {
      config_.runtime.graph_optimization_level = static_cast<std::int32_t>(settings_.level);
    }
    for (const std::string& entry : settings_.entries) {
      const std::size_t equals = entry.find('=');
      config_.runtime.session_entries[entry.substr(0, equals)] = entry.substr(equals + 1);
    }
    for (const VersionFile& file : description->versions) {
      if (file.version == settings_.version) file_ = file;
    }
    if (file_.path.empty()) return NotFound("the model has no such version");
    if (!settings_.variant.empty()) COTENANT_RETURN_IF_ERROR(TakeVariant());
    if (!settings_.path.empty()) {
      file_.path = settings_.path;
      file_.may_map = true;
    }
    return Status();
  }

  Status Save() {
    return backend_.SaveOptimised(file_, config_, settings_.save, !settings_.unpacked);
  }

  Result<MeasuredForm> Measure() {
    // Once for what loading brings in for good: code, and what the library builds once.
    COTENANT_RETURN_IF_ERROR(Load());
    model_.reset();
    backend_.Trim();
    malloc_trim(0);
    COTENANT_RETURN_IF_ERROR(MeasureLoad());
    Result<std::vector<OwnedRequest>> samples = ReadSamples(settings_.data, *model_);
    COTENANT_RETURN_IF_ERROR(samples.status());
    samples_ = *std::move(samples);
    if (!samples_.empty()) {
      COTENANT_RETURN_IF_ERROR(MeasureSamples());
      if (!settings_.samples.empty()) {
        COTENANT_RETURN_IF_ERROR(WriteSamples(settings_.samples, *model_, samples_));
      }
    } else if (!MeasureRuns().ok()) {
      // What a load takes is worth knowing also of a network that takes no input of ours.
      return measured_;
    }
    if (!settings_.outputs.empty()) COTENANT_RETURN_IF_ERROR(WriteOutputs());
    return measured_;
  }

 private:
  Status TakeVariant() {
    const auto found = std::ranges::find(file_.variants, settings_.variant, &VariantSource::name);
    if (found == file_.variants.end()) {
      return NotFound("the model has no variant '" + settings_.variant + "'");
    }
    variant_ = *found;
    file_ = FileOf(variant_, file_.version);
    return Status();
  }

  Status Load() {
    Result<std::unique_ptr<Executor>> executor = backend_.Load(file_, config_);
    COTENANT_RETURN_IF_ERROR(executor.status());
    executor_ = executor->get();
    Result<ModelConfig> config =
        source_.Complete(config_, ByNamesOfModel(executor_->signature(), variant_));
    COTENANT_RETURN_IF_ERROR(config.status());
    model_ = std::make_shared<ServedModel>(
        ModelId{}, file_.version, *config, source_.Render(*config), *std::move(executor),
        telemetry_.ForModel(config->name, std::to_string(file_.version)), variant_);
    return Status();
  }

  Status MeasureLoad() {
    const ProcessMemory before = ReadProcessMemory();
    RestartResidentPeak();
    AnonymousPeak watched;
    const Instant began = MonotonicNow();
    const Status status = Load();
    measured_.cost.load_takes = MonotonicNow() - began;
    const ProcessMemory after = ReadProcessMemory();
    const Bytes most_anonymous = watched.Stop() - before.anonymous;
    COTENANT_RETURN_IF_ERROR(status);
    malloc_trim(0);
    const LoadFacts facts = model_->facts();
    VariantCost& cost = measured_.cost;
    cost.mapped = facts.mapped;
    cost.anonymous = std::max(facts.anonymous, ReadProcessMemory().anonymous - before.anonymous);
    // The kernel's figure misses no moment, but holds pages of files too. Those that are there
    // afterwards are of mapped weights, which count in full.
    const Bytes all = after.resident_peak - before.resident - (after.file - before.file);
    cost.transition_peak = cost.mapped + std::max({cost.anonymous, most_anonymous, all});
    return Status();
  }

  /// The shapes that real samples have, each by the first sample that has it.
  Status MeasureSamples() {
    std::vector<const OwnedRequest*> chosen;
    std::set<std::string> shapes;
    for (const OwnedRequest& sample : samples_) {
      if (shapes.insert(ShapesText(*model_, sample)).second) chosen.push_back(&sample);
    }
    const OwnedRequest* largest = *std::ranges::max_element(chosen, {}, SizeOf);
    if (chosen.size() > kShapesMost) {
      std::ranges::stable_sort(chosen, std::greater<>(), SizeOf);
      chosen.resize(kShapesMost);
    }
    const auto shares = static_cast<std::int64_t>(chosen.size());
    for (const OwnedRequest* sample : chosen) {
      COTENANT_RETURN_IF_ERROR(MeasureShape(sample->tensors, sample->rows,
                                            ShapesText(*model_, *sample),
                                            settings_.runs_for / shares));
    }
    for (const MeasuredShape& shape : measured_.shapes) {
      measured_.cost.run_peak = std::max(measured_.cost.run_peak, shape.run_peak);
    }
    measured_.run_takes = measured_.shapes[0].run_takes;
    if (RowsMost() > 1 && largest->rows == 1) {
      const OwnedRequest rows = Repeated(*largest, RowsMost());
      // A network that says it takes batches and does not is still one.
      (void)MeasureShape(rows.tensors, rows.rows, ShapesText(*model_, rows),
                         settings_.runs_for / 4);
    }
    return Status();
  }

  static std::int64_t SizeOf(const OwnedRequest* sample) { return BytesOf(*sample).count(); }

  Status MeasureRuns() {
    Status failure;
    std::optional<std::int64_t> usual;
    bool any_open = false;
    for (const std::int64_t open : kOpenDimensions) {
      Result<ModelInputs> inputs = ModelInputs::Make(*model_, {}, open, RowsMost());
      COTENANT_RETURN_IF_ERROR(inputs.status());
      any_open = inputs->any_open();
      const Status status = MeasureShape(*inputs, 1, settings_.runs_for);
      if (status.ok()) {
        inputs_.emplace(*std::move(inputs));
        usual = open;
        break;
      }
      if (failure.ok()) failure = status;
      if (!any_open) break;
    }
    if (!usual) return failure;
    measured_.cost.run_peak = measured_.shapes[0].run_peak;
    measured_.run_takes = measured_.shapes[0].run_takes;
    const Duration shortly = settings_.runs_for / 4;
    // Larger inputs than the usual, if the network takes them.
    if (RowsMost() > 1) (void)MeasureShape(*inputs_, RowsMost(), shortly);
    if (any_open && *usual < kLongDimension) {
      Result<ModelInputs> longer = ModelInputs::Make(*model_, {}, kLongDimension, 1);
      if (longer.ok()) (void)MeasureShape(*longer, 1, shortly);
    }
    return Status();
  }

  std::int32_t RowsMost() const {
    return std::clamp(model_->config().max_batch_size, 1, kRowsMost);
  }

  Status MeasureShape(const ModelInputs& inputs, std::int32_t rows, Duration lasts) {
    Random random(2);
    return MeasureShape(inputs.Request(rows, random), rows, inputs.shapes_text(), lasts);
  }

  Status MeasureShape(const std::vector<InputTensor>& tensors, std::int32_t rows,
                      std::string shapes_text, Duration lasts) {
    const Member member{tensors, rows};
    const std::unique_ptr<Run> run = executor_->NewRun();
    MeasuredShape shape{rows, std::move(shapes_text), {}, {}};
    std::vector<Duration> times;
    const bool alone = model_->config().runtime.intra_op_threads <= 1;
    const Instant until = MonotonicNow() + lasts;
    const Instant latest = until + kSlowRunsMost;
    // The first run makes room, and does not count.
    for (int i = 0;; ++i) {
      const Instant began = MonotonicNow();
      if (i > 1 && (began >= latest || (i > kRunsMin && began >= until))) break;
      const Duration cpu_before = ThreadCpu();
      COTENANT_RETURN_IF_ERROR(run->Execute(std::span(&member, 1), ~std::uint64_t{0}));
      const Duration took = alone ? ThreadCpu() - cpu_before : MonotonicNow() - began;
      if (i > 0) times.push_back(took);
      shape.run_peak = std::max(shape.run_peak, run->Peak());
      run->Recycle();
    }
    std::ranges::nth_element(times, times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2));
    shape.run_takes = times[times.size() / 2];
    measured_.shapes.push_back(std::move(shape));
    return Status();
  }

  /// For each sample and output its size and its bytes.
  Status WriteOutputs() {
    std::ofstream file(settings_.outputs, std::ios::binary | std::ios::trunc);
    Random random(3);
    const std::unique_ptr<Run> run = executor_->NewRun();
    const std::size_t count = samples_.empty() ? kSamples : samples_.size();
    for (std::size_t sample = 0; sample < count; ++sample) {
      std::vector<InputTensor> drawn;
      if (samples_.empty()) drawn = inputs_->Request(1, random);
      const Member member = samples_.empty()
                                ? Member{drawn, 1}
                                : Member{samples_[sample].tensors, samples_[sample].rows};
      COTENANT_RETURN_IF_ERROR(run->Execute(std::span(&member, 1), ~std::uint64_t{0}));
      for (const OutputTensor& output : run->Outputs(0)) {
        const auto type = static_cast<std::uint64_t>(output.datatype);
        const std::uint64_t size = output.bytes.size();
        const std::uint64_t row =
            output.shape.rank() == 0
                ? 1
                : static_cast<std::uint64_t>(output.shape[output.shape.rank() - 1]);
        for (const std::uint64_t number : {type, row, size}) {
          file.write(reinterpret_cast<const char*>(&number), sizeof(number));
        }
        file.write(reinterpret_cast<const char*>(output.bytes.data()),
                   static_cast<std::streamsize>(size));
      }
      run->Recycle();
    }
    file.close();
    return file ? Status() : Unavailable("'" + settings_.outputs + "' cannot be written");
  }

  const Settings& settings_;
  OnnxBackend& backend_;
  DirectorySource& source_;
  Telemetry telemetry_;
  ModelConfig config_;
  VersionFile file_;
  VariantSource variant_;  ///< Without a name: the model's own network.
  std::shared_ptr<ServedModel> model_;
  Executor* executor_ = nullptr;  ///< The model's.
  std::optional<ModelInputs> inputs_;
  std::vector<OwnedRequest> samples_;  ///< Real ones. None: random ones, of `inputs_`.
  MeasuredForm measured_;
};

}  // namespace

int MeasureNetwork(std::span<const std::string> arguments) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // Nobody reads what it prints once its parent has ended.
  Settings settings;
  const CommandLine line = ReadCommandLine(kUsage, Flags(settings), arguments);
  if (line.exit) return *line.exit;
  settings.repository = line.words[0];
  settings.model = line.words[1];
  mallopt(M_MMAP_THRESHOLD, 1 << 20);  // As `serve` with a budget.
  mallopt(M_TRIM_THRESHOLD, 1 << 20);
  DirectorySource source({settings.repository});
  Result<std::unique_ptr<OnnxBackend>> backend = OnnxBackend::Create({});
  if (!backend.ok()) return Fail(backend.status());
  Measuring measuring(settings, **backend, source);
  if (const Status status = measuring.ReadModel(); !status.ok()) return Fail(status);
  if (!settings.save.empty()) {
    const Status status = measuring.Save();
    return status.ok() ? 0 : Fail(status);
  }
  const Result<MeasuredForm> measured = measuring.Measure();
  if (!measured.ok()) return Fail(measured.status());
  std::fputs(MeasuredText(*measured).c_str(), stdout);
  return 0;
}

}  // namespace cotenant
