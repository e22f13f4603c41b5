#pragma once

/// The live server: the brain, the real clock, the threads that carry its actions out, and the
/// table of models.
///
/// Protocols hold a reference and use the calls below. `Submit`, `Cancel` and `Written` take the
/// caller's lane and only collect events (see Lane); the rest may be called from any thread. Loads,
/// unloads and polls happen one at a time on the load thread; serving never waits for them.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "catalog/model_source.h"
#include "catalog/profile.h"
#include "catalog/tenant.h"
#include "execution/executor.h"
#include "scheduler/decision_text.h"
#include "scheduler/scheduler.h"
#include "server/decision_ring.h"
#include "server/event_recorder.h"
#include "server/infer_call.h"
#include "server/lane.h"
#include "server/memory_budget.h"
#include "server/node_memory.h"
#include "server/served_model.h"
#include "telemetry/telemetry.h"

namespace cotenant {

enum class ControlMode : unsigned char { kNone, kPoll, kExplicit };

struct NodeOptions {
  SchedulerSettings scheduler;
  ControlMode control = ControlMode::kNone;
  Duration poll_interval = Duration::Seconds(15);
  /// kExplicit: loaded at start; a single "*" means all.
  std::vector<std::string> load_at_start;
  /// Ready only when every model that was to load at start did; else once all of them ended, well
  /// or not.
  bool strict_readiness = false;
  std::string server_id = "cotenant";
  /// Decisions kept with their reasons. Zero: none, and none is put together. Raise it to look
  /// further back; each takes about 250 bytes.
  std::uint32_t decisions_max = 4'096;
  RecorderOptions record;  ///< The event log; none without a path.
  /// Without a limit no model is ever evicted. Its part for models is also the scheduler's
  /// `memory`.
  MemoryBudget memory;
  /// After so long a time unused memory of the networks' allocator goes back to the system; at most
  /// twice as long. Raise it for models that run rarely and must not fault pages in.
  Duration unused_memory_max = Duration::Seconds(5);
  /// Time between two looks at what other programs leave of the budget, while there is traffic.
  /// Raise it if some ten microseconds a second are too much.
  Duration memory_watch_interval = Duration::Seconds(1);
  /// What the server could take all together; zero: unknown. Other than by default only in tests.
  std::function<Bytes()> read_memory_room = [] { return ReadMemoryRoom(); };
  /// Where what was learnt of requests is kept over a restart; empty: nowhere. Only with a limit of
  /// memory.
  std::filesystem::path history_file;
  /// A model leaves memory when nobody asked for it for so long, where its folder says nothing.
  /// Zero: it does not.
  Duration idle_unload;
  /// What was measured of a version's network, so that admission has estimates from the first
  /// request on. Called on the load thread, may block on files; may be empty.
  std::function<std::optional<ModelProfile>(const std::string& model, const VersionFile& file)>
      find_profile;
};

enum class ModelState : unsigned char { kReady, kUnavailable, kLoading, kUnloading };
std::string_view ModelStateName(ModelState state);  ///< "READY", "UNAVAILABLE" …

/// One row of the repository index. A model never loaded has an empty version and no state.
struct IndexRow {
  std::string name;
  std::string version;
  bool known_state = true;
  ModelState state = ModelState::kUnavailable;
  std::string reason;
};

class Node {
 public:
  /// `source`, `backend` and `telemetry` must outlive the node.
  Node(NodeOptions options, ModelSource& source, Backend& backend, Telemetry& telemetry);
  /// Ends all threads. Call `Drain` first to answer what was accepted.
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Starts workers and the load thread and begins to load. Returns at once; `Ready` tells the
  /// rest. `loaded` is called once on the load thread when the start-up loads have ended: true when
  /// all did well.
  Status Start(std::function<void(bool)> loaded = {});

  // --- One request. The caller's own lane; no lock is taken.

  /// Resolves and validates the call and collects its arrival. Not ok: the call was not taken,
  /// `Complete` will not be called; the message says what is wrong and names the field, and error
  /// texts follow Triton's where known.
  Status Submit(Lane& lane, InferCall& call);
  /// The client went away. `Complete` is still called once, with kCancelled, when no run reads the
  /// inputs.
  void Cancel(Lane& lane, InferCall& call);
  /// The reply is on its way, or could not be written: the outputs may be reused. Exactly once
  /// after `Complete`. `sent` is false when it could not be written.
  void Written(Lane& lane, InferCall& call, bool sent);

  // --- What is served. Any thread.

  bool Live() const;
  /// False while the start-up loads run (strict), and from the first moment of a drain.
  bool Ready() const;
  /// True when requests for the model would be taken now. NotFound when the model is unknown.
  Result<bool> ModelReady(std::string_view model, std::string_view version) const;
  /// The version that would serve; an empty version means the highest. NotFound with Triton's
  /// texts.
  Result<std::shared_ptr<ServedModel>> Find(std::string_view model, std::string_view version) const;
  /// All versions of a model that are ready, ascending.
  Result<std::vector<std::shared_ptr<ServedModel>>> Versions(std::string_view model) const;
  /// Every version of every model that is ready, by name, then version.
  std::vector<std::shared_ptr<ServedModel>> AllServed() const;
  std::vector<IndexRow> Index(bool ready_only) const;
  const NodeOptions& options() const { return options_; }
  /// The tenants that are declared now.
  std::vector<Tenant> Tenants() const;
  Duration Uptime() const;

  // --- Control. Any thread; `done` is called once, on the load thread; it must not block.

  using Done = std::function<void(Status)>;
  /// FailedPrecondition unless control is explicit. A load of a loaded model is a reload: the old
  /// version serves until the new one is ready, and if that fails it goes on serving.
  void Load(std::string model, LoadOverride override_, Done done);
  void Unload(std::string model, Done done);
  /// Reads the source again as a poll would (SIGHUP); also kNone and kExplicit look for changes of
  /// what is loaded.
  void Reload();
  /// New tenants and policies, from a server file that changed.
  void Apply(NodeSettings settings);

  // --- Ending.

  /// Readiness fails at once, new requests are refused, what was accepted is answered; then
  /// `drained` is called on some thread, once.
  void Drain(std::function<void()> drained);

  /// Blocks until what was recorded is in the file, for a bounded time. For a program that ends
  /// without the node's destructor.
  void FlushRecording();
  /// Writes what was learnt of requests to its file. Blocks on the disk.
  void SaveHistories();

  /// Why: the last decisions, oldest first, or all that are kept of one request: by the id that its
  /// client gave, or by our number. FailedPrecondition when none are kept.
  Result<std::vector<RecordedDecision>> LastDecisions(std::size_t count) const;
  Result<std::vector<RecordedDecision>> DecisionsOf(std::string_view request) const;
  /// What sentences about them call models and tenants.
  DecisionNames NamesForDecisions() const;
  Instant Started() const;

  /// The Prometheus page.
  std::string MetricsText() const;
  EndCounts Ends() const;
  /// The budget, the ledger by model, and what the system says. Reads files of /proc.
  NodeMemory Memory() const;

 private:
  friend class Lane;
  class Body;
  /// Its variants, and which of them is in memory.
  void AddVariants(const ServedModel& model, ModelMemoryRow& row) const;
  void AddGauges(const ServedModel& model, ModelGauge& row) const;
  NodeOptions options_;
  std::unique_ptr<Body> body_;
};

}  // namespace cotenant
