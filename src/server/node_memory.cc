/// What the node does about memory: it looks at what other programs leave of the budget, tells what
/// takes it, and keeps what was learnt of requests.

#include "server/node_memory.h"

#include <malloc.h>

#include <algorithm>

#include "server/clock.h"
#include "server/node_body.h"
#include "telemetry/log.h"

namespace cotenant {

Duration Node::Body::WatchMemory() {
  /// While something is given up; else only after runs, and when the system raises the alarm.
  constexpr Duration kAgain = Duration::Seconds(5);
  /// What was learnt since is lost if the server is killed.
  constexpr Duration kSaveHistories = Duration::Seconds(60);
  if (const Instant now = MonotonicNow();
      histories.on() && now - histories_saved > kSaveHistories) {
    histories_saved = now;
    controller.Do([this] { node.SaveHistories(); });
  }
  if (watch.ShouldTrim(ReadProcessMemory().resident, MonotonicNow())) malloc_trim(0);
  const auto read = [this] { return node.options_.read_memory_room(); };
  Bytes room = read();
  if (room == Bytes()) return {};
  if (watch.IsShort(room)) {
    // What nobody needs goes first.
    backend.Trim();
    malloc_trim(0);
    room = read();
  }
  const std::optional<Bytes> change = watch.Look(room, MonotonicNow());
  if (change) {
    given_up.store(change->count(), std::memory_order_relaxed);
    controller.GiveUp(*change);
    const Bytes left = std::max(node.options_.memory.models - *change, Bytes());
    if (*change > Bytes()) {
      LogWarning("memory: other programs have taken " + SizeText(*change) +
                 " of the budget; models and their runs may take " + SizeText(left) + " now");
    } else {
      LogInfo("memory: the whole budget is there again");
    }
    Tell(MemoryChanged{MonotonicNow(), left});
  }
  return watch.given_up() > Bytes() ? kAgain : Duration();
}

RefusalFacts Node::Body::FactsFor(const Reject& reject, TenantId tenant) const {
  RefusalFacts facts;
  facts.memory = node.options_.memory.models;
  facts.left = facts.memory - Bytes(given_up.load(std::memory_order_relaxed));
  facts.left = std::max(facts.left, Bytes());
  if (reject.reason == RejectReason::kTenantMemory || reject.reason == RejectReason::kQueueFull) {
    const std::shared_ptr<const ModelTable> table = tables.Get();
    if (ToIndex(tenant) < table->tenants.size()) facts.tenant = table->tenants[ToIndex(tenant)];
  }
  return facts;
}

void Node::SaveHistories() {
  if (!body_->histories.on()) return;
  HistoryFile::Histories histories;
  for (const std::shared_ptr<ServedModel>& model : AllServed()) {
    const std::optional<ArrivalHistory> history = body_->brain.HistoryOf(model->id());
    if (history) histories[{model->config().name, model->version()}] = *history;
  }
  const Status written = body_->histories.Write(histories, ReadClocks());
  if (!written.ok()) LogWarning("what was learnt of requests is not kept: " + written.message());
}

void Node::AddVariants(const ServedModel& model, ModelMemoryRow& row) const {
  row.dropped = model.dropped();
  if (model.variants().empty()) return;
  const auto add = [&](const ServedModel& variant) {
    VariantMemoryRow& one = row.variants.emplace_back();
    one.name = variant.variant();
    one.accuracy = variant.accuracy();
    one.residence = variant.residence();
    one.facts = variant.facts();
    one.run_peak = variant.run_peak();
    one.load_peak = variant.load_peak();
    one.waiting = body_->brain.Waiting(variant.id());
  };
  add(model);
  for (const std::shared_ptr<ServedModel>& variant : model.variants()) {
    add(*variant);
    row.waiting += row.variants.back().waiting;
    const Residence residence = variant->residence();
    const bool nearer = residence == Residence::kParked
                            ? row.residence == Residence::kOut
                            : row.residence != Residence::kResident && residence != Residence::kOut;
    if (!nearer) continue;
    row.residence = residence;
    row.facts = variant->facts();
    row.run_peak = variant->run_peak();
    row.load_peak = variant->load_peak();
  }
}

NodeMemory Node::Memory() const {
  NodeMemory memory;
  memory.budget = options_.memory;
  memory.ledger = body_->brain.Memory();
  memory.parked = body_->controller.parked();
  memory.pool = body_->backend.pool();
  memory.process = ReadProcessMemory();
  memory.cgroup = ReadCgroupMemory();
  memory.pressure = ReadMemoryPressure();
  memory.available = ReadAvailableMemory();
  const Instant now = MonotonicNow();
  for (const std::shared_ptr<ServedModel>& model : AllServed()) {
    ModelMemoryRow row;
    row.name = model->config().name;
    row.version = model->version_text();
    row.residence = model->residence();
    row.facts = model->facts();
    row.run_peak = model->run_peak();
    row.load_peak = model->load_peak();
    row.waiting = body_->brain.Waiting(model->id());
    AddVariants(*model, row);
    if (model->last_used() > Instant()) row.unused_for = now - model->last_used();
    row.counts = model->counters().Residency();
    memory.models.push_back(std::move(row));
  }
  return memory;
}

}  // namespace cotenant
