/// What things are called, and where they lie in tables, decides nothing.

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/property_test.h"
#include "simulation/random_script.h"

namespace cotenant {
namespace {

/// What the script calls by one name gets another one.
struct Renaming {
  std::vector<std::uint32_t> tenants;  ///< By old index: the new one.
  std::vector<std::uint32_t> models;
  std::uint64_t request_mask = 0;  ///< Other numbers lie elsewhere in hash tables.
  std::uint64_t key_mask = 0;

  TenantId operator()(TenantId id) const { return TenantId{tenants[ToIndex(id)]}; }
  RequestId operator()(RequestId id) const {
    return RequestId{static_cast<std::uint64_t>(id) ^ request_mask};
  }
  ModelId operator()(ModelId id) const {
    return ToIndex(id) < models.size() ? ModelId{models[ToIndex(id)]} : id;
  }

  NodeSettings Of(const NodeSettings& from) const {
    NodeSettings to = from;
    for (std::size_t i = 0; i < from.tenants.size(); ++i) {
      to.tenants[tenants[i]] = from.tenants[i];
      to.tenants[tenants[i]].name = "renamed" + std::to_string(tenants[i]);
    }
    return to;
  }
  SimulationSettings Of(const SimulationSettings& from) const {
    SimulationSettings to = from;
    to.scheduler.node = Of(from.scheduler.node);
    for (std::size_t i = 0; i < from.models.size(); ++i) {
      to.models[models[i]] = from.models[i];
      to.model_settings[models[i]] = from.model_settings[i];
    }
    return to;
  }
  Event Of(const Event& from) const {
    Event to = from;
    std::visit(
        [this](auto& event) {
          if constexpr (requires { event.request; }) event.request = (*this)(event.request);
          if constexpr (requires { event.model; }) event.model = (*this)(event.model);
          if constexpr (requires { event.tenant; }) event.tenant = (*this)(event.tenant);
          if constexpr (requires { event.batch_key; }) event.batch_key ^= key_mask;
        },
        to);
    if (auto* changed = std::get_if<SettingsChanged>(&to))
      changed->settings = Of(changed->settings);
    return to;
  }
};

Renaming NoRenaming(std::size_t tenants, std::size_t models) {
  Renaming same;
  same.tenants.resize(tenants);
  same.models.resize(models);
  std::iota(same.tenants.begin(), same.tenants.end(), 0);
  std::iota(same.models.begin(), same.models.end(), 0);
  return same;
}

void Append(std::string& line, const char* name, std::uint64_t number) {
  line += ' ';
  line += name;
  line += ' ' + std::to_string(number);
}

/// An action in the names of `renaming`.
std::string Text(const Action& action, const ActionList& list, const Renaming& renaming) {
  std::string line = "action " + std::to_string(action.index());
  std::visit(
      [&](const auto& known) {
        if constexpr (requires { known.run; }) Append(line, "run", ToIndex(known.run));
        if constexpr (requires { known.model; }) {
          Append(line, "model", ToIndex(renaming(known.model)));
        }
        if constexpr (requires { known.request; }) {
          Append(line, "request", static_cast<std::uint64_t>(renaming(known.request)));
        }
        if constexpr (requires { known.end; }) line += " " + std::string(EndName(known.end));
        if constexpr (requires { known.reason; }) {
          line += " " + std::string(RejectReasonName(known.reason));
          line += " " + std::to_string(known.earliest_bound.nanoseconds());
        }
        if constexpr (requires { known.slot; }) {
          line += " slot " + std::to_string(known.slot);
          for (RequestId member : list.MembersOf(known)) {
            Append(line, "member", static_cast<std::uint64_t>(renaming(member)));
          }
        }
        if constexpr (requires { known.at; }) line += " " + std::to_string(known.at.nanoseconds());
      },
      action);
  return line;
}

/// Plays the script of the seed under the names of `played`; the actions in the names of `told`.
std::vector<std::string> Play(std::uint64_t seed, const Renaming& played, const Renaming& told) {
  const SimulationSettings settings = RandomSettings(seed);
  SimulatedNode node(played.Of(settings));
  std::vector<std::string> lines;
  node.Observe([&](Instant now, std::span<const Event>, const ActionList& list) {
    for (const Action& action : list.actions) {
      lines.push_back(std::to_string(now.nanoseconds()) + " " + Text(action, list, told));
    }
  });
  PlanRandomScript(settings, seed,
                   [&](Instant at, const Event& event) { node.Plan(at, played.Of(event)); });
  node.Run();
  return lines;
}

void ExpectSame(std::uint64_t seed, const Renaming& renaming) {
  const SimulationSettings settings = RandomSettings(seed);
  const Renaming same = NoRenaming(settings.scheduler.node.tenants.size(), settings.models.size());
  const std::vector<std::string> plain = Play(seed, same, renaming);
  const std::vector<std::string> renamed = Play(seed, renaming, same);
  const auto [at, other] = std::ranges::mismatch(plain, renamed);
  RC_ASSERT(plain.size() > 300U);
  if (at == plain.end() && other == renamed.end()) return;
  RC_FAIL("seed " + std::to_string(seed) + ": " + (at == plain.end() ? "the end" : *at) +
          " became " + (other == renamed.end() ? "the end" : *other));
}

constexpr int kScripts = 30;
constexpr std::size_t kTenants = 3;
constexpr std::size_t kModels = 5;

std::vector<std::uint32_t> DrawOrder(std::vector<std::uint32_t> order) {
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[*rc::gen::inRange<std::size_t>(0, i)]);
  }
  return order;
}

std::uint64_t DrawSeed() { return *rc::gen::inRange<std::uint64_t>(1, 1'000'000); }

TEST(Renaming, PermutedTenantsGiveThePermutedDecisions) {
  ForAll(
      [] {
        Renaming renaming = NoRenaming(kTenants, kModels);
        renaming.tenants = DrawOrder(renaming.tenants);
        ExpectSame(DrawSeed(), renaming);
      },
      kScripts);
}

TEST(Renaming, OtherRequestNumbersAndBatchKeysGiveTheSameDecisions) {
  ForAll(
      [] {
        Renaming renaming = NoRenaming(kTenants, kModels);
        renaming.request_mask = *rc::gen::arbitrary<std::uint64_t>();
        renaming.key_mask = *rc::gen::arbitrary<std::uint64_t>();
        ExpectSame(DrawSeed(), renaming);
      },
      kScripts);
}

TEST(Renaming, PermutedModelsGiveThePermutedDecisions) {
  ForAll(
      [] {
        Renaming renaming = NoRenaming(kTenants, kModels);
        renaming.models = DrawOrder(renaming.models);
        ExpectSame(DrawSeed(), renaming);
      },
      kScripts);
}

}  // namespace
}  // namespace cotenant
