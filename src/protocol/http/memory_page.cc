#include "protocol/http/memory_page.h"

#include <string_view>

#include "protocol/http/json_text.h"
#include "server/node_memory.h"

namespace cotenant {
namespace {

void AppendName(std::string_view name, std::string& out) {
  if (out.back() != '{') out += ',';
  AppendJsonString(name, out);
  out += ':';
}

template <typename Number>
void AppendMember(std::string_view name, Number value, std::string& out) {
  AppendName(name, out);
  AppendNumber(value, out);
}

void AppendMember(std::string_view name, Bytes value, std::string& out) {
  AppendMember(name, value.count(), out);
}

void AppendMember(std::string_view name, std::string_view text, std::string& out) {
  AppendName(name, out);
  AppendJsonString(text, out);
}

void AppendBudget(const NodeMemory& memory, std::string& out) {
  AppendName("budget", out);
  if (!memory.budget.limited()) {
    out += "null";
    return;
  }
  const MemoryBudget& budget = memory.budget;
  out += '{';
  AppendMember("total", budget.total, out);
  AppendMember("base", budget.base, out);
  AppendMember("requests", budget.requests, out);
  AppendMember("models", budget.models, out);
  AppendMember("parked", budget.parked, out);
  out += '}';
}

void AppendLedger(const MemoryFacts& ledger, std::string& out) {
  AppendName("ledger", out);
  out += '{';
  AppendMember("models", ledger.models, out);
  AppendMember("runs", ledger.reserve, out);
  AppendMember("free", ledger.free, out);
  AppendMember("given_up", ledger.limit - ledger.left, out);
  out += '}';
}

void AppendVariant(const VariantMemoryRow& variant, std::string& out) {
  out += out.back() == '[' ? "{" : ",{";
  AppendMember("name", std::string_view(variant.name), out);
  AppendName("accuracy", out);
  if (variant.accuracy.known()) {
    AppendNumber(variant.accuracy.milli / 1e3, out);
  } else {
    out += "null";
  }
  AppendMember("accuracy_source", AccuracySourceName(variant.accuracy.source), out);
  AppendMember("state", ResidenceName(variant.residence), out);
  AppendMember("mapped", variant.facts.mapped, out);
  AppendMember("anonymous", variant.facts.anonymous, out);
  AppendMember("run_peak", variant.run_peak, out);
  AppendMember("load_peak", variant.load_peak, out);
  AppendMember("waiting", variant.waiting, out);
  out += '}';
}

void AppendVariants(const ModelMemoryRow& model, std::string& out) {
  if (!model.variants.empty()) {
    AppendName("variants", out);
    out += '[';
    for (const VariantMemoryRow& variant : model.variants) AppendVariant(variant, out);
    out += ']';
  }
  if (model.dropped.empty()) return;
  AppendName("dropped_variants", out);
  out += '[';
  for (const DroppedVariant& dropped : model.dropped) {
    out += out.back() == '[' ? "{" : ",{";
    AppendMember("name", std::string_view(dropped.name), out);
    AppendMember("reason", std::string_view(dropped.reason), out);
    out += '}';
  }
  out += ']';
}

void AppendModel(const ModelMemoryRow& model, std::string& out) {
  out += '{';
  AppendMember("name", std::string_view(model.name), out);
  AppendMember("version", std::string_view(model.version), out);
  AppendMember("state", ResidenceName(model.residence), out);
  AppendMember("mapped", model.facts.mapped, out);
  AppendMember("anonymous", model.facts.anonymous, out);
  AppendMember("run_peak", model.run_peak, out);
  AppendMember("load_peak", model.load_peak, out);
  AppendMember("waiting", model.waiting, out);
  AppendName("unused_seconds", out);
  if (model.unused_for) {
    AppendNumber(static_cast<double>(model.unused_for->nanoseconds()) * 1e-9, out);
  } else {
    out += "null";
  }
  AppendMember("loads", model.counts.loads.count, out);
  AppendMember("load_seconds", static_cast<double>(model.counts.loads.nanoseconds) * 1e-9, out);
  AppendMember("failed_loads", model.counts.loads_failed, out);
  AppendMember("evictions", model.counts.evictions, out);
  AppendMember("cold_starts", model.counts.cold_starts, out);
  AppendVariants(model, out);
  out += '}';
}

void AppendProcess(const ProcessMemory& process, std::string& out) {
  AppendName("process", out);
  out += '{';
  AppendMember("resident", process.resident, out);
  AppendMember("resident_peak", process.resident_peak, out);
  AppendMember("anonymous", process.anonymous, out);
  AppendMember("file", process.file, out);
  AppendMember("major_faults", process.major_faults, out);
  out += '}';
}

void AppendCgroup(const CgroupMemory& group, std::string& out) {
  out += '{';
  AppendMember("version", std::int64_t{group.version}, out);
  AppendName("limit", out);
  if (group.limit) {
    AppendNumber(group.limit->count(), out);
  } else {
    out += "null";
  }
  AppendMember("usage", group.usage, out);
  AppendMember("inactive_file", group.inactive_file, out);
  out += '}';
}

void AppendPressure(const MemoryPressure& pressure, std::string& out) {
  out += '{';
  AppendMember("of", std::string_view(pressure.own ? "cgroup" : "machine"), out);
  AppendMember("some_avg10", pressure.some_avg10, out);
  AppendMember("full_avg10", pressure.full_avg10, out);
  AppendMember("some_seconds", static_cast<double>(pressure.some_microseconds) * 1e-6, out);
  AppendMember("full_seconds", static_cast<double>(pressure.full_microseconds) * 1e-6, out);
  out += '}';
}

}  // namespace

void WriteMemory(const Node& node, std::string& out) {
  const NodeMemory memory = node.Memory();
  out = "{";
  AppendBudget(memory, out);
  AppendLedger(memory.ledger, out);
  AppendName("models", out);
  out += '[';
  for (const ModelMemoryRow& model : memory.models) {
    if (out.back() != '[') out += ",\n";
    AppendModel(model, out);
  }
  out += ']';
  AppendMember("parked", memory.parked, out);
  AppendName("pool", out);
  out += '{';
  AppendMember("in_use", memory.pool.in_use, out);
  AppendMember("peak", memory.pool.peak, out);
  AppendMember("kept", memory.pool.kept, out);
  out += '}';
  AppendProcess(memory.process, out);
  AppendName("cgroup", out);
  if (memory.cgroup) {
    AppendCgroup(*memory.cgroup, out);
  } else {
    out += "null";
  }
  AppendName("pressure", out);
  if (memory.pressure) {
    AppendPressure(*memory.pressure, out);
  } else {
    out += "null";
  }
  AppendMember("available", memory.available, out);
  out += "}";
}

}  // namespace cotenant
