#include "server/controller.h"

#include <malloc.h>

#include <algorithm>

#include "base/quoted.h"
#include "scheduler/profile_events.h"
#include "server/clock.h"
#include "server/memory_budget.h"
#include "server/warm_up.h"
#include "telemetry/log.h"

namespace cotenant {
namespace {

/// Networks take more in memory than in their files, by what runs need of them in another form.
Bytes ExpectedOf(Bytes files) { return files + Bytes(files.count() / 10 * 3); }

/// For a moment a load may take many times the files, where constants are unfolded: of a sentence
/// network of 22 MiB nearly ten times as much was seen.
Bytes UnmeasuredLoadPeak(Bytes files) { return Bytes(files.count() * 10); }

Status UnloadedMeanwhile() { return Status(Code::kCancelled, "it was unloaded meanwhile"); }

}  // namespace

ModelSettings Controller::SettingsOf(const ModelConfig& config, const VariantUse& use) const {
  ModelSettings settings;
  settings.idle_unload = use.idle_unload.value_or(options_.idle_unload);
  settings.pinned = use.pinned;
  settings.accuracy_min = use.accuracy_min;
  settings.rows_max = std::max(1, config.max_batch_size);
  settings.cores = std::max(1, config.runtime.intra_op_threads);
  settings.batching = config.batching.has_value();
  if (config.batching) settings.window = *config.batching;
  return settings;
}

Controller::Controller(const NodeOptions& options, ModelSource& source, Backend& backend,
                       Telemetry& telemetry, ControllerLinks links)
    : options_(options),
      source_(source),
      backend_(backend),
      telemetry_(telemetry),
      links_(std::move(links)) {
  parking_.SetMost(options_.memory.parked);
}

void Controller::LoadAtStart(std::function<void(bool)> loaded) {
  thread_.Post([this, loaded = std::move(loaded)] {
    loaded_ = loaded;
    Result<std::vector<std::string>> all = source_.List();
    std::vector<std::string> names;
    const std::vector<std::string>& asked = options_.load_at_start;
    if (!all.ok()) {
      LogError(all.status().message());
    } else if (options_.control != ControlMode::kExplicit ||
               std::ranges::find(asked, "*") != asked.end()) {
      names = *all;
    }
    if (options_.control == ControlMode::kExplicit) {
      links_.tables.Update([&](ModelTable& table) {
        if (!all.ok()) return;
        for (const std::string& name : *all) table.names.try_emplace(name);
      });
      for (const std::string& name : asked) {
        if (name != "*" && std::ranges::find(names, name) == names.end()) names.push_back(name);
      }
    }
    startup_left_ = names.size() + 1;
    for (const std::string& name : names) {
      BeginChange(name, {}, [this](Status status) { CountStartup(status); });
    }
    links_.tables.Update([](ModelTable& table) { table.starting = false; });
    CountStartup(all.status());
  });
}

void Controller::CountStartup(const Status& status) {
  if (!status.ok()) startup_failed_.store(true, std::memory_order_release);
  if (--startup_left_ > 0) return;
  startup_ended_.store(true, std::memory_order_release);
  if (loaded_) loaded_(!startup_failed());
}

void Controller::Load(std::string model, LoadOverride override_, Done done) {
  thread_.Post([this, model = std::move(model), override_ = std::move(override_),
                done = std::move(done)] { BeginChange(model, override_, done); });
}

void Controller::Unload(std::string model, Done done) {
  {
    // A load of it that is under way is in the way of the rest.
    std::lock_guard lock(stops_mutex_);
    for (const auto& [id, name] : first_loads_) {
      const auto found = stops_.find(id);
      if (name == model && found != stops_.end()) found->second->store(true);
    }
  }
  thread_.Post([this, model = std::move(model), done = std::move(done)] { DoUnload(model, done); });
}

void Controller::Poll() {
  thread_.Post([this] { DoPoll(); });
}

void Controller::StartLoad(ModelId model) {
  auto stop = std::make_shared<std::atomic<bool>>(false);
  {
    std::lock_guard lock(stops_mutex_);
    stops_[model] = stop;
  }
  thread_.Post([this, model, stop] {
    DoLoad(model, *stop);
    std::lock_guard lock(stops_mutex_);
    first_loads_.erase(model);
    if (const auto found = stops_.find(model); found != stops_.end() && found->second == stop) {
      stops_.erase(found);
    }
  });
}

void Controller::StopLoad(ModelId model) {
  std::lock_guard lock(stops_mutex_);
  if (const auto found = stops_.find(model); found != stops_.end()) found->second->store(true);
}

void Controller::StartUnload(ModelId model) {
  thread_.Post([this, model] {
    if (pending_.contains(model)) return RefuseLoad(model);
    std::shared_ptr<ServedModel> served = std::move(leaving_.extract(model).mapped());
    parking_.Take(model).reset();
    const bool was_out =
        served->residence() == Residence::kOut || served->residence() == Residence::kParked;
    Free(served, [this, model, served, was_out] {
      known_.erase(model);
      Account(model, Bytes());
      links_.brain.Unbind(model);
      const Bytes returned = was_out ? Bytes() : served->facts().anonymous;
      links_.tell(Unloaded{MonotonicNow(), model, returned});
    });
  });
}

void Controller::BeginChange(const std::string& model, const LoadOverride& override_, Done done) {
  fingerprints_[model] = source_.Fingerprint(model);
  overrides_[model] = override_;
  Result<ModelDescription> description = source_.Read(model, override_);
  if (!description.ok()) {
    FailName(model, description.status(), done);
    return;
  }
  for (const std::string& warning : description->warnings) LogWarning(warning);
  auto change = std::make_shared<Change>();
  change->name = model;
  change->number = ++changes_begun_;
  change->done = std::move(done);
  change->loading = description->versions.size();
  for (VersionFile& file : description->versions) {
    change->versions.push_back({file.version, ModelState::kLoading, "", nullptr});
  }
  links_.tables.Update([&](ModelTable& table) {
    ModelTable::Name& name = table.names[model];
    name.failed = false;
    name.reason.clear();
    const bool serves =
        std::ranges::any_of(name.versions, [](auto& v) { return v.served != nullptr; });
    if (!serves) name.versions = change->versions;
  });
  for (std::size_t i = 0; i < description->versions.size(); ++i) {
    const ModelId id = links_.brain.Allocate(model);
    PendingLoad load = Prepare(model, std::move(description->versions[i]), description->config);
    load.change = change;
    load.index = i;
    load.use = description->use;
    if (!load.file.variants.empty()) load.use.accuracy = load.use.own_accuracy();
    LoadWanted wanted = WantedLoad(id, load);
    wanted.accuracy = load.use.accuracy.milli;
    auto history = links_.find_history(model, load.file.version);
    pending_[id] = std::move(load);
    NoteFirstLoad(id, model);
    links_.tell(wanted);
    if (history) links_.tell(HistoryKnown{MonotonicNow(), id, std::move(history)});
  }
}

Controller::PendingLoad Controller::Prepare(const std::string& model, VersionFile file,
                                            const ModelConfig& config) {
  PendingLoad load;
  load.file = std::move(file);
  load.config = config;
  load.files = source_.FilesOf(load.file);
  if (options_.find_profile) load.profile = options_.find_profile(model, load.file);
  load.form_stamp = FormStamp(load.file);
  Estimate(load);
  return load;
}

LoadWanted Controller::WantedLoad(ModelId id, const PendingLoad& load) {
  return LoadWanted{MonotonicNow(),         id,           load.expected, load.load_peak,
                    load.load_peak_guessed, load.run_peak};
}

void Controller::Estimate(PendingLoad& load) {
  if (load.file.form && load.file.form->cost) {
    const VariantCost& cost = *load.file.form->cost;
    load.expected = cost.mapped + cost.anonymous;
    load.load_peak = cost.transition_peak;
    load.run_peak = cost.run_peak;
    // A network as shipped was measured where its weights were mapped, or not; here they never are.
    const bool maps = load.file.may_map || !load.file.form->path.empty();
    load.file.anonymous_measured = maps ? cost.anonymous : load.expected;
    return;
  }
  load.expected =
      load.profile ? load.profile->mapped + load.profile->anonymous : ExpectedOf(load.files.size);
  const Bytes measured_peak = load.profile ? load.profile->load_peak : Bytes();
  load.load_peak_guessed = measured_peak == Bytes();
  load.load_peak = load.load_peak_guessed
                       ? std::max(load.expected, UnmeasuredLoadPeak(load.files.size))
                       : measured_peak;
  if (load.profile) load.file.anonymous_measured = load.expected;
  if (!options_.memory.limited() || load.profile) return;
  // An estimate alone refuses nothing: what the network really takes is seen when it is loaded.
  const Bytes models = options_.memory.models - given_up_;
  const Bytes runs(options_.scheduler.run_peak_floor.count() * options_.scheduler.slots);
  load.expected = std::min(load.expected, std::max(models - runs, Bytes(models.count() / 2)));
}

void Controller::FailName(const std::string& model, const Status& why, const Done& done) {
  LogError("model " + Quoted(model) + ": " + why.message());
  links_.tables.Update([&](ModelTable& table) {
    // A name that nobody has a folder for leaves no row behind; what served before goes on.
    if (why.code() == Code::kNotFound && !table.names.contains(model)) return;
    ModelTable::Name& name = table.names[model];
    name.failed = true;
    name.reason = why.message();
  });
  if (done) done(why);
}

void Controller::NoteFirstLoad(ModelId id, const std::string& model) {
  std::lock_guard lock(stops_mutex_);
  first_loads_[id] = model;
}

void Controller::RefuseLoad(ModelId id) {
  {
    std::lock_guard lock(stops_mutex_);
    first_loads_.erase(id);
  }
  PendingLoad load = std::move(pending_.extract(id).mapped());
  const Status why =
      load.change->withdrawn
          ? UnloadedMeanwhile()
          : ResourceExhausted("the network takes more memory than the server may use: " +
                              SizeText(std::max(load.expected, load.load_peak)) +
                              " while it is loaded, of " + SizeText(options_.memory.models) +
                              " for all models and runs");
  if (load.variant) {
    DropVariant(load, why);
  } else {
    FailVersion(load, why);
  }
  links_.brain.Unbind(id);
  links_.tell(Unloaded{MonotonicNow(), id, Bytes()});
  if (--load.change->loading == 0) FinishChange(*load.change);
}

void Controller::FailVersion(PendingLoad& load, const Status& why) {
  ModelTable::VersionState& version = load.change->versions[load.index];
  LogError("model " + Quoted(load.change->name) + " version " + std::to_string(version.version) +
           ": " + why.message());
  version.state = ModelState::kUnavailable;
  version.reason = why.message();
  version.too_large = why.code() == Code::kResourceExhausted;
}

void Controller::DoLoad(ModelId id, const std::atomic<bool>& stop) {
  if (const auto known = known_.find(id); known != known_.end()) {
    LoadAgain(id, known->second, stop);
    return;
  }
  if (pending_.at(id).variant) return DoLoadVariant(id, stop);
  PendingLoad load = std::move(pending_.extract(id).mapped());
  Change& change = *load.change;
  const Status status = LoadVersion(id, load, stop);
  if (!status.ok()) {
    FailVersion(load, status);
    backend_.Trim();
    malloc_trim(0);
    Account(id, Bytes());
    links_.brain.Unbind(id);
    links_.tell(LoadFailed{MonotonicNow(), id, status.code()});
  }
  if (--change.loading == 0) FinishChange(change);
  if (options_.memory.limited()) malloc_trim(0);
}

Status Controller::LoadVersion(ModelId id, PendingLoad& load, const std::atomic<bool>& stop) {
  const Instant began = MonotonicNow();
  Account(id, std::max(load.expected, load.load_peak));
  Result<std::unique_ptr<Executor>> executor =
      LoadNetwork(load.file, load.config, load.form_stamp, stop);
  COTENANT_RETURN_IF_ERROR(executor.status());
  COTENANT_RETURN_IF_ERROR(CheckFits(**executor));
  const ModelSignature signature = (*executor)->signature();
  Result<ModelConfig> config = source_.Complete(load.config, (*executor)->signature());
  COTENANT_RETURN_IF_ERROR(config.status());
  RenderedConfig rendered = source_.Render(*config);
  const ModelSettings settings = SettingsOf(*config, load.use);
  ModelTable::VersionState& state = load.change->versions[load.index];
  std::shared_ptr<ModelCounters> counters =
      telemetry_.ForModel(config->name, std::to_string(state.version));
  auto served = std::make_shared<ServedModel>(id, state.version, *std::move(config),
                                              std::move(rendered), *std::move(executor), counters);
  served->SetAccuracy(load.use.accuracy);
  served->SetStateful(load.use.stateful);
  Result<WarmUpOutcome> warmed = WarmUp(*served);
  COTENANT_RETURN_IF_ERROR(warmed.status());
  const Instant now = MonotonicNow();
  counters->LoadedIn(now - began);
  links_.brain.Bind(id, served);
  // What is measured now comes after the profile, and weighs more.
  TellProfile(id, load);
  for (const WarmedUp& event : warmed->times) links_.tell(event);
  const LoadFacts facts = served->facts();
  Account(id, facts.taken());
  if (!load.load_peak_guessed) served->SetLoadPeak(std::max(load.load_peak, facts.taken()));
  if (options_.memory.limited()) {
    known_[id] = {served,         load.file, load.config, load.files, load.form_stamp,
                  load.load_peak, signature, settings,    nullptr};
  }
  links_.tell(LoadFinished{now, id, settings, now - began, facts.anonymous, facts.mapped,
                           warmed->run_peak});
  state.state = ModelState::kReady;
  state.reason.clear();
  if (!load.file.variants.empty()) {
    signatures_[id] = signature;
    WantVariants(id, load, served);
  }
  state.served = std::move(served);
  return Status();
}

void Controller::TellProfile(ModelId id, const PendingLoad& load) {
  if (!load.profile) return;
  std::vector<Event> events;
  AppendProfileEvents(*load.profile, id, MonotonicNow(), events);
  for (Event& event : events) links_.tell(std::move(event));
}

void Controller::FinishChange(Change& change) {
  std::string failures;
  bool any_ready = false;
  for (const ModelTable::VersionState& version : change.versions) {
    if (version.served) {
      any_ready = true;
      LogInfo("model " + Quoted(change.name) + " version " + std::to_string(version.version) +
              " is ready");
    } else {
      failures += "version " + std::to_string(version.version) +
                  " is at UNAVAILABLE state: " + version.reason + ";\n";
    }
  }
  if (change.withdrawn) return FinishWithdrawn(change, UnloadedMeanwhile());
  // Variants may keep a change from its end until a later one has ended: that one counts.
  std::uint64_t& newest = newest_change_[change.name];
  if (any_ready && change.number < newest) return FinishWithdrawn(change, Status());
  if (any_ready) newest = change.number;
  std::vector<std::shared_ptr<ServedModel>> before;
  links_.tables.Update([&](ModelTable& table) {
    ModelTable::Name& name = table.names[change.name];
    for (ModelTable::VersionState& version : name.versions) {
      if (version.served) before.push_back(version.served);
    }
    if (any_ready || before.empty()) {
      name.versions = change.versions;
    } else {
      before.clear();  // Nothing new works: what served before goes on.
      name.reason = failures;
    }
  });
  Withdraw(std::move(before));
  if (!change.done) return;
  change.done(failures.empty() ? Status()
                               : InvalidArgument("load failed for model " + Quoted(change.name) +
                                                 ": " + failures));
}

/// What was on its way is unloaded: those that have begun already, when they are there.
void Controller::FinishWithdrawn(Change& change, const Status& status) {
  std::vector<std::shared_ptr<ServedModel>> served;
  for (ModelTable::VersionState& version : change.versions) {
    if (version.served) served.push_back(std::move(version.served));
  }
  Withdraw(std::move(served));
  if (change.done) change.done(status);
}

void Controller::WithdrawPending(const std::string& model) {
  std::vector<ModelId> unwanted;
  for (const auto& [id, load] : pending_) {
    if (load.change->name != model) continue;
    load.change->withdrawn = true;
    unwanted.push_back(id);
  }
  for (const ModelId id : unwanted) links_.tell(UnloadWanted{MonotonicNow(), id});
}

void Controller::Withdraw(std::vector<std::shared_ptr<ServedModel>> served) {
  if (served.empty()) return;
  links_.await_lanes();
  for (std::shared_ptr<ServedModel>& model : served) {
    const ModelId id = model->id();
    // The brain lets the others go with it.
    for (const std::shared_ptr<ServedModel>& variant : model->variants()) {
      leaving_[variant->id()] = variant;
    }
    leaving_[id] = std::move(model);
    signatures_.erase(id);
    links_.tell(UnloadWanted{MonotonicNow(), id});
  }
}

void Controller::DoUnload(const std::string& model, const Done& done) {
  std::vector<std::shared_ptr<ServedModel>> served;
  bool known = false;
  links_.tables.Update([&](ModelTable& table) {
    auto name = table.names.find(model);
    if (name == table.names.end()) return;
    known = true;
    for (ModelTable::VersionState& version : name->second.versions) {
      if (version.served) served.push_back(std::move(version.served));
      version.served = nullptr;
      version.state = ModelState::kUnavailable;
      version.reason = "unloaded";
    }
  });
  fingerprints_.erase(model);
  overrides_.erase(model);
  WithdrawPending(model);
  Withdraw(std::move(served));
  if (known) LogInfo("model " + Quoted(model) + " was unloaded");
  // As in Triton, unloading what is not loaded is no error.
  if (done) done(Status());
}

void Controller::DoPoll() {
  Result<std::vector<std::string>> names = source_.List();
  if (!names.ok()) {
    LogError(names.status().message());
    return;
  }
  std::vector<std::string> gone;
  for (const auto& [name, fingerprint] : fingerprints_) {
    if (std::ranges::find(*names, name) == names->end()) gone.push_back(name);
  }
  for (const std::string& name : gone) DoUnload(name, nullptr);
  for (const std::string& name : *names) {
    auto known = fingerprints_.find(name);
    if (known == fingerprints_.end() && options_.control == ControlMode::kExplicit) continue;
    if (known != fingerprints_.end() && known->second == source_.Fingerprint(name)) continue;
    const LoadOverride override_ = known == fingerprints_.end() ? LoadOverride{} : overrides_[name];
    BeginChange(name, override_, nullptr);
  }
}

}  // namespace cotenant
