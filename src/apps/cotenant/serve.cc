#include "apps/cotenant/serve.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <memory>

#include "apps/cotenant/cpu_name.h"
#include "apps/cotenant/memory_plan.h"
#include "apps/cotenant/prepared_source.h"
#include "apps/cotenant/start_up_pages.h"
#include "apps/cotenant/usable_cpus.h"
#include "base/quoted.h"
#include "config/directory_source.h"
#include "config/prepared_store.h"
#include "config/profile_store.h"
#include "config/state_dir.h"
#include "execution/onnx/onnx_backend.h"
#include "protocol/grpc/grpc_server.h"
#include "protocol/http/http_server.h"
#include "protocol/server_facts.h"
#include "server/history_file.h"
#include "server/io_thread.h"
#include "server/node.h"
#include "server/unsent_bytes.h"
#include "telemetry/log.h"
#include "telemetry/memory_meters.h"
#include "telemetry/telemetry.h"

namespace cotenant {
namespace {

/// Sent to the main thread when the last accepted request is answered.
constexpr int kDrainedSignal = SIGUSR1;
/// Sent to the main thread when a model failed at start and --exit-on-error says that this ends the
/// program.
constexpr int kFailedSignal = SIGUSR2;

/// Longest wait for slow clients to take the ends of their replies. Raise it for slow networks.
constexpr Duration kUnsentWaitMax = Duration::Milliseconds(50);

/// From here malloc's blocks go back to the system one by one when they are freed. Raise it if
/// requests of this size cost too many page faults.
constexpr int kLargeBlock = 1 << 20;

sigset_t OurSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, SIGHUP, kDrainedSignal, kFailedSignal})
    sigaddset(&set, signal);
  return set;
}

/// Raises the limit of open files as far as it goes, and lowers the limits of connections to what
/// it has room for.
void FitFileLimit(LimitOptions& limits) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  constexpr rlim_t kOtherFiles = 256;
  const rlim_t connections = rlim_t{limits.connections_max} + limits.grpc_connections_max;
  const rlim_t wanted = connections + kOtherFiles;
  if (limit.rlim_max < wanted) {
    // Root may go beyond its hard limit.
    const rlimit raised{wanted, wanted};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return;
  }
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted) return;
  const rlim_t room = std::max(limit.rlim_cur - std::min(limit.rlim_cur, kOtherFiles),
                               std::max<rlim_t>(4, limit.rlim_cur / 2));
  const rlim_t grpc = std::min<rlim_t>(limits.grpc_connections_max, room / 4);
  const rlim_t http = std::min<rlim_t>(limits.connections_max, room - grpc);
  LogWarning("the limit of open files is " + std::to_string(limit.rlim_cur) + ", so at most " +
             std::to_string(http) + " HTTP connections are taken instead of " +
             std::to_string(limits.connections_max) + ", and " + std::to_string(grpc) +
             " of gRPC instead of " + std::to_string(limits.grpc_connections_max) +
             ": raise it (ulimit -Hn " + std::to_string(wanted) +
             "), or lower --connections-max and --grpc-connections-max");
  limits.connections_max = static_cast<std::uint32_t>(http);
  limits.grpc_connections_max = static_cast<std::uint32_t>(grpc);
}

Status SetUpLog(const LogFlags& flags) {
  LogOptions options;
  options.format = flags.style == LogStyle::kJson ? LogFormat::kJson : LogFormat::kText;
  options.file = flags.file;
  options.level = flags.verbose > 0 ? LogLevel::kDebug
                  : flags.info      ? LogLevel::kInfo
                  : flags.warning   ? LogLevel::kWarning
                                    : LogLevel::kError;
  return SetUpLog(options);
}

NodeOptions NodeOptionsOf(const ServeOptions& options, std::int32_t cpus,
                          const MemoryBudget& memory) {
  NodeOptions node;
  node.scheduler.slots = options.slots > 0 ? options.slots : cpus;
  node.scheduler.inline_beyond_slots_max = cpus;
  node.scheduler.waiting_max = options.limits.waiting_max;
  node.scheduler.node = options.settings;
  switch (options.control) {
    case ModelControl::kNone: node.control = ControlMode::kNone; break;
    case ModelControl::kPoll: node.control = ControlMode::kPoll; break;
    case ModelControl::kExplicit: node.control = ControlMode::kExplicit; break;
  }
  node.poll_interval = options.poll_interval;
  node.load_at_start = options.load_models;
  node.strict_readiness = options.strict_readiness;
  node.server_id = options.server_id;
  node.decisions_max = options.decisions_max;
  node.record.path = options.record;
  node.record.file_max = options.record_bytes_max;
  node.memory = memory;
  node.idle_unload = options.idle_unload;
  node.scheduler.memory = memory.models;
  return node;
}

