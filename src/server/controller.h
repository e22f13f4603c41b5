#pragma once

/// Loads, unloads, evictions and polls: turns folders into served versions and the brain's load
/// actions into work.
///
/// The brain decides when a load may begin (`StartLoad`), when a network must leave memory for
/// others (`StartEvict`) and when a model has ended its last request (`StartUnload`); the
/// controller does the reading, loading and warming up on the load thread. One name changes at a
/// time, and a change that fails leaves what served before in place. A version that was evicted
/// stays in the table; it comes back from the files that it was first loaded from, and only while
/// they are what they were. All state but the published table is the load thread's.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "catalog/model_source.h"
#include "catalog/profile.h"
#include "execution/executor.h"
#include "scheduler/events.h"
#include "server/live_brain.h"
#include "server/load_thread.h"
#include "server/model_table.h"
#include "server/node.h"
#include "server/parking_lot.h"
#include "telemetry/telemetry.h"

namespace cotenant {

/// What the controller uses of the node.
struct ControllerLinks {
  LiveBrain& brain;
  ModelTables& tables;
  std::function<void(Event)> tell;    ///< Hands an event to the brain and carries its actions out.
  std::function<void()> await_lanes;  ///< Returns when no lane resolves from an older table.
  /// What was learnt of a version's requests before; null: nothing.
  std::function<std::shared_ptr<const ArrivalHistory>(const std::string&, std::int64_t)>
      find_history;
};

class Controller {
 public:
  using Done = std::function<void(Status)>;

  Controller(const NodeOptions& options, ModelSource& source, Backend& backend,
             Telemetry& telemetry, ControllerLinks links);

  /// Any thread; all return at once.
  void LoadAtStart(std::function<void(bool)> loaded);
  void Load(std::string model, LoadOverride override_, Done done);
  void Unload(std::string model, Done done);
  void Poll();
  /// Other slow work, on the load thread.
  void Do(std::function<void()> work) { thread_.Post(std::move(work)); }
  /// The brain's actions.
  void StartLoad(ModelId model);
  void StartEvict(ModelId model);
  void StartUnload(ModelId model);
  void StopLoad(ModelId model);
  /// So much of the budget is left to other programs: that much less is kept for runs to come.
  void GiveUp(Bytes bytes);
  /// What parked networks take.
  Bytes parked() const { return parking_.held(); }
  /// Finishes the task at hand and drops the rest.
  void Stop() { thread_.Stop(); }

  bool startup_ended() const { return startup_ended_.load(std::memory_order_acquire); }
  /// The first failure of a start-up load; meaningful once the start-up has ended.
  bool startup_failed() const { return startup_failed_.load(std::memory_order_acquire); }

 private:
  /// One name on its way to new versions.
  struct Change {
    std::string name;
    std::uint64_t number = 0;  ///< In the order in which they were asked for.
    std::size_t loading = 0;
    std::vector<ModelTable::VersionState> versions;
    Done done;
    bool withdrawn = false;  ///< Its model was unloaded meanwhile.
  };
  struct PendingLoad {
    std::shared_ptr<Change> change;
    std::size_t index = 0;  ///< Into `Change::versions`.
    VersionFile file;
    ModelConfig config;
    NetworkFiles files;
    std::optional<ModelProfile> profile;
    std::uint64_t form_stamp = 0;  ///< Of the files of its prepared form.
    Bytes expected;                ///< What it will take.
    Bytes load_peak;               ///< At any time of its load.
    bool load_peak_guessed = false;
    Bytes run_peak;  ///< Zero: unknown.
    VariantUse use;
    /// A variant beside the model's own network, which is loaded before.
    std::optional<VariantSource> variant;
    std::shared_ptr<ServedModel> main;
  };
  /// What is needed to load a version once more.
  struct Known {
    std::shared_ptr<ServedModel> served;
    VersionFile file;
    ModelConfig config;  ///< As it was before the network completed it.
    NetworkFiles files;
    std::uint64_t form_stamp = 0;
    Bytes load_peak;
    ModelSignature signature;
    ModelSettings settings;
    std::shared_ptr<ServedModel> main;  ///< Of a variant: the model's own network.
  };

