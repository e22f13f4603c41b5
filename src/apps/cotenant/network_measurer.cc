#include "apps/cotenant/network_measurer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

#include "apps/cotenant/child_process.h"
#include "catalog/datatype.h"
#include "config/prepared_manifest.h"

namespace cotenant {
namespace {

constexpr double kSameCosine = 0.99999;
constexpr double kSameGreatestShare = 0.9;

/// The last line that is not empty: where a program says why it ended.
std::string LastLine(const std::string& text) {
  const std::size_t end = text.find_last_not_of(" \n");
  if (end == std::string::npos) return {};
  const std::size_t begin = text.find_last_of('\n', end);
  return text.substr(begin + 1, end - begin);
}

struct Output {
  std::uint64_t type = 0;
  std::uint64_t row = 1;
  std::string bytes;
};

Result<std::vector<Output>> ReadOutputs(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<Output> outputs;
  std::uint64_t numbers[3] = {};
  while (file.read(reinterpret_cast<char*>(numbers), sizeof(numbers))) {
    Output output{numbers[0], std::max<std::uint64_t>(numbers[1], 1), {}};
    output.bytes.resize(numbers[2]);
    if (!file.read(output.bytes.data(), static_cast<std::streamsize>(numbers[2]))) break;
    outputs.push_back(std::move(output));
  }
  if (outputs.empty()) return FailedPrecondition("there are no outputs to compare");
  return outputs;
}

std::vector<float> Floats(const std::string& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

double Cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  if (aa == 0 && bb == 0) return 1;
  const double cosine = ab / std::sqrt(aa * bb);
  return std::isfinite(cosine) ? cosine : 0;
}

/// Do they point the same way? Of a single value, whose direction says nothing: are they as close
/// as ends of vectors of one length are at that cosine?
bool Alike(const std::vector<float>& a, const std::vector<float>& b, double cosine_min) {
  if (a.size() > 1) return Cosine(a, b) >= cosine_min;
  const double difference = std::abs(static_cast<double>(a[0]) - static_cast<double>(b[0]));
  const double size = std::max(std::abs(a[0]), std::abs(b[0]));
  return difference <= size * std::sqrt(2 * (1 - cosine_min));
}

/// Are they probabilities of classes, row by row? Then the greatest is what counts.
bool AreProbabilities(const std::vector<float>& values, std::size_t row) {
  if (row < 2 || values.size() % row != 0) return false;
  for (std::size_t at = 0; at < values.size(); at += row) {
    double sum = 0;
    for (std::size_t i = at; i < at + row; ++i) {
      if (!(values[i] >= 0)) return false;
      sum += values[i];
    }
    if (std::abs(sum - 1) > 0.01) return false;
  }
  return true;
}

/// In which share of rows is the greatest value in the same place?
double SameGreatest(const std::vector<float>& a, const std::vector<float>& b, std::size_t row) {
  std::size_t same = 0;
  std::size_t rows = 0;
  for (std::size_t at = 0; at + row <= a.size(); at += row, ++rows) {
    const auto place = [&](const std::vector<float>& values) {
      const auto begin = values.begin() + static_cast<std::ptrdiff_t>(at);
      return std::max_element(begin, begin + static_cast<std::ptrdiff_t>(row)) - begin;
    };
    same += place(a) == place(b) ? 1 : 0;
  }
  return rows == 0 ? 1 : static_cast<double>(same) / static_cast<double>(rows);
}

}  // namespace

std::string TitleOf(const NetworkToMeasure& network) {
  return network.variant.empty() ? network.model : VariantTitle(network.model, network.variant);
}

Result<std::string> NetworkMeasurer::Start(const NetworkToMeasure& network,
                                           std::vector<std::string> more) const {
  std::vector<std::string> words = {"/proc/self/exe", "measure-network", network.repository,
                                    network.model, "--version=" + std::to_string(network.version)};
  if (!network.variant.empty()) words.push_back("--variant=" + network.variant);
  if (!network.path.empty()) words.push_back("--path=" + network.path);
  if (network.graph_optimization_level >= 0) {
    words.push_back("--level=" + std::to_string(network.graph_optimization_level));
  }
  for (const auto& [key, value] : network.session_entries) {
    words.push_back("--entry=" + key + "=" + value);
  }
  if (!network.data.empty()) words.push_back("--data=" + network.data);
  std::ranges::move(more, std::back_inserter(words));
  Result<ChildOutput> output = RunChild(words, lasts_max_);
  if (!output.ok()) return output.status();
  if (output->exit_status != 0) {
    std::string why = LastLine(output->errors);
    if (why.empty()) why = "it ended with status " + std::to_string(output->exit_status);
    return FailedPrecondition(why);
  }
  return std::move(output->printed);
}

Result<MeasuredForm> NetworkMeasurer::Measure(const NetworkToMeasure& network,
                                              const std::string& outputs,
                                              const std::string& samples) const {
  std::vector<std::string> more = {
      "--seconds=" + std::to_string(static_cast<double>(runs_for_.nanoseconds()) * 1e-9)};
  if (!outputs.empty()) more.push_back("--outputs=" + outputs);
  if (!samples.empty()) more.push_back("--samples=" + samples);
  Result<std::string> printed = Start(network, std::move(more));
  if (!printed.ok()) return printed.status();
  return ParseMeasured(*printed);
}

Status NetworkMeasurer::Save(const NetworkToMeasure& network, const std::string& folder,
                             bool prepacked) const {
  std::vector<std::string> more = {"--save=" + folder};
  if (!prepacked) more.push_back("--unpacked");
  return Start(network, std::move(more)).status();
}

Result<Agreement> CompareOutputs(const std::string& one, const std::string& other, double alike) {
  Result<std::vector<Output>> a = ReadOutputs(one);
  COTENANT_RETURN_IF_ERROR(a.status());
  Result<std::vector<Output>> b = ReadOutputs(other);
  COTENANT_RETURN_IF_ERROR(b.status());
  if (a->size() != b->size()) return FailedPrecondition("it gives other outputs");
  Agreement agreement{0, true};
  std::int64_t agree = 0;
  for (std::size_t i = 0; i < a->size(); ++i) {
    const Output& x = (*a)[i];
    const Output& y = (*b)[i];
    if (x.type != y.type) return FailedPrecondition("it gives outputs of other types");
    if (x.type != static_cast<std::uint64_t>(DataType::kFp32) || x.bytes.size() != y.bytes.size()) {
      agree += x.bytes == y.bytes ? 1 : 0;
      agreement.same = agreement.same && x.bytes == y.bytes;
      continue;
    }
    const std::vector<float> xs = Floats(x.bytes);
    const std::vector<float> ys = Floats(y.bytes);
    if (xs.empty()) {
      ++agree;
      continue;
    }
    agreement.same = agreement.same && Alike(xs, ys, kSameCosine);
    const bool classes = AreProbabilities(xs, x.row);
    const bool agrees =
        classes ? SameGreatest(xs, ys, x.row) >= kSameGreatestShare : Alike(xs, ys, alike);
    agree += agrees ? 1 : 0;
  }
  agreement.milli =
      static_cast<std::int32_t>(agree * kFullAccuracy / static_cast<std::int64_t>(a->size()));
  return agreement;
}

}  // namespace cotenant
