/// Models with several variants, of which one is in memory.

#include <gtest/gtest.h>

#include "scheduler/script_test.h"

namespace cotenant {
namespace {

using Lines = Script::Lines;

SchedulerSettings Settings(std::int64_t mebibytes, const char* residency = "lru") {
  SchedulerSettings settings;
  settings.slots = 2;
  settings.memory = Bytes::MiB(mebibytes);
  settings.run_peak_floor = Bytes();
  settings.node.policies.residency = residency;
  return settings;
}

/// A variant's size, accuracy in points, and the time of its runs.
struct Form {
  std::int64_t mebibytes = 10;
  std::int32_t points = 90;
  std::int64_t runs_us = 2'000;
};

/// Models by their variants, the best first; numbers go on from model to model. Loads take 10 ms.
class Several : public Script {
 public:
  explicit Several(SchedulerSettings settings) : Script(std::move(settings)) {}

  LoadFinished Loaded(std::int64_t us, std::uint32_t model) const {
    return {At(us), ModelId{model}, model_settings, Us(10'000), {}, sizes_[model], {}};
  }
  Lines Load(std::uint32_t model) { return Crank(us_ += 1'000, {Loaded(us_, model)}); }
  Lines Evict(std::uint32_t model) {
    return Crank(us_ += 1'000, {Evicted{At(us_), ModelId{model}, {}}});
  }
  /// Loads all variants of one model, one after another, and lets go what leaves.
  std::uint32_t Model(const std::vector<Form>& forms) {
    const auto first = static_cast<std::uint32_t>(sizes_.size());
    for (const Form& form : forms) {
      const auto id = static_cast<std::uint32_t>(sizes_.size());
      sizes_.push_back(Bytes::MiB(form.mebibytes));
      LoadWanted wanted{At(us_ += 1'000), ModelId{id}, sizes_[id]};
      if (id != first) wanted.variant_of = ModelId{first};
      wanted.accuracy = form.points * 1'000;
      LetGo(Crank(us_, {wanted}));
      const WarmedUp warmed{At(us_), ModelId{id}, 1, Us(form.runs_us)};
      Crank(us_ += 1'000, {warmed, warmed});
      LetGo(Load(id));
    }
    return first;
  }
  /// Answers evictions, and loads that follow from them, until nothing more comes.
  Lines LetGo(const Lines& lines) {
    Lines all;
    for (const std::string& line : lines) {
      all.push_back(line);
      if (!line.starts_with("evict ")) continue;
      const Lines more = LetGo(Evict(static_cast<std::uint32_t>(std::stoul(line.substr(6)))));
      all.insert(all.end(), more.begin(), more.end());
    }
    return all;
  }
  Arrived Ask(std::uint64_t request, std::uint32_t model, std::int32_t points = 0,
              Duration bound = {}) const {
    Arrived event = Arrive(us_, request, model, bound);
    event.bounds.accuracy = points * 1'000;
    return event;
  }
  Arrived Name(std::uint64_t request, std::uint32_t model, std::uint32_t variant) const {
    Arrived event = Arrive(us_, request, model);
    event.variant = ModelId{variant};
    return event;
  }
  Lines Now(const std::vector<Event>& events) { return Crank(us_, events); }
  Lines After(std::int64_t us, const std::vector<Event>& events = {}) {
    us_ += us;
    return events.empty() ? Wake(us_) : Crank(us_, events);
  }
  Lines End(std::uint64_t run) { return After(2'000, {Finish(us_ + 2'000, run, Us(2'000))}); }

  ModelSettings model_settings;
  std::int64_t us_ = 0;

 private:
  std::vector<Bytes> sizes_;
};

TEST(Variants, TheBestOneStaysAfterAllWereLoadedOnce) {
  Several script(Settings(100));
  script.Model({{60, 90}, {20, 80}});
  EXPECT_EQ(script.scheduler.Memory().models, Bytes::MiB(60));
  EXPECT_EQ(script.After(1'000, {script.Ask(1, 0)}), Lines{"run 0 model 0 [1] worker slot 0"});
}

TEST(Variants, WithoutALimitAllStayAndTheBestInTimeAnswers) {
  Several script(Settings(0));
  script.Model({{60, 90, 50'000}, {20, 80, 2'000}});
  EXPECT_EQ(script.Now({script.Ask(1, 0)}), Lines{"run 0 model 0 [1] worker slot 0"});
  script.After(50'000, {script.Finish(script.us_ + 50'000, 0, Us(50'000))});
  EXPECT_EQ(script.Now({script.Ask(2, 0, 0, Us(20'000))}),
            (Lines{"run 1 model 1 [2] worker slot 0"}))
      << "the better one takes 50 ms";
  EXPECT_EQ(script.Now({script.Ask(3, 0, 85, Us(20'000))}).at(0).substr(0, 21),
            "reject 3 not_feasible");
}

TEST(Variants, ABoundBeyondTheBestIsRefusedAndSoIsAVariantThatIsNotThere) {
  Several script(Settings(0));
  script.Model({{60, 90}, {20, 80}});
  EXPECT_EQ(script.Now({script.Ask(1, 0, 91)}), Lines{"reject 1 not_accurate"});
  EXPECT_EQ(script.Now({script.Name(2, 0, 7)}), Lines{"reject 2 model_unloaded"});
  EXPECT_EQ(script.Now({script.Name(3, 0, 1)}), Lines{"run 0 model 1 [3] worker slot 0"});
}

TEST(Variants, OneOfUnknownAccuracyAnswersOnlyWhoNamesIt) {
  Several script(Settings(0));
  script.Model({{60, 90, 50'000}, {20, 0, 2'000}});
  EXPECT_EQ(script.Now({script.Ask(1, 0, 0, Us(20'000))}).at(0).substr(0, 21),
            "reject 1 not_feasible");
  EXPECT_EQ(script.Now({script.Name(2, 0, 1)}), Lines{"run 0 model 1 [2] worker slot 0"});
}

TEST(Variants, ARequestFindsItsModelOutAndThePolicyTakesTheBestThatFits) {
  Several script(Settings(100));
  script.Model({{60, 90}, {20, 80}});
  script.Model({{50, 0}});  // Model 2 puts model 0 out.
  script.Now({script.Ask(1, 2)});
  EXPECT_EQ(script.Now({script.Ask(2, 0)}), Lines{"load 1"})
      << "the other model runs, and stays: the small variant fits beside it";
  script.End(0);
  EXPECT_EQ(script.Load(1), Lines{"run 1 model 1 [2] worker slot 0"});
  EXPECT_EQ(script.End(1).at(0), "reply 2 replied cold");
}

TEST(Variants, ABoundThatTheVariantInMemoryDoesNotMeetLoadsOneThatDoes) {
  Several script(Settings(100, "none"));
  script.Model({{60, 90}, {20, 80}});
  script.us_ += 200'000;
  EXPECT_EQ(script.Now({script.Name(1, 0, 1)}), Lines{"load 1"}) << "there is room for both";
  EXPECT_EQ(script.Now({script.Ask(2, 0)}), Lines{"run 0 model 0 [2] worker slot 0"})
      << "the old one answers meanwhile";
  script.End(0);
  EXPECT_EQ(script.Load(1), (Lines{"evict 0", "run 1 model 1 [1] worker slot 0"}));
  script.Evict(0);
  script.End(1);
  EXPECT_EQ(script.Now({script.Ask(3, 0)}), Lines{"run 2 model 1 [3] worker slot 0"});
  EXPECT_EQ(script.Now({script.Ask(4, 0, 85)}), Lines{"load 0"});
  script.End(2);
  EXPECT_EQ(script.Load(0), (Lines{"evict 1", "run 3 model 0 [4] worker slot 0"}));
}

TEST(Variants, WhereThereIsNoRoomForBothTheOldOneLeavesFirst) {
  Several script(Settings(70, "none"));
  script.Model({{60, 90}, {20, 80}});
  EXPECT_EQ(script.After(200'000), Lines{"evict 1"}) << "nobody waits";
  EXPECT_EQ(script.Evict(1), Lines{"load 0"});
  script.Load(0);
  script.us_ += 200'000;
  EXPECT_EQ(script.Now({script.Name(1, 0, 1)}), Lines{"evict 0"});
  EXPECT_EQ(script.Evict(0), Lines{"load 1"});
  EXPECT_EQ(script.Load(1), Lines{"run 0 model 1 [1] worker slot 0"});
}

TEST(Variants, ItWaitsForTheOldOneThatIsInUseAndHasNotPaidForItsLoad) {
  Several script(Settings(70, "none"));
  script.Model({{60, 90}, {20, 80}});
  script.LetGo(script.After(200'000));
  script.Load(0);
  script.Now({script.Ask(1, 0)});
  const Lines lines = script.Now({script.Name(2, 0, 1)});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_TRUE(lines[0].starts_with("wake ")) << lines[0];
  EXPECT_EQ(script.End(0), (Lines{"reply 1 replied", "evict 0"}));
}

TEST(Variants, WhoWaitsForTheOldOneIsAnsweredByTheNewOneWhereItMay) {
  SchedulerSettings settings = Settings(100, "none");
  settings.slots = 1;
  Several script(settings);
  script.Model({{60, 90}, {20, 80}});
  script.us_ += 200'000;
  script.Now({script.Ask(1, 0)});
  script.Now({script.Name(2, 0, 1)});
  script.Now({script.Ask(3, 0), script.Ask(4, 0, 85)});
  EXPECT_EQ(script.Load(1), Lines{}) << "the old one leaves after its run";
  EXPECT_EQ(script.End(0),
            (Lines{"reply 1 replied", "evict 0", "run 1 model 1 [2] worker slot 0"}));
  EXPECT_EQ(script.Evict(0), Lines{"load 0"}) << "the one that needs more waits for it";
  EXPECT_EQ(script.End(1), (Lines{"reply 2 replied cold", "run 2 model 1 [3] worker slot 0"}));
  EXPECT_EQ(script.End(2), Lines{"reply 3 replied"});
  EXPECT_EQ(script.Load(0), (Lines{"evict 1", "run 3 model 0 [4] worker slot 0"}));
}

TEST(Variants, TheBetterOneComesBackWhenThereIsRoomAndTimeHasPassed) {
  Several script(Settings(100));
  script.Model({{60, 90}, {20, 80}});
  script.Model({{50, 0}});
  script.Now({script.Ask(1, 2)});
  script.Now({script.Ask(2, 0)});
  script.End(0);
  script.Load(1);
  script.End(1);
  // The other model goes for good: there is room.
  EXPECT_EQ(script.Now({UnloadWanted{At(script.us_), ModelId{2}}}), Lines{"unload 2"});
  script.After(1'000, {Unloaded{At(script.us_ + 1'000), ModelId{2}, {}}});
  EXPECT_EQ(script.After(150'000), Lines{"load 0"});
  EXPECT_EQ(script.Load(0), Lines{"evict 1"});
}

TEST(Variants, ADowngradeLoadsTheSmallerOneBeforeTheLargerLeaves) {
  Several script(Settings(100, "ws-bfe"));
  script.Model({{60, 90}, {10, 80}});
  script.Model({{20, 0}});
  script.us_ += 200'000;
  script.Now({script.Ask(1, 2)});
  EXPECT_EQ(script.Now({LoadWanted{At(script.us_), ModelId{3}, Bytes::MiB(30)}}), Lines{"load 1"});
  EXPECT_EQ(script.Now({script.Ask(2, 0)}), Lines{"run 1 model 0 [2] worker slot 1"})
      << "it answers meanwhile";
  script.After(1'000, {script.Finish(script.us_ + 1'000, 1, Us(1'000))});
  EXPECT_EQ(script.Load(1), Lines{"evict 0"});
  EXPECT_EQ(script.Evict(0), Lines{"load 3"});
  EXPECT_EQ(script.scheduler.Memory().models, Bytes::MiB(60));
}

TEST(Variants, APinnedModelIsNotTakenForOthers) {
  Several script(Settings(100));
  script.model_settings.pinned = true;
  script.Model({{60, 0}});
  script.model_settings.pinned = false;
  script.Model({{30, 0}});
  script.us_ += 200'000;
  EXPECT_EQ(script.Now({LoadWanted{At(script.us_), ModelId{2}, Bytes::MiB(40)}}), Lines{"evict 1"});
  EXPECT_EQ(script.Evict(1), Lines{"load 2"});
}

TEST(Variants, APinnedModelWithoutRoomBesideItRefusesAndDoesNotHang) {
  Several script(Settings(100));
  script.model_settings.pinned = true;
  script.Model({{60, 0}});
  script.us_ += 200'000;
  EXPECT_EQ(script.Now({LoadWanted{At(script.us_), ModelId{1}, Bytes::MiB(50)}}),
            Lines{"unload 1"});
}

TEST(Variants, AllLeaveTogetherTheFirstOneLast) {
  Several script(Settings(100));
  script.Model({{60, 90}, {20, 80}});
  script.us_ += 1'000;
  script.Now({script.Ask(1, 0)});
  EXPECT_EQ(script.Now({UnloadWanted{At(script.us_), ModelId{0}}}), Lines{"unload 1"});
  EXPECT_EQ(script.Now({script.Ask(2, 0)}), Lines{"reject 2 model_unloaded"});
  EXPECT_EQ(script.End(0), Lines{"reply 1 replied"});
  EXPECT_EQ(script.Now({Unloaded{At(script.us_), ModelId{1}, {}}}), Lines{"unload 0"});
}

TEST(Variants, OneThatCannotBeLoadedAgainLeavesItsRequestsToAnother) {
  Several script(Settings(100));
  script.Model({{60, 90}, {20, 80}});
  script.Model({{90, 0}});
  script.us_ += 1'000'000;
  EXPECT_EQ(script.Now({script.Ask(1, 0)}), Lines{"evict 2"});
  EXPECT_EQ(script.Evict(2), Lines{"load 0"});
  EXPECT_EQ(script.After(1'000, {LoadFailed{At(script.us_ + 1'000), ModelId{0}, Code::kInternal}}),
            Lines{"load 1"});
  EXPECT_EQ(script.Load(1), Lines{"run 0 model 1 [1] worker slot 0"});
}

TEST(Variants, ATenantsMinimumHoldsForRequestsThatSayNothing) {
  SchedulerSettings settings = Settings(0);
  settings.node.tenants[0].accuracy_min = 85'000;
  Several script(settings);
  script.Model({{60, 90, 50'000}, {20, 80, 2'000}});
  EXPECT_EQ(script.Now({script.Ask(1, 0, 0, Us(20'000))}).at(0).substr(0, 21),
            "reject 1 not_feasible");
  EXPECT_EQ(script.Now({script.Ask(2, 0, 75, Us(20'000))}),
            Lines{"run 0 model 1 [2] worker slot 0"});
}

TEST(Variants, AReasonSaysWhichVariantAnswersAndWhatWasPassedOver) {
  Several script(Settings(0));
  script.Model({{60, 90, 50'000}, {20, 80, 2'000}});
  script.actions.with_reasons = true;
  script.Now({script.Ask(1, 0, 75, Us(20'000))});
  ASSERT_FALSE(script.actions.decisions.empty());
  const auto& why = std::get<AdmissionDecision>(script.actions.decisions[0]);
  EXPECT_EQ(why.model, ModelId{1});
  EXPECT_EQ(why.passed_over, 1U);
  EXPECT_EQ(why.accuracy, 80'000);
  EXPECT_EQ(why.accuracy_min, 75'000);
  EXPECT_FALSE(why.refused.has_value());
}

TEST(Variants, ARestoredBrainDecidesAsTheSavedOne) {
  Several script(Settings(100));
  script.Model({{60, 90}, {20, 80}});
  script.Model({{50, 0}});
  script.us_ += 200'000;
  script.Now({script.Ask(1, 2)});
  script.Now({script.Ask(2, 0), script.Name(3, 0, 1)});
  std::string saved;
  script.scheduler.Save(saved);
  const auto restored = Scheduler::Restore(saved);
  ASSERT_TRUE(restored.ok()) << restored.status().message();
  std::string again;
  (*restored)->Save(again);
  EXPECT_EQ(saved, again);
}

}  // namespace
}  // namespace cotenant
