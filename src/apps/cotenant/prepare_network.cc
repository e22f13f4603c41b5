#include "apps/cotenant/prepare_network.h"

#include <algorithm>
#include <filesystem>

#include "apps/cotenant/child_process.h"
#include "apps/cotenant/sample_inputs.h"
#include "execution/onnx/onnx_backend.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

/// One way of building and loading a network.
struct Try {
  const char* name;
  bool prepacked;
  std::map<std::string, std::string> build;
  std::map<std::string, std::string> load;
};

/// Constants above this are not computed ahead.
constexpr const char* kFoldedBytesMax = "65536";

const std::vector<Try>& Tries() {
  static const std::vector<Try> tries = {
      {"prepacked", true, {}, {}},
      // Weights only once in the file, in the form that it came with: less memory, slower runs.
      {"unpacked", false, {}, {{"session.disable_prepacking", "1"}}},
      // Weights that the network computes from smaller ones stay small, and are computed in runs.
      {"unfolded",
       true,
       {{"session.disable_qdq_constant_folding", "1"},
        {"optimization.constant_folding_max_output_size_in_bytes", kFoldedBytesMax}},
       {}},
  };
  return tries;
}

/// A disk with less is full: the network's graph alone may need it.
constexpr std::uintmax_t kSpaceMin = std::uintmax_t{1} << 20;

/// One way of making an eight-bit network.
struct Quantising {
  const char* name;
  bool calibrated;  ///< Scales of activations come from samples, and are not found in each run.
  /// Kinds of operators, the most memory or time won first; the next where the answers suffer.
  std::vector<const char*> operators;
};

const std::vector<Quantising>& Quantisings() {
  static const std::vector<Quantising> all = {
      {"int8", false, {"MatMul,Gemm,Gather,LSTM", "MatMul,Gemm", "Gather"}},
      {"calibrated", true, {"Conv,MatMul,Gemm", "Conv"}},
  };
  return all;
}

/// Scales from fewer samples fit those and nothing else.
constexpr std::size_t kCalibrationSamplesMin = 8;

/// Where one that takes less seems to be slow.
constexpr int kMeasuredAgainMost = 2;

/// Raised when tries are added: what was prepared before is then prepared again.
constexpr std::int32_t kTries = 3;
constexpr std::int32_t kTriesQuantised = 4;

class Preparing {
 public:
  Preparing(NetworkToMeasure shipped, const VersionFile& file, SampleFacts samples,
            const PrepareOptions& options, fs::path place)
      : shipped_(std::move(shipped)),
        samples_(std::move(samples)),
        file_(file),
        options_(options),
        place_(std::move(place)),
        measurer_(options.runs_for, options.child_max) {}

  Result<PreparedNetwork> Run() {
    COTENANT_RETURN_IF_ERROR(Step("as shipped"));
    Result<MeasuredForm> shipped = measurer_.Measure(shipped_, Outputs("shipped"), SamplesFolder());
    COTENANT_RETURN_IF_ERROR(shipped.status());
    if (shipped->shapes.empty()) {
      return FailedPrecondition(
          "it cannot be run with random inputs (give --data, or model_warmup in its config.pbtxt)");
    }
    network_.shipped = *std::move(shipped);
    network_.served_agreement_min = options_.served_agreement_min;
    network_.tries = options_.quantiser.empty() ? kTries : kTriesQuantised;
    network_.samples = static_cast<std::int64_t>(samples_.count);
    network_.samples_sha256 = samples_.sha256;
    for (const Try& one : Tries()) {
      COTENANT_RETURN_IF_ERROR(Step(one.name));
      Note(one.name, Build(one, shipped_, true));
      COTENANT_RETURN_IF_ERROR(CheckSpace());
    }
    if (!options_.quantiser.empty()) {
      for (const Quantising& one : Quantisings()) COTENANT_RETURN_IF_ERROR(Quantise(one));
    }
    for (int i = 0; i < kMeasuredAgainMost && SpeedIsInDoubt(tried_, network_); ++i) {
      COTENANT_RETURN_IF_ERROR(MeasureAgain());
    }
    KeepWinners(std::move(tried_), network_);
    RemoveDropped();
    return std::move(network_);
  }

