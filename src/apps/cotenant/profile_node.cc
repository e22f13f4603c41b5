#include "apps/cotenant/profile_node.h"

#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include "client/http_get.h"
#include "client/load_run.h"
#include "execution/profiled/profiled_backend.h"
#include "protocol/http/http_server.h"
#include "scheduler/event_log.h"
#include "server/io_thread.h"
#include "server/node.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr Duration kReadyMax = Duration::Seconds(10);
/// Between two requests: a run of 1 ms, and time to spare.
constexpr Duration kInterval = Duration::Milliseconds(4);
/// Requests at the start that do not count: caches and buffers fill.
constexpr Duration kWarmUp = Duration::Milliseconds(500);
constexpr std::string_view kProbe = "run_ns = 1000000\noutput = zero\n";

std::string ProbeName(std::size_t i) { return "probe-" + std::to_string(i); }

/// Emulated models that differ in the size of their input.
class ProbeSource final : public ModelSource {
 public:
  explicit ProbeSource(const std::vector<Bytes>& requests) : requests_(requests) {}

  Result<std::vector<std::string>> List() override {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < requests_.size(); ++i) names.push_back(ProbeName(i));
    return names;
  }
  Result<ModelDescription> Read(std::string_view name, const LoadOverride&) override {
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      if (name != ProbeName(i)) continue;
      ModelDescription description;
      description.config.name = name;
      const std::int64_t width = std::max<std::int64_t>(1, requests_[i].count() / 4);
      description.config.inputs.push_back({"x", DataType::kFp32, Shape{width}, false, {}, ""});
      description.config.outputs.push_back({"y", DataType::kFp32, Shape{4}, false, {}, ""});
      description.versions.push_back({1, "", std::make_shared<const std::string>(kProbe)});
      return description;
    }
    return NotFound("no such probe");
  }
  std::uint64_t Fingerprint(std::string_view) override { return 1; }
  Result<ModelConfig> Complete(ModelConfig config, const ModelSignature&) override {
    return config;
  }
  RenderedConfig Render(const ModelConfig&) override { return {"{}", ""}; }

 private:
  const std::vector<Bytes>& requests_;
};

