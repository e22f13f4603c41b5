/// How fast the brain decides and the simulator simulates, each beside a naive one in the same run,
/// round about. Single-threaded; CPU time of this thread. Prints JSON.

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "brain/naive_scheduler.h"
#include "simulation/arrivals.h"
#include "simulation/simulator.h"

namespace {

using namespace cotenant;

double CpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// ---- decisions: requests arrive, begin, end and are answered, one at a time, while one waits for
// each tenant

class BrainSteps {
 public:
  BrainSteps(std::size_t tenants, bool with_reasons) : random_(1), tenants_(tenants) {
    SchedulerSettings settings;
    settings.slots = 1;
    settings.waiting_max = 10'000'000;
    settings.node.policies = {"edf", "model", "all"};
    settings.node.tenants.assign(tenants, Tenant{});
    scheduler_ = std::make_unique<Scheduler>(settings);
    actions_.with_reasons = with_reasons;
    events_ = {LoadWanted{now_, ModelId{0}}};
    scheduler_->Crank(now_, events_, actions_);
    events_ = {WarmedUp{now_, ModelId{0}, 1, Duration::Milliseconds(1)},
               WarmedUp{now_, ModelId{0}, 1, Duration::Milliseconds(1)},
               LoadFinished{now_, ModelId{0}, {}, {}, {}, {}}};
    scheduler_->Crank(now_, events_, actions_);
    for (std::size_t i = 0; i <= tenants; ++i) Step(i % tenants, 1);
  }

  /// One arrival, and the end of the run in progress.
  void Step() { Step(random_.Below(tenants_), 2); }

