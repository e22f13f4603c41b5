#include "simulation/random_script.h"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "catalog/policy_rows.h"

namespace cotenant {
namespace {

constexpr std::uint32_t kTenants = 3;
/// The last one is never asked for: requests for it are refused.
constexpr std::uint32_t kModels = 5;
/// Whose variants the models behind those are.
constexpr std::uint32_t kVariantsOf[] = {0, 0, 1};

bool OneIn(std::uint64_t n, Random& random) { return random.Below(n) == 0; }

Duration UpToUs(std::int64_t us_max, Random& random) {
  return Duration::Microseconds(random.Between(1, us_max));
}

PolicyChoice RandomPolicies(Random& random) {
  const auto one_of = [&random](std::span<const std::string_view> names) {
    return std::string(names[random.Below(names.size())]);
  };
  PolicyChoice choice;
  choice.dispatch = one_of(kDispatchNames);
  choice.batching = one_of(kBatchingNames);
  choice.admission = one_of(kAdmissionNames);
  return choice;
}

/// Apart from the others, so that their scripts stay as they are.
void ChooseResidency(Random& random, PolicyChoice& choice) {
  choice.residency = kResidencyNames[random.Below(kResidencyNames.size())];
  choice.prediction = kPredictionNames[random.Below(kPredictionNames.size())];
}

NodeSettings RandomNode(Random& random) {
  NodeSettings node;
  node.tenants.clear();
  for (std::uint32_t i = 0; i < kTenants; ++i) {
    Tenant tenant;
    tenant.name = "tenant" + std::to_string(i);
    tenant.weight = random.Between(1, 10);
    tenant.waiting_max = OneIn(4, random) ? 10 : 10'000;
    if (OneIn(4, random)) tenant.latency_bound = UpToUs(50'000, random);
    node.tenants.push_back(tenant);
  }
  node.policies = RandomPolicies(random);
  return node;
}

ModelSettings RandomModelSettings(Random& random) {
  ModelSettings model;
  model.rows_max = OneIn(3, random) ? 1 : static_cast<std::int32_t>(random.Between(2, 16));
  model.cores = OneIn(5, random) ? 2 : 1;
  model.batching = model.rows_max > 1 && !OneIn(3, random);
  if (!model.batching) return model;
  DynamicBatching& window = model.window;
  if (OneIn(2, random)) window.preferred_sizes = {2, model.rows_max};
  if (OneIn(2, random)) window.queue_delay_max = UpToUs(3'000, random);
  window.preserve_ordering = OneIn(4, random);
  window.priority_levels = OneIn(3, random) ? 3 : 0;
  window.default_priority_level = window.priority_levels > 0 ? 2 : 0;
  QueuePolicy policy;
  policy.timeout_action = OneIn(2, random) ? TimeoutAction::kReject : TimeoutAction::kDelay;
  if (OneIn(2, random)) policy.default_timeout = UpToUs(9'000, random);
  policy.allow_timeout_override = OneIn(2, random);
  policy.waiting_max = OneIn(2, random) ? 5 : 0;
  window.default_policy = policy;
  if (window.priority_levels > 0) window.priority_policies[1] = QueuePolicy{};
  return model;
}

SimulatedModel RandomProfile(Random& random) {
  SimulatedModel profile;
  profile.run = Duration::Microseconds(OneIn(2, random) ? random.Between(5, 100)
                                                        : random.Between(500, 5'000));
  profile.run_per_row = profile.run / random.Between(2, 10);
  profile.jitter = profile.run / 4;
  profile.load = Duration::Microseconds(random.Between(1, 5'000));
  if (OneIn(3, random)) profile.content_failures = 100;
  if (OneIn(3, random)) profile.other_failures = 50;
  if (OneIn(4, random)) profile.load_failures = 300;
  return profile;
}

Arrived RandomArrival(Random& random, const SimulationSettings& settings, std::uint64_t id,
                      Instant now) {
  Arrived event;
  event.at = now - Duration::Nanoseconds(random.Between(0, 500));
  event.request = RequestId{id};
  event.tenant = TenantId{static_cast<std::uint32_t>(random.Below(kTenants))};
  event.model = ModelId{static_cast<std::uint32_t>(random.Below(kModels))};
  event.rows = static_cast<std::int32_t>(
      random.Between(1, settings.model_settings[ToIndex(event.model)].rows_max));
  event.batch_key = random.Below(2);
  event.priority = static_cast<std::uint32_t>(random.Below(5));
  if (OneIn(2, random)) event.bounds.latency = UpToUs(60'000, random);
  if (OneIn(4, random)) event.bounds.queue_timeout = UpToUs(5'000, random);
  return event;
}

void PlanUselessEvents(Random& random, Instant at, const PlanEvent& plan) {
  plan(at, Gone{at, RequestId{1'000'000 + random.Below(10)}});
  plan(at, ReplyWritten{at, RequestId{1'000'000}});
  plan(at, RunFinished{at, RunId{1'000'000}, {}, {}});
  plan(at, RunFailed{at, RunId{1'000'001}, {}, Code::kInternal, true});
  plan(at, Woken{at});
  plan(at, UnloadWanted{at, ModelId{kModels + 7}});
}

}  // namespace

SimulationSettings RandomSettings(std::uint64_t seed) {
  Random random(seed);
  SimulationSettings settings;
  settings.seed = seed;
  settings.scheduler.slots = static_cast<std::int32_t>(random.Between(1, 4));
  settings.scheduler.inline_beyond_slots_max = static_cast<std::int32_t>(random.Between(0, 2));
  settings.scheduler.waiting_max = OneIn(4, random) ? 20 : 100'000;
  settings.scheduler.loads_max = static_cast<std::int32_t>(random.Between(1, 2));
  settings.scheduler.node = RandomNode(random);
  settings.split_chains = OneIn(2, random) ? 0 : 500;
  for (std::uint32_t model = 0; model < kModels; ++model) {
    settings.models.push_back(RandomProfile(random));
    settings.model_settings.push_back(RandomModelSettings(random));
  }
  return settings;
}

SimulationSettings RandomCrowdedSettings(std::uint64_t seed) {
  SimulationSettings settings = RandomSettings(seed);
  Random random(seed ^ 0xc207d5ULL);
  ChooseResidency(random, settings.scheduler.node.policies);
  Bytes sum;
  for (SimulatedModel& model : settings.models) {
    model.size = Bytes::KiB(random.Between(100, 20'000));
    if (OneIn(2, random)) model.peak = Bytes::KiB(random.Between(10, 3'000));
    if (OneIn(3, random)) model.load = UpToUs(50'000, random);
    sum += model.size;
  }
  settings.scheduler.run_peak_floor = Bytes::KiB(500);
  // From what fits no model to what fits them all.
  settings.scheduler.memory = Bytes(sum.count() * random.Between(10, 110) / 100) +
                              Bytes::KiB(500 * settings.scheduler.slots);
  return settings;
}

SimulationSettings RandomVariantSettings(std::uint64_t seed) {
  SimulationSettings settings = RandomCrowdedSettings(seed);
  Random random(seed ^ 0x7a61ULL);
  NodeSettings& node = settings.scheduler.node;
  if (OneIn(4, random)) settings.scheduler.memory = Bytes();
  for (Tenant& tenant : node.tenants) {
    if (OneIn(3, random)) {
      tenant.accuracy_min = static_cast<std::int32_t>(random.Between(70'000, 95'000));
    }
  }
  for (const std::uint32_t of : kVariantsOf) {
    SimulatedModel variant = settings.models[of];
    variant.size = Bytes(variant.size.count() * random.Between(10, 120) / 100);
    variant.run = variant.run * random.Between(20, 120) / 100;
    variant.load = variant.load * random.Between(20, 120) / 100;
    variant.load_failures = OneIn(3, random) ? 300 : 0;
    ModelSettings& main = settings.model_settings[of];
    main.pinned = OneIn(6, random);
    if (OneIn(4, random)) main.accuracy_min = 80'000;
    settings.models.push_back(variant);
    settings.model_settings.push_back(ModelSettings(main));
  }
  return settings;
}

SimulationSettings RandomPressedSettings(std::uint64_t seed) {
  SimulationSettings settings =
      seed % 2 == 0 ? RandomVariantSettings(seed) : RandomCrowdedSettings(seed);
  Random random(seed ^ 0x9e55ULL);
  settings.pressed = true;
  for (ModelSettings& model : settings.model_settings) {
    if (OneIn(3, random)) model.idle_unload = UpToUs(60'000, random);
  }
  const std::int64_t memory = settings.scheduler.memory.count();
  for (Tenant& tenant : settings.scheduler.node.tenants) {
    if (OneIn(3, random)) tenant.memory_max = Bytes(memory * random.Between(5, 80) / 100);
  }
  // Long enough to be given up on the way.
  for (SimulatedModel& model : settings.models) {
    if (OneIn(3, random)) model.load = UpToUs(50'000, random);
  }
  return settings;
}

namespace {

/// Other programs take memory, again and again, and give it back.
void PlanPressure(const SimulationSettings& settings, std::uint64_t seed, const PlanEvent& plan) {
  Random random(seed ^ 0xf4e5ULL);
  Instant at;
  for (int i = 0; i < 6; ++i) {
    at = at + UpToUs(80'000, random);
    const std::int64_t percent = OneIn(3, random) ? 100 : random.Between(0, 120);
    plan(at, MemoryChanged{at, Bytes(settings.scheduler.memory.count() * percent / 100)});
  }
  // What an earlier server has learnt of one model; later than some of its requests: not counted.
  auto history = std::make_shared<ArrivalHistory>();
  Instant came;
  for (int i = 0; i < 20; ++i) {
    came = came + Duration::Nanoseconds(random.Between(0, 50));
    history->Record(came, OneIn(3, random));
  }
  const ModelId model{static_cast<std::uint32_t>(random.Below(kModels))};
  at = Instant() + UpToUs(3'000, random);
  plan(at, HistoryKnown{at, model, std::move(history)});
}

/// The models' variants, and what requests say of them.
class VariantScript {
 public:
  VariantScript(const SimulationSettings& settings, std::uint64_t seed)
      : random_(seed ^ 0xacc0ULL), variants_(settings.models.size() - kModels) {}

  void Change(Event& event) {
    if (variants_ == 0) return;
    if (auto* const wanted = std::get_if<LoadWanted>(&event)) {
      wanted->accuracy = 90'000;
    } else if (auto* const arrived = std::get_if<Arrived>(&event)) {
      if (OneIn(5, random_)) {
        arrived->bounds.accuracy = static_cast<std::int32_t>(random_.Between(60'000, 92'000));
      }
      if (OneIn(6, random_)) {
        arrived->variant = ModelId{static_cast<std::uint32_t>(random_.Below(kModels + variants_))};
      }
    }
  }
  void PlanLoads(const SimulationSettings& settings, Instant now, const PlanEvent& plan) {
    for (std::size_t i = 0; i < variants_; ++i) {
      const auto id = static_cast<std::uint32_t>(kModels + i);
      const Instant at = now + UpToUs(100'000, random_);
      LoadWanted wanted{at, ModelId{id}, settings.models[id].size};
      wanted.variant_of = ModelId{kVariantsOf[i]};
      wanted.accuracy =
          OneIn(5, random_) ? 0 : static_cast<std::int32_t>(random_.Between(60'000, 95'000));
      plan(at, wanted);
    }
  }

 private:
  Random random_;
  std::size_t variants_;
};

}  // namespace

void PlanRandomScript(const SimulationSettings& settings, std::uint64_t seed, SimulatedNode& node) {
  PlanRandomScript(settings, seed,
                   [&node](Instant at, Event event) { node.Plan(at, std::move(event)); });
}

void PlanRandomScript(const SimulationSettings& settings, std::uint64_t seed,
                      const PlanEvent& plan_event) {
  VariantScript variants(settings, seed);
  const PlanEvent plan = [&](Instant at, Event event) {
    variants.Change(event);
    plan_event(at, std::move(event));
  };
  Random random(seed ^ 0x5eedULL);
  Random load_random(seed ^ 0x10adULL);
  const auto after = [](Instant from, std::int64_t us) {
    return from + Duration::Microseconds(us);
  };
  Instant now = after(Instant(), 1);
  for (std::uint32_t model = 0; model + 1 < kModels; ++model) {
    LoadWanted wanted{now, ModelId{model}};
    if (settings.scheduler.memory > Bytes()) {
      // Not always what it will be.
      const std::int64_t size = settings.models[model].size.count();
      wanted.expected = Bytes(size * random.Between(50, 150) / 100);
      if (OneIn(3, load_random)) {
        wanted.load_peak = Bytes(size * load_random.Between(50, 250) / 100);
        wanted.load_peak_guessed = OneIn(2, load_random);
      }
      if (OneIn(3, load_random)) wanted.run_peak = settings.models[model].peak;
    }
    plan(now, wanted);
    if (OneIn(3, random)) {
      const Instant leaves = after(now, random.Between(1, 200'000));
      plan(leaves, UnloadWanted{leaves, ModelId{model}});
    }
  }
  variants.PlanLoads(settings, now, plan_event);
  if (settings.pressed) PlanPressure(settings, seed, plan_event);
  const std::int64_t gap_max = OneIn(2, random) ? 100 : 2'000;
  for (std::uint64_t id = 1; id <= 300; ++id) {
    if (!OneIn(3, random)) now = after(now, random.Between(1, gap_max));
    plan(now, RandomArrival(random, settings, id, now));
    if (OneIn(5, random)) {
      const Instant gone = after(now, random.Between(0, 5'000));
      plan(gone, Gone{gone, RequestId{id}});
      if (OneIn(2, random)) plan(gone, Gone{gone, RequestId{id}});
    }
    if (OneIn(40, random)) PlanUselessEvents(random, now, plan);
    if (OneIn(80, random)) plan(now, SettingsChanged{now, RandomNode(random)});
  }
  if (OneIn(4, random)) now = after(now, 1'000'000);
  plan(now, DrainWanted{now});
  Arrived late = RandomArrival(random, settings, 301, now);
  plan(after(now, 1), late);
}

}  // namespace cotenant