  void BeginChange(const std::string& model, const LoadOverride& override_, Done done);
  PendingLoad Prepare(const std::string& model, VersionFile file, const ModelConfig& config);
  /// Set when the load is to be given up; read on the load thread, also inside the load.
  using StopFlag = std::shared_ptr<std::atomic<bool>>;
  void DoLoad(ModelId id, const std::atomic<bool>& stop);
  void NoteFirstLoad(ModelId id, const std::string& model);
  void RefuseLoad(ModelId id);
  void FailVersion(PendingLoad& load, const Status& why);
  Status LoadVersion(ModelId id, PendingLoad& load, const std::atomic<bool>& stop);
  ModelSettings SettingsOf(const ModelConfig& config, const VariantUse& use) const;
  // controller_variants.cc
  void WantVariants(ModelId id, const PendingLoad& main,
                    const std::shared_ptr<ServedModel>& served);
  void DoLoadVariant(ModelId id, const std::atomic<bool>& stop);
  Status LoadVariant(ModelId id, PendingLoad& load, const std::atomic<bool>& stop);
  /// The model serves without it.
  void DropVariant(PendingLoad& load, const Status& why);
  void LoadAgain(ModelId id, Known& known, const std::atomic<bool>& stop);
  void LoadStopped(ModelId id, ServedModel& served);
  void FailAgain(ModelId id, ServedModel& served, const Status& why);
  void Estimate(PendingLoad& load);
  static LoadWanted WantedLoad(ModelId id, const PendingLoad& load);
  std::uint64_t FormStamp(const VersionFile& file);
  /// The prepared form while its files are what they were; else, with a warning, as shipped, from
  /// now on.
  Result<std::unique_ptr<Executor>> LoadNetwork(VersionFile& file, const ModelConfig& config,
                                                std::uint64_t form_stamp,
                                                const std::atomic<bool>& stop);
  Result<std::unique_ptr<Executor>> LoadSame(ModelId id, Known& known,
                                             const std::atomic<bool>& stop);
  /// Is a reload on its way? Requests that still wait for the old network, which is out of memory,
  /// are then answered from the new files rather than not at all.
  bool BeingReplaced(ModelId id, const Known& known) const;
  Status CheckFits(const Executor& executor) const;
  void TellProfile(ModelId id, const PendingLoad& load);
  /// Takes the network out of memory when its last buffers are back, then calls `out` on the load
  /// thread.
  void Free(std::shared_ptr<ServedModel> served, std::function<void()> out);
  /// What the model takes of the budget from now on; zero: nothing.
  void Account(ModelId id, Bytes taken);
  void KeepWithin();
  void KeepParked();
  void FinishChange(Change& change);
  void FinishWithdrawn(Change& change, const Status& status);
  void WithdrawPending(const std::string& model);
  void FailName(const std::string& model, const Status& why, const Done& done);
  void Withdraw(std::vector<std::shared_ptr<ServedModel>> served);
  void DoUnload(const std::string& model, const Done& done);
  void DoPoll();
  void CountStartup(const Status& status);

  const NodeOptions& options_;
  ModelSource& source_;
  Backend& backend_;
  Telemetry& telemetry_;
  ControllerLinks links_;
  std::map<std::string, std::uint64_t, std::less<>>
      fingerprints_;  ///< Of what is, or was to be, loaded.
  std::uint64_t changes_begun_ = 0;
  std::map<std::string, std::uint64_t> newest_change_;  ///< By name, of those that took effect.
  std::map<std::string, LoadOverride, std::less<>> overrides_;
  std::map<ModelId, PendingLoad> pending_;
  std::map<ModelId, ModelSignature> signatures_;  ///< Of models with variants.
  std::map<ModelId, Known> known_;  ///< Those that may be evicted; none without a budget.
  std::map<ModelId, Bytes> taken_;
  Bytes given_up_;
  ParkingLot parking_;
  std::mutex stops_mutex_;
  std::map<ModelId, StopFlag>
      stops_;  ///< Of loads that wait for the load thread, or are under way.
  std::map<ModelId, std::string> first_loads_;  ///< Not done yet, by the model's name.
  std::map<ModelId, std::shared_ptr<ServedModel>> leaving_;
  std::size_t startup_left_ = 0;
  std::function<void(bool)> loaded_;
  std::atomic<bool> startup_ended_ = false;
  std::atomic<bool> startup_failed_ = false;
  LoadThread thread_;  // Last: its tasks use everything above.
};

}  // namespace cotenant
