#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "catalog/policy_rows.h"
#include "config/nearest.h"
#include "config/scenario_file.h"

namespace cotenant {
namespace {

TEST(ScenarioErrors, EveryMistakeIsNamedWithItsPlaceAndWhatIsAccepted) {
  const struct {
    std::string_view text;
    std::string errors;
  } cases[] = {
      {"a = ", "s.toml:1:5: Error while parsing key-value pair: encountered end-of-file"},
      {"lasts = 1",
       "s.toml:1:1: unknown key 'lasts', expected description, lasts_s, policies, tenants, device, "
       "models, groups, load, faults or expect; did you mean 'lasts_s'?\ns.toml:1:1: a scenario "
       "needs 'lasts_s'\ns.toml:1:1: a scenario needs 'models'\ns.toml:1:1: a scenario needs "
       "'load'"},
      {"",
       "s.toml:1:1: a scenario needs 'lasts_s'\ns.toml:1:1: a scenario needs 'models'\ns.toml:1:1: "
       "a scenario needs 'load'"},
      {"lasts_s = 0",
       "s.toml:1:1: a scenario needs 'models'\ns.toml:1:1: a scenario needs 'load'\ns.toml:1:11: "
       "'lasts_s': expected a number from 0.001 to 31622400, got 0"},
      {"lasts_s = 'x'",
       "s.toml:1:1: a scenario needs 'models'\ns.toml:1:1: a scenario needs 'load'\ns.toml:1:11: "
       "'lasts_s': expected a number from 0.001 to 31622400"},
      {"load = []\nlasts_s = 1\nmodels = []\n[[model]]\nname = 'a'",
       "s.toml:4:3: unknown key 'model', expected description, lasts_s, policies, tenants, device, "
       "models, groups, load, faults or expect; did you mean 'models'?"},
      {"load = []\nlasts_s = 1\nmodels = []\n[policies]\ndispatch = 'lifo'",
       "s.toml:5:12: 'dispatch': expected " + OneOf(kDispatchNames) +
           ", got 'lifo'; did you mean 'fifo'?"},
      {"load = []\nlasts_s = 1\nmodels = []\n[[tenants]]\nweight = 1",
       "s.toml:4:1: a tenant needs a 'name'"},
      {"load = []\nlasts_s = 1\nmodels = []\ndevice = 1",
       "s.toml:4:10: 'device': expected a table, [device]"},
      {"load = []\nlasts_s = 1\nmodels = []\n[device]\nslots = 0\nread_us = 'x'",
       "s.toml:5:9: 'slots': expected a whole number from 1 to 4096, got 0\ns.toml:6:11: "
       "'read_us': expected a number from 0 to 3600000000, or a list of such numbers, ascending: "
       "the quantiles"},
      {"load = []\nlasts_s = 1\nmodels = []\n[device]\nread = 5",
       "s.toml:5:1: unknown key 'read' in [device], expected slots, memory_mib, read_us, "
       "hand_over_us, reply_us or profile; did you mean 'read_us'?"},
      {"load = []\nlasts_s = 1\nmodels = []\n[device]\nread_us = [5, 4]",
       "s.toml:5:11: 'read_us': expected a number from 0 to 3600000000, or a list of such numbers, "
       "ascending: the quantiles"},
      {"load = []\nlasts_s = 1\nmodels = []\n[device]\nprofile = 'none.json'",
       "s.toml:5:11: 'profile': there is no file '/nowhere/none.json'"},
      {"load = []\nlasts_s = 1\n[[models]]\nmax_batch_size = 0",
       "s.toml:3:1: a model needs a 'name'\ns.toml:3:1: a model needs 'run_us', or a 'profile' "
       "that has its times\ns.toml:4:18: 'max_batch_size': expected a whole number from 1 to "
       "1048576, got 0"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'",
       "s.toml:3:1: a model needs 'run_us', or a 'profile' that has its times"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[models]]\nname = 'm'\nrun_us "
       "= -1",
       "s.toml:7:8: model 'm' is declared twice\ns.toml:8:10: 'run_us': expected a number from 0 "
       "to 3600000000, or a list of such numbers, ascending: the quantiles"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = {one = 5}",
       "s.toml:5:11: 'run_us': 'one' is no number of rows, expected 1 to 1048576"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = {}",
       "s.toml:5:10: 'run_us': expected times by rows, {1 = 500}"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\nrun_beside_us = {4 = 6}",
       "s.toml:6:17: 'run_beside_us': 'run_us' has no time of 4 rows"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\ncores = 3",
       "s.toml:6:9: 'cores': the device has 2 slots, got 3"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\nspred_percent = 3",
       "s.toml:6:1: unknown key 'spred_percent' of a model, expected name, max_batch_size, cores, "
       "dynamic_batching, profile, run_us, run_beside_us, run_peak_mib, spread_percent, load_ms, "
       "mapped_mib, anonymous_mib, load_peak_mib, inputs, samples, load_failures_percent, "
       "run_failures_percent, "
       "accuracy, "
       "accuracy_min, pin, idle_unload_s or variants; did you "
       "mean 'spread_percent'?"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\nload_failures_percent = 101",
       "s.toml:6:25: 'load_failures_percent': expected a number from 0 to 100, got 101"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\ndynamic_batching = "
       "{preferred_batch_size = [4]}",
       "s.toml:6:44: 'preferred_batch_size': expected a list of whole numbers from 1 to "
       "'max_batch_size', 1"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\ndynamic_batching = {max_delay "
       "= 4}",
       "s.toml:6:21: unknown key 'max_delay' of 'dynamic_batching', expected preferred_batch_size, "
       "max_queue_delay_microseconds, preserve_ordering or default_queue_policy"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\ndynamic_batching = "
       "{default_queue_policy = {timeout_action = 'DROP'}}",
       "s.toml:6:62: 'timeout_action': expected REJECT or DELAY, got 'DROP'"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\ninputs = {x = 'none.bin', y = "
       "5}",
       "s.toml:6:15: 'x': there is no file '/nowhere/none.bin'\ns.toml:6:31: 'y': expected a "
       "file's name"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\nsamples = '/nowhere/samples'\n",
       "s.toml:6:11: 'samples': there is no folder '/nowhere/samples'"},
      {"lasts_s = 1\nmodels = []\n[[load]]\nmodel = 'q'",
       "s.toml:3:1: a load needs 'pattern'\ns.toml:4:9: 'model': 'q' is not declared"},
      {"lasts_s = 1\nmodels = []\n[[load]]\nmodel = 'q'\npattern = 'posson'",
       "s.toml:4:9: 'model': 'q' is not declared\ns.toml:5:11: 'pattern': expected constant, "
       "poisson, bursty, diurnal, periodic, spiky, regime, correlated or trace, got 'posson'; did "
       "you mean 'poisson'?"},
      {"lasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[load]]\npattern = 'poisson'\nrate_per_s "
       "= 5",
       "s.toml:5:1: a load needs 'model'"},
      {"lasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[load]]\nmodel = 'm'\npattern = "
       "'poisson'",
       "s.toml:5:1: a load of pattern 'poisson' needs 'rate_per_s'"},
      {"lasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[load]]\nmodel = 'mm'\ntenant = "
       "'defalt'\npattern = 'poisson'\nrate_per_s = 0",
       "s.toml:6:9: 'model': expected m, got 'mm'; did you mean 'm'?\ns.toml:7:10: 'tenant': "
       "expected default, got 'defalt'; did you mean 'default'?\ns.toml:9:14: 'rate_per_s': "
       "expected a number from 1e-06 to 1000000, got 0"},
      {"lasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[load]]\nmodel = 'm'\nrate = 5\npattern "
       "= 'poisson'\nrate_per_s = 2e6",
       "s.toml:7:1: unknown key 'rate' of a load of pattern 'poisson', expected rate_per_s, name, "
       "pattern, start_s, stop_s, gone_percent, gone_after_ms, tenant, model, rows or "
       "latency_bound_ms; did you mean 'name'?\ns.toml:9:14: 'rate_per_s': expected a number from "
       "1e-06 to 1000000, got 2000000"},
      {"lasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[load]]\nmodel = 'm'\nrows = 2\npattern "
       "= 'poisson'\nrate_per_s = 2",
       "s.toml:7:8: 'rows': expected a whole number from 1 to the model's 1, or two, [least, "
       "most]"},
      {"lasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[load]]\nmodel = 'm'\nstart_s = "
       "2\nstop_s = 0.5\npattern = 'poisson'\nrate_per_s = 2",
       "s.toml:7:11: 'start_s': expected a number from 0 to 1, got 2"},
      {"lasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[load]]\nmodel = 'm'\npattern = "
       "'bursty'\nquiet_rate_per_s = 0\nburst_rate_per_s = 0\nquiet_s = 0\nburst_s = 1",
       "s.toml:9:20: 'burst_rate_per_s': expected a number from 1e-06 to 1000000, got "
       "0\ns.toml:10:11: 'quiet_s': expected a number from 0.001 to 31622400, got 0"},
      {"lasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[load]]\nmodel = 'm'\npattern = "
       "'diurnal'\nlow_rate_per_s = 5\nhigh_rate_per_s = 4\nperiod_s = 1",
       "s.toml:8:18: 'low_rate_per_s': expected at most 'high_rate_per_s'"},
      {"lasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[load]]\nmodel = 'm'\npattern = "
       "'periodic'\ninterval_ms = 0\njitter = 5",
       "s.toml:8:15: 'interval_ms': expected a number from 0.001 to 3600000, got 0\ns.toml:9:1: "
       "unknown key 'jitter' of a load of pattern 'periodic', expected interval_ms, jitter_ms, "
       "phase_ms, name, pattern, start_s, stop_s, gone_percent, gone_after_ms, tenant, model, rows "
       "or latency_bound_ms; did you mean 'jitter_ms'?"},
      {"lasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[load]]\nmodel = 'm'\npattern = "
       "'spiky'\nevery_s = 1\nsize = 1.5",
       "s.toml:9:8: 'size': expected a whole number from 1 to 1000000"},
      {"lasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[load]]\nmodel = 'm'\npattern = "
       "'regime'\nsteps = []",
       "s.toml:8:9: 'steps': expected at least one, {from_s = 0, rate_per_s = 10}"},
      {"lasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[load]]\nmodel = 'm'\npattern = "
       "'regime'\nsteps = [{from_s = 1, rate_per_s = 1}, {from_s = 1, rate_per_s = 1}, {from_s = "
       "2}]",
       "s.toml:8:20: 'from_s': the first step is from 0\ns.toml:8:50: 'from_s': expected more than "
       "the step before\ns.toml:8:70: a step needs 'rate_per_s'"},
      {"lasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[load]]\nmodel = 'm'\npattern = "
       "'correlated'\ngroup = 'g'",
       "s.toml:8:9: 'group': 'g' is not declared"},
      {"lasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[groups]]\nname = 'gate'\npattern = "
       "'constant'\nrate_per_s = 1\n[[load]]\nmodel = 'm'\npattern = 'correlated'\ngroup = 'gat'",
       "s.toml:12:9: 'group': expected gate, got 'gat'; did you mean 'gate'?"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[groups]]\nname = "
       "'g'\npattern = 'trace'\nfile = 'x'\n[[groups]]\nname = 'g'\npattern = "
       "'constant'\nrate_per_s = 1",
       "s.toml:8:11: 'pattern': expected constant, poisson, bursty, diurnal, periodic, spiky or "
       "regime, got 'trace'\ns.toml:11:8: group 'g' is declared twice"},
      {"lasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[load]]\npattern = 'trace'\nfile = "
       "'none.csv'\nmodel = 'm'",
       "s.toml:7:8: 'file': there is no file '/nowhere/none.csv'\ns.toml:8:1: unknown key 'model' "
       "of a load of pattern 'trace', expected file, name, pattern, start_s, stop_s, gone_percent "
       "or gone_after_ms"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[faults]]\nat_s = 1",
       "s.toml:6:1: a fault needs 'kind'"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[faults]]\nkind = "
       "'slow'\nat_s = 1",
       "s.toml:7:8: 'kind': expected slow-down, stop, reload or memory, got 'slow'; did you mean "
       "'stop'?"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[faults]]\nkind = "
       "'slow-down'\nat_s = 5\npercent = 0",
       "s.toml:6:1: a fault of kind 'slow-down' needs 'lasts_s'\ns.toml:8:8: 'at_s': expected a "
       "number from 0 to 1, got 5\ns.toml:9:11: 'percent': expected a whole number from 1 to "
       "100000, got 0"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[faults]]\nkind = "
       "'stop'\nat_s = 0.5\nlasts_s = 1\npercent = 5",
       "s.toml:10:1: unknown key 'percent' of a fault of kind 'stop', expected kind, at_s or "
       "lasts_s"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[faults]]\nkind = "
       "'reload'\nat_s = 0.5\nmodel = 'n'\nfails = 1",
       "s.toml:9:9: 'model': expected m, got 'n'; did you mean 'm'?\ns.toml:10:9: 'fails': "
       "expected true or false"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[expect]]\ntenant = 'b'",
       "s.toml:6:1: an expectation needs a limit, such as 'bounds_met_percent_min'\ns.toml:7:10: "
       "'tenant': expected default, got 'b'"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = "
       "5\n[[expect]]\nbounds_met_percent_mn = 5",
       "s.toml:6:1: an expectation needs a limit, such as 'bounds_met_percent_min'\ns.toml:7:1: "
       "unknown key 'bounds_met_percent_mn' of an expectation, expected tenant, "
       "bounds_met_percent_min, bounds_met_percent_max, refused_percent_min, refused_percent_max, "
       "latency_p50_ms_min, latency_p50_ms_max, latency_p99_ms_min, latency_p99_ms_max, "
       "replied_min or replied_max; did you mean 'bounds_met_percent_min'?"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = "
       "5\n[[expect]]\nbounds_met_percent_min = 105",
       "s.toml:7:26: 'bounds_met_percent_min': expected a number from 0 to 100, got 105"},
      {"load = []\nlasts_s = 1\n[[models]]\nname = 'm'\nrun_us = 5\n[[expect]]\nlatency_p99_ms_max "
       "= 'x'",
       "s.toml:7:22: 'latency_p99_ms_max': expected a number from 0 to 3600000"},
  };
  for (const auto& c : cases) {
    const auto scenario = ParseScenario(c.text, "s.toml", std::filesystem::path("/nowhere"));
    ASSERT_FALSE(scenario.ok()) << c.text;
    EXPECT_EQ(scenario.status().message(), c.errors) << c.text;
  }
}

TEST(ScenarioErrors, WithoutAFolderNoFileIsRead) {
  const auto scenario = ParseScenario(
      "lasts_s = 1\nmodels = []\n[device]\nprofile = '/etc/passwd'\n[[load]]\npattern = 'trace'\n"
      "file = '/dev/stdin'\n",
      "s.toml", std::nullopt);
  EXPECT_EQ(scenario.status().message(),
            "s.toml:4:11: 'profile': files are not read here\n"
            "s.toml:7:8: 'file': files are not read here");
}

TEST(ScenarioErrors, AMissingScenarioIsNamed) {
  EXPECT_EQ(ReadScenario("/nowhere/s.toml").status().message(),
            "there is no file '/nowhere/s.toml'");
}

}  // namespace
}  // namespace cotenant
