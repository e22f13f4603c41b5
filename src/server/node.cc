#include "server/node.h"

#include <algorithm>

#include "base/quoted.h"
#include "server/clock.h"
#include "server/node_body.h"
#include "server/validation.h"
#include "telemetry/log.h"

namespace cotenant {

std::string_view ModelStateName(ModelState state) {
  switch (state) {
    case ModelState::kReady: return "READY";
    case ModelState::kUnavailable: return "UNAVAILABLE";
    case ModelState::kLoading: return "LOADING";
    case ModelState::kUnloading: return "UNLOADING";
  }
  return "UNKNOWN";
}

Node::Body::Body(Node& owner, ModelSource& source, Backend& backend_, Telemetry& telemetry_)
    : node(owner),
      backend(backend_),
      telemetry(telemetry_),
      started(MonotonicNow()),
      tables(owner.options_.scheduler.node.tenants),
      watch(owner.options_.memory.total),
      histories(owner.options_.memory.limited() ? owner.options_.history_file
                                                : std::filesystem::path()),
      histories_saved(started),
      keeper([this] { Tell(Woken{MonotonicNow()}); }),
      brain(owner.options_.scheduler, owner.options_.decisions_max,
            [this](Instant at) { keeper.SetWake(at); }),
      workers(owner, static_cast<std::size_t>(std::max(1, owner.options_.scheduler.slots))),
      controller(
          owner.options_, source, backend_, telemetry_,
          {brain, tables, [this](Event event) { Tell(std::move(event)); }, [this] { AwaitLanes(); },
           [this](const std::string& model, std::int64_t version) {
             return histories.Find(model, version);
           }}) {}

void Node::Body::StayInSequence(InferCall& call, Arrived& arrived) {
  if (call.sequence.empty() && !call.served->stateful()) return;
  // Each tenant numbers its own; all of a tenant is one where no other is named.
  const std::string named = call.sequence.empty() ? "" : ":" + call.sequence;
  call.sequence = std::to_string(ToIndex(arrived.tenant)) + named;
  if (arrived.variant) return;
  if (call.sequence_start) {
    sequences.Forget(arrived.model, call.sequence);
  } else {
    const std::optional<ModelId> known = sequences.Find(arrived.model, call.sequence);
    // A number may be another model's by now.
    if (known && call.served->HasVariant(*known)) arrived.variant = known;
  }
}

void Node::Body::RememberSequence(const InferCall& call, ModelId variant) {
  const ModelId model = call.served->id();
  if (call.sequence_end) {
    sequences.Forget(model, call.sequence);
  } else {
    sequences.Remember(model, call.sequence, variant);
  }
}

void Node::Body::Tell(Event event) {
  std::lock_guard lock(control_mutex);
  control_lane->events_.push_back(std::move(event));
  control_lane->FinishTurn();
}

void Node::Body::AwaitLanes() {
  std::lock_guard lock(lanes_mutex);
  for (const Lane* lane : lanes) lane->AwaitTurnEnd();
}

void Node::Body::Enter(Lane& lane) {
  std::lock_guard lock(lanes_mutex);
  lanes.push_back(&lane);
}

void Node::Body::Leave(Lane& lane) {
  std::lock_guard lock(lanes_mutex);
  std::erase(lanes, &lane);
}

Node::Node(NodeOptions options, ModelSource& source, Backend& backend, Telemetry& telemetry)
    : options_(std::move(options)),
      body_(std::make_unique<Body>(*this, source, backend, telemetry)) {
  body_->control_lane = std::make_unique<Lane>(*this, Lane::Kind::kKeeper);
  std::vector<std::string> names;
  for (const Tenant& tenant : options_.scheduler.node.tenants) names.push_back(tenant.name);
  telemetry.SetTenants(std::move(names));
}

Node::~Node() {
  body_->controller.Stop();
  body_->keeper.Stop();
  body_->workers.Stop();
  body_->control_lane.reset();
}

Status Node::Start(std::function<void(bool)> loaded) {
  if (!options_.record.path.empty()) {
    COTENANT_RETURN_IF_ERROR(body_->brain.StartRecording(options_.record));
  }
  if (options_.control == ControlMode::kPoll && options_.poll_interval > Duration()) {
    body_->keeper.SetPoll(options_.poll_interval, [this] { body_->controller.Poll(); });
  }
  body_->keeper.SetTidy(options_.unused_memory_max, [this] { return body_->backend.TrimUnused(); });
  if (const Status read = body_->histories.Read(ReadClocks()); !read.ok()) {
    LogWarning(read.message() + "; requests are foretold from new ones alone");
  }
  if (options_.memory.limited()) {
    body_->keeper.SetWatch(options_.memory_watch_interval, OpenPressureAlarm(),
                           [this] { return body_->WatchMemory(); });
  }
  COTENANT_RETURN_IF_ERROR(body_->keeper.Start());
  body_->workers.Start();
  body_->controller.LoadAtStart(std::move(loaded));
  return Status();
}

namespace {

/// Is there a variant that the request may have?
Status CheckVariant(const ServedModel& model, const InferCall& call) {
  const std::string name = "model '" + model.config().name + "'";
  const ServedModel* const named = call.variant.empty() ? nullptr : model.FindVariant(call.variant);
  if (!call.variant.empty() && named == nullptr) {
    return InvalidArgument(name + " has no variant '" + std::string(call.variant) + "'; it has " +
                           model.VariantNames());
  }
  if (call.bounds.accuracy == 0) return Status();
  const ServedModel* const best = named != nullptr ? named : model.BestVariant();
  const std::string bound =
      "'accuracy_bound' of " + AccuracyText(call.bounds.accuracy) + " cannot be met: ";
  if (best == nullptr || !best->accuracy().known()) {
    return InvalidArgument(bound + "the accuracy of " + name + " is not known");
  }
  if (best->accuracy().milli >= call.bounds.accuracy) return Status();
  return InvalidArgument(bound + "variant '" + best->variant() + "' of " + name + " has " +
                         AccuracyText(best->accuracy().milli) +
                         (named != nullptr ? "" : ", and none has more"));
}

}  // namespace

Status Node::Submit(Lane& lane, InferCall& call) {
  const Instant now = lane.TurnBegan();
  if (call.at == Instant()) call.at = now;
  const ModelTable& table = lane.Table();
  Result<std::shared_ptr<ServedModel>> served = table.Find(call.model, call.version);
  COTENANT_RETURN_IF_ERROR(served.status());
  const std::optional<TenantId> tenant = table.FindTenant(call.tenant);
  if (!tenant) {
    return InvalidArgument("the tenant '" + std::string(call.tenant) + "' is not declared");
  }
  COTENANT_RETURN_IF_ERROR(CheckVariant(**served, call));
  Result<ResolvedCall> resolved = Resolve(**served, call, call.tensors_);
  COTENANT_RETURN_IF_ERROR(resolved.status());
  call.served = *std::move(served);
  call.tenant_ = *tenant;
  call.rows_ = resolved->rows;
  call.output_mask_ = resolved->output_mask;
  call.run_ = nullptr;
  if (call.bounds.latency <= Duration()) {
    call.bounds.latency = table.tenants[ToIndex(*tenant)].latency_bound;
  }
  Arrived arrived;
  arrived.at = call.at;
  arrived.tenant = *tenant;
  arrived.model = call.served->id();
  arrived.rows = resolved->rows;
  arrived.batch_key = resolved->batch_key;
  arrived.priority = call.priority;
  arrived.bounds = call.bounds;
  arrived.client_id = ClientIdHash(call.id);
  if (!call.variant.empty()) arrived.variant = call.served->FindVariant(call.variant)->id();
  if (!call.served->variants().empty()) body_->StayInSequence(call, arrived);
  lane.events_.push_back(arrived);
  lane.arrivals_.push_back(&call);
  return Status();
}

void Node::Cancel(Lane& lane, InferCall& call) {
  // A call that arrived in this very turn has no number yet. Any other may be written and reused
  // before the turn ends, so its number is taken now.
  const bool numbered = std::ranges::find(lane.arrivals_, &call) == lane.arrivals_.end();
  lane.events_.push_back(Gone{lane.TurnBegan(), call.request_});
  lane.departures_.push_back(numbered ? nullptr : &call);
}

void Node::Written(Lane& lane, InferCall& call, bool) {
  ActiveRun* run = std::exchange(call.run_, nullptr);
  if (run != nullptr && run->LetGo()) lane.Release(*run);
  lane.events_.push_back(ReplyWritten{MonotonicNow(), call.request_});
  call.outputs.clear();
  call.served.reset();
}

bool Node::Live() const { return true; }

bool Node::Ready() const {
  const Controller& controller = body_->controller;
  return !body_->draining.load(std::memory_order_acquire) && controller.startup_ended() &&
         !(options_.strict_readiness && controller.startup_failed());
}

Result<bool> Node::ModelReady(std::string_view model, std::string_view version) const {
  Result<std::shared_ptr<ServedModel>> served = Find(model, version);
  if (served.ok()) return !body_->draining.load(std::memory_order_acquire);
  const std::shared_ptr<const ModelTable> table = body_->tables.Get();
  const bool known = table->names.find(model) != table->names.end();
  const Code why = served.status().code();
  const bool not_now =
      why == Code::kNotFound || why == Code::kUnavailable || why == Code::kResourceExhausted;
  if (known && not_now) return false;
  return served.status();
}

Result<std::shared_ptr<ServedModel>> Node::Find(std::string_view model,
                                                std::string_view version) const {
  return body_->tables.Get()->Find(model, version);
}

Result<std::vector<std::shared_ptr<ServedModel>>> Node::Versions(std::string_view model) const {
  const std::shared_ptr<const ModelTable> table = body_->tables.Get();
  Result<std::shared_ptr<ServedModel>> newest = table->Find(model, {});
  COTENANT_RETURN_IF_ERROR(newest.status());
  std::vector<std::shared_ptr<ServedModel>> versions;
  for (const ModelTable::VersionState& version : table->names.find(model)->second.versions) {
    if (version.served) versions.push_back(version.served);
  }
  return versions;
}

std::vector<std::shared_ptr<ServedModel>> Node::AllServed() const {
  std::vector<std::shared_ptr<ServedModel>> all;
  // Held, because the controller may put another table in its place meanwhile.
  const std::shared_ptr<const ModelTable> table = body_->tables.Get();
  for (const auto& [name, entry] : table->names) {
    for (const ModelTable::VersionState& version : entry.versions) {
      if (version.served) all.push_back(version.served);
    }
  }
  return all;
}

std::vector<IndexRow> Node::Index(bool ready_only) const {
  std::vector<IndexRow> rows;
  // Held, because the controller may put another table in its place meanwhile.
  const std::shared_ptr<const ModelTable> table = body_->tables.Get();
  for (const auto& [name, entry] : table->names) {
    if (entry.versions.empty() && !ready_only) {
      rows.push_back({name, "", entry.failed, ModelState::kUnavailable, entry.reason});
    }
    for (const ModelTable::VersionState& version : entry.versions) {
      if (ready_only && version.state != ModelState::kReady) continue;
      rows.push_back({name, std::to_string(version.version), true, version.state,
                      version.reason.empty() ? entry.reason : version.reason});
    }
  }
  return rows;
}

std::vector<Tenant> Node::Tenants() const {
  const std::shared_ptr<const ModelTable> table = body_->tables.Get();
  std::vector<Tenant> declared;
  for (std::size_t i = 0; i < table->tenants.size(); ++i) {
    if (table->tenant_declared[i]) declared.push_back(table->tenants[i]);
  }
  return declared;
}

Duration Node::Uptime() const { return MonotonicNow() - body_->started; }

void Node::Load(std::string model, LoadOverride override_, Done done) {
  if (options_.control != ControlMode::kExplicit) {
    done(FailedPrecondition("explicit model load / unload is not allowed if polling is enabled"));
    return;
  }
  body_->controller.Load(std::move(model), std::move(override_), std::move(done));
}

void Node::Unload(std::string model, Done done) {
  if (options_.control != ControlMode::kExplicit) {
    done(FailedPrecondition("explicit model load / unload is not allowed if polling is enabled"));
    return;
  }
  body_->controller.Unload(std::move(model), std::move(done));
}

void Node::Reload() { body_->controller.Poll(); }

void Node::Apply(NodeSettings settings) {
  // Numbers are kept: a tenant that is gone no longer resolves, but its waiting requests keep their
  // place.
  NodeSettings merged;
  std::string gone;
  body_->tables.Update([&](ModelTable& table) {
    for (std::size_t i = 0; i < table.tenants.size(); ++i) {
      const std::string& name = table.tenants[i].name;
      const bool stays =
          std::ranges::find(settings.tenants, name, &Tenant::name) != settings.tenants.end();
      if (table.tenant_declared[i] && !stays) gone += (gone.empty() ? "" : ", ") + Quoted(name);
    }
    table.tenant_declared.assign(table.tenants.size(), false);
    for (const Tenant& tenant : settings.tenants) {
      std::size_t i = 0;
      while (i < table.tenants.size() && table.tenants[i].name != tenant.name) ++i;
      if (i == table.tenants.size()) {
        table.tenants.emplace_back();
        table.tenant_declared.push_back(true);
      }
      table.tenants[i] = tenant;
      table.tenant_declared[i] = true;
    }
    merged.tenants = table.tenants;
  });
  if (!gone.empty()) {
    LogWarning("no longer declared: tenant " + gone +
               "; requests that name it are refused, those that wait are answered");
  }
  merged.policies = settings.policies;
  std::vector<std::string> names;
  for (const Tenant& tenant : merged.tenants) names.push_back(tenant.name);
  body_->telemetry.SetTenants(std::move(names));
  body_->Tell(SettingsChanged{MonotonicNow(), std::move(merged)});
}

void Node::Drain(std::function<void()> drained) {
  {
    std::lock_guard lock(body_->drained_mutex);
    body_->drained = [this, drained = std::move(drained)] {
      const EndCounts ends = Ends();
      LogInfo("drained: accepted=" + std::to_string(ends.accepted) + " replied=" +
              std::to_string(ends.replied) + " rejected=" + std::to_string(ends.rejected) +
              " expired=" + std::to_string(ends.expired) + " cancelled=" +
              std::to_string(ends.cancelled) + " failed=" + std::to_string(ends.failed));
      drained();
    };
  }
  body_->draining.store(true, std::memory_order_release);
  body_->Tell(DrainWanted{MonotonicNow()});
}

void Node::FlushRecording() { body_->brain.FlushRecording(); }

namespace {

Status NoDecisions() { return FailedPrecondition("decisions are not kept: --decisions-max is 0"); }

}  // namespace

Result<std::vector<RecordedDecision>> Node::LastDecisions(std::size_t count) const {
  if (!body_->brain.KeepsDecisions()) return NoDecisions();
  return body_->brain.LastDecisions(count);
}

Result<std::vector<RecordedDecision>> Node::DecisionsOf(std::string_view request) const {
  if (!body_->brain.KeepsDecisions()) return NoDecisions();
  return body_->brain.DecisionsOf(request);
}

DecisionNames Node::NamesForDecisions() const {
  DecisionNames names;
  names.model = [this](ModelId id) {
    const std::string name = body_->brain.ModelName(id);
    return name.empty() ? "model " + std::to_string(ToIndex(id)) : name;
  };
  names.tenant = [tenants = Tenants()](TenantId id) {
    return ToIndex(id) < tenants.size() ? tenants[ToIndex(id)].name
                                        : "tenant " + std::to_string(ToIndex(id));
  };
  return names;
}

Instant Node::Started() const { return body_->started; }

namespace {

MemoryGauges MemoryGaugesOf(const MemoryBudget& budget, const MemoryFacts& ledger,
                            const PoolFigures& pool) {
  MemoryGauges gauges;
  gauges.budget_bytes = budget.total.count();
  gauges.base_bytes = budget.base.count();
  gauges.requests_bytes = budget.requests.count();
  gauges.models_bytes = budget.models.count();
  gauges.parked_bytes = budget.parked.count();
  gauges.ledger_models_bytes = ledger.models.count();
  gauges.ledger_runs_bytes = ledger.reserve.count();
  gauges.ledger_free_bytes = ledger.free.count();
  gauges.ledger_given_up_bytes = (ledger.limit - ledger.left).count();
  gauges.pool_in_use_bytes = pool.in_use.count();
  gauges.pool_peak_bytes = pool.peak.count();
  gauges.pool_kept_bytes = pool.kept.count();
  return gauges;
}

VariantGauge VariantGaugeOf(const ServedModel& variant) {
  return {variant.variant(), variant.residence() == Residence::kResident, variant.runs()};
}

}  // namespace

void Node::AddGauges(const ServedModel& model, ModelGauge& row) const {
  row.waiting += body_->brain.Waiting(model.id());
  row.run_peak_bytes = std::max(row.run_peak_bytes, model.run_peak().count());
  if (model.residence() == Residence::kOut || model.residence() == Residence::kParked) return;
  const LoadFacts facts = model.facts();
  row.anonymous_bytes += facts.anonymous.count();
  row.mapped_bytes += facts.mapped.count();
  row.resident = row.resident || model.residence() == Residence::kResident;
}

std::string Node::MetricsText() const {
  NodeGauges gauges;
  for (const std::shared_ptr<ServedModel>& model : AllServed()) {
    ModelGauge row{model->config().name, model->version_text(), 0, 0, 0, 0, false};
    AddGauges(*model, row);
    if (!model->variants().empty()) row.variants.push_back(VariantGaugeOf(*model));
    for (const std::shared_ptr<ServedModel>& variant : model->variants()) {
      AddGauges(*variant, row);
      row.variants.push_back(VariantGaugeOf(*variant));
    }
    gauges.models.push_back(std::move(row));
  }
  gauges.running = body_->brain.Running();
  gauges.slots = static_cast<std::uint32_t>(options_.scheduler.slots);
  gauges.accepted = Ends().accepted;
  gauges.ready = Ready();
  gauges.uptime_seconds = Uptime().seconds();
  gauges.memory = MemoryGaugesOf(options_.memory, body_->brain.Memory(), body_->backend.pool());
  gauges.memory.parked_in_use_bytes = body_->controller.parked().count();
  return body_->telemetry.Exposition(gauges);
}

EndCounts Node::Ends() const { return body_->brain.Ends(); }

}  // namespace cotenant
