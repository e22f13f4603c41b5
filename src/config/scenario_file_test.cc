#include "config/scenario_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "config/profile_file.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

Result<Scenario> Parse(std::string_view text, const fs::path& folder = "/nowhere") {
  return ParseScenario(text, "folder/sample.toml", folder);
}

constexpr std::string_view kModel = "lasts_s = 2.5\n[[models]]\nname = 'm'\nrun_us = 5\n";

/// The only source's pattern.
template <typename Pattern>
Pattern PatternOf(const std::string& keys) {
  const auto scenario = Parse(std::string(kModel) + "[[load]]\nmodel = 'm'\n" + keys);
  EXPECT_TRUE(scenario.ok()) << scenario.status().message();
  if (!scenario.ok()) return {};
  return std::get<Pattern>(scenario->sources.at(0).arrivals);
}

class ScenarioFolder : public testing::Test {
 protected:
  ScenarioFolder() { fs::create_directories(folder_); }
  ~ScenarioFolder() override { fs::remove_all(folder_); }
  void Write(const std::string& name, std::string_view text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  Result<Scenario> Read(std::string_view text) {
    Write("sample.toml", text);
    return ReadScenario(folder_ / "sample.toml");
  }

  const fs::path folder_ =
      fs::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST(ScenarioFile, ModelsAndDeviceAreRead) {
  const auto scenario = Parse(R"(
description = "a sample"
lasts_s = 2.5
[policies]
dispatch = "fifo"
[[tenants]]
name = "camera"
latency_bound_ms = 50
[device]
slots = 4
memory_mib = 96.5
read_us = 20
reply_us = [10, 20.5, 30]
[[models]]
name = "resnet"
max_batch_size = 8
cores = 2
run_us = { 16 = 100, 2 = 30, 1 = [10, 20] }
run_beside_us = { 2 = 60 }
spread_percent = 10
run_peak_mib = 1.5
load_ms = 200
mapped_mib = 3
anonymous_mib = 1
load_peak_mib = 7.5
load_failures_percent = 2.5
run_failures_percent = 0.1
[models.dynamic_batching]
preferred_batch_size = [8, 4]
max_queue_delay_microseconds = 100
preserve_ordering = true
[models.dynamic_batching.default_queue_policy]
timeout_action = "DELAY"
default_timeout_microseconds = 7
max_queue_size = 9
[[load]]
model = "resnet"
pattern = "constant"
rate_per_s = 3
)");
  ASSERT_TRUE(scenario.ok()) << scenario.status().message();
  EXPECT_EQ(scenario->name, "sample");
  EXPECT_EQ(scenario->description, "a sample");
  EXPECT_EQ(scenario->lasts, Duration::Milliseconds(2500));
  EXPECT_EQ(scenario->node.policies.dispatch, "fifo");
  ASSERT_EQ(scenario->node.tenants.size(), 2u);
  EXPECT_EQ(scenario->node.tenants[1].latency_bound, Duration::Milliseconds(50));
  EXPECT_EQ(scenario->device.slots, 4);
  EXPECT_EQ(scenario->device.memory, Bytes::KiB(98'816));
  EXPECT_EQ(scenario->device.costs.read.Median(), Duration::Microseconds(20));
  EXPECT_EQ(scenario->device.costs.reply.quantiles[1].nanoseconds(), 20'500);
  EXPECT_TRUE(scenario->device.costs.hand_over.empty());
  ASSERT_EQ(scenario->models.size(), 1u);
  const ScenarioModel& model = scenario->models[0];
  EXPECT_EQ(model.profile.model, "resnet");
  EXPECT_EQ(model.rows_max, 8);
  EXPECT_EQ(model.cores, 2);
  ASSERT_EQ(model.profile.runs.size(), 3u);
  EXPECT_EQ(model.profile.load_peak, Bytes::KiB(7'680));
  EXPECT_EQ(model.profile.runs[0].rows, 1);
  EXPECT_EQ(model.profile.runs[0].alone.quantiles.size(), 2u);
  EXPECT_EQ(model.profile.runs[0].alone.At(0), Duration::Microseconds(10));
  EXPECT_EQ(model.profile.runs[1].alone.quantiles[0], Duration::Microseconds(27));
  EXPECT_EQ(model.profile.runs[1].alone.quantiles[1], Duration::Microseconds(33));
  EXPECT_EQ(model.profile.runs[1].beside.quantiles[1], Duration::Microseconds(66));
  EXPECT_EQ(model.profile.runs[2].rows, 16);
  EXPECT_TRUE(model.profile.runs[2].beside.empty());
  EXPECT_EQ(model.profile.runs[2].peak, Bytes::KiB(1536));
  EXPECT_EQ(model.profile.load.Median(), Duration::Milliseconds(200));
  EXPECT_EQ(model.profile.mapped, Bytes::MiB(3));
  EXPECT_EQ(model.profile.anonymous, Bytes::MiB(1));
  EXPECT_EQ(model.load_failures_per_mille, 25u);
  EXPECT_EQ(model.run_failures_per_mille, 1u);
  ASSERT_TRUE(model.batching.has_value());
  EXPECT_EQ(model.batching->preferred_sizes, (std::vector<std::int32_t>{4, 8}));
  EXPECT_EQ(model.batching->queue_delay_max, Duration::Microseconds(100));
  EXPECT_TRUE(model.batching->preserve_ordering);
  EXPECT_EQ(model.batching->default_policy.timeout_action, TimeoutAction::kDelay);
  EXPECT_EQ(model.batching->default_policy.default_timeout, Duration::Microseconds(7));
  EXPECT_EQ(model.batching->default_policy.waiting_max, 9u);
}

TEST(ScenarioFile, AModelsVariantsAreReadAndItsOwnAccuracyIsNeeded) {
  constexpr std::string_view kHead =
      "lasts_s = 1\n[[load]]\nmodel = 'm'\npattern = 'constant'\nrate_per_s = 1\n"
      "[[models]]\nname = 'm'\nrun_us = 500\n";
  constexpr std::string_view kVariant =
      "[[models.variants]]\nname = 'int8'\naccuracy = 80.25\nrun_us = 250\nmapped_mib = 2\n";
  const auto scenario = Parse(
      std::string(kHead) + "accuracy = 90\naccuracy_min = 75\npin = true\nidle_unload_s = 1.5\n" +
      std::string(kVariant));
  ASSERT_TRUE(scenario.ok()) << scenario.status().message();
  const ScenarioModel& model = scenario->models.at(0);
  EXPECT_EQ(model.accuracy, 90'000);
  EXPECT_EQ(model.accuracy_min, 75'000);
  EXPECT_EQ(model.idle_unload, Duration::Milliseconds(1'500));
  EXPECT_TRUE(model.pinned);
  ASSERT_EQ(model.variants.size(), 1u);
  EXPECT_EQ(model.variants[0].name, "int8");
  EXPECT_EQ(model.variants[0].accuracy, 80'250);
  EXPECT_EQ(model.variants[0].profile.mapped, Bytes::MiB(2));
  EXPECT_EQ(model.variants[0].profile.runs.at(0).alone.Median(), Duration::Microseconds(250));
  const std::string none = Parse(std::string(kHead) + std::string(kVariant)).status().message();
  EXPECT_NE(none.find("a model with variants needs an 'accuracy' of its own network"),
            std::string::npos)
      << none;
  const std::string twice =
      Parse(std::string(kHead) + "accuracy = 90\n" + std::string(kVariant) + std::string(kVariant))
          .status()
          .message();
  EXPECT_NE(twice.find("variant 'int8' is declared twice"), std::string::npos) << twice;
}

TEST(ScenarioFile, ASourceHasItsTenantRowsBoundTimesAndVanishingClients) {
  const auto scenario = Parse(std::string(kModel) +
                              "max_batch_size = 4\n[[tenants]]\nname = 't'\n"
                              "[[load]]\nname = 'x'\ntenant = 't'\nmodel = 'm'\nrows = [2, 3]\n"
                              "latency_bound_ms = 1.5\nstart_s = 0.5\nstop_s = 2\n"
                              "gone_percent = 12.5\ngone_after_ms = 30\n"
                              "pattern = 'poisson'\nrate_per_s = 3\n"
                              "[[load]]\nmodel = 'm'\nrows = 4\npattern = 'constant'\n"
                              "rate_per_s = 0.5\n");
  ASSERT_TRUE(scenario.ok()) << scenario.status().message();
  const LoadSource& first = scenario->sources[0];
  EXPECT_EQ(first.name, "x");
  EXPECT_EQ(first.tenant, 1u);
  EXPECT_EQ(first.rows_min, 2);
  EXPECT_EQ(first.rows_max, 3);
  EXPECT_EQ(first.latency_bound, Duration::Microseconds(1500));
  EXPECT_EQ(first.start, Duration::Milliseconds(500));
  EXPECT_EQ(first.stop, Duration::Seconds(2));
  EXPECT_EQ(first.gone_per_mille, 125u);
  EXPECT_EQ(first.gone_after_max, Duration::Milliseconds(30));
  EXPECT_EQ(std::get<PoissonArrivals>(first.arrivals).mean_interval.nanoseconds(), 333'333'333);
  const LoadSource& second = scenario->sources[1];
  EXPECT_EQ(second.name, "default/m");
  EXPECT_EQ(second.rows_min, 4);
  EXPECT_EQ(second.rows_max, 4);
  EXPECT_EQ(std::get<ConstantArrivals>(second.arrivals).interval, Duration::Seconds(2));
}

TEST(ScenarioFile, EveryPatternIsRead) {
  const auto bursty = PatternOf<BurstyArrivals>(
      "pattern = 'bursty'\nquiet_rate_per_s = 0\nburst_rate_per_s = 100\nquiet_s = 2\nburst_s = 1");
  EXPECT_EQ(bursty.quiet_interval, Duration());
  EXPECT_EQ(bursty.burst_interval, Duration::Milliseconds(10));
  EXPECT_EQ(bursty.quiet_mean, Duration::Seconds(2));
  EXPECT_EQ(bursty.burst_mean, Duration::Seconds(1));
  const auto diurnal = PatternOf<DiurnalArrivals>(
      "pattern = 'diurnal'\nlow_rate_per_s = 1\nhigh_rate_per_s = 4\nperiod_s = 60");
  EXPECT_EQ(diurnal.low_interval, Duration::Seconds(1));
  EXPECT_EQ(diurnal.high_interval, Duration::Milliseconds(250));
  EXPECT_EQ(diurnal.period, Duration::Seconds(60));
  const auto periodic = PatternOf<PeriodicArrivals>(
      "pattern = 'periodic'\ninterval_ms = 33.5\njitter_ms = 2\nphase_ms = 3");
  EXPECT_EQ(periodic.interval, Duration::Microseconds(33'500));
  EXPECT_EQ(periodic.jitter, Duration::Milliseconds(2));
  EXPECT_EQ(periodic.phase, Duration::Milliseconds(3));
  const auto spiky =
      PatternOf<SpikyArrivals>("pattern = 'spiky'\nevery_s = 2\nsize = 40\nrate_per_s = 10");
  EXPECT_EQ(spiky.mean_interval, Duration::Milliseconds(100));
  EXPECT_EQ(spiky.every, Duration::Seconds(2));
  EXPECT_EQ(spiky.size, 40);
  const auto regime = PatternOf<RegimeArrivals>(
      "pattern = 'regime'\nsteps = [{from_s = 0, rate_per_s = 1}, {from_s = 9, rate_per_s = 0}]");
  ASSERT_EQ(regime.steps.size(), 2u);
  EXPECT_EQ(regime.steps[1].from, Duration::Seconds(9));
  EXPECT_EQ(regime.steps[1].mean_interval, Duration());
  const auto correlated = PatternOf<CorrelatedArrivals>(
      "pattern = 'correlated'\ngroup = 'h'\nfollow_percent = 25\ndelay_ms = 4\n"
      "[[groups]]\nname = 'g'\npattern = 'poisson'\nrate_per_s = 1\n"
      "[[groups]]\nname = 'h'\npattern = 'constant'\nrate_per_s = 1\n");
  EXPECT_EQ(correlated.group, 1u);
  EXPECT_EQ(correlated.per_mille, 250u);
  EXPECT_EQ(correlated.delay_max, Duration::Milliseconds(4));
}

TEST(ScenarioFile, FaultsAndExpectationsAreRead) {
  const auto scenario =
      Parse("load = []\n" + std::string(kModel) +
            "[[faults]]\nkind = 'slow-down'\nat_s = 1\nlasts_s = 0.5\npercent = 150\n"
            "[[faults]]\nkind = 'stop'\nat_s = 2\nlasts_s = 1\n"
            "[[faults]]\nkind = 'reload'\nat_s = 2\nmodel = 'm'\nfails = true\n"
            "[[faults]]\nkind = 'memory'\nat_s = 2.5\nlasts_s = 2\nleft_mib = 1.5\n"
            "[[expect]]\nbounds_met_percent_min = 99.5\nlatency_p99_ms_max = 40\n"
            "[[expect]]\ntenant = 'default'\nreplied_min = 7\n");
  ASSERT_TRUE(scenario.ok()) << scenario.status().message();
  ASSERT_EQ(scenario->faults.size(), 4u);
  EXPECT_EQ(std::get<SlowDown>(scenario->faults[0]).percent, 150u);
  EXPECT_EQ(std::get<SlowDown>(scenario->faults[0]).lasts, Duration::Milliseconds(500));
  EXPECT_EQ(std::get<Stop>(scenario->faults[1]).at, Duration::Seconds(2));
  EXPECT_TRUE(std::get<Reload>(scenario->faults[2]).fails);
  EXPECT_EQ(std::get<LessMemory>(scenario->faults[3]).left, Bytes::KiB(1536));
  EXPECT_EQ(std::get<LessMemory>(scenario->faults[3]).lasts, Duration::Seconds(2));
  ASSERT_EQ(scenario->expectations.size(), 3u);
  const Expectation& bounds = scenario->expectations[0];
  EXPECT_EQ(bounds.quantity, Expectation::Quantity::kBoundsMetPercent);
  EXPECT_EQ(bounds.at_least, 99'500);
  EXPECT_FALSE(bounds.at_most || bounds.tenant);
  EXPECT_EQ(bounds.text, "bounds_met_percent_min = 99.5");
  EXPECT_EQ(bounds.line, 26);
  EXPECT_EQ(scenario->expectations[1].at_most, 40'000'000);
  EXPECT_EQ(scenario->expectations[2].tenant, 0u);
  EXPECT_EQ(scenario->expectations[2].text, "default: replied_min = 7");
}

TEST_F(ScenarioFolder, AProfileGivesTimesThatTheScenarioMayOverride) {
  MachineProfile machine;
  machine.slots = 3;
  machine.costs.read.quantiles = {Duration::Microseconds(9)};
  machine.costs.reply.quantiles = {Duration::Microseconds(8)};
  ModelProfile measured;
  measured.model = "m";
  measured.runs = {{1, {{Duration::Milliseconds(4)}}, {}, Bytes(5)}};
  measured.load.quantiles = {Duration::Seconds(1)};
  machine.models.push_back({"", measured});
  ASSERT_TRUE(WriteProfileFile(folder_ / "box.json", machine).ok());
  Write("input.bin", "1234");
  const auto scenario = Read(
      "load = []\nlasts_s = 1\n[device]\nprofile = 'box.json'\nread_us = 1\n"
      "[[models]]\nname = 'm'\nprofile = 'box.json'\nload_ms = 5\ninputs = {x = 'input.bin'}\n"
      "samples = '.'\n");
  ASSERT_TRUE(scenario.ok()) << scenario.status().message();
  EXPECT_EQ(scenario->device.slots, 3);
  EXPECT_EQ(scenario->device.costs.read.Median(), Duration::Microseconds(1));
  EXPECT_EQ(scenario->device.costs.reply.Median(), Duration::Microseconds(8));
  EXPECT_EQ(scenario->models[0].profile.runs[0].alone.Median(), Duration::Milliseconds(4));
  EXPECT_EQ(scenario->models[0].profile.load.Median(), Duration::Milliseconds(5));
  ASSERT_EQ(scenario->models[0].input_files.size(), 1u);
  EXPECT_EQ(scenario->models[0].input_files[0].first, "x");
  EXPECT_TRUE(std::filesystem::equivalent(scenario->models[0].samples, folder_));
  EXPECT_EQ(scenario->models[0].input_files[0].second, (folder_ / "input.bin").string());
  EXPECT_EQ(Read("load = []\nlasts_s = 1\n[[models]]\nname = 'n'\nprofile = 'box.json'\n")
                .status()
                .message(),
            (folder_ / "sample.toml").string() + ":5:11: 'profile': '" +
                (folder_ / "box.json").string() + "' has no model 'n'");
}

TEST_F(ScenarioFolder, ATraceIsReadByItsHeader) {
  Write("t.csv",
        "# recorded\r\ntime_s, model,tenant ,rows,latency_bound_ms\r\n\r\n0.5,m,default,2,\r\n"
        "0.5000000019,m,t,1,1.25\r\n");
  const auto scenario = Read(
      "lasts_s = 1\n[[tenants]]\nname = 't'\n[[models]]\nname = 'm'\nmax_batch_size = 2\n"
      "run_us = 5\n[[load]]\npattern = 'trace'\nfile = 't.csv'\n");
  ASSERT_TRUE(scenario.ok()) << scenario.status().message();
  const auto& rows = std::get<TraceArrivals>(scenario->sources[0].arrivals).rows;
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].at, Duration::Milliseconds(500));
  EXPECT_EQ(rows[0].rows, 2);
  EXPECT_EQ(rows[0].latency_bound, Duration());
  EXPECT_EQ(rows[1].at.nanoseconds(), 500'000'001);
  EXPECT_EQ(rows[1].tenant, 1u);
  EXPECT_EQ(rows[1].latency_bound, Duration::Microseconds(1250));
  EXPECT_EQ(scenario->sources[0].name, "trace");
}

TEST_F(ScenarioFolder, EveryMistakeOfATraceIsNamedWithItsPlace) {
  const std::string file = (folder_ / "t.csv").string();
  const struct {
    std::string_view text;
    std::string error;  ///< Behind the file's name.
  } cases[] = {
      {"", ":1:1: expected the header time_s,tenant,model"},
      {"time_s,tennant,model",
       ":1:8: unknown column 'tennant', expected time_s, tenant, model, rows or latency_bound_ms; "
       "did you mean 'tenant'?\n" +
           file + ":1:1: there is no column 'tenant'"},
      {"time_s,tenant,model,model", ":1:21: column 'model' comes twice"},
      {"time_s,tenant,model\n0,default", ":2:1: expected 3 fields as in the header, got 2"},
      {"time_s,tenant,model\nx,default,m\n-1,default,m\n1e3,default,m\n,default,m",
       ":2:1: 'time_s': expected seconds from 0 to 31622400, such as 12.25, got 'x'\n" + file +
           ":3:1: 'time_s': expected seconds from 0 to 31622400, such as 12.25, got '-1'\n" + file +
           ":4:1: 'time_s': expected seconds from 0 to 31622400, such as 12.25, got '1e3'\n" +
           file + ":5:1: 'time_s': expected seconds from 0 to 31622400, such as 12.25, got ''"},
      {"time_s,tenant,model\n1,default,m\n0.9,default,m",
       ":3:1: 'time_s': earlier than the row before"},
      {"time_s,tenant,model\n1,defaul,mm",
       ":2:3: there is no tenant 'defaul' in the scenario; did you mean 'default'?\n" + file +
           ":2:10: there is no model 'mm' in the scenario; did you mean 'm'?"},
      {"time_s,tenant,model,rows\n1,default,m,3",
       ":2:13: 'rows': expected a whole number from 1 to the model's 2, got '3'"},
      {"time_s,tenant,model,latency_bound_ms\n1,default,m,x",
       ":2:13: 'latency_bound_ms': expected a number from 0 to 3600000, got 'x'"},
  };
  for (const auto& c : cases) {
    Write("t.csv", c.text);
    const auto scenario = Read(
        "lasts_s = 1\n[[models]]\nname = 'm'\nmax_batch_size = 2\nrun_us = 5\n"
        "[[load]]\npattern = 'trace'\nfile = 't.csv'\n");
    ASSERT_FALSE(scenario.ok()) << c.text;
    EXPECT_EQ(scenario.status().message(), file + c.error);
  }
}

TEST(Scenarios, EveryFileOfTheFolderIsSoundAndSaysWhatItShows) {
  std::set<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(COTENANT_SOURCE_DIR) / "scenarios")) {
    if (entry.path().extension() == ".toml") files.insert(entry.path());
  }
  EXPECT_GE(files.size(), 12u);
  for (const fs::path& file : files) {
    const auto scenario = ReadScenario(file);
    ASSERT_TRUE(scenario.ok()) << scenario.status().message();
    EXPECT_FALSE(scenario->description.empty()) << file;
    EXPECT_FALSE(scenario->expectations.empty()) << file;
    EXPECT_EQ(std::ifstream(file).get(), '#') << file;
    for (const ScenarioModel& model : scenario->models) {
      EXPECT_GE(model.profile.runs[0].alone.At(0), Duration::Microseconds(900)) << file;
    }
  }
}

}  // namespace
}  // namespace cotenant
