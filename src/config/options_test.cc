#include "config/options.h"

#include <gtest/gtest.h>

#include "catalog/policy_rows.h"
#include "config/flag_table.h"
#include "config/nearest.h"
#include "config/test_repository.h"

namespace cotenant {
namespace {

Result<ServeOptions> Parse(Program program, std::vector<std::string> args) {
  return ParseServe(program, args);
}

TEST(Options, TheFieldsOwnStartLineForTritonWorks) {
  TestRepository files;
  const auto options =
      Parse(Program::kTritonserver, {"--model-store=" + files.root().string(), "--grpc-port=9000",
                                     "--http-port=8080", "--allow-grpc=true", "--allow-http=true"});
  ASSERT_TRUE(options.ok()) << options.status().message();
  EXPECT_EQ(options->repositories, (std::vector<std::string>{files.root().string()}));
  EXPECT_EQ(options->http.port, 8080);
  EXPECT_EQ(options->grpc.port, 9000);
  EXPECT_EQ(options->metrics.port, 8002);
  EXPECT_EQ(options->http.address, "0.0.0.0");
  EXPECT_TRUE(options->grpc.allow);
  EXPECT_TRUE(options->warnings.empty());
}

TEST(Options, CotenantServesAFolderOnTheLoopbackAddress) {
  TestRepository files;
  const auto options = Parse(Program::kCotenant, {files.root().string()});
  ASSERT_TRUE(options.ok()) << options.status().message();
  EXPECT_EQ(options->http.address, "127.0.0.1");
  EXPECT_EQ(options->http.port, 8000);
  EXPECT_EQ(options->grpc.port, 8001);
  EXPECT_EQ(options->metrics.address, "127.0.0.1");
  EXPECT_EQ(options->settings.policies.dispatch, "edf");
  EXPECT_FALSE(options->strict_readiness);
  EXPECT_FALSE(options->exit_on_error);
  EXPECT_TRUE(options->config_file.empty());
}

TEST(Options, TheProgramsNameDecides) {
  EXPECT_EQ(ProgramOf("/opt/tritonserver/bin/tritonserver"), Program::kTritonserver);
  EXPECT_EQ(ProgramOf("build/cotenant"), Program::kCotenant);
}

TEST(Options, EveryFlagTakesItsValueInBothForms) {
  TestRepository files;
  const auto options =
      Parse(Program::kCotenant, {"--model-control-mode",
                                 "explicit",
                                 "--load-model",
                                 "a",
                                 "--load-model=b",
                                 "--allow-http",
                                 "false",
                                 "--allow-metrics",
                                 files.root().string(),
                                 "--slots=3",
                                 "--http-body-max=1MiB",
                                 "--id",
                                 "box",
                                 "--log-json",
                                 "--log-verbose=1",
                                 "--exit-timeout-secs=7",
                                 "--http-address=10.0.0.1",
                                 "--disable-auto-complete-config",
                                 "--backend-config=onnxruntime,default-max-batch-size=16",
                                 "--grpc-keepalive-time=5",
                                 "--dispatch=fifo",
                                 "--grpc-use-ssl=false",
                                 "--record=box.log",
                                 "--record-max-bytes=8MiB",
                                 "--memory=60%",
                                 "--residency=lru",
                                 "--prediction=last-interval"});
  ASSERT_TRUE(options.ok()) << options.status().message();
  EXPECT_EQ(options->control, ModelControl::kExplicit);
  EXPECT_EQ(options->load_models, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(options->http.allow);
  EXPECT_TRUE(options->metrics.allow);
  EXPECT_EQ(options->repositories.size(), 1u);
  EXPECT_EQ(options->slots, 3);
  EXPECT_EQ(options->limits.body_max, Bytes::MiB(1));
  EXPECT_EQ(options->server_id, "box");
  EXPECT_EQ(options->log.style, LogStyle::kJson);
  EXPECT_EQ(options->drain_timeout, Duration::Seconds(7));
  EXPECT_EQ(options->metrics.address, "10.0.0.1");
  EXPECT_FALSE(options->complete_configs);
  EXPECT_EQ(options->default_max_batch_size, 16);
  EXPECT_EQ(options->keepalive.time, Duration::Milliseconds(5));
  EXPECT_EQ(options->settings.policies.dispatch, "fifo");
  EXPECT_EQ(options->record, "box.log");
  EXPECT_EQ(options->record_bytes_max, Bytes::MiB(8));
  EXPECT_EQ(options->memory.percent, 60);
  EXPECT_EQ(options->settings.policies.residency, "lru");
  EXPECT_EQ(options->settings.policies.prediction, "last-interval");
}

TEST(Options, MemoryMayStandInTheServerFileAndTheCommandLineWins) {
  TestRepository files;
  files.Write("cotenant.toml",
              "[server]\nmemory = \"512MiB\"\n[policies]\nresidency = \"lru\"\n"
              "prediction = \"last-interval\"\n");
  const auto by_file = Parse(Program::kCotenant, {files.root().string()});
  ASSERT_TRUE(by_file.ok()) << by_file.status().message();
  EXPECT_EQ(by_file->memory.kind, MemoryOption::Kind::kSize);
  EXPECT_EQ(by_file->memory.size, Bytes::MiB(512));
  EXPECT_EQ(by_file->settings.policies.residency, "lru");
  EXPECT_EQ(by_file->settings.policies.prediction, "last-interval");
  const auto by_flag = Parse(
      Program::kCotenant, {files.root().string(), "--memory=unlimited", "--residency=greedy-dual"});
  ASSERT_TRUE(by_flag.ok()) << by_flag.status().message();
  EXPECT_EQ(by_flag->memory.kind, MemoryOption::Kind::kUnlimited);
  EXPECT_EQ(by_flag->settings.policies.residency, "greedy-dual");
}

TEST(Options, FlagsWithoutAMeaningAreTakenWithOneWarning) {
  TestRepository files;
  const auto options =
      Parse(Program::kTritonserver,
            {"--model-repository", files.root().string(), "--pinned-memory-pool-byte-size=0",
             "--rate-limit", "off", "--cache-config=local,size=1"});
  ASSERT_TRUE(options.ok()) << options.status().message();
  EXPECT_EQ(options->warnings,
            (std::vector<std::string>{"flags without a meaning here are ignored: "
                                      "--pinned-memory-pool-byte-size --rate-limit "
                                      "--cache-config"}));
}

TEST(Options, EveryMistakeOnTheCommandLineIsNamed) {
  TestRepository files;
  const std::string root = files.root().string();
  const struct {
    Program program;
    std::vector<std::string> args;
    Code code;
    std::string text;
  } cases[] = {
      {Program::kCotenant,
       {},
       Code::kInvalidArgument,
       "give a folder of models: cotenant serve MODELS_DIR"},
      {Program::kTritonserver,
       {},
       Code::kInvalidArgument,
       "give a folder of models: --model-repository=DIR"},
      {Program::kTritonserver,
       {"models"},
       Code::kInvalidArgument,
       "unexpected argument 'models'\ngive a folder of models: --model-repository=DIR"},
      {Program::kCotenant,
       {root + "/none"},
       Code::kInvalidArgument,
       "there is no folder '" + root + "/none'"},
      {Program::kCotenant,
       {root, "--htp-port=1"},
       Code::kInvalidArgument,
       "unknown flag '--htp-port'; did you mean '--http-port'?"},
      {Program::kCotenant,
       {root, "-http-port=1"},
       Code::kInvalidArgument,
       "unknown flag '-http-port'; did you mean '--http-port'?"},
      {Program::kCotenant,
       {root, "--frobnicate"},
       Code::kInvalidArgument,
       "unknown flag '--frobnicate'"},
      {Program::kCotenant, {root, "--"}, Code::kInvalidArgument, "unknown flag '--'"},
      {Program::kCotenant,
       {root, "--http-port"},
       Code::kInvalidArgument,
       "--http-port: expected a value"},
      {Program::kCotenant,
       {root, "--http-port=70000"},
       Code::kInvalidArgument,
       "--http-port: expected a whole number from 0 to 65535, got '70000'"},
      {Program::kCotenant,
       {root, "--allow-http=maybe"},
       Code::kInvalidArgument,
       "--allow-http: expected true or false, got 'maybe'"},
      {Program::kCotenant,
       {root, "--log-json=1"},
       Code::kInvalidArgument,
       "--log-json: takes no value"},
      {Program::kCotenant,
       {root, "--log-format=xml"},
       Code::kInvalidArgument,
       "--log-format: expected default, ISO8601 or json, got 'xml'"},
      {Program::kCotenant,
       {root, "--model-control-mode=polled"},
       Code::kInvalidArgument,
       "--model-control-mode: expected none, poll or explicit, got 'polled'; did you mean 'poll'?"},
      {Program::kCotenant,
       {root, "--dispatch=lifo"},
       Code::kInvalidArgument,
       "--dispatch: expected " + OneOf(kDispatchNames) + ", got 'lifo'; did you mean 'fifo'?"},
      {Program::kCotenant,
       {root, "--http-body-max=many"},
       Code::kInvalidArgument,
       "--http-body-max: expected a size such as 65536, 64KiB or 64MiB, at most 1024GiB, got "
       "'many'"},
      {Program::kCotenant,
       {root, "--http-body-max=1025G"},
       Code::kInvalidArgument,
       "--http-body-max: expected a size such as 65536, 64KiB or 64MiB, at most 1024GiB, got "
       "'1025G'"},
      {Program::kCotenant, {root, "--id="}, Code::kInvalidArgument, "--id: expected a value"},
      {Program::kCotenant,
       {root, "--backend-config=onnxruntime"},
       Code::kInvalidArgument,
       "--backend-config: expected BACKEND,SETTING=VALUE, got 'onnxruntime'"},
      {Program::kCotenant,
       {root, "--load-model=a"},
       Code::kInvalidArgument,
       "--load-model: use of it needs --model-control-mode=explicit"},
      {Program::kCotenant,
       {root, "--model-control-mode=explicit", "--load-model=a", "--load-model=*"},
       Code::kInvalidArgument,
       "--load-model: '*' means all models, so it is the only one that can be given"},
      {Program::kCotenant,
       {root, "--allow-http=false", "--allow-grpc=false"},
       Code::kInvalidArgument,
       "--allow-http, --allow-grpc: at least one of them must be true"},
      {Program::kCotenant,
       {root, "--grpc-use-ssl=true"},
       Code::kUnimplemented,
       "--grpc-use-ssl: not supported: TLS is not built"},
      {Program::kCotenant,
       {root, "--http-restricted-api=health,k=v"},
       Code::kUnimplemented,
       "--http-restricted-api: not supported: access tokens are not built"},
      {Program::kCotenant,
       {root, "--allow-client-shm=true"},
       Code::kUnimplemented,
       "--allow-client-shm: not supported: shared memory is not built"},
      {Program::kCotenant,
       {root, "--slots=-1", "--grpc-use-ssl"},
       Code::kInvalidArgument,
       "--slots: expected a whole number from 0 to 1024, got '-1'\n"
       "--grpc-use-ssl: not supported: TLS is not built"},
      {Program::kCotenant,
       {root, "--config=/none.toml"},
       Code::kInvalidArgument,
       "there is no file '/none.toml'"},
  };
  for (const auto& c : cases) {
    const auto options = Parse(c.program, c.args);
    ASSERT_FALSE(options.ok()) << c.text;
    EXPECT_EQ(options.status().message(), c.text);
    EXPECT_EQ(options.status().code(), c.code) << c.text;
  }
}

TEST(Options, TheServerFileBesideTheModelsIsReadAndTheCommandLineWins) {
  TestRepository files;
  const std::string root = files.root().string();
  files.Write("cotenant.toml",
              "[server]\nhttp-port = 9000\ngrpc-port = 9001\nlog-json = true\n"
              "[policies]\ndispatch = 'fifo'\nadmission = 'all'\n[[tenants]]\nname = 'a'\n");
  const auto options = Parse(Program::kCotenant, {root, "--http-port=7000", "--dispatch=edf"});
  ASSERT_TRUE(options.ok()) << options.status().message();
  EXPECT_EQ(options->http.port, 7000);
  EXPECT_EQ(options->grpc.port, 9001);
  EXPECT_EQ(options->log.style, LogStyle::kJson);
  EXPECT_EQ(options->settings.policies.dispatch, "edf");
  EXPECT_EQ(options->settings.policies.admission, "all");
  EXPECT_EQ(options->settings.tenants.size(), 2u);

  files.Write("cotenant.toml", "[policies]\ndispatch = 'fifo'\nbatching = 'none'\n");
  const auto again = ReadSettings(*options);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(again->settings.policies.dispatch, "edf");
  EXPECT_EQ(again->settings.policies.batching, "none");
  EXPECT_EQ(again->settings.tenants.size(), 1u);

  files.Write("cotenant.toml", "[server]\nhttp-port = 99999\nmodel-repository = 'x'\n");
  EXPECT_EQ(Parse(Program::kCotenant, {root}).status().message(),
            root +
                "/cotenant.toml:3:1: unknown key 'model-repository' in [server], see 'cotenant "
                "serve --help'");
  files.Write("cotenant.toml", "[server]\nhttp-port = 99999\n");
  EXPECT_EQ(Parse(Program::kCotenant, {root}).status().message(),
            root +
                "/cotenant.toml:2:13: 'http-port': expected a whole number from 0 to 65535, got "
                "'99999'");
}

TEST(Options, AServerFileReadAgainIsCheckedWholeAndSaysWhatCountsFromTheNextStartOn) {
  TestRepository files;
  const std::string root = files.root().string();
  const std::string place = root + "/cotenant.toml";
  const auto options = Parse(Program::kCotenant, {root, "--http-port=7000"});
  ASSERT_TRUE(options.ok()) << options.status().message();
  EXPECT_TRUE(ReadSettings(*options).ok()) << "without a file, as at the start";

  // It appears after the start; the command line's port wins, as it would have then.
  files.Write("cotenant.toml",
              "[server]\nhttp-port = 9000\ndispatch = 'fifo'\n[[tenants]]\nname = 'a'\n");
  const auto appeared = ReadSettings(*options);
  ASSERT_TRUE(appeared.ok()) << appeared.status().message();
  EXPECT_EQ(appeared->settings.tenants.size(), 2u);
  EXPECT_EQ(appeared->settings.policies.dispatch, "fifo");
  EXPECT_EQ(appeared->warning, "");

  const auto running = Parse(Program::kCotenant, {root});
  files.Write("cotenant.toml", "[server]\nhttp-port = 9001\nslots = 3\n[[tenants]]\nname = 'b'\n");
  const auto changed = ReadSettings(*running);
  ASSERT_TRUE(changed.ok()) << changed.status().message();
  EXPECT_EQ(changed->settings.policies.dispatch, "edf");
  EXPECT_EQ(changed->warning,
            place + ": [server] changed: 'http-port', 'slots'; that counts from the next start on");

  files.Write("cotenant.toml",
              "[server]\nhttp-port = 'abc'\nslots = -1\n[[tenants]]\nname = 'b'\n");
  for (const auto& start : {running, options}) {
    EXPECT_EQ(ReadSettings(*start).status().message(),
              place + ":2:13: 'http-port': expected a whole number from 0 to 65535, got 'abc'\n" +
                  place + ":3:9: 'slots': expected a whole number from 0 to 1024, got '-1'");
  }

  std::filesystem::remove(place);
  EXPECT_EQ(ReadSettings(*running).status().message(), "there is no file '" + place + "' any more");
}

TEST(Options, HelpNamesEveryFlagThatIsUsedAndNeedsNothingElse) {
  const auto options = Parse(Program::kCotenant, {"--help"});
  ASSERT_TRUE(options.ok());
  EXPECT_TRUE(options->help);
  EXPECT_TRUE(Parse(Program::kTritonserver, {"-h"})->help);
  EXPECT_TRUE(Parse(Program::kCotenant, {"--version"})->version);
  const std::string page = ServeHelp(Program::kCotenant);
  for (const Flag& flag : FlagTable()) {
    const std::string name = "--" + std::string(flag.name);
    EXPECT_EQ(page.find(name) != std::string::npos, flag.use == FlagUse::kUsed) << name;
    EXPECT_EQ(flag.set != nullptr, flag.use == FlagUse::kUsed) << name;
  }
  for (std::size_t at = 0, end; at < page.size(); at = end + 1) {
    end = page.find('\n', at);
    EXPECT_LE(end - at, 100u) << page.substr(at, end - at);
  }
}

}  // namespace
}  // namespace cotenant
