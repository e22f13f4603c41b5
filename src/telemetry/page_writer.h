#pragma once

/// Writes Prometheus' text exposition format (version 0.0.4) into a string.
///
/// A family is named once, before its samples. Label values are escaped here; names are ours and
/// need no check. One thread.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "telemetry/histogram.h"

namespace cotenant {

class PageWriter {
 public:
  using Label = std::pair<std::string_view, std::string_view>;
  using Labels = std::initializer_list<Label>;

  /// `type` is "counter", "gauge", "histogram" or "summary".
  void Family(std::string_view name, std::string_view type, std::string_view help);
  /// A sample of the family named last.
  void Sample(Labels labels, std::uint64_t value);
  void Sample(Labels labels, std::int64_t value);
  void Sample(Labels labels, double value);
  /// The samples of one histogram in seconds, with a bound at every power of two from 16 µs to 67
  /// s.
  void HistogramSamples(Labels labels, const Histogram::Counts& counts, std::uint64_t nanoseconds);
  /// The samples of one summary in microseconds; a quantile is the upper end of the bin it lies in.
  void SummarySamples(Labels labels, const Histogram::Counts& counts, std::uint64_t nanoseconds);

  std::string Take() && { return std::move(page_); }

 private:
  void Begin(std::string_view suffix, Labels labels, Label extra = {});
  void AppendLabel(Label label, bool first);
  void End(double value);
  void End(std::uint64_t value);

  std::string family_;
  std::string page_;
};

/// Shortest text that reads back as the same number.
std::string NumberText(double value);

}  // namespace cotenant
