/// A model's other variants: loaded once after its own network, and dropped with a warning when
/// they cannot answer what that one can.

#include <malloc.h>

#include <algorithm>

#include "base/quoted.h"
#include "server/clock.h"
#include "server/controller.h"
#include "server/memory_budget.h"
#include "server/warm_up.h"
#include "telemetry/log.h"

namespace cotenant {

void Controller::WantVariants(ModelId id, const PendingLoad& main,
                              const std::shared_ptr<ServedModel>& served) {
  for (const VariantSource& variant : main.file.variants) {
    const std::string name = VariantTitle(main.change->name, variant.name);
    const ModelId own = links_.brain.Allocate(name);
    PendingLoad load = Prepare(name, FileOf(variant, main.file.version), main.config);
    load.change = main.change;
    load.index = main.index;
    load.use = main.use;
    load.variant = variant;
    load.main = served;
    LoadWanted wanted = WantedLoad(own, load);
    wanted.variant_of = id;
    wanted.accuracy = Comparable(variant.accuracy, main.use.accuracy).milli;
    ++main.change->loading;
    pending_[own] = std::move(load);
    NoteFirstLoad(own, main.change->name);
    links_.tell(wanted);
  }
}

void Controller::DropVariant(PendingLoad& load, const Status& why) {
  LogWarning("model " + Quoted(load.change->name) + " version " + load.main->version_text() +
             " is served without its variant " + Quoted(load.variant->name) + ": " + why.message());
  load.main->DropVariant({load.variant->name, why.message()});
}

void Controller::DoLoadVariant(ModelId id, const std::atomic<bool>& stop) {
  PendingLoad load = std::move(pending_.extract(id).mapped());
  const Status status = LoadVariant(id, load, stop);
  if (!status.ok()) {
    DropVariant(load, status);
    backend_.Trim();
    malloc_trim(0);
    Account(id, Bytes());
    links_.brain.Unbind(id);
    links_.tell(LoadFailed{MonotonicNow(), id, status.code()});
  }
  if (--load.change->loading == 0) FinishChange(*load.change);
  if (options_.memory.limited()) malloc_trim(0);
}

Status Controller::LoadVariant(ModelId id, PendingLoad& load, const std::atomic<bool>& stop) {
  const Instant began = MonotonicNow();
  Account(id, std::max(load.expected, load.load_peak));
  Result<std::unique_ptr<Executor>> executor =
      LoadNetwork(load.file, load.config, load.form_stamp, stop);
  COTENANT_RETURN_IF_ERROR(executor.status());
  COTENANT_RETURN_IF_ERROR(CheckFits(**executor));
  const ModelSignature signature = (*executor)->signature();
  COTENANT_RETURN_IF_ERROR(CheckAgrees(signatures_.at(load.main->id()), signature, *load.variant));
  auto served = std::make_shared<ServedModel>(id, *load.main, *load.variant, *std::move(executor));
  Result<WarmUpOutcome> warmed = WarmUp(*served);
  COTENANT_RETURN_IF_ERROR(warmed.status());
  const Instant now = MonotonicNow();
  served->counters().LoadedIn(now - began);
  links_.brain.Bind(id, served);
  TellProfile(id, load);
  for (const WarmedUp& event : warmed->times) links_.tell(event);
  const LoadFacts facts = served->facts();
  const Bytes taken = facts.anonymous + facts.mapped;
  Account(id, taken);
  if (!load.load_peak_guessed) served->SetLoadPeak(std::max(load.load_peak, taken));
  const ModelSettings settings = SettingsOf(load.main->config(), load.use);
  if (options_.memory.limited()) {
    known_[id] = {served,         load.file, load.config, load.files, load.form_stamp,
                  load.load_peak, signature, settings,    load.main};
  }
  load.main->AddVariant(served);
  links_.tell(LoadFinished{now, id, settings, now - began, facts.anonymous, facts.mapped,
                           warmed->run_peak});
  LogInfo("model " + Quoted(load.change->name) + " version " + load.main->version_text() +
          ": variant " + Quoted(served->variant()) + " takes " + SizeText(taken));
  return Status();
}

}  // namespace cotenant
