#include "config/flag_table.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "catalog/policy_rows.h"
#include "config/nearest.h"
#include "config/server_file.h"

namespace cotenant {
namespace {

using Options = ServeOptions;
using enum FlagKind;
using enum FlagUse;

constexpr std::int32_t kThreadsMax = 1'024;

template <typename T>
Status SetNumber(const std::string& text, T low, T high, T& value) {
  T number{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || number < low || number > high) {
    return InvalidArgument("expected a whole number from " + std::to_string(low) + " to " +
                           std::to_string(high) + ", got '" + text + "'");
  }
  value = number;
  return {};
}

Status SetCount(const std::string& text, std::uint32_t& value) {
  return SetNumber<std::uint32_t>(text, 1, 1'000'000'000, value);
}

Status SetBoolean(const std::string& text, bool& value) {
  Result<bool> result = ParseBoolean(text);
  if (!result.ok()) return result.status();
  value = *result;
  return {};
}

Status SetPort(const std::string& text, std::uint16_t& port) {
  return SetNumber<std::uint16_t>(text, 0, 65'535, port);
}

Status SetSeconds(const std::string& text, std::int64_t low, Duration& value) {
  std::int64_t seconds = 0;
  COTENANT_RETURN_IF_ERROR(SetNumber<std::int64_t>(text, low, 10'000'000, seconds));
  value = Duration::Seconds(seconds);
  return {};
}

Status SetMilliseconds(const std::string& text, std::optional<Duration>& value) {
  std::int64_t count = 0;
  COTENANT_RETURN_IF_ERROR(SetNumber<std::int64_t>(text, 0, 2'147'483'647, count));
  value = Duration::Milliseconds(count);
  return {};
}

Status SetBytes(const std::string& text, Bytes& value) {
  const Result<Bytes> size = ParseSize(text);
  if (!size.ok()) return size.status();
  value = *size;
  return {};
}

Status SetMemory(Options& o, const std::string& text) {
  const Result<MemoryOption> option = ParseMemoryOption(text);
  if (!option.ok()) return option.status();
  o.memory = *option;
  return {};
}

Status SetParkedMax(Options& o, const std::string& text) {
  o.parked_max = Bytes();
  return text == "0" ? Status() : SetBytes(text, *o.parked_max);
}

Status SetText(const std::string& text, std::string& value) {
  if (text.empty()) return InvalidArgument("expected a value");
  value = text;
  return {};
}

Status AddText(const std::string& text, std::vector<std::string>& values) {
  if (text.empty()) return InvalidArgument("expected a value");
  values.push_back(text);
  return {};
}

Status Turn(bool& option, bool value) {
  option = value;
  return {};
}

Status SetStrictConfig(Options& o, const std::string& text) {
  bool strict = false;
  COTENANT_RETURN_IF_ERROR(SetBoolean(text, strict));
  return Turn(o.complete_configs, !strict);
}

Status SetPings(const std::string& text, std::optional<std::int32_t>& value) {
  std::int32_t count = 0;
  COTENANT_RETURN_IF_ERROR(SetNumber(text, 0, 1'000'000'000, count));
  value = count;
  return {};
}

Status SetSome(const std::string& text, std::optional<bool>& value) {
  bool truth = false;
  COTENANT_RETURN_IF_ERROR(SetBoolean(text, truth));
  value = truth;
  return {};
}

Status SetName(const std::string& text, std::span<const std::string_view> names,
               std::optional<std::string>& value) {
  if (std::ranges::find(names, text) == names.end()) {
    return InvalidArgument("expected " + OneOf(names) + ", got '" + text + "'" +
                           DidYouMean(text, names));
  }
  value = text;
  return {};
}

Status SetControl(Options& o, const std::string& text) {
  constexpr std::string_view kNames[] = {"none", "poll", "explicit"};
  std::optional<std::string> name;
  COTENANT_RETURN_IF_ERROR(SetName(text, kNames, name));
  o.control = text == "none"   ? ModelControl::kNone
              : text == "poll" ? ModelControl::kPoll
                               : ModelControl::kExplicit;
  return {};
}

Status SetLogFormat(Options& o, const std::string& text) {
  constexpr std::string_view kNames[] = {"default", "ISO8601", "json"};
  std::optional<std::string> name;
  COTENANT_RETURN_IF_ERROR(SetName(text, kNames, name));
  o.log.style = text == "default"   ? LogStyle::kDefault
                : text == "ISO8601" ? LogStyle::kIso8601
                                    : LogStyle::kJson;
  return {};
}

// "onnxruntime,default-max-batch-size=8"; without a backend the setting is for all of them.
Status SetBackendConfig(Options& o, const std::string& text) {
  const std::size_t comma = text.find(',');
  const std::string backend = comma == std::string::npos ? "" : text.substr(0, comma);
  const std::string rest = comma == std::string::npos ? text : text.substr(comma + 1);
  const std::size_t equals = rest.find('=');
  if (equals == std::string::npos) {
    return InvalidArgument("expected BACKEND,SETTING=VALUE, got '" + text + "'");
  }
  const std::string setting = rest.substr(0, equals);
  if ((backend.empty() || backend == "onnxruntime") && setting == "default-max-batch-size") {
    return SetNumber(rest.substr(equals + 1), 0, std::numeric_limits<std::int32_t>::max(),
                     o.default_max_batch_size);
  }
  o.warnings.push_back("--backend-config=" + text + " has no effect here");
  return {};
}

// In the order of the help page. `o` are the options, `v` the value.
constexpr Flag kFlags[] = {
#define SET(expression) \
  [](Options& o, [[maybe_unused]] const std::string& v) -> Status { return expression; }
    {"help", kSwitch, kUsed, "General", "", "print this page", SET(Turn(o.help, true))},
    {"version", kSwitch, kUsed, "General", "", "print the version", SET(Turn(o.version, true))},
    {"id", kValue, kUsed, "General", "NAME", "the server's name in its metadata",
     SET(SetText(v, o.server_id))},
    {"config", kValue, kUsed, "General", "FILE",
     "tenants and policies; default: cotenant.toml beside the models",
     SET(SetText(v, o.config_file))},
    {"exit-timeout-secs", kValue, kUsed, "General", "SECONDS",
     "longest wait for running requests at the end (30)", SET(SetSeconds(v, 0, o.drain_timeout))},
    {"drain-timeout", kValue, kUsed, "General", "SECONDS", "the same",
     SET(SetSeconds(v, 0, o.drain_timeout))},

    {"model-repository", kValue, kUsed, "Models", "DIR",
     "a folder of models; may be given several times", SET(AddText(v, o.repositories))},
    {"model-store", kValue, kUsed, "Models", "DIR", "the same", SET(AddText(v, o.repositories))},
    {"model-control-mode", kValue, kUsed, "Models", "MODE", "none, poll or explicit (none)",
     SetControl},
    {"repository-poll-secs", kValue, kUsed, "Models", "SECONDS",
     "time between two looks at the folders (15)", SET(SetSeconds(v, 1, o.poll_interval))},
    {"load-model", kValue, kUsed, "Models", "NAME",
     "with explicit control: load at start; several times, or once '*'",
     SET(AddText(v, o.load_models))},
    {"model-load-thread-count", kValue, kUsed, "Models", "N",
     "models that load at the same time (1)", SET(SetNumber(v, 1, kThreadsMax, o.load_threads))},
    {"disable-auto-complete-config", kSwitch, kUsed, "Models", "",
     "every model needs a complete config.pbtxt", SET(Turn(o.complete_configs, false))},
    {"strict-model-config", kBoolean, kUsed, "Models", "BOOL", "the same, by its old name",
     SetStrictConfig},
    {"backend-config", kValue, kUsed, "Models", "B,K=V",
     "onnxruntime,default-max-batch-size=N (4); others have no effect", SetBackendConfig},
    {"strict-readiness", kBoolean, kUsed, "Models", "BOOL",
     "ready only when every model loaded, not just tried (false)",
     SET(SetBoolean(v, o.strict_readiness))},
    {"exit-on-error", kBoolean, kUsed, "Models", "BOOL", "end when a model fails at start (false)",
     SET(SetBoolean(v, o.exit_on_error))},

    {"allow-http", kBoolean, kUsed, "HTTP", "BOOL", "serve HTTP (true)",
     SET(SetBoolean(v, o.http.allow))},
    {"http-address", kValue, kUsed, "HTTP", "ADDRESS", "address to listen on",
     SET(SetText(v, o.http.address))},
    {"http-port", kValue, kUsed, "HTTP", "PORT", "port; 0: any free one (8000)",
     SET(SetPort(v, o.http.port))},
    {"http-thread-count", kValue, kUsed, "HTTP", "N",
     "threads that read requests; 0: one per core (0)",
     SET(SetNumber(v, 0, kThreadsMax, o.io_threads))},
    {"http-header-forward-pattern", kValue, kUsed, "HTTP", "REGEX",
     "headers that become request parameters", SET(SetText(v, o.http_header_forward_pattern))},
    {"http-restricted-api", kValue, kRefused, "HTTP", "…", "access tokens are not built", nullptr},
    {"reuse-http-port", kBoolean, kRefused, "HTTP", "BOOL", "a port serves one process", nullptr},

    {"allow-grpc", kBoolean, kUsed, "gRPC", "BOOL", "serve gRPC (true)",
     SET(SetBoolean(v, o.grpc.allow))},
    {"grpc-address", kValue, kUsed, "gRPC", "ADDRESS", "address to listen on",
     SET(SetText(v, o.grpc.address))},
    {"grpc-port", kValue, kUsed, "gRPC", "PORT", "port; 0: any free one (8001)",
     SET(SetPort(v, o.grpc.port))},
    {"grpc-header-forward-pattern", kValue, kUsed, "gRPC", "REGEX",
     "metadata that become request parameters", SET(SetText(v, o.grpc_header_forward_pattern))},
    {"grpc-keepalive-time", kValue, kUsed, "gRPC", "MS", "keepalive, as gRPC's channel arguments",
     SET(SetMilliseconds(v, o.keepalive.time))},
    {"grpc-keepalive-timeout", kValue, kUsed, "gRPC", "MS", "",
     SET(SetMilliseconds(v, o.keepalive.timeout))},
    {"grpc-keepalive-permit-without-calls", kBoolean, kUsed, "gRPC", "BOOL", "",
     SET(SetSome(v, o.keepalive.permit_without_calls))},
    {"grpc-http2-max-pings-without-data", kValue, kUsed, "gRPC", "N", "",
     SET(SetPings(v, o.keepalive.pings_without_data_max))},
    {"grpc-http2-min-recv-ping-interval-without-data", kValue, kUsed, "gRPC", "MS", "",
     SET(SetMilliseconds(v, o.keepalive.ping_interval_without_data_min))},
    {"grpc-http2-max-ping-strikes", kValue, kUsed, "gRPC", "N", "",
     SET(SetPings(v, o.keepalive.ping_strikes_max))},
    {"grpc-max-connection-age", kValue, kUsed, "gRPC", "MS", "",
     SET(SetMilliseconds(v, o.keepalive.connection_age_max))},
    {"grpc-max-connection-age-grace", kValue, kUsed, "gRPC", "MS", "",
     SET(SetMilliseconds(v, o.keepalive.connection_age_grace))},
    {"grpc-use-ssl", kBoolean, kRefused, "gRPC", "BOOL", "TLS is not built", nullptr},
    {"grpc-use-ssl-mutual", kBoolean, kRefused, "gRPC", "BOOL", "TLS is not built", nullptr},
    {"grpc-restricted-protocol", kValue, kRefused, "gRPC", "…", "access tokens are not built",
     nullptr},
    {"reuse-grpc-port", kBoolean, kRefused, "gRPC", "BOOL", "a port serves one process", nullptr},

    {"allow-metrics", kBoolean, kUsed, "Metrics", "BOOL", "serve metrics (true)",
     SET(SetBoolean(v, o.metrics.allow))},
    {"metrics-address", kValue, kUsed, "Metrics", "ADDRESS",
     "address to listen on; default: HTTP's", SET(SetText(v, o.metrics.address))},
    {"metrics-port", kValue, kUsed, "Metrics", "PORT", "port; 0: any free one (8002)",
     SET(SetPort(v, o.metrics.port))},

    {"slots", kValue, kUsed, "Scheduling", "N",
     "networks that run at once; 0: the CPUs of the process (0)",
     SET(SetNumber(v, 0, kThreadsMax, o.slots))},
    {"dispatch", kValue, kUsed, "Scheduling", "POLICY",
     "who goes first, see 'cotenant policies' (edf)", SET(SetName(v, kDispatchNames, o.dispatch))},
    {"batching", kValue, kUsed, "Scheduling", "POLICY",
     "when a batch starts; model: as its configuration says (model)",
     SET(SetName(v, kBatchingNames, o.batching))},
    {"admission", kValue, kUsed, "Scheduling", "POLICY",
     "who is taken in, see 'cotenant policies' (feasible)",
     SET(SetName(v, kAdmissionNames, o.admission))},
    {"decisions-max", kValue, kUsed, "Scheduling", "N",
     "last decisions kept for /cotenant/v1/decisions; 0: none (4096)",
     SET(SetNumber<std::uint32_t>(v, 0, 10'000'000, o.decisions_max))},
    {"record", kValue, kUsed, "Scheduling", "LOG",
     "write an event log, for `cotenant simulate --replay LOG`", SET(SetText(v, o.record))},
    {"record-max-bytes", kValue, kUsed, "Scheduling", "BYTES",
     "then LOG becomes LOG.1 and a new one begins (64MiB)", SET(SetBytes(v, o.record_bytes_max))},
    {"state-dir", kValue, kUsed, "Scheduling", "DIR",
     "what was measured (docs/profiles.md) and learnt of requests", SET(SetText(v, o.state_dir))},

    {"cache-dir", kValue, kUsed, "Memory", "DIR",
     "prepared networks (docs/prepare.md); none: serve as shipped", SET(SetText(v, o.cache_dir))},
    {"memory", kValue, kUsed, "Memory", "SIZE",
     "of everything: 512MiB, 60% of what there is, or unlimited (80%)", SetMemory},
    {"parked-max", kValue, kUsed, "Memory", "SIZE",
     "of it, for parked sessions of models that left; 0: none (1/16)", SetParkedMax},
    {"residency", kValue, kUsed, "Memory", "POLICY",
     "which models stay in memory, see 'cotenant policies' (greedy-dual)",
     SET(SetName(v, kResidencyNames, o.residency))},
    {"idle-unload", kValue, kUsed, "Memory", "SECONDS",
     "a model leaves memory unasked for so long; 0: it does not (0)",
     SET(SetSeconds(v, 0, o.idle_unload))},
    {"prediction", kValue, kUsed, "Memory", "POLICY",
     "how the next request of a model is foretold (bayesian)",
     SET(SetName(v, kPredictionNames, o.prediction))},

    {"connections-max", kValue, kUsed, "Limits", "N", "HTTP connections (12000)",
     SET(SetCount(v, o.limits.connections_max))},
    {"http-head-max", kValue, kUsed, "Limits", "SIZE", "head of an HTTP request (16KiB)",
     SET(SetBytes(v, o.limits.http_head_max))},
    {"http-body-max", kValue, kUsed, "Limits", "SIZE", "a request's body, both protocols (64MiB)",
     SET(SetBytes(v, o.limits.body_max))},
    {"http-max-input-size", kValue, kUsed, "Limits", "SIZE", "the same",
     SET(SetBytes(v, o.limits.body_max))},
    {"json-depth-max", kValue, kUsed, "Limits", "N", "nesting of JSON (32)",
     SET(SetNumber<std::uint32_t>(v, 8, 1'000, o.limits.json_depth_max))},
    {"tensors-max", kValue, kUsed, "Limits", "N", "inputs, or outputs, of a request (1024)",
     SET(SetCount(v, o.limits.tensors_max))},
    {"in-flight-bytes-max", kValue, kUsed, "Limits", "SIZE",
     "tensors of requests not answered yet (512MiB)",
     SET(SetBytes(v, o.limits.in_flight_bytes_max))},
    {"waiting-max", kValue, kUsed, "Limits", "N", "requests that wait for a run (100000)",
     SET(SetCount(v, o.limits.waiting_max))},
    {"grpc-connections-max", kValue, kUsed, "Limits", "N", "gRPC connections (1000)",
     SET(SetCount(v, o.limits.grpc_connections_max))},
    {"grpc-streams-max", kValue, kUsed, "Limits", "N",
     "calls of one gRPC connection at a time (1024)", SET(SetCount(v, o.limits.grpc_streams_max))},
    {"request-timeout-secs", kValue, kUsed, "Limits", "SECONDS",
     "from a request's first byte to its last (60)",
     SET(SetSeconds(v, 1, o.limits.request_timeout))},
    {"idle-timeout-secs", kValue, kUsed, "Limits", "SECONDS",
     "a connection without requests; 0: for ever (600)",
     SET(SetSeconds(v, 0, o.limits.idle_timeout))},

    {"log-verbose", kValue, kUsed, "Log", "LEVEL", "0: no debug lines (0)",
     SET(SetNumber(v, 0, 1'000, o.log.verbose))},
    {"log-info", kBoolean, kUsed, "Log", "BOOL", "(true)", SET(SetBoolean(v, o.log.info))},
    {"log-warning", kBoolean, kUsed, "Log", "BOOL", "(true)", SET(SetBoolean(v, o.log.warning))},
    {"log-error", kBoolean, kUsed, "Log", "BOOL", "(true)", SET(SetBoolean(v, o.log.error))},
    {"log-format", kValue, kUsed, "Log", "FORMAT", "default, ISO8601 or json (default)",
     SetLogFormat},
    {"log-json", kSwitch, kUsed, "Log", "", "the same as --log-format=json",
     SET(SetLogFormat(o, "json"))},
    {"log-file", kValue, kUsed, "Log", "FILE", "default: standard error",
     SET(SetText(v, o.log.file))},
#undef SET

    {"allow-client-shm", kBoolean, kRefused, "Refused", "BOOL", "shared memory is not built",
     nullptr},
    {"allow-sagemaker", kBoolean, kRefused, "Refused", "BOOL", "SageMaker's endpoint is not built",
     nullptr},
    {"allow-vertex-ai", kBoolean, kRefused, "Refused", "BOOL", "Vertex AI's endpoint is not built",
     nullptr},
    {"model-namespacing", kBoolean, kRefused, "Refused", "BOOL",
     "models of one name cannot be told apart", nullptr},

#define IGNORED(name, kind) \
  { name, kind, kIgnored, "Without effect", "", "", nullptr }
    IGNORED("allow-cpu-metrics", kBoolean),
    IGNORED("allow-gpu-metrics", kBoolean),
    IGNORED("backend-directory", kValue),
    IGNORED("buffer-manager-thread-count", kValue),
    IGNORED("cache-config", kValue),
    IGNORED("cache-directory", kValue),
    IGNORED("cuda-memory-pool-byte-size", kValue),
    IGNORED("cuda-virtual-address-size", kValue),
    IGNORED("enable-peer-access", kBoolean),
    IGNORED("grpc-infer-allocation-pool-size", kValue),
    IGNORED("grpc-infer-response-compression-level", kValue),
    IGNORED("grpc-infer-thread-count", kValue),
    IGNORED("grpc-root-cert", kValue),
    IGNORED("grpc-server-cert", kValue),
    IGNORED("grpc-server-key", kValue),
    IGNORED("host-policy", kValue),
    IGNORED("metrics-config", kValue),
    IGNORED("metrics-interval-ms", kValue),
    IGNORED("min-supported-compute-capability", kValue),
    IGNORED("model-load-gpu-limit", kValue),
    IGNORED("model-load-retry-count", kValue),
    IGNORED("pinned-memory-pool-byte-size", kValue),
    IGNORED("rate-limit", kValue),
    IGNORED("rate-limit-resource", kValue),
    IGNORED("repoagent-directory", kValue),
    IGNORED("response-cache-byte-size", kValue),
    IGNORED("sagemaker-port", kValue),
    IGNORED("sagemaker-safe-port-range", kValue),
    IGNORED("sagemaker-thread-count", kValue),
    IGNORED("trace-config", kValue),
    IGNORED("trace-count", kValue),
    IGNORED("trace-file", kValue),
    IGNORED("trace-level", kValue),
    IGNORED("trace-log-frequency", kValue),
    IGNORED("trace-rate", kValue),
    IGNORED("vertex-ai-default-model", kValue),
    IGNORED("vertex-ai-port", kValue),
    IGNORED("vertex-ai-thread-count", kValue),
#undef IGNORED
};

}  // namespace

std::span<const Flag> FlagTable() { return kFlags; }

const Flag* FindFlag(std::string_view name) {
  const auto flag = std::ranges::find(kFlags, name, &Flag::name);
  return flag == std::end(kFlags) ? nullptr : &*flag;
}

Result<bool> ParseBoolean(const std::string& value) {
  std::string text = value;
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (text == "true" || text == "1" || text == "on") return true;
  if (text == "false" || text == "0" || text == "off") return false;
  return InvalidArgument("expected true or false, got '" + value + "'");
}

}  // namespace cotenant