 private:
  void Step(std::size_t tenant, int cranks) {
    now_ = now_ + Duration::Milliseconds(1);
    Arrived arrived;
    arrived.at = now_;
    arrived.request = RequestId{++request_};
    arrived.tenant = static_cast<TenantId>(tenant);
    arrived.bounds.latency =
        Duration::Seconds(1'000'000) +
        Duration::Milliseconds(static_cast<std::int64_t>(random_.Below(1'000)));
    events_ = {arrived};
    Crank();
    if (cranks == 1 || !running_) return;
    events_ = {RunFinished{now_, run_, Duration::Milliseconds(1), {}}};
    for (const RequestId id : replied_) events_.push_back(ReplyWritten{now_, id});
    replied_.clear();
    Crank();
  }
  void Crank() {
    scheduler_->Crank(now_, events_, actions_);
    for (const Action& action : actions_.actions) {
      if (const auto* run = std::get_if<StartRun>(&action)) {
        run_ = run->run;
        running_ = true;
      } else if (const auto* reply = std::get_if<Reply>(&action)) {
        replied_.push_back(reply->request);
      }
    }
  }

  Random random_;
  std::size_t tenants_;
  std::unique_ptr<Scheduler> scheduler_;
  Instant now_;
  std::vector<Event> events_;
  ActionList actions_;
  std::vector<RequestId> replied_;
  std::uint64_t request_ = 0;
  RunId run_{};
  bool running_ = false;
};

class NaiveSteps {
 public:
  explicit NaiveSteps(std::size_t tenants) : random_(1), tenants_(tenants), scheduler_(tenants, 1) {
    for (std::size_t i = 0; i <= tenants; ++i) Arrive(i % tenants);
    running_ = scheduler_.Start().front().id;
  }
  void Step() {
    Arrive(random_.Below(tenants_));
    scheduler_.Finish(running_);
    running_ = scheduler_.Start().front().id;
  }

 private:
  void Arrive(std::size_t tenant) {
    now_ += 1'000'000;
    const auto spread = static_cast<std::int64_t>(random_.Below(1'000)) * 1'000'000;
    scheduler_.Arrive({++request_, tenant, 0, now_, now_ + 1'000'000'000'000'000 + spread});
  }

  Random random_;
  std::size_t tenants_;
  naive::Scheduler scheduler_;
  std::int64_t now_ = 0;
  std::uint64_t request_ = 0;
  std::uint64_t running_ = 0;
};

/// Nanoseconds of a step.
template <typename Steps>
double StepCost(Steps& steps, double seconds) {
  std::uint64_t done = 0;
  const double before = CpuSeconds();
  double spent = 0;
  while (spent < seconds) {
    for (int i = 0; i < 16; ++i) steps.Step();
    done += 16;
    spent = CpuSeconds() - before;
  }
  return spent * 1e9 / static_cast<double>(done);
}

// ---- a simulated node of 20 tenants at 80 % load

Scenario TwentyTenants(std::int64_t requests) {
  constexpr std::int64_t kTenants = 20;
  const Duration interval = Duration::Microseconds(1'250 * kTenants * 10 / 16);
  Scenario scenario;
  scenario.name = "twenty";
  scenario.lasts = interval * (requests / kTenants);
  scenario.device.slots = 2;
  scenario.node.tenants.clear();
  for (std::int64_t i = 0; i < kTenants; ++i) {
    Tenant tenant;
    tenant.name = i == 0 ? "default" : "tenant-" + std::to_string(i);
    tenant.latency_bound = Duration::Milliseconds(10 + i);
    scenario.node.tenants.push_back(tenant);
    ScenarioModel model;
    model.name = "model-" + std::to_string(i);
    model.profile.model = model.name;
    model.profile.runs.emplace_back();
    model.profile.runs.back().alone.quantiles = {
        Duration::Microseconds(500), Duration::Microseconds(1'000), Duration::Microseconds(2'500)};
    scenario.models.push_back(model);
    LoadSource source;
    source.name = model.name;
    source.tenant = source.model = static_cast<std::size_t>(i);
    source.arrivals = PoissonArrivals{interval};
    scenario.sources.push_back(source);
  }
  return scenario;
}

/// Requests a second, and their number.
std::pair<double, std::uint64_t> Simulated(const Scenario& scenario) {
  const double before = CpuSeconds();
  Simulator simulator(scenario, SimulatorOptions{});
  const SimulationReport report = simulator.Run();
  const double spent = CpuSeconds() - before;
  if (!report.violations.empty()) {
    std::fprintf(stderr, "%s\n", report.violations.front().c_str());
    std::exit(1);
  }
  const std::uint64_t requests = report.result.all.requests;
  return {static_cast<double>(requests) / spent, requests};
}

/// The simulator that one writes first: closures by time, latencies in a list that is sorted.
double NaivelySimulated(const Scenario& scenario) {
  const double before = CpuSeconds();
  ArrivalStream arrivals(scenario, 1);
  Random random(2);
  naive::Scheduler scheduler(scenario.node.tenants.size(), scenario.device.slots);
  std::multimap<std::int64_t, std::function<void()>> planned;
  std::map<std::size_t, std::vector<std::int64_t>> latencies;
  std::int64_t now = 0;
  std::uint64_t requests = 0;
  std::function<void()> arrive;
  const std::function<void()> start = [&] {
    for (const naive::Request& request : scheduler.Start()) {
      const auto fraction = static_cast<std::uint32_t>(random.Next() >> 32);
      const Duration takes = scenario.models[request.model].profile.ForRows(1).alone.At(fraction);
      planned.emplace(now + takes.nanoseconds(), [&, id = request.id] {
        const naive::Request ended = scheduler.Finish(id);
        latencies[ended.tenant].push_back(now - ended.at);
        start();
      });
    }
  };
  arrive = [&] {
    const std::optional<Arrival> next = arrivals.Next();
    if (!next) return;
    planned.emplace(next->at.nanoseconds(), [&, arrival = *next] {
      naive::Request request{++requests, arrival.tenant, arrival.model, now, 0};
      request.deadline = now + scenario.node.tenants[arrival.tenant].latency_bound.nanoseconds();
      scheduler.Arrive(request);
      start();
      arrive();
    });
  };
  arrive();
  while (!planned.empty()) {
    now = planned.begin()->first;
    const std::function<void()> happens = std::move(planned.begin()->second);
    planned.erase(planned.begin());
    happens();
  }
  for (auto& [tenant, all] : latencies) std::ranges::sort(all);
  return static_cast<double>(requests) / (CpuSeconds() - before);
}

}  // namespace

int main(int argc, char** argv) {
  const int repeats = argc > 1 ? std::atoi(argv[1]) : 5;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 0.2;
  // For a profiler: only the simulator of this project, without what it is compared with.
  if (argc > 3 && std::string_view(argv[3]) == "simulator") {
    const Scenario twenty = TwentyTenants(static_cast<std::int64_t>(2e6 * seconds));
    for (int i = 0; i < repeats; ++i) std::printf("%.0f requests/s\n", Simulated(twenty).first);
    return 0;
  }
  std::printf("{\n \"decisions\": [\n");
  const std::size_t sizes[] = {20, 100, 1'000, 10'000, 100'000};
  for (const std::size_t tenants : sizes) {
    std::vector<double> brain, reasons, naive;
    BrainSteps steps(tenants, false);
    BrainSteps reasoned(tenants, true);
    NaiveSteps naive_steps(tenants);
    for (int i = 0; i < repeats; ++i) {
      brain.push_back(StepCost(steps, seconds));
      reasons.push_back(StepCost(reasoned, seconds));
      naive.push_back(StepCost(naive_steps, seconds));
    }
    std::printf(
        "  {\"tenants\": %zu, \"request_ns\": %.0f, \"with_reasons_ns\": %.0f, "
        "\"naive_request_ns\": %.0f, \"cranks_per_s\": %.0f}%s\n",
        tenants, Median(brain), Median(reasons), Median(naive), 2e9 / Median(brain),
        tenants == sizes[4] ? "" : ",");
    std::fflush(stdout);
  }
  std::vector<double> simulated, naive;
  std::uint64_t requests = 0;
  const Scenario scenario = TwentyTenants(static_cast<std::int64_t>(2e6 * seconds));
  for (int i = 0; i < repeats; ++i) {
    const auto [rate, count] = Simulated(scenario);
    simulated.push_back(rate);
    requests = count;
    naive.push_back(NaivelySimulated(scenario));
  }
  std::printf(" ],\n \"simulator\": {\"requests\": %" PRIu64
              ", \"requests_per_s\": %.0f, \"naive_requests_per_s\": %.0f}\n}\n",
              requests, Median(simulated), Median(naive));
}