HttpOptions HttpOptionsOf(const ServeOptions& options, const LimitOptions& limits) {
  HttpOptions http;
  http.connections_max = limits.connections_max;
  http.head_max = limits.http_head_max;
  http.body_max = limits.body_max;
  http.inflight_bytes_max = limits.in_flight_bytes_max;
  // Parsing takes several times the text.
  http.json_max = std::min(http.json_max, Bytes(limits.in_flight_bytes_max.count() / 4));
  http.json_depth_max = limits.json_depth_max;
  http.tensors_max = limits.tensors_max;
  http.head_timeout = std::min(http.head_timeout, limits.request_timeout);
  http.body_timeout = limits.request_timeout;
  http.idle_timeout = limits.idle_timeout;
  http.header_forward_pattern = options.http_header_forward_pattern;
  return http;
}

GrpcOptions GrpcOptionsOf(const ServeOptions& options, const LimitOptions& limits) {
  GrpcOptions grpc;
  grpc.address = options.grpc.address;
  grpc.port = options.grpc.port;
  grpc.connections_max = limits.grpc_connections_max;
  grpc.handshake_timeout = std::min(grpc.handshake_timeout, limits.request_timeout);
  grpc.idle_timeout = limits.idle_timeout;
  grpc.body_max = limits.body_max;
  grpc.in_flight_bytes_max = limits.in_flight_bytes_max;
  grpc.buffered_bytes_max = std::min(grpc.buffered_bytes_max, limits.in_flight_bytes_max);
  grpc.streams_per_connection_max = static_cast<std::int32_t>(limits.grpc_streams_max);
  grpc.tensors_max = static_cast<int>(limits.tensors_max);
  if (options.keepalive.time) grpc.keepalive_time = options.keepalive.time;
  grpc.keepalive_timeout = options.keepalive.timeout;
  grpc.keepalive_permit_without_calls = options.keepalive.permit_without_calls;
  grpc.pings_without_data_max = options.keepalive.pings_without_data_max;
  grpc.ping_interval_without_data_min = options.keepalive.ping_interval_without_data_min;
  grpc.ping_strikes_max = options.keepalive.ping_strikes_max;
  grpc.connection_age_max = options.keepalive.connection_age_max;
  grpc.connection_age_grace = options.keepalive.connection_age_grace;
  grpc.header_forward_pattern = options.grpc_header_forward_pattern;
  return grpc;
}

/// The running server: everything that must end in order.
class Server {
 public:
  explicit Server(const ServeOptions& options)
      : options_(options),
        cpus_(UsableCpus()),
        source_(Repositories(options), {options.default_max_batch_size, options.complete_configs}),
        profiles_(options.state_dir.empty() ? DefaultStateDir()
                                            : std::filesystem::path(options.state_dir),
                  Repositories(options), {CpuName(), OnnxRuntimeVersion()}) {}

  Status Start();
  /// Waits for the signal that ends the server, and drains. True when everything accepted was
  /// answered.
  bool Attend();

 private:
  static std::vector<std::filesystem::path> Repositories(const ServeOptions& options) {
    return {options.repositories.begin(), options.repositories.end()};
  }
  Status PlanTheMemory();
  void OpenCache();
  Status Listen();
  void Reload();
  bool Drain();

  const ServeOptions& options_;
  std::int32_t cpus_;
  MemoryBudget memory_;
  LimitOptions limits_;  ///< As the budget allows.
  DirectorySource source_;
  ProfileStore profiles_;
  std::optional<PreparedStore> cache_;
  std::optional<PreparedSource> prepared_;
  Telemetry telemetry_;
  std::unique_ptr<OnnxBackend> backend_;
  std::unique_ptr<Node> node_;
  std::vector<std::unique_ptr<IoThread>> threads_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<GrpcServer> grpc_;
};