 private:
  std::string Outputs(const std::string& name) const {
    return (place_ / (name + ".outputs")).string();
  }

  std::string SamplesFolder() const { return (place_ / "samples").string(); }

  Status Step(const std::string& name) const {
    if (options_.stop != nullptr && *options_.stop != 0) {
      return Status(Code::kCancelled, "stopped");
    }
    if (options_.progress) options_.progress(TitleOf(shipped_) + ": " + name);
    return Status();
  }

  /// A disk that filled up makes every try fail, and says nothing of the network.
  Status CheckSpace() const {
    std::error_code error;
    const fs::space_info space = fs::space(place_, error);
    if (error || space.available >= kSpaceMin) return Status();
    return Unavailable("'" + place_.parent_path().string() + "': no space left on the disk");
  }

  /// A try that fails is one that was dropped.
  void Note(const std::string& name, Status status) {
    if (!status.ok()) network_.dropped.push_back({name, status.message()});
  }

  NetworkToMeasure Built(const PreparedForm& form) const {
    NetworkToMeasure built = shipped_;
    built.path = (place_ / form.name / form.network).string();
    built.graph_optimization_level = form.graph_optimization_level;
    for (const auto& [key, value] : form.session_entries) built.session_entries[key] = value;
    return built;
  }

  Status MeasureAgain() {
    COTENANT_RETURN_IF_ERROR(Step("once more"));
    const Result<MeasuredForm> shipped = measurer_.Measure(shipped_);
    COTENANT_RETURN_IF_ERROR(shipped.status());
    KeepLesserTimes(*network_.shipped, *shipped);
    for (PreparedForm& form : tried_) {
      const Result<MeasuredForm> again = measurer_.Measure(Built(form));
      COTENANT_RETURN_IF_ERROR(again.status());
      KeepLesserTimes(form.measured, *again);
    }
    return Status();
  }

  Status Build(const Try& one, NetworkToMeasure source, bool exact) {
    const fs::path folder = place_ / one.name;
    std::error_code error;
    fs::remove_all(folder, error);
    fs::create_directory(folder, error);
    if (error) return Unavailable("'" + folder.string() + "': " + error.message());
    for (const auto& [key, value] : one.build) source.session_entries[key] = value;
    COTENANT_RETURN_IF_ERROR(measurer_.Save(source, folder.string(), one.prepacked));
    PreparedForm form;
    form.name = one.name;
    form.network = kOptimisedFileName;
    // It is optimised: what the library would try again only takes time.
    form.graph_optimization_level = 0;
    form.session_entries = one.load;
    Result<MeasuredForm> measured = measurer_.Measure(Built(form), Outputs(one.name));
    COTENANT_RETURN_IF_ERROR(measured.status());
    if (measured->shapes.empty()) return FailedPrecondition("it cannot be run");
    form.measured = *std::move(measured);
    Result<Agreement> agreement =
        CompareOutputs(Outputs("shipped"), Outputs(one.name),
                       samples_.count > 0 ? kAlikeCosine : kAlikeCosineRandom);
    COTENANT_RETURN_IF_ERROR(agreement.status());
    if (exact && !agreement->same) return FailedPrecondition("it gives other answers");
    // So few samples tell no more of a form that is not exact.
    const std::int32_t most = exact ? kFullAccuracy : kFullAccuracy - 1'000;
    form.accuracy = {exact ? kFullAccuracy : std::min(agreement->milli, most),
                     AccuracySource::kAgreement};
    tried_.push_back(std::move(form));
    return Status();
  }

  /// Fewer operators where the answers differ too much.
  Status Quantise(const Quantising& one) {
    if (one.calibrated && samples_.count < kCalibrationSamplesMin) {
      Note(one.name, FailedPrecondition("it needs " + std::to_string(kCalibrationSamplesMin) +
                                        " samples (--data)"));
      return Status();
    }
    Status status;
    for (const char* const operators : one.operators) {
      COTENANT_RETURN_IF_ERROR(Step(one.name));
      const Status tried = QuantiseOnly(one, operators);
      if (tried.ok() && tried_.back().accuracy.milli >= kAgreementMin) return CheckSpace();
      // What the greatest choice of operators came to says most.
      if (status.ok()) {
        status = tried.ok()
                     ? FailedPrecondition("its answers agree in " +
                                          AccuracyText(tried_.back().accuracy.milli) + " % only")
                     : tried;
      }
      if (!tried.ok()) break;
      tried_.pop_back();
    }
    Note(one.name, status);
    return CheckSpace();
  }

