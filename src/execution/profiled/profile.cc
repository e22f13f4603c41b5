#include "execution/profiled/profile.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace cotenant {
namespace {

std::string_view Trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::vector<std::string_view> Parts(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(separator);
    if (const auto part = Trimmed(text.substr(0, end)); !part.empty()) parts.push_back(part);
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<std::int64_t> Number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// A year of nanoseconds: more is a mistake, and sums of less cannot overflow.
constexpr std::int64_t kNanosecondsMax = 365LL * 24 * 3600 * 1'000'000'000;

class Reader {
 public:
  explicit Reader(RunProfile* profile) : profile_(*profile) {}

  /// What is wrong with it, or nothing.
  std::string Set(std::string_view key, std::string_view text) {
    if (key == "run_ns") return SetByRows(text);
    if (key == "samples_ns") return SetSamples(text);
    if (key == "occupy") {
      return Choose(text, "spin", "sleep", &profile_.occupy, RunProfile::Occupy::kSpin,
                    RunProfile::Occupy::kSleep);
    }
    if (key == "output") {
      return Choose(text, "copy", "zero", &profile_.answer, RunProfile::Answer::kCopy,
                    RunProfile::Answer::kZero);
    }
    if (key == "load_error") {
      profile_.load_error = text;
      return {};
    }
    if (key == "input") return AddTensor(text, &profile_.signature.inputs);
    if (key == "output_tensor") return AddTensor(text, &profile_.signature.outputs);
    return SetNumber(key, text);
  }

 private:
  std::string SetNumber(std::string_view key, std::string_view text) {
    static constexpr std::string_view kNumbers[] = {
        "jitter_ns",    "load_ns",         "seed",         "fail_every",
        "memory_bytes", "anonymous_bytes", "mapped_bytes", "refuse_byte"};
    if (std::ranges::find(kNumbers, key) == std::end(kNumbers)) return "there is no such key";
    const auto number = Number(text);
    const std::int64_t least = key == "refuse_byte" ? -1 : 0;
    if (!number || *number < least || *number > kNanosecondsMax) return "expected a whole number";
    if (key == "jitter_ns") profile_.jitter = Duration::Nanoseconds(*number);
    if (key == "load_ns") profile_.load = Duration::Nanoseconds(*number);
    if (key == "seed") profile_.seed = static_cast<std::uint64_t>(*number);
    if (key == "fail_every") profile_.fail_every = static_cast<std::uint64_t>(*number);
    if (key == "memory_bytes") profile_.memory = Bytes(*number);
    if (key == "anonymous_bytes") profile_.anonymous = Bytes(*number);
    if (key == "mapped_bytes") profile_.mapped = Bytes(*number);
    if (key == "refuse_byte") {
      if (*number > 255) return "expected a byte, 0 to 255, or -1";
      profile_.refuse_byte = static_cast<std::int32_t>(*number);
    }
    return {};
  }

  template <typename T>
  static std::string Choose(std::string_view text, std::string_view first, std::string_view second,
                            T* out, T if_first, T if_second) {
    if (text != first && text != second) {
      return "expected '" + std::string(first) + "' or '" + std::string(second) + "'";
    }
    *out = text == first ? if_first : if_second;
    return {};
  }

  std::string SetByRows(std::string_view text) {
    profile_.by_rows.clear();
    for (const std::string_view part : Parts(text, ',')) {
      const auto colon = part.find(':');
      const bool listed = colon != std::string_view::npos;
      const auto rows =
          listed ? Number(Trimmed(part.substr(0, colon))) : std::optional<std::int64_t>(1);
      const auto time = Number(listed ? Trimmed(part.substr(colon + 1)) : part);
      if (!rows || !time || *rows < 1 || *rows > 1'000'000 || *time < 0 ||
          *time > kNanosecondsMax) {
        return "expected nanoseconds, or 'rows:nanoseconds, …'";
      }
      const RunProfile::Point point{static_cast<std::int32_t>(*rows), Duration::Nanoseconds(*time)};
      if (!profile_.by_rows.empty() && profile_.by_rows.back().rows >= point.rows) {
        return "rows must rise";
      }
      profile_.by_rows.push_back(point);
    }
    return profile_.by_rows.empty() ? "expected nanoseconds, or 'rows:nanoseconds, …'" : "";
  }

  std::string SetSamples(std::string_view text) {
    profile_.samples.clear();
    for (const std::string_view part : Parts(text, ',')) {
      const auto time = Number(part);
      if (!time || *time < 0 || *time > kNanosecondsMax) return "expected nanoseconds, …";
      profile_.samples.push_back(Duration::Nanoseconds(*time));
    }
    return profile_.samples.empty() ? "expected nanoseconds, …" : "";
  }

  static std::string AddTensor(std::string_view text, std::vector<ModelSignature::Tensor>* out) {
    const auto parts = Parts(text, ' ');
    const auto type = parts.size() >= 2 ? ParseDataType(parts[1]) : std::nullopt;
    if (parts.size() < 2 || parts.size() > 3 || !type) {
      return "expected NAME TYPE DIMS, for example x FP32 -1,4";
    }
    ModelSignature::Tensor tensor{std::string(parts[0]), *type, {}};
    for (const std::string_view dim : Parts(parts.size() == 3 ? parts[2] : "", ',')) {
      const auto number = Number(dim);
      if (!number || *number < -1 || !tensor.shape.TryAppend(*number)) return "bad dimensions";
    }
    out->push_back(std::move(tensor));
    return {};
  }

  RunProfile& profile_;
};

void Declare(const std::vector<TensorSpec>& specs, bool batching,
             std::vector<ModelSignature::Tensor>* out) {
  for (const TensorSpec& spec : specs) {
    ModelSignature::Tensor tensor{spec.name, spec.datatype, {}};
    if (batching) tensor.shape.Append(-1);
    for (const std::int64_t dim : spec.dims.dims()) tensor.shape.TryAppend(dim);
    out->push_back(std::move(tensor));
  }
}

}  // namespace

Duration RunProfile::TimeOf(std::int32_t rows) const {
  if (by_rows.empty()) return Duration();
  for (const Point& point : by_rows) {
    if (rows <= point.rows) return point.time;
  }
  if (by_rows.size() == 1) return by_rows[0].time;
  const Point& last = by_rows.back();
  return last.time / last.rows * rows;
}

Result<RunProfile> ReadProfile(const ModelConfig& config, std::string_view text,
                               std::string_view what) {
  RunProfile profile;
  Reader reader(&profile);
  std::size_t line_number = 0;
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++line_number;
    line = Trimmed(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const std::string place = std::string(what) + ":" + std::to_string(line_number) + ": ";
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) return InvalidArgument(place + "expected key = value");
    const std::string_view key = Trimmed(line.substr(0, equals));
    if (const std::string wrong = reader.Set(key, Trimmed(line.substr(equals + 1)));
        !wrong.empty()) {
      return InvalidArgument(place + std::string(key) + ": " + wrong);
    }
  }
  const bool batching = config.max_batch_size > 0;
  if (profile.signature.inputs.empty()) Declare(config.inputs, batching, &profile.signature.inputs);
  if (profile.signature.outputs.empty()) {
    Declare(config.outputs, batching, &profile.signature.outputs);
  }
  return profile;
}

}  // namespace cotenant