Status Server::Start() {
  OnnxOptions onnx;
  onnx.log = [](void*, OnnxLogLevel level, std::string_view model, std::string_view message) {
    const std::string whose = model.empty() ? "" : "model " + Quoted(model) + ": ";
    LogLimited(level == OnnxLogLevel::kError ? LogLevel::kError : LogLevel::kWarning, model,
               whose + std::string(message));
  };
  Result<std::unique_ptr<OnnxBackend>> backend = OnnxBackend::Create(onnx);
  COTENANT_RETURN_IF_ERROR(backend.status());
  backend_ = *std::move(backend);
  COTENANT_RETURN_IF_ERROR(PlanTheMemory());
  NodeOptions node_options = NodeOptionsOf(options_, cpus_, memory_);
  node_options.find_profile = [this](const std::string& model, const VersionFile& file) {
    ProfileStore::Found found = profiles_.Find(model, file);
    if (!found.remark.empty()) LogWarning(found.remark);
    if (found.profile) LogInfo("model '" + model + "': run times are known from its profile");
    return std::move(found.profile);
  };
  const std::filesystem::path state =
      options_.state_dir.empty() ? DefaultStateDir() : std::filesystem::path(options_.state_dir);
  if (!state.empty()) {
    node_options.history_file = state / HistoryFileName(Repositories(options_));
  }
  OpenCache();
  node_ = std::make_unique<Node>(std::move(node_options), *prepared_, *backend_, telemetry_);
  const pthread_t main_thread = pthread_self();
  COTENANT_RETURN_IF_ERROR(node_->Start([this, main_thread](bool all_loaded) {
    if (!all_loaded && options_.exit_on_error) pthread_kill(main_thread, kFailedSignal);
    backend_->Trim();
    ReleaseStartUpPages();
  }));
  return Listen();
}

Status Server::PlanTheMemory() {
  Result<MemoryPlan> plan = PlanMemory(options_);
  COTENANT_RETURN_IF_ERROR(plan.status());
  LogInfo(plan->remark);
  memory_ = plan->budget;
  limits_ = WithinBudget(options_, memory_);
  if (limits_.body_max < options_.limits.body_max) {
    LogInfo("memory: a request's body may have " + SizeText(limits_.body_max) +
            " at most, because the budget has no more for it");
  }
  if (memory_.limited()) {
    // By default malloc raises both with what is freed, and then keeps what a load needed for a
    // while. Networks' own memory and activations are not malloc's.
    mallopt(M_MMAP_THRESHOLD, kLargeBlock);
    mallopt(M_TRIM_THRESHOLD, kLargeBlock);
    // One run may take half of what all models and runs may, as without a budget.
    backend_->SetMemory(memory_.models, Bytes(memory_.models.count() / 2));
  }
  return Status();
}

void Server::OpenCache() {
  std::filesystem::path folder = options_.cache_dir;
  if (options_.cache_dir.empty()) folder = DefaultCacheDir();
  if (options_.cache_dir == "none") folder.clear();
  cache_.emplace(folder);
  PreparedSourceOptions options;
  options.repositories = Repositories(options_);
  options.cpu = CpuName();
  options.onnxruntime_version = OnnxRuntimeVersion();
  options.measure = memory_.limited();
  if (memory_.limited()) {
    // Slots keep something for their runs.
    const SchedulerSettings scheduler = NodeOptionsOf(options_, cpus_, memory_).scheduler;
    options.room = std::max(
        memory_.models - Bytes(scheduler.run_peak_floor.count() * scheduler.slots), Bytes(1));
  }
  options.has_room = [](Bytes more) {
    const auto group = ReadCgroupMemory();
    if (!group || !group->limit) return ReadAvailableMemory() >= more;
    return group->usage - group->inactive_file + more <= *group->limit;
  };
  prepared_.emplace(source_, *cache_, std::move(options));
  // Cached pages of a network that left would go on counting for the group.
  const auto group = ReadCgroupMemory();
  backend_->DropUnmapped(group && group->limit);
}

