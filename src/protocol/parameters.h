#pragma once

/// Request parameters by name, as HTTP and gRPC both take them: Triton's own (`priority`,
/// `timeout`), ours (`latency_bound_ms`, `tenant` …), and those of ours that are not built yet,
/// which are refused rather than ignored, because ignoring a bound would change what the client
/// gets.
///
/// A number may come as an integer, a float, or text that is a number: perf_analyzer and HTTP
/// headers know nothing else. Names that mean nothing here are ignored, as Triton does. Nothing
/// allocates but an error's message.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "base/time.h"
#include "server/infer_call.h"

namespace cotenant {

/// A parameter's value as sent. Text is a view: it must live through `Node::Submit`.
using ParameterValue = std::variant<bool, std::int64_t, std::uint64_t, double, std::string_view>;

/// Longest latency bound or queue timeout that is taken (about 11 days); anything above is a
/// client's mistake.
inline constexpr Duration kBoundMax = Duration::Milliseconds(1'000'000'000);

/// Puts the parameters of one request into its call. Later values replace earlier ones, so give
/// headers first and the request's own parameters last.
class ParameterReader {
 public:
  explicit ParameterReader(InferCall& call) : call_(call) {}

  /// InvalidArgument names the parameter and what it expects; Unimplemented names a bound that is
  /// not built.
  Status Take(std::string_view name, const ParameterValue& value);

  /// Takes an HTTP header or gRPC metadata entry when its name is one of ours
  /// (`x-latency-bound-ms`, any case); all others are left alone.
  Status TakeHeader(std::string_view name, std::string_view value);

  /// Did the request use a parameter of ours? Only then does the reply carry `FactsOf`, so that
  /// plain Triton requests get plain Triton replies.
  bool wants_facts() const { return wants_facts_; }

 private:
  Status TakeOwn(std::size_t which, const ParameterValue& value);

  InferCall& call_;
  bool wants_facts_ = false;
};

/// A whole number that a parameter gave, from an integer, an integral float or text. The message
/// reads "parameter 'NAME' must be a whole number from LOW to HIGH, not 'VALUE'".
Result<std::uint64_t> WholeNumber(std::string_view name, const ParameterValue& value,
                                  std::uint64_t low, std::uint64_t high);

/// The boolean that a parameter gave: true, false, or text or numbers that say so.
Result<bool> Truth(std::string_view name, const ParameterValue& value);

/// The value as it reads in a message.
std::string ToText(const ParameterValue& value);

/// Milliseconds as a decimal without loss ("0.1234"), so that a bound that we name can be sent back
/// exactly.
void AppendMilliseconds(Duration span, std::string& out);
inline double ToMilliseconds(Duration span) {
  return static_cast<double>(span.nanoseconds()) * 1e-6;
}

/// Calls `take(name, ParameterValue)` for every fact of a reply, in a fixed order.
template <typename Take>
void FactsOf(const InferCall& call, Take take) {
  take(std::string_view("queue_ms"), ParameterValue(ToMilliseconds(call.facts.queue)));
  take(std::string_view("compute_ms"), ParameterValue(ToMilliseconds(call.facts.compute)));
  take(std::string_view("start"),
       ParameterValue(std::string_view(call.facts.cold ? "cold" : "warm")));
  if (!call.facts.variant.empty()) {
    take(std::string_view("variant"), ParameterValue(call.facts.variant));
    if (call.facts.accuracy.known()) {
      take(std::string_view("accuracy"), ParameterValue(call.facts.accuracy.milli / 1e3));
      take(std::string_view("accuracy_source"),
           ParameterValue(AccuracySourceName(call.facts.accuracy.source)));
    }
  }
  if (call.facts.bounded) {
    take(std::string_view("bound_met"), ParameterValue(call.facts.bound_met));
  }
}

}  // namespace cotenant
