/// Networks leave memory for others and come back.

#include <malloc.h>

#include <algorithm>

#include "base/quoted.h"
#include "server/clock.h"
#include "server/controller.h"
#include "server/memory_budget.h"
#include "telemetry/log.h"

namespace cotenant {
namespace {

bool Same(const ModelSignature& a, const ModelSignature& b) {
  const auto same = [](const ModelSignature::Tensor& x, const ModelSignature::Tensor& y) {
    return x.name == y.name && x.datatype == y.datatype && x.shape == y.shape;
  };
  return std::ranges::equal(a.inputs, b.inputs, same) &&
         std::ranges::equal(a.outputs, b.outputs, same);
}

}  // namespace

void Controller::StartEvict(ModelId model) {
  thread_.Post([this, model] {
    ServedModel& served = *known_.at(model).served;
    const LoadFacts facts = served.facts();
    served.SetResidence(Residence::kLeaving);
    const bool parked = parking_.Park(model, served.Evict()) == nullptr;
    served.SetResidence(parked ? Residence::kParked : Residence::kOut);
    KeepParked();
    // What the library gave back to the allocators goes back to the system.
    backend_.Trim();
    malloc_trim(0);
    served.counters().Evicted();
    Account(model, Bytes());
    links_.tell(Evicted{MonotonicNow(), model, parked ? facts.mapped : facts.taken()});
  });
}

void Controller::KeepParked() {
  parking_.SetMost(given_up_ > Bytes() ? Bytes() : options_.memory.parked);
  for (const ModelId gone : parking_.MakeRoom()) {
    known_.at(gone).served->SetResidence(Residence::kOut);
  }
}

void Controller::Free(std::shared_ptr<ServedModel> served, std::function<void()> out) {
  if (served->residence() != Residence::kOut) served->SetResidence(Residence::kLeaving);
  ServedModel& model = *served;
  model.Retire([this, served = std::move(served), out = std::move(out)] {
    thread_.Post([this, served, out] {
      served->Free();
      backend_.Trim();
      malloc_trim(0);
      out();
    });
  });
}

void Controller::Account(ModelId id, Bytes taken) {
  const MemoryBudget& budget = options_.memory;
  if (!budget.limited()) return;
  if (taken > Bytes()) {
    taken_[id] = taken;
  } else {
    taken_.erase(id);
  }
  KeepWithin();
}

void Controller::KeepWithin() {
  Bytes left = options_.memory.models - given_up_;
  for (const auto& [model, bytes] : taken_) left -= bytes;
  backend_.KeepWithin(std::max(left, Bytes()));
}

void Controller::GiveUp(Bytes bytes) {
  thread_.Post([this, bytes] {
    given_up_ = bytes;
    KeepParked();
    KeepWithin();
  });
}

Status Controller::CheckFits(const Executor& executor) const {
  const MemoryBudget& budget = options_.memory;
  const Bytes taken = executor.facts().taken();
  if (!budget.limited() || taken <= budget.models) return Status();
  return ResourceExhausted(
      "the network takes more memory than the server may use: " + SizeText(taken) + " loaded, of " +
      SizeText(budget.models) + " for all models and runs");
}

void Controller::LoadStopped(ModelId id, ServedModel& served) {
  served.SetResidence(Residence::kOut);
  backend_.Trim();
  malloc_trim(0);
  Account(id, Bytes());
  links_.tell(LoadFailed{MonotonicNow(), id, Code::kCancelled});
}

void Controller::LoadAgain(ModelId id, Known& known, const std::atomic<bool>& stop) {
  ServedModel& served = *known.served;
  const Instant began = MonotonicNow();
  served.SetResidence(Residence::kLoading);
  Account(id, std::max(served.facts().taken(), known.load_peak));
  Result<std::unique_ptr<Executor>> executor = LoadSame(id, known, stop);
  if (stop.load() && executor.status().code() == Code::kCancelled) return LoadStopped(id, served);
  if (!executor.ok()) {
    FailAgain(id, served, executor.status());
    return;
  }
  served.Revive(*std::move(executor));
  served.SetResidence(Residence::kResident);
  const Instant now = MonotonicNow();
  served.counters().LoadedIn(now - began);
  const LoadFacts facts = served.facts();
  Account(id, facts.taken());
  links_.tell(LoadFinished{now, id, known.settings, now - began, facts.anonymous, facts.mapped,
                           served.run_peak()});
  malloc_trim(0);
}

void Controller::FailAgain(ModelId id, ServedModel& served, const Status& why) {
  LogError("model " + Quoted(served.config().name) + " version " + served.version_text() +
           " left memory and cannot be loaded again: " + why.message());
  backend_.Trim();
  malloc_trim(0);
  served.SetResidence(Residence::kOut);
  served.SetLoadError(why.message());
  if (known_.at(id).main) known_.at(id).main->SetLoadError(why.message());
  served.counters().LoadFailed();
  Account(id, Bytes());
  // What its files lack is nothing that its clients did wrong.
  const bool no_memory = why.code() == Code::kResourceExhausted;
  links_.tell(LoadFailed{MonotonicNow(), id, no_memory ? why.code() : Code::kUnavailable});
}

std::uint64_t Controller::FormStamp(const VersionFile& file) {
  if (!file.form || file.form->path.empty()) return 0;
  return source_.FilesOf({file.version, file.form->path, nullptr}).stamp;
}

Result<std::unique_ptr<Executor>> Controller::LoadNetwork(VersionFile& file,
                                                          const ModelConfig& config,
                                                          std::uint64_t form_stamp,
                                                          const std::atomic<bool>& stop) {
  if (stop.load()) return Status(Code::kCancelled, "nobody waits for it any more");
  if (!file.form || file.form->path.empty()) return backend_.Load(file, config, &stop);
  ModelConfig prepared = config;
  if (file.form->graph_optimization_level >= 0) {
    prepared.runtime.graph_optimization_level = file.form->graph_optimization_level;
  }
  for (const auto& [key, value] : file.form->session_entries) {
    prepared.runtime.session_entries[key] = value;
  }
  Status why = FailedPrecondition("its files were changed or removed");
  if (FormStamp(file) == form_stamp) {
    VersionFile form{file.version, file.form->path, nullptr};
    form.may_map = true;
    form.anonymous_measured = file.anonymous_measured;
    Result<std::unique_ptr<Executor>> executor = backend_.Load(form, prepared, &stop);
    if (executor.ok() || executor.status().code() == Code::kCancelled) return executor;
    why = executor.status();
  }
  if (file.path.empty() && file.content == nullptr) {
    return Status(why.code(), "its prepared form '" + file.form->path +
                                  "' cannot be used, and it has no other: " + why.message());
  }
  LogWarning("model " + Quoted(config.name) + " is served as shipped, because its prepared form '" +
             file.form->path + "' cannot be used: " + why.message());
  file.form.reset();
  file.anonymous_measured.reset();
  return backend_.Load(file, config, &stop);
}

Result<std::unique_ptr<Executor>> Controller::LoadSame(ModelId id, Known& known,
                                                       const std::atomic<bool>& stop) {
  const auto changed = [&] {
    return FailedPrecondition(
        "its files were changed or removed; load the model again, or let the "
        "server look at its folders again (SIGHUP)");
  };
  std::unique_ptr<Executor> parked = parking_.Take(id);
  const std::uint64_t stamp = source_.FilesOf(known.file).stamp;
  if (stamp != known.files.stamp && !BeingReplaced(id, known)) return changed();
  const bool same_form = FormStamp(known.file) == known.form_stamp;
  if (parked != nullptr && same_form && parked->Unpark()) return parked;
  parked.reset();
  Result<std::unique_ptr<Executor>> executor =
      LoadNetwork(known.file, known.config, known.form_stamp, stop);
  COTENANT_RETURN_IF_ERROR(executor.status());
  // Also when they changed while they were read.
  if (source_.FilesOf(known.file).stamp != stamp ||
      !Same((*executor)->signature(), known.signature)) {
    return changed();
  }
  return executor;
}

bool Controller::BeingReplaced(ModelId id, const Known& known) const {
  return leaving_.contains(id) || std::ranges::any_of(pending_, [&](const auto& load) {
           return load.second.change->name == known.config.name;
         });
}

}  // namespace cotenant
