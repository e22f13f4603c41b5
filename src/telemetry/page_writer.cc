#include "telemetry/page_writer.h"

#include <array>
#include <charconv>
#include <cmath>
#include <numeric>

namespace cotenant {
namespace {

constexpr int kLowestPower = 4;    // 16 µs
constexpr int kHighestPower = 26;  // 67 s

/// The counts of a histogram up to and including a duration that is a power of two of microseconds.
std::uint64_t CountUpTo(const Histogram::Counts& counts, int power) {
  const std::size_t end = Histogram::BinOf((std::uint64_t{1} << power) * 1000) + 1;
  return std::accumulate(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(end),
                         std::uint64_t{0});
}

}  // namespace

std::string NumberText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::array<char, 40> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  return std::string(text.data(), end.ptr);
}

void PageWriter::Family(std::string_view name, std::string_view type, std::string_view help) {
  family_ = name;
  page_.append("# HELP ").append(name).append(" ").append(help);
  page_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void PageWriter::AppendLabel(Label label, bool first) {
  page_.append(first ? "{" : ",").append(label.first).append("=\"");
  for (char c : label.second) {
    if (c == '\\' || c == '"') {
      page_ += '\\';
      page_ += c;
    } else if (c == '\n') {
      page_ += "\\n";
    } else {
      page_ += c;
    }
  }
  page_ += '"';
}

void PageWriter::Begin(std::string_view suffix, Labels labels, Label extra) {
  page_.append(family_).append(suffix);
  bool first = true;
  for (const Label& label : labels) {
    AppendLabel(label, first);
    first = false;
  }
  if (!extra.first.empty()) {
    AppendLabel(extra, first);
    first = false;
  }
  if (!first) page_ += '}';
  page_ += ' ';
}

void PageWriter::End(double value) { page_.append(NumberText(value)).append("\n"); }

void PageWriter::End(std::uint64_t value) { page_.append(std::to_string(value)).append("\n"); }

void PageWriter::Sample(Labels labels, std::uint64_t value) {
  Begin("", labels);
  End(value);
}

void PageWriter::Sample(Labels labels, std::int64_t value) {
  Begin("", labels);
  page_.append(std::to_string(value)).append("\n");
}

void PageWriter::Sample(Labels labels, double value) {
  Begin("", labels);
  End(value);
}

void PageWriter::HistogramSamples(Labels labels, const Histogram::Counts& counts,
                                  std::uint64_t nanoseconds) {
  for (int power = kLowestPower; power <= kHighestPower; ++power) {
    const double bound = static_cast<double>(std::uint64_t{1} << power) / 1e6;
    Begin("_bucket", labels, {"le", NumberText(bound)});
    End(CountUpTo(counts, power));
  }
  const std::uint64_t all = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  Begin("_bucket", labels, {"le", "+Inf"});
  End(all);
  Begin("_sum", labels);
  End(static_cast<double>(nanoseconds) / 1e9);
  Begin("_count", labels);
  End(all);
}

void PageWriter::SummarySamples(Labels labels, const Histogram::Counts& counts,
                                std::uint64_t nanoseconds) {
  const std::uint64_t all = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  for (double quantile : {0.5, 0.9, 0.95, 0.99, 0.999}) {
    Begin("", labels, {"quantile", NumberText(quantile)});
    std::uint64_t seen = 0;
    std::size_t bin = 0;
    while (bin < counts.size() - 1 &&
           static_cast<double>(seen += counts[bin]) < quantile * static_cast<double>(all)) {
      ++bin;
    }
    if (all == 0) {
      End(std::nan(""));
    } else {
      End(static_cast<double>(Histogram::UpperMicroseconds(bin)));
    }
  }
  Begin("_sum", labels);
  End(static_cast<double>(nanoseconds) / 1e3);
  Begin("_count", labels);
  End(all);
}

}  // namespace cotenant
