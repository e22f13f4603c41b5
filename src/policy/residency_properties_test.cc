/// What must hold of every residency policy, over drawn views.

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "base/property_test.h"
#include "policy/eviction.h"
#include "policy/policy_table.h"

namespace cotenant {
namespace {

/// For each of nine policies.
constexpr int kTimes = 500;

struct DrawnBox {
  std::vector<std::vector<ResidentVariantView>> variants;
  std::vector<ResidentModelView> models;
  ResidencyView view;

  ResidencyView Viewed() {
    for (std::size_t i = 0; i < models.size(); ++i) models[i].variants = variants[i];
    view.models = models;
    return view;
  }
};

ResidentModelView DrawModel(const std::vector<ResidentVariantView>& variants, Instant now) {
  ResidentModelView model;
  const auto count = static_cast<std::int32_t>(variants.size());
  model.resident = *rc::gen::inRange(-1, count);
  model.smallest_allowed = *rc::gen::inRange(0, count);
  model.held = *rc::gen::inRange(0, 5) == 0;
  model.wanted = *rc::gen::inRange(0, 4) == 0;
  model.last_used = now - Duration::Seconds(*rc::gen::inRange(0, 500));
  model.credit = *rc::gen::inRange(0, 1'000'000);
  model.cold_penalty = Duration::Milliseconds(*rc::gen::inRange(0, 2'000));
  model.point_penalty = Duration::Milliseconds(*rc::gen::inRange(0, 50));
  if (*rc::gen::arbitrary<bool>()) {
    model.forecast.next = now + Duration::Seconds(*rc::gen::inRange(-60, 600));
  }
  model.forecast.chance = *rc::gen::inRange(0, 1'000'001);
  model.forecast.chance_unforeseen = *rc::gen::inRange(0, model.forecast.chance + 1);
  model.forecast.requests = *rc::gen::inRange(0, 100'000);
  return model;
}

DrawnBox DrawBox() {
  DrawnBox box;
  box.view.now = Instant() + Duration::Seconds(1'000);
  box.view.window = Duration::Seconds(*rc::gen::inRange(0, 100));
  box.view.horizon = Duration::Seconds(*rc::gen::inRange(1, 400));
  box.view.load_penalty_per_mille = *rc::gen::inRange(0, 1'001);
  box.view.forecast_is_poor = *rc::gen::inRange(0, 8) == 0;
  const int count = *rc::gen::inRange(1, 8);
  Bytes used;
  for (int i = 0; i < count; ++i) {
    std::vector<ResidentVariantView>& variants = box.variants.emplace_back();
    const int states = *rc::gen::inRange(1, 6);
    ResidentVariantView variant;
    for (int j = 0; j < states; ++j) {
      variant.size += Bytes(*rc::gen::inRange(1, 1'000));
      variant.accuracy += *rc::gen::inRange(0, 10'000);
      variant.load_takes = Duration::Milliseconds(*rc::gen::inRange(0, 3'000));
      variants.push_back(variant);
    }
    box.models.push_back(DrawModel(variants, box.view.now));
    box.models.back().variants = variants;
    used += ResidentSize(box.models.back());
  }
  box.view.free = Bytes(*rc::gen::inRange(0, 1'500));
  box.view.total = used + box.view.free;
  return box;
}

std::string TestName(const testing::TestParamInfo<std::string_view>& info) {
  std::string name(info.param);
  std::ranges::replace(name, '-', '_');
  return name;
}

class EveryResidency : public testing::TestWithParam<std::string_view> {
 protected:
  const ResidencyPolicy& policy() const { return *FindResidency(GetParam()).value(); }
};
INSTANTIATE_TEST_SUITE_P(Policies, EveryResidency, testing::ValuesIn(kResidencyNames), TestName);

/// Also: one change per model, no change to what it is, no held model but the asked one.
Bytes CheckedGrowth(const ResidencyView& view, const ResidencyPlan& plan, std::size_t asked) {
  std::set<std::size_t> seen;
  Bytes grows;
  for (const ResidencyChange& change : plan.changes) {
    RC_ASSERT(change.model < view.models.size());
    const ResidentModelView& model = view.models[change.model];
    RC_ASSERT(seen.insert(change.model).second);
    RC_ASSERT(change.variant != model.resident);
    RC_ASSERT(change.variant < static_cast<std::int32_t>(model.variants.size()));
    RC_ASSERT(change.variant >= kNoVariant);
    RC_ASSERT(change.model == asked || !model.held);
    grows += SizeOf(model, change.variant) - ResidentSize(model);
  }
  return grows;
}

/// Where anybody alone gives enough, and nobody is expected.
TEST_P(EveryResidency, TheFigureThatIsToldIsWhatDecidedWhoLeaves) {
  ForAll(
      [this] {
        DrawnBox box = DrawBox();
        for (std::size_t i = 0; i < box.models.size(); ++i) {
          box.variants[i].resize(1);
          ResidentModelView& model = box.models[i];
          model.resident = std::min(model.resident, 0);
          model.smallest_allowed = 0;
          model.wanted = false;
          model.forecast.next = Instant::Max();
        }
        const ResidencyView view = box.Viewed();
        const Bytes need(1);
        ResidencyPlan plan;
        policy().Release(view, need, plan);
        if (plan.changes.empty()) return;
        RC_ASSERT(plan.changes.size() == 1U);
        const std::size_t leaves = plan.changes[0].model;
        const std::int64_t order = policy().FigureOf(view, leaves, need).order;
        for (std::size_t i = 0; i < view.models.size(); ++i) {
          if (!MayGive(view, i, kNoModel, true)) continue;
          RC_ASSERT(order <= policy().FigureOf(view, i, need).order);
        }
      },
      kTimes);
}

TEST_P(EveryResidency, APlanFitsTouchesNothingHeldAndNamesWhatItChose) {
  ForAll(
      [this] {
        DrawnBox box = DrawBox();
        const auto asked = *rc::gen::inRange<std::size_t>(0, box.models.size());
        box.models[asked].waiting = *rc::gen::arbitrary<bool>();
        const ResidencyView view = box.Viewed();
        ResidencyPlan plan;
        plan.changes.push_back({99, 7});  // A buffer with old content.
        policy().Procure(view, asked, plan);
        RC_ASSERT(CheckedGrowth(view, plan, asked) <= view.free);
        const ResidentModelView& model = view.models[asked];
        const auto own = std::ranges::find(plan.changes, asked, &ResidencyChange::model);
        const bool changes_own = own != plan.changes.end();
        if (plan.chosen == kNoVariant) {
          RC_ASSERT(plan.changes.empty());
        } else {
          RC_ASSERT(plan.chosen >= model.smallest_allowed);
          RC_ASSERT(plan.chosen == (changes_own ? own->variant : model.resident));
          RC_ASSERT(changes_own || plan.changes.empty());
        }
      },
      kTimes);
}

TEST_P(EveryResidency, ForOneModelNoOtherGrows) {
  ForAll(
      [this] {
        DrawnBox box = DrawBox();
        const auto asked = *rc::gen::inRange<std::size_t>(0, box.models.size());
        const ResidencyView view = box.Viewed();
        ResidencyPlan plan;
        policy().Procure(view, asked, plan);
        for (const ResidencyChange& change : plan.changes) {
          if (change.model != asked) RC_ASSERT(change.variant < view.models[change.model].resident);
        }
      },
      kTimes);
}

TEST_P(EveryResidency, ReleaseFreesEnoughOrAllThatIsNotHeld) {
  ForAll(
      [this] {
        DrawnBox box = DrawBox();
        const ResidencyView view = box.Viewed();
        const Bytes wanted(*rc::gen::inRange(1, 5'000));
        ResidencyPlan plan;
        policy().Release(view, wanted, plan);
        const Bytes freed = Bytes() - CheckedGrowth(view, plan, kNoModel);
        Bytes possible;
        for (const ResidentModelView& model : view.models) {
          if (!model.held) possible += ResidentSize(model);
        }
        RC_ASSERT(freed >= std::min(wanted, possible));
        for (const ResidencyChange& change : plan.changes) {
          RC_ASSERT(change.variant < view.models[change.model].resident);
        }
      },
      kTimes);
}

TEST_P(EveryResidency, AnImprovementFits) {
  ForAll(
      [this] {
        DrawnBox box = DrawBox();
        const ResidencyView view = box.Viewed();
        ResidencyPlan plan;
        policy().Improve(view, plan);
        RC_ASSERT(CheckedGrowth(view, plan, kNoModel) <= view.free);
      },
      kTimes);
}

TEST_P(EveryResidency, OnceItHasImprovedUntilNothingIsLeftItStays) {
  ForAll(
      [this] {
        DrawnBox box = DrawBox();
        ResidencyPlan plan;
        int rounds = 0;
        do {
          const ResidencyView view = box.Viewed();
          policy().Improve(view, plan);
          box.view.free -= CheckedGrowth(view, plan, kNoModel);
          for (const ResidencyChange& change : plan.changes) {
            box.models[change.model].resident = change.variant;
          }
          RC_ASSERT(++rounds <= 100);
        } while (!plan.changes.empty());
      },
      kTimes);
}

/// Names, that is places in the table, decide between equals only: with all measures different the
/// same models change wherever they stand.
TEST_P(EveryResidency, WhereAModelStandsIsNoMatterWhenNoTwoAreEqual) {
  if (GetParam() == "smallest-static") return;  // Loads in the order of the table.
  ForAll(
      [this] {
        DrawnBox box = DrawBox();
        const auto asked = *rc::gen::inRange<std::size_t>(0, box.models.size());
        std::set<Bytes> gives;
        std::set<Instant> used;
        std::set<std::int64_t> credits;
        for (std::size_t i = 0; i < box.models.size(); ++i) {
          const ResidentModelView& model = box.models[i];
          used.insert(model.last_used);
          credits.insert(model.credit);
          if (model.resident != kNoVariant) RC_PRE(gives.insert(ResidentSize(model)).second);
          const std::int32_t least = std::min(model.resident, model.smallest_allowed);
          if (least > kNoVariant) gives.insert(ResidentSize(model) - SizeOf(model, least));
        }
        RC_PRE(used.size() == box.models.size() && credits.size() == box.models.size());
        ResidencyPlan plan;
        policy().Procure(box.Viewed(), asked, plan);
        DrawnBox turned = box;
        std::ranges::reverse(turned.models);
        std::ranges::reverse(turned.variants);
        const std::size_t last = box.models.size() - 1;
        ResidencyPlan again;
        policy().Procure(turned.Viewed(), last - asked, again);
        RC_ASSERT(again.chosen == plan.chosen);
      },
      300);
}

}  // namespace
}  // namespace cotenant
