#include "apps/cotenant/prepare_network.h"

#include <algorithm>
#include <filesystem>

#include "apps/cotenant/child_process.h"
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

/// Kinds of operators for the quantiser, the most memory won first.
constexpr const char* kQuantised[] = {"MatMul,Gemm,Gather,LSTM", "MatMul,Gemm"};

/// Raised when tries are added: what was prepared before is then prepared again.
constexpr std::int32_t kTries = 1;
constexpr std::int32_t kTriesQuantised = 2;

class Preparing {
 public:
  Preparing(NetworkToMeasure shipped, const VersionFile& file, const PrepareOptions& options,
            fs::path place)
      : shipped_(std::move(shipped)),
        file_(file),
        options_(options),
        place_(std::move(place)),
        measurer_(options.runs_for, options.child_max) {}

  Result<PreparedNetwork> Run() {
    COTENANT_RETURN_IF_ERROR(Step("as shipped"));
    Result<MeasuredForm> shipped = measurer_.Measure(shipped_, Outputs("shipped"));
    COTENANT_RETURN_IF_ERROR(shipped.status());
    if (shipped->shapes.empty()) {
      return FailedPrecondition(
          "it cannot be run with random inputs (give model_warmup in its config.pbtxt)");
    }
    network_.shipped = *std::move(shipped);
    network_.served_agreement_min = options_.served_agreement_min;
    network_.tries = options_.quantiser.empty() ? kTries : kTriesQuantised;
    for (const Try& one : Tries()) {
      COTENANT_RETURN_IF_ERROR(Step(one.name));
      Note(one.name, Build(one, shipped_, true));
      COTENANT_RETURN_IF_ERROR(CheckSpace());
    }
    if (!options_.quantiser.empty()) COTENANT_RETURN_IF_ERROR(Quantise());
    KeepWinners(std::move(tried_), network_);
    RemoveDropped();
    return std::move(network_);
  }

 private:
  std::string Outputs(const std::string& name) const {
    return (place_ / (name + ".outputs")).string();
  }

  Status Step(const std::string& name) const {
    if (options_.stop != nullptr && *options_.stop != 0) {
      return Status(Code::kCancelled, "stopped");
    }
    if (options_.progress) options_.progress(shipped_.model + ": " + name);
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
    NetworkToMeasure built = shipped_;
    built.path = (folder / form.network).string();
    built.graph_optimization_level = form.graph_optimization_level;
    for (const auto& [key, value] : one.load) built.session_entries[key] = value;
    Result<MeasuredForm> measured = measurer_.Measure(built, Outputs(one.name));
    COTENANT_RETURN_IF_ERROR(measured.status());
    if (measured->shapes.empty()) return FailedPrecondition("it cannot be run");
    form.measured = *std::move(measured);
    Result<Agreement> agreement = CompareOutputs(Outputs("shipped"), Outputs(one.name));
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
  Status Quantise() {
    Status status;
    for (const char* const operators : kQuantised) {
      COTENANT_RETURN_IF_ERROR(Step("int8"));
      status = QuantiseOnly(operators);
      if (!status.ok()) break;
      if (tried_.back().accuracy.milli >= kAgreementMin) return Status();
      status = FailedPrecondition("its answers agree in " +
                                  AccuracyText(tried_.back().accuracy.milli) + " % only");
      tried_.pop_back();
    }
    Note("int8", status);
    return Status();
  }

  Status QuantiseOnly(const std::string& operators) {
    const std::string quantised = (place_ / "int8.onnx").string();
    Result<ChildOutput> output =
        RunChild({options_.quantiser, file_.path, quantised, "--operators=" + operators},
                 options_.child_max);
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
    Status status = Build({"int8", true, {}, {}}, source, false);
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
  const VersionFile& file_;
  const PrepareOptions& options_;
  fs::path place_;
  NetworkMeasurer measurer_;
  PreparedNetwork network_;
  std::vector<PreparedForm> tried_;
};

}  // namespace

int StepsOf(const PrepareOptions& options) {
  const std::size_t exact = 1 + Tries().size();
  return static_cast<int>(exact + (options.quantiser.empty() ? 0 : std::size(kQuantised)));
}

Result<PreparedOutcome> PrepareNetwork(const std::string& repository, const ModelConfig& config,
                                       const VersionFile& file, PreparedKey key,
                                       const PrepareOptions& options, PreparedStore& store) {
  PreparedOutcome outcome;
  PreparedStore::Found found = store.Find(key);
  outcome.remark = found.remark;
  const std::int32_t wanted = options.quantiser.empty() ? kTries : kTriesQuantised;
  if (found.network && found.network->tries >= wanted &&
      found.network->served_agreement_min == options.served_agreement_min) {
    outcome.network = *std::move(found.network);
    outcome.was_there = true;
    return outcome;
  }
  Result<fs::path> place = store.BeginBuild();
  COTENANT_RETURN_IF_ERROR(place.status());
  NetworkToMeasure shipped;
  shipped.repository = repository;
  shipped.model = config.name;
  shipped.version = file.version;
  Result<PreparedNetwork> network = Preparing(shipped, file, options, *place).Run();
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