Status Server::Listen() {
  const std::int32_t count = options_.io_threads > 0 ? options_.io_threads : cpus_;
  std::vector<IoThread*> threads;
  for (std::int32_t i = 0; i < count; ++i) {
    threads_.push_back(std::make_unique<IoThread>(*node_, static_cast<std::size_t>(i)));
    threads.push_back(threads_.back().get());
  }
  http_ =
      std::make_unique<HttpServer>(*node_, telemetry_, threads, HttpOptionsOf(options_, limits_));
  for (std::unique_ptr<IoThread>& thread : threads_) thread->Start();
  const auto say = [](const char* what, const std::string& address, std::uint16_t port) {
    LogInfo(std::string("Started ") + what + " at " + address + ":" + std::to_string(port));
  };
  if (options_.grpc.allow) {
    grpc_ = std::make_unique<GrpcServer>(*node_, telemetry_, GrpcOptionsOf(options_, limits_));
    COTENANT_RETURN_IF_ERROR(grpc_->Start());
    say("GRPCInferenceService", options_.grpc.address, grpc_->port());
  }
  if (options_.http.allow) {
    Result<std::uint16_t> port = http_->Listen(options_.http.address, options_.http.port);
    COTENANT_RETURN_IF_ERROR(port.status());
    say("HTTPService", options_.http.address, *port);
  }
  if (options_.metrics.allow) {
    Result<std::uint16_t> port =
        http_->ListenMetrics(options_.metrics.address, options_.metrics.port);
    COTENANT_RETURN_IF_ERROR(port.status());
    say("Metrics Service", options_.metrics.address, *port);
  }
  return Status();
}

void Server::Reload() {
  LogInfo("reading the configuration and the models again");
  Result<SettingsAgain> again = ReadSettings(options_);
  if (again.ok()) {
    if (!again->warning.empty()) LogWarning(again->warning);
    node_->Apply(std::move(again->settings));
  } else {
    LogError(again.status().message() + "; the settings in force stay");
  }
  node_->Reload();
}

bool Server::Attend() {
  const sigset_t set = OurSignals();
  while (true) {
    const int signal = sigwaitinfo(&set, nullptr);
    if (signal == SIGHUP) {
      Reload();
    } else if (signal == SIGTERM || signal == SIGINT) {
      return Drain();
    } else if (signal == kFailedSignal) {
      LogError("a model failed to load at start, and --exit-on-error is set");
      Drain();
      return false;
    }
  }
}

bool Server::Drain() {
  LogInfo("draining: no new requests; what was accepted is answered");
  const pthread_t main_thread = pthread_self();
  node_->Drain([main_thread] { pthread_kill(main_thread, kDrainedSignal); });
  const sigset_t set = OurSignals();
  timespec left{static_cast<time_t>(options_.drain_timeout.seconds()), 0};
  bool drained = false;
  while (!drained) {
    const int signal = sigtimedwait(&set, nullptr, &left);
    drained = signal == kDrainedSignal;
    if (signal == SIGTERM || signal == SIGINT) break;  // Asked twice: at once.
    if (signal < 0 && errno == EAGAIN) break;
  }
  if (!drained) LogWarning("the drain was cut short: some requests were not answered");
  AwaitUnsentBytes(kUnsentWaitMax);
  node_->FlushRecording();
  node_->SaveHistories();
  // gRPC is not stopped but ends with the process: its own shutdown answers calls that arrive
  // meanwhile with CANCELLED, as if their clients had cancelled; a closed connection reads as
  // UNAVAILABLE.
  http_->Stop();
  for (std::unique_ptr<IoThread>& thread : threads_) thread->Stop();
  return drained;
}

}  // namespace

std::string VersionLine() {
  return "cotenant " + std::string(kServerVersion) + " (ONNX Runtime " + OnnxRuntimeVersion() + ")";
}

int Serve(Program program, std::span<const std::string> arguments) {
  Result<ServeOptions> options = ParseServe(program, arguments);
  if (!options.ok()) {
    std::fprintf(stderr, "%s\n", options.status().message().c_str());
    return 2;
  }
  if (options->help || options->version) {
    std::fputs((options->help ? ServeHelp(program) : VersionLine() + "\n").c_str(), stdout);
    return 0;
  }
  if (Status status = SetUpLog(options->log); !status.ok()) {
    std::fprintf(stderr, "%s\n", status.message().c_str());
    return 2;
  }
  for (const std::string& warning : options->warnings) LogWarning(warning);
  // Before any thread exists: all of them inherit the mask, and only the main thread takes signals.
  const sigset_t set = OurSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  FitFileLimit(options->limits);
  LogInfo(VersionLine());
  auto server = std::make_unique<Server>(*options);
  if (Status status = server->Start(); !status.ok()) {
    LogError(status.message());
    // Not through destructors: threads may be inside a load.
    _exit(1);
  }
  const bool drained = server->Attend();
  LogInfo("ended");
  // Everything that matters is answered and closed; freeing what is left would only take time.
  _exit(drained ? 0 : 1);
}

}  // namespace cotenant
