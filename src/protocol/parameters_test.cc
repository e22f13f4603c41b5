#include "protocol/parameters.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace cotenant {
namespace {

class Call final : public InferCall {
 public:
  void Complete() override {}
};

TEST(ParameterReader, ABoundIsTakenAsIntegerFloatOrText) {
  const ParameterValue values[] = {std::int64_t{20}, std::uint64_t{20}, 20.0,
                                   std::string_view("20"), std::string_view("2e1")};
  for (const ParameterValue& value : values) {
    Call call;
    ParameterReader reader(call);
    ASSERT_TRUE(reader.Take("latency_bound_ms", value).ok());
    EXPECT_EQ(call.bounds.latency, Duration::Milliseconds(20));
    EXPECT_TRUE(reader.wants_facts());
  }
}

TEST(ParameterReader, ABoundThatWeNamedComesBackExactly) {
  for (const std::int64_t ns : {1L, 999'999L, 1'234'567L, 20'000'000L, 86'399'999'999'999L}) {
    std::string text;
    AppendMilliseconds(Duration::Nanoseconds(ns), text);
    Call call;
    ASSERT_TRUE(ParameterReader(call).Take("latency_bound_ms", std::string_view(text)).ok());
    EXPECT_EQ(call.bounds.latency.nanoseconds(), ns) << text;
  }
}

TEST(ParameterReader, TritonsParametersKeepTheirMeaningAndAskForNoFacts) {
  Call call;
  ParameterReader reader(call);
  ASSERT_TRUE(reader.Take("timeout", std::int64_t{1500}).ok());
  ASSERT_TRUE(reader.Take("priority", std::string_view("2")).ok());
  EXPECT_EQ(call.bounds.queue_timeout, Duration::Microseconds(1500));
  EXPECT_EQ(call.priority, 2U);
  EXPECT_FALSE(reader.wants_facts());
}

TEST(ParameterReader, UnknownNamesAreIgnored) {
  Call call;
  ParameterReader reader(call);
  EXPECT_TRUE(reader.Take("sequence_id", std::int64_t{7}).ok());
  EXPECT_TRUE(reader.Take("anything", std::string_view("x")).ok());
  EXPECT_FALSE(reader.wants_facts());
}

TEST(ParameterReader, HeadersOfOursAreTakenInAnyCaseAndOthersLeftAlone) {
  Call call;
  ParameterReader reader(call);
  ASSERT_TRUE(reader.TakeHeader("X-Latency-Bound-Ms", "12.5").ok());
  ASSERT_TRUE(reader.TakeHeader("x-tenant", "camera").ok());
  ASSERT_TRUE(reader.TakeHeader("x-timeout", "250").ok());
  ASSERT_TRUE(reader.TakeHeader("x-latency_bound_ms", "1").ok());
  ASSERT_TRUE(reader.TakeHeader("latency-bound-ms", "nonsense").ok());
  ASSERT_TRUE(reader.TakeHeader("x", "1").ok());
  EXPECT_EQ(call.bounds.latency, Duration::Microseconds(12'500));
  EXPECT_EQ(call.bounds.queue_timeout, Duration::Microseconds(250));
  EXPECT_EQ(call.tenant, "camera");
}

TEST(ParameterReader, EveryErrorNamesTheParameterAndWhatItExpects) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const std::string bound =
      "parameter 'latency_bound_ms' must be a number of milliseconds above 0 and at most "
      "1000000000, not ";
  const std::string later = " would change the result; leave it out";
  const std::string long_name(129, 's');
  const struct {
    std::string_view name;
    ParameterValue value;
    std::string message;
  } kCases[] = {
      {"latency_bound_ms", std::string_view("soon"), bound + "'soon'"},
      {"latency_bound_ms", std::string_view(""), bound + "''"},
      {"latency_bound_ms", std::string_view("1 "), bound + "'1 '"},
      {"latency_bound_ms", std::string_view("nan"), bound + "'nan'"},
      {"latency_bound_ms", kNan, bound + "'nan'"},
      {"latency_bound_ms", kInfinity, bound + "'inf'"},
      {"latency_bound_ms", std::int64_t{0}, bound + "'0'"},
      {"latency_bound_ms", std::int64_t{-5}, bound + "'-5'"},
      {"latency_bound_ms", 1e10, bound + "'1e+10'"},
      {"latency_bound_ms", true, bound + "'true'"},
      {"timeout", std::int64_t{-1},
       "parameter 'timeout' must be a whole number from 0 to 1000000000000, not '-1'"},
      {"timeout", 0.5,
       "parameter 'timeout' must be a whole number from 0 to 1000000000000, not '0.5'"},
      {"priority", std::string_view("high"),
       "parameter 'priority' must be a whole number from 0 to 4294967295, not 'high'"},
      {"priority", std::uint64_t{4'294'967'296},
       "parameter 'priority' must be a whole number from 0 to 4294967295, not '4294967296'"},
      {"tenant", std::int64_t{3}, "parameter 'tenant' must be a tenant's name as text, not '3'"},
      {"accuracy_bound", 100.5,
       "parameter 'accuracy_bound' must be a number of points from 0 to 100, not '100.5'"},
      {"accuracy_bound", std::string_view("high"),
       "parameter 'accuracy_bound' must be a number of points from 0 to 100, not 'high'"},
      {"variant", std::int64_t{8}, "parameter 'variant' must be a variant's name as text, not '8'"},
      {"sequence_id", std::string_view(long_name),
       "parameter 'sequence_id' must be at most 128 bytes, not '" + long_name.substr(0, 64) +
           "...'"},
      {"sequence_start", std::string_view("now"),
       "parameter 'sequence_start' must be true or false, not 'now'"},
      {"energy_bound_mj", std::int64_t{5},
       "parameter 'energy_bound_mj' is not supported yet, and '5'" + later},
      {"exit_when", std::string_view("confidence>0.8"),
       "parameter 'exit_when' is not supported yet, and 'confidence>0.8'" + later},
      {"guarantee", std::string_view("exactly-once"),
       "parameter 'guarantee' is not supported yet, and 'exactly-once'" + later},
      {"idempotency_key", std::string_view("k1"),
       "parameter 'idempotency_key' is not supported yet, and 'k1'" + later},
  };
  for (const auto& row : kCases) {
    Call call;
    EXPECT_EQ(ParameterReader(call).Take(row.name, row.value).message(), row.message);
  }
}

TEST(ParameterReader, BoundsNotBuiltAreTakenWhenTheyAskForNothing) {
  Call call;
  ParameterReader reader(call);
  EXPECT_TRUE(reader.Take("guarantee", std::string_view("best-effort")).ok());
  EXPECT_TRUE(reader.Take("guarantee", std::string_view("at-most-once")).ok());
  EXPECT_TRUE(reader.Take("accuracy_bound", std::int64_t{0}).ok());
  EXPECT_TRUE(reader.Take("exit_when", std::string_view("")).ok());
}

TEST(ParameterReader, AVariantAnAccuracyAndASequenceAreTaken) {
  Call call;
  ParameterReader reader(call);
  ASSERT_TRUE(reader.Take("sequence_id", std::int64_t{7}).ok());
  ASSERT_TRUE(reader.Take("sequence_end", true).ok());
  EXPECT_EQ(call.sequence, "7");
  EXPECT_TRUE(call.sequence_end);
  EXPECT_FALSE(reader.wants_facts()) << "these are Triton's";
  ASSERT_TRUE(reader.TakeHeader("X-Accuracy-Bound", "90.1").ok());
  ASSERT_TRUE(reader.TakeHeader("x-variant", "int8").ok());
  EXPECT_EQ(call.bounds.accuracy, 90'100);
  EXPECT_EQ(call.variant, "int8");
  EXPECT_TRUE(reader.wants_facts());
}

TEST(Truth, IsReadFromBooleansNumbersAndText) {
  EXPECT_TRUE(*Truth("p", true));
  EXPECT_TRUE(*Truth("p", std::string_view("true")));
  EXPECT_FALSE(*Truth("p", std::int64_t{0}));
  EXPECT_EQ(Truth("binary_data", std::string_view("yes")).status().message(),
            "parameter 'binary_data' must be true or false, not 'yes'");
}

TEST(ToText, ShowsTheBeginningOfLongText) {
  const std::string text(1'000'000, 'x');
  EXPECT_EQ(ToText(std::string_view(text)), std::string(64, 'x') + "...");
}

}  // namespace
}  // namespace cotenant
