#include "catalog/prepared.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

MeasuredForm Measured(std::int64_t mebibytes, std::int64_t run_us, std::int64_t load_ms) {
  MeasuredForm measured;
  measured.cost.mapped = Bytes::MiB(mebibytes);
  measured.cost.load_takes = Duration::Milliseconds(load_ms);
  measured.run_takes = Duration::Microseconds(run_us);
  return measured;
}

PreparedForm Form(const std::string& name, MeasuredForm measured,
                  std::int32_t accuracy = kFullAccuracy) {
  PreparedForm form;
  form.name = name;
  form.measured = std::move(measured);
  form.accuracy = {accuracy, AccuracySource::kAgreement};
  return form;
}

std::vector<std::string> Names(const PreparedNetwork& network) {
  std::vector<std::string> names;
  for (const PreparedForm& form : network.forms) names.push_back(form.name);
  return names;
}

using List = std::vector<std::string>;

TEST(KeepWinners, WhatTakesLeastAndIsNotMuchSlowerIsTheOneToServe) {
  PreparedNetwork network;
  network.shipped = Measured(100, 1'000, 100);
  KeepWinners({Form("fast", Measured(90, 1'000, 20)), Form("little", Measured(50, 1'200, 20)),
               Form("slow", Measured(20, 2'000, 20))},
              network);
  EXPECT_EQ(Names(network), (List{"little", "fast", "slow"}));
  EXPECT_TRUE(network.dropped.empty());
}

TEST(KeepWinners, WhatWinsNothingIsDroppedWithTheReason) {
  PreparedNetwork network;
  network.shipped = Measured(100, 1'000, 100);
  KeepWinners({Form("good", Measured(50, 1'000, 20)), Form("worse", Measured(60, 1'000, 20)),
               Form("useless", Measured(100, 1'000, 100))},
              network);
  EXPECT_EQ(Names(network), List{"good"});
  ASSERT_EQ(network.dropped.size(), 2U);
  EXPECT_EQ(network.dropped[0].name, "worse");
  EXPECT_NE(network.dropped[0].reason.find("'good'"), std::string::npos);
  EXPECT_NE(network.dropped[1].reason.find("as shipped"), std::string::npos);
}

TEST(SpeedIsInDoubt, WhereOneThatTakesLessIsMuchSlowerUntilLesserTimesAreKept) {
  PreparedNetwork network;
  network.shipped = Measured(100, 1'000, 100);
  std::vector<PreparedForm> tried = {Form("larger", Measured(120, 5'000, 20))};
  EXPECT_FALSE(SpeedIsInDoubt(tried, network));
  tried.push_back(Form("little", Measured(50, 1'400, 20)));
  EXPECT_TRUE(SpeedIsInDoubt(tried, network));
  KeepLesserTimes(tried[1].measured, Measured(50, 1'500, 10));
  EXPECT_TRUE(SpeedIsInDoubt(tried, network));
  KeepLesserTimes(tried[1].measured, Measured(50, 1'100, 30));
  EXPECT_FALSE(SpeedIsInDoubt(tried, network));
  KeepWinners(tried, network);
  EXPECT_EQ(Names(network), List{"little"});
  EXPECT_EQ(network.forms[0].measured.cost.load_takes, Duration::Milliseconds(10));
}

TEST(KeepWinners, OfTwoThatAreAlikeTheFirstStays) {
  PreparedNetwork network;
  network.shipped = Measured(100, 1'000, 100);
  KeepWinners({Form("one", Measured(50, 1'000, 20)), Form("two", Measured(50, 1'010, 21))},
              network);
  EXPECT_EQ(Names(network), List{"one"});
}

TEST(KeepWinners, ALossyFormIsNeverTheOneToServe) {
  PreparedNetwork network;
  network.shipped = Measured(100, 1'000, 100);
  KeepWinners({Form("exact", Measured(90, 1'000, 20)), Form("int8", Measured(20, 500, 20), 99'000),
               Form("bad", Measured(10, 500, 20), 50'000)},
              network);
  EXPECT_EQ(Names(network), (List{"exact", "int8"}));
  EXPECT_EQ(network.dropped.at(0).name, "bad");
}

TEST(KeepWinners, ALossyFormIsServedWhereSomebodyAskedForIt) {
  PreparedNetwork network;
  network.shipped = Measured(100, 1'000, 100);
  network.served_agreement_min = 99'000;
  KeepWinners({Form("exact", Measured(90, 1'000, 20)), Form("int8", Measured(20, 500, 20), 99'000)},
              network);
  EXPECT_EQ(Names(network), (List{"int8", "exact"}));
  EXPECT_EQ(ServedForm(network)->name, "int8");
  network.served_agreement_min = kFullAccuracy;
  EXPECT_EQ(ServedForm(network), nullptr);
}

TEST(KeepWinners, AsLargeButSoonerThereIsServed) {
  PreparedNetwork network;
  network.shipped = Measured(100, 1'000, 100);
  KeepWinners({Form("sooner", Measured(101, 1'000, 20))}, network);
  EXPECT_EQ(Names(network), List{"sooner"});
}

TEST(KeepWinners, TheNetworkAsShippedStaysWhereItIsBetter) {
  PreparedNetwork network;
  network.shipped = Measured(20, 1'000, 100);
  KeepWinners({Form("large", Measured(100, 1'000, 20)), Form("slow", Measured(10, 3'000, 90))},
              network);
  EXPECT_EQ(Names(network), List{});
  EXPECT_EQ(network.dropped.size(), 2U);
}

TEST(ExactOnly, TheFormThatServesStaysFirstAndThoseWithLossesGo) {
  PreparedNetwork network;
  network.served_agreement_min = 95'000;
  network.forms = {Form("large", Measured(90, 1'000, 20)),
                   Form("lossy", Measured(20, 900, 5), 99'000),
                   Form("small", Measured(50, 3'000, 20))};
  const PreparedNetwork exact = ExactOnly(network);
  EXPECT_EQ(Names(exact), (List{"large", "small"}));
  EXPECT_EQ(ServedForm(exact)->name, "large");
}

TEST(ExactOnly, WhereOneWithLossesServesTheOneThatTakesLeastIsFirst) {
  PreparedNetwork network;
  network.served_agreement_min = 95'000;
  network.forms = {Form("lossy", Measured(20, 900, 5), 99'000),
                   Form("large", Measured(90, 1'000, 20)), Form("small", Measured(50, 3'000, 20))};
  EXPECT_EQ(Names(ExactOnly(network)), (List{"small", "large"}));
  network.forms.resize(1);
  EXPECT_EQ(ExactForm(network), nullptr);
  EXPECT_EQ(ServedForm(ExactOnly(network)), nullptr);
}

}  // namespace
}  // namespace cotenant
