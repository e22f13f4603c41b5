/// Models with several variants, live: which one answers, and what is told of it.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/node_memory.h"
#include "server/node_test.h"

namespace cotenant {
namespace {

class NodeVariantsTest : public LiveNodeTest {
 protected:
  void Start(Bytes models) {
    if (models > Bytes()) {
      options_.memory = {models + Bytes::MiB(1), Bytes(), Bytes::MiB(1), models};
    }
    options_.scheduler.memory = models;
    options_.scheduler.run_peak_floor = Bytes::KiB(64);
    LiveNodeTest::Start();
  }
  static std::string Profile(std::int64_t mebibytes, const std::string& more = "") {
    return "run_ns = 1000\nload_ns = 1000000\nanonymous_bytes = " +
           std::to_string(mebibytes << 20) + "\n" + more;
  }
  static VariantSource Variant(const std::string& name, std::int32_t milli,
                               const std::string& profile) {
    VariantSource variant;
    variant.name = name;
    variant.content = std::make_shared<const std::string>(profile);
    if (milli > 0) variant.accuracy = {milli, AccuracySource::kLabels};
    return variant;
  }
  /// A model of 60 MiB with 90 points, and "small" of 20 MiB with 80, which answers zeros.
  void PutTwo() {
    source_.Put(EchoConfig("m"), Profile(60));
    source_.PutVariants("m", {{90'000, AccuracySource::kLabels}, 0, false, false},
                        {Variant("small", 80'000, Profile(20, "output = zero\n"))});
  }
  struct Told {
    std::string variant;
    Accuracy accuracy;
    bool cold = false;
    std::vector<float> output;
  };
  Told AskFor(std::string_view variant, std::int32_t accuracy = 0) {
    TestCall call("m", {1, 2, 3, 4});
    call.variant = variant;
    call.bounds.accuracy = accuracy;
    EXPECT_TRUE(Ask(call).ok());
    EXPECT_EQ(call.end, End::kReplied) << call.status.message();
    Told told{std::string(call.facts.variant), call.facts.accuracy, call.facts.cold, {}};
    if (call.end == End::kReplied) told.output = call.Output();
    Finish(call);
    return told;
  }
  Status Refused(std::string_view variant, std::int32_t accuracy) {
    TestCall call("m", {1, 2, 3, 4});
    call.variant = variant;
    call.bounds.accuracy = accuracy;
    return node_->Submit(*lane_, call);
  }
  ModelMemoryRow Row() const { return node_->Memory().models.at(0); }
  static const std::vector<float> kOwn;
  static const std::vector<float> kSmall;
};

const std::vector<float> NodeVariantsTest::kOwn = {1, 2, 3, 4};
const std::vector<float> NodeVariantsTest::kSmall = {0, 0, 0, 0};

TEST_F(NodeVariantsTest, WithoutALimitAllAreInMemoryAndTheBestAnswersUnlessAnotherIsNamed) {
  PutTwo();
  Start(Bytes());
  const Told best = AskFor("");
  EXPECT_EQ(best.variant, "default");
  EXPECT_EQ(best.accuracy, (Accuracy{90'000, AccuracySource::kLabels}));
  EXPECT_EQ(best.output, kOwn);
  const Told small = AskFor("small");
  EXPECT_EQ(small.variant, "small");
  EXPECT_EQ(small.output, kSmall);
  EXPECT_FALSE(small.cold);
  ASSERT_EQ(Row().variants.size(), 2u);
  EXPECT_EQ(Row().variants[1].residence, Residence::kResident);
  const std::string page = node_->MetricsText();
  for (const char* line :
       {"cotenant_variant_runs_total{model=\"m\",version=\"1\",variant=\"default\"} 1\n",
        "cotenant_variant_runs_total{model=\"m\",version=\"1\",variant=\"small\"} 1\n",
        "cotenant_variant_resident{model=\"m\",version=\"1\",variant=\"small\"} 1\n"}) {
    EXPECT_NE(page.find(line), std::string::npos) << line;
  }
}

TEST_F(NodeVariantsTest, InLittleMemoryOneIsThereAndTheOtherIsLoadedWhenABoundOrANameAsksForIt) {
  PutTwo();
  Start(Bytes::MiB(70));
  // What "small" takes is known when it has been loaded for the first time; then one has to leave.
  Await([this] { return node_->Memory().ledger.models <= Bytes::MiB(70); });
  EXPECT_EQ(AskFor("", 85'000).variant, "default");
  EXPECT_EQ(AskFor("small").output, kSmall);
  EXPECT_LE(node_->Memory().ledger.models, Bytes::MiB(70)) << "never both";
  EXPECT_EQ(AskFor("default").output, kOwn);
  EXPECT_EQ(AskFor("small").variant, "small");
  EXPECT_EQ(AskFor("", 90'000).output, kOwn);
  const ModelMemoryRow row = Row();
  ASSERT_EQ(row.variants.size(), 2u);
  EXPECT_EQ(row.variants[0].name, "default");
  EXPECT_EQ(row.variants[1].name, "small");
  EXPECT_GE(row.counts.evictions, 3u);
  EXPECT_EQ(node_->Index(false).size(), 1u) << "one name, whatever its variants";
}

TEST_F(NodeVariantsTest, WhatNoVariantCanGiveIsRefusedByNameAndNumber) {
  PutTwo();
  Start(Bytes());
  EXPECT_EQ(Refused("int4", 0).message(), "model 'm' has no variant 'int4'; it has default, small");
  EXPECT_EQ(Refused("", 95'000).message(),
            "'accuracy_bound' of 95 cannot be met: variant 'default' of model 'm' has 90, and none "
            "has more");
  EXPECT_EQ(Refused("small", 85'500).message(),
            "'accuracy_bound' of 85.5 cannot be met: variant 'small' of model 'm' has 80");
  EXPECT_EQ(Refused("", 95'000).code(), Code::kInvalidArgument);
}

TEST_F(NodeVariantsTest, AnAccuracyNobodyKnowsMeetsNoBoundAndItsModelAnswersTheRest) {
  source_.Put(EchoConfig("m"), Profile(1));
  Start(Bytes());
  EXPECT_EQ(Refused("", 1).message(),
            "'accuracy_bound' of 0.001 cannot be met: the accuracy of model 'm' is not known");
  const Told plain = AskFor("default");
  EXPECT_EQ(plain.variant, "") << "a model with one variant does not speak of variants";
}

TEST_F(NodeVariantsTest, OneThatDoesNotAgreeOrDoesNotLoadIsDroppedAndShown) {
  source_.Put(EchoConfig("m"), Profile(1));
  source_.PutVariants(
      "m", {{90'000, AccuracySource::kLabels}, 0, false, false},
      {Variant("names", 80'000, Profile(1, "input = z FP32 4\noutput_tensor = y FP32 4\n")),
       Variant("types", 80'000, Profile(1, "input = x INT8 4\noutput_tensor = y FP32 4\n")),
       Variant("shapes", 80'000, Profile(1, "input = x FP32 5\noutput_tensor = y FP32 4\n")),
       Variant("more", 80'000,
               Profile(1, "input = x FP32 4\ninput = b FP32 4\noutput_tensor = y FP32 4\n")),
       Variant("broken", 80'000, Profile(1, "load_error = no such thing\n"))});
  Start(Bytes::MiB(50));
  EXPECT_EQ(AskFor("").output, kOwn);
  std::vector<std::string> reasons;
  for (const DroppedVariant& dropped : Row().dropped) {
    reasons.push_back(dropped.name + ": " + dropped.reason);
  }
  ASSERT_EQ(reasons.size(), 5u);
  EXPECT_EQ(reasons[0], "names: it has no input 'x'");
  EXPECT_EQ(reasons[1], "types: its input 'x' is INT8, not FP32");
  EXPECT_EQ(reasons[2], "shapes: its input 'x' has shape [5], not [4]");
  EXPECT_EQ(reasons[3], "more: it has 2 inputs, not 1");
  EXPECT_TRUE(reasons[4].ends_with("no such thing")) << reasons[4];
}

TEST_F(NodeVariantsTest, OtherNamesAndAnotherOrderOfTensorsAreMapped) {
  ModelConfig config = EchoConfig("m");
  config.outputs.push_back({"y2", DataType::kFp32, Shape{4}, false, {}, ""});
  source_.Put(config, Profile(1,
                              "input = x FP32 4\noutput_tensor = y FP32 4\n"
                              "output_tensor = y2 FP32 4\noutput = zero\n"));
  VariantSource variant = Variant("other", 80'000,
                                  Profile(1,
                                          "input = in FP32 4\noutput_tensor = second FP32 4\n"
                                          "output_tensor = first FP32 4\n"));
  variant.inputs = {{"x", "in"}};
  variant.outputs = {{"y", "second"}, {"y2", "first"}};
  source_.PutVariants("m", {{90'000, AccuracySource::kLabels}, 0, false, false}, {variant});
  Start(Bytes());
  EXPECT_EQ(AskFor("other").output, kOwn) << "its first output repeats its input";
}

TEST_F(NodeVariantsTest, ASequenceStaysOnItsVariant) {
  PutTwo();
  Start(Bytes());
  const auto ask = [&](const std::string& sequence, std::string_view variant, bool end = false) {
    TestCall call("m", {1, 2, 3, 4});
    call.sequence = sequence;
    call.sequence_end = end;
    call.variant = variant;
    EXPECT_TRUE(Ask(call).ok());
    const std::string answered(call.facts.variant);
    Finish(call);
    return answered;
  };
  EXPECT_EQ(ask("s", "small"), "small");
  EXPECT_EQ(ask("s", ""), "small");
  EXPECT_EQ(ask("other", ""), "default");
  EXPECT_EQ(ask("s", "", true), "small");
  EXPECT_EQ(ask("s", ""), "default") << "it had ended";
}

TEST_F(NodeVariantsTest, AReloadReplacesAllVariantsAndALateUnloadGivesAllMemoryBack) {
  options_.control = ControlMode::kExplicit;
  options_.load_at_start = {"*"};
  PutTwo();
  Start(Bytes::MiB(100));
  EXPECT_EQ(AskFor("small").output, kSmall);
  source_.PutVariants("m", {{95'000, AccuracySource::kLabels}, 0, false, false},
                      {Variant("small", 85'000, Profile(20, "output = zero\n"))});
  EXPECT_TRUE(Control([&](auto done) { node_->Load("m", {}, done); }).ok());
  EXPECT_EQ(AskFor("", 91'000).output, kOwn);
  EXPECT_TRUE(Control([&](auto done) { node_->Unload("m", done); }).ok());
  Await([&] { return node_->Memory().ledger.models == Bytes(); });
}

}  // namespace
}  // namespace cotenant
