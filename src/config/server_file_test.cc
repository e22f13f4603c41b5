#include "config/server_file.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "catalog/policy_rows.h"
#include "config/nearest.h"
#include "config/node_sections.h"
#include "config/test_repository.h"

namespace cotenant {
namespace {

constexpr std::string_view kFlags[] = {"http-port", "load-model", "log-json"};

Result<ServerFile> Parse(std::string_view text) {
  return ParseServerFile(text, "cotenant.toml", kFlags);
}

TEST(ServerFile, TenantsPoliciesAndFlagsAreRead) {
  const auto file = Parse(R"(
[server]
http-port = 9000
load-model = ["a", "b"]
log-json = true

[policies]
dispatch = "weighted-fair"
batching = "deadline-aware"
admission = "all"

[[tenants]]
name = "camera"
weight = 3
latency_bound_ms = 50
waiting_max = 100

[[tenants]]
name = "default"
weight = 2
)");
  ASSERT_TRUE(file.ok()) << file.status().message();
  const NodeSettings& settings = file->settings;
  EXPECT_EQ(settings.policies.dispatch, "weighted-fair");
  EXPECT_EQ(settings.policies.batching, "deadline-aware");
  EXPECT_EQ(settings.policies.admission, "all");
  ASSERT_EQ(settings.tenants.size(), 2u);
  EXPECT_EQ(settings.tenants[0].name, "default");
  EXPECT_EQ(settings.tenants[0].weight, 2);
  EXPECT_EQ(settings.tenants[1].latency_bound, Duration::Milliseconds(50));
  EXPECT_EQ(settings.tenants[1].waiting_max, 100u);
  ASSERT_EQ(file->server.size(), 4u);
  EXPECT_EQ(file->server[0].flag, "http-port");
  EXPECT_EQ(file->server[0].value, "9000");
  EXPECT_EQ(file->server[0].place, "cotenant.toml:3:13");
}

TEST(ServerFile, AnEmptyFileGivesTheDefaults) {
  const auto file = Parse("");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->settings.tenants.size(), 1u);
  EXPECT_EQ(file->settings.policies.dispatch, "edf");
}

TEST(ServerFile, EveryMistakeIsNamedWithItsPlaceAndWhatIsAccepted) {
  const struct {
    std::string_view text;
    std::string error;
  } cases[] = {
      {"a = ", "cotenant.toml:1:5: Error while parsing key-value pair: encountered end-of-file"},
      {"[tenant]",
       "cotenant.toml:1:2: unknown key 'tenant', expected server, policies or tenants; did you "
       "mean "
       "'tenants'?"},
      {"server = 1", "cotenant.toml:1:10: 'server': expected a table, [server]"},
      {"[server]\nhttp_port = 1",
       "cotenant.toml:2:1: unknown key 'http_port' in [server], expected http-port, load-model or "
       "log-json; did you mean 'http-port'?"},
      {"[server]\nhttp-port = 1.5",
       "cotenant.toml:2:13: 'http-port': expected a string, a whole number, true or false"},
      {"[policies]\ndispatch = 'lifo'", "cotenant.toml:2:12: 'dispatch': expected " +
                                            OneOf(kDispatchNames) +
                                            ", got 'lifo'; did you mean 'fifo'?"},
      {"[policies]\nadmission = 1",
       "cotenant.toml:2:13: 'admission': expected " + OneOf(kAdmissionNames)},
      {"[policies]\nshares = 1",
       "cotenant.toml:2:1: unknown key 'shares' in [policies], expected dispatch, batching, "
       "admission, residency or prediction"},
      {"tenants = 1", "cotenant.toml:1:11: 'tenants': expected a list of tables, [[tenants]]"},
      {"tenants = [1]", "cotenant.toml:1:12: 'tenants': expected a table, [[tenants]]"},
      {"[[tenants]]\nweight = 1", "cotenant.toml:1:1: a tenant needs a 'name'"},
      {"[[tenants]]\nname = 'a b'",
       "cotenant.toml:2:8: 'name': expected 1 to 64 letters, digits, '-', '_' or '.'"},
      {"[[tenants]]\nname = 'a'\n[[tenants]]\nname = 'a'",
       "cotenant.toml:4:8: tenant 'a' is declared twice"},
      {"[[tenants]]\nname = 'a'\nweight = 0",
       "cotenant.toml:3:10: 'weight': expected a whole number from 1 to 1000000, got 0"},
      {"[[tenants]]\nname = 'a'\nlatency_bound = 1",
       "cotenant.toml:3:1: unknown key 'latency_bound' of a tenant, expected name, weight, "
       "latency_bound_ms, waiting_max, accuracy_min or memory_max_mib; did you mean "
       "'latency_bound_ms'?"},
      {"[[tenants]]\nname = 'a'\nwaiting_max = '5'",
       "cotenant.toml:3:15: 'waiting_max': expected a whole number from 1 to 1000000"},
  };
  for (const auto& c : cases) {
    const auto file = Parse(c.text);
    ASSERT_FALSE(file.ok()) << c.text;
    EXPECT_EQ(file.status().message(), c.error) << c.text;
  }
}

TEST(ServerFile, AllMistakesOfAFileAreToldAtOnce) {
  const auto file = Parse("[policies]\ndispatch = 'x'\nbatching = 'y'\n[[tenants]]\nweight = 0\n");
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(std::ranges::count(file.status().message(), '\n'), 3);
}

TEST(ServerFile, TooManyTenantsAreRefused) {
  std::string text;
  for (std::size_t i = 0; i <= kTenantsMax; ++i) {
    text += "[[tenants]]\nname = 't" + std::to_string(i) + "'\n";
  }
  EXPECT_EQ(Parse(text).status().message(),
            "cotenant.toml:1:1: 'tenants': at most 1000 tenants, got 1001");
}

TEST(ServerFile, HostileNestingEndsWithAnError) {
  EXPECT_FALSE(Parse("a = " + std::string(1'000'000, '[')).ok());
  std::string dotted = "a";
  for (int i = 0; i < 100'000; ++i) dotted += ".a";
  EXPECT_FALSE(Parse("[" + dotted + "]").ok());
}

TEST(ServerFile, CharactersBeyondAsciiAreTakenInStringsAndCommentsOnly) {
  const auto file = Parse(
      "\xef\xbb\xbf# Kamera für \"alle\n[server]\nload-model = ['é', \"ü\\\"é\", '''é'é''', "
      "\"\"\"é\n\\\"\"\"\"\"]\n");
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->server.size(), 4u);
  EXPECT_EQ(file->server[2].value, "é'é");
  EXPECT_EQ(Parse("a = 1\nb = 'x' é").status().message(),
            "cotenant.toml:2:9: a character beyond ASCII outside of strings and comments");
  EXPECT_EQ(Parse("a = {c \xef\xb9\xbf.6}").status().message(),
            "cotenant.toml:1:8: a character beyond ASCII outside of strings and comments");
}

TEST(ServerFile, AMissingFileIsNamed) {
  EXPECT_EQ(ReadServerFile("/nowhere/cotenant.toml", kFlags).status().message(),
            "there is no file '/nowhere/cotenant.toml'");
}

}  // namespace
}  // namespace cotenant