/// Keeps CPUs from halting, and gives way to everything else.
class Spinners {
 public:
  explicit Spinners(std::int32_t count) {
    for (std::int32_t i = 0; i < count; ++i) {
      threads_.emplace_back([this] {
        const sched_param none{};
        if (sched_setscheduler(0, SCHED_IDLE, &none) != 0) return;
        while (!end_.load(std::memory_order_relaxed)) {
#if defined(__x86_64__)
          __builtin_ia32_pause();
#endif
        }
      });
    }
  }
  ~Spinners() {
    end_ = true;
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  std::atomic<bool> end_ = false;
  std::vector<std::thread> threads_;  // Last: they use what is above.
};

/// A folder that goes with this object.
class ScratchFolder {
 public:
  Status Make() {
    std::error_code error;
    std::string pattern = (fs::temp_directory_path(error) / "cotenant-profile-XXXXXX").string();
    if (error || mkdtemp(pattern.data()) == nullptr) {
      return Unavailable("no temporary folder can be made in '" +
                         fs::temp_directory_path(error).string() + "'");
    }
    path_ = pattern;
    return Status();
  }
  ~ScratchFolder() {
    std::error_code error;
    if (!path_.empty()) fs::remove_all(path_, error);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// One request after another, the sizes in turn.
Scenario ProbeScenario(const ProfileNodeOptions& options) {
  Scenario scenario;
  scenario.name = "profile";
  scenario.lasts = options.lasts;
  const auto count = static_cast<std::int64_t>(options.requests.size());
  for (std::size_t i = 0; i < options.requests.size(); ++i) {
    ScenarioModel model;
    model.name = ProbeName(i);
    scenario.models.push_back(std::move(model));
    LoadSource& source = scenario.sources.emplace_back();
    source.name = ProbeName(i);
    source.model = i;
    source.arrivals = PeriodicArrivals{kInterval * count, kInterval / 4,
                                       kInterval * static_cast<std::int64_t>(i)};
  }
  return scenario;
}

/// Serves the probes, records, and plays the scenario. The client's p50 by size.
Result<std::vector<Duration>> Serve(const ProfileNodeOptions& options, const fs::path& log) {
  ProbeSource source(options.requests);
  ProfiledBackend backend;
  Telemetry telemetry;
  NodeOptions node_options;
  node_options.scheduler.slots = options.slots;
  node_options.scheduler.inline_beyond_slots_max = options.slots;
  node_options.record.path = log.string();
  Node node(node_options, source, backend, telemetry);
  COTENANT_RETURN_IF_ERROR(node.Start());
  std::vector<std::unique_ptr<IoThread>> threads;
  std::vector<IoThread*> pointers;
  for (std::int32_t i = 0; i < options.slots; ++i) {
    threads.push_back(std::make_unique<IoThread>(node, static_cast<std::size_t>(i)));
    pointers.push_back(threads.back().get());
  }
  HttpServer http(node, telemetry, pointers, {});
  for (const std::unique_ptr<IoThread>& thread : threads) thread->Start();
  const auto play = [&]() -> Result<std::vector<Duration>> {
    Result<std::uint16_t> port = http.Listen("127.0.0.1", 0);
    if (!port.ok()) return port.status();
    const Result<ServerUrl> url = ParseServerUrl("http://127.0.0.1:" + std::to_string(*port));
    if (!url.ok()) return url.status();
    const Result<ServerAddress> address = FindServer(*url);
    if (!address.ok()) return address.status();
    COTENANT_RETURN_IF_ERROR(AwaitReady(*url, *address, kReadyMax));
    const Scenario scenario = ProbeScenario(options);
    const Result<BodiesByModel> bodies = PrepareBodies(scenario, *url, *address, 1);
    if (!bodies.ok()) return bodies.status();
    LoadOptions load;
    load.lasts = scenario.lasts;
    load.warm_up = kWarmUp;
    load.send_tenants = false;
    const Spinners spinners(options.slots);
    const Result<RunResult> result = LoadRun(scenario, *bodies, *url, *address, load).Run();
    if (!result.ok()) return result.status();
    if (result->all.Ended(RunEnd::kReplied) == 0) {
      return Unavailable("no request to the node was answered");
    }
    std::vector<Duration> p50;
    for (const GroupResult& model : result->models) p50.push_back(model.latency.p50);
    return p50;
  };
  Result<std::vector<Duration>> played = play();
  http.Stop();
  for (const std::unique_ptr<IoThread>& thread : threads) thread->Stop();
  return played;
}

/// Follows each request through the log.
class LogReader {
 public:
  explicit LogReader(std::vector<MeasuredNode>& nodes) : nodes_(nodes), totals_(nodes.size()) {}

  Status Read(std::string_view log) {
    Result<EventLogReader> reader = EventLogReader::Open(log);
    if (!reader.ok()) return reader.status();
    LogRecord record;
    while (true) {
      const Result<bool> more = reader->Next(record);
      if (!more.ok()) return more.status();
      if (!*more) break;
      if (record.kind == LogRecord::Kind::kCrank) Take(record);
    }
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (totals_[i].empty()) return Unavailable("the node's event log holds no whole request");
      nodes_[i].node_p50 = totals_[i].PerMille(500);
    }
    return Status();
  }

 private:
  struct Seen {
    std::size_t node = 0;
    Instant at;
    Instant decided;
    Instant run_ended;
    std::optional<RunId> run;
  };

  void Take(const LogRecord& record) {
    for (const Event& event : record.events) {
      if (const auto* arrived = std::get_if<Arrived>(&event)) {
        // Models are loaded, and so numbered, in the order of their names.
        if (first_ == Instant()) first_ = arrived->at;
        if (arrived->at - first_ < kWarmUp) continue;
        const std::size_t node = ToIndex(arrived->model);
        nodes_[node].read.Add(record.now - arrived->at);
        seen_[ToIndex(arrived->request)] = {node, arrived->at, record.now, {}, {}};
      } else if (const auto* finished = std::get_if<RunFinished>(&event)) {
        for (auto& [id, request] : seen_) {
          if (request.run != finished->run || request.run_ended > Instant()) continue;
          request.run_ended = finished->at;
          const Instant started = finished->at - finished->ran_for;
          nodes_[request.node].hand_over.Add(started - request.decided);
        }
      } else if (const auto* written = std::get_if<ReplyWritten>(&event)) {
        End(ToIndex(written->request), written->at);
      }
    }
    for (const Action& action : record.actions.actions) {
      const auto* start = std::get_if<StartRun>(&action);
      if (start == nullptr) continue;
      for (const RequestId id : record.actions.MembersOf(*start)) {
        const auto request = seen_.find(ToIndex(id));
        if (request == seen_.end()) continue;
        Seen& seen = request->second;
        seen.run = start->run;
        seen.decided = record.now;
      }
    }
  }
  void End(std::uint64_t id, Instant written) {
    const auto request = seen_.find(id);
    if (request == seen_.end()) return;
    const Seen& seen = request->second;
    if (seen.run_ended > Instant()) {
      nodes_[seen.node].reply.Add(written - seen.run_ended);
      totals_[seen.node].Add(written - seen.at);
    }
    seen_.erase(request);
  }

  std::vector<MeasuredNode>& nodes_;
  std::vector<TimeSamples> totals_;
  std::map<std::uint64_t, Seen> seen_;
  Instant first_;
};

}  // namespace

NodeCosts MeasuredNode::Costs() const {
  return {read.Distribution(), hand_over.Distribution(), reply.Distribution()};
}

Result<std::vector<MeasuredNode>> MeasureNode(const ProfileNodeOptions& options) {
  ScratchFolder folder;
  COTENANT_RETURN_IF_ERROR(folder.Make());
  const fs::path log = folder.path() / "events";
  const Result<std::vector<Duration>> played = Serve(options, log);
  if (!played.ok()) return played.status();
  std::vector<MeasuredNode> nodes(options.requests.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    nodes[i].request = options.requests[i];
    nodes[i].client_p50 = (*played)[i];
  }
  std::ifstream file(log, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  COTENANT_RETURN_IF_ERROR(LogReader(nodes).Read(bytes));
  return nodes;
}

}  // namespace cotenant