  Status QuantiseOnly(const Quantising& one, const std::string& operators) {
    const std::string quantised = (place_ / "quantised.onnx").string();
    std::vector<std::string> words = {options_.quantiser, file_.path, quantised,
                                      "--operators=" + operators};
    if (one.calibrated) words.push_back("--calibration=" + SamplesFolder());
    Result<ChildOutput> output = RunChild(words, options_.child_max);
    COTENANT_RETURN_IF_ERROR(output.status());
    if (output->exit_status != 0) {
      const std::size_t end = output->errors.find_last_not_of(" \n");
      const std::size_t begin =
          end == std::string::npos ? std::string::npos : output->errors.find_last_of('\n', end);
      return FailedPrecondition(end == std::string::npos
                                    ? "the quantiser failed"
                                    : output->errors.substr(begin + 1, end - begin));
    }
    NetworkToMeasure source = shipped_;
    source.path = quantised;
    Status status = Build({one.name, true, {}, {}}, source, false);
    std::error_code ignored;
    fs::remove(quantised, ignored);
    return status;
  }

  void RemoveDropped() {
    std::error_code error;
    std::vector<fs::path> others;
    for (fs::directory_iterator it(place_, error), end; !error && it != end; it.increment(error)) {
      const std::string name = it->path().filename().string();
      const bool kept = std::ranges::any_of(
          network_.forms, [&](const PreparedForm& form) { return form.name == name; });
      if (!kept) others.push_back(it->path());
    }
    for (const fs::path& path : others) fs::remove_all(path, error);
  }

  NetworkToMeasure shipped_;
  SampleFacts samples_;
  const VersionFile& file_;
  const PrepareOptions& options_;
  fs::path place_;
  NetworkMeasurer measurer_;
  PreparedNetwork network_;
  std::vector<PreparedForm> tried_;
};

}  // namespace

int StepsOf(const PrepareOptions& options) {
  std::size_t steps = 1 + Tries().size();
  if (!options.quantiser.empty()) {
    for (const Quantising& one : Quantisings()) steps += one.operators.size();
  }
  return static_cast<int>(steps);
}

Result<PreparedOutcome> PrepareNetwork(NetworkToMeasure shipped, const ModelConfig& config,
                                       const VersionFile& file, PreparedKey key,
                                       const PrepareOptions& options, PreparedStore& store) {
  PreparedOutcome outcome;
  PreparedStore::Found found = store.Find(key);
  outcome.remark = found.remark;
  const fs::path data = options.data.empty() ? fs::path() : fs::path(options.data) / config.name;
  Result<SampleFacts> samples = FindSamples(data, config);
  COTENANT_RETURN_IF_ERROR(samples.status());
  const std::int32_t wanted = options.quantiser.empty() ? kTries : kTriesQuantised;
  // What real inputs told is not thrown away for random ones.
  if (found.network && found.network->tries >= wanted &&
      (samples->count == 0 || found.network->samples_sha256 == samples->sha256) &&
      (options.exact_only || found.network->served_agreement_min == options.served_agreement_min)) {
    outcome.network = *std::move(found.network);
    // It may be another model's own network too.
    if (options.exact_only) outcome.network = ExactOnly(std::move(outcome.network));
    outcome.was_there = true;
    return outcome;
  }
  Result<fs::path> place = store.BeginBuild();
  COTENANT_RETURN_IF_ERROR(place.status());
  shipped.data = data.string();
  Result<PreparedNetwork> network =
      Preparing(std::move(shipped), file, *std::move(samples), options, *place).Run();
  if (!network.ok()) {
    std::error_code ignored;
    fs::remove_all(*place, ignored);
    return network.status();
  }
  COTENANT_RETURN_IF_ERROR(store.Keep(key, *network, *place));
  outcome.network = *std::move(network);
  outcome.left = store.LimitSize(options.cache_max, options.began);
  return outcome;
}

}  // namespace cotenant
