#include "config/scenario_text.h"

#include <array>
#include <cinttypes>
#include <cstdio>
#include <string_view>

#include "config/node_sections.h"

namespace cotenant {
namespace {

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return quoted + "\"";
}

std::string Text(std::int64_t number) { return std::to_string(number); }

/// `value` / `unit`, whose powers of ten are `decimals`, exactly.
std::string Decimal(std::int64_t value, std::int64_t unit, int decimals) {
  if (value % unit == 0) return Text(value / unit);
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), "%" PRId64 ".%0*" PRId64, value / unit, decimals,
                value % unit);
  return text.data();
}

std::string Key(std::string_view key, const std::string& value) {
  return std::string(key) + " = " + value + "\n";
}

std::string TimesText(const TimeDistribution& times, Duration unit, int decimals) {
  constexpr std::size_t kPerLine = 8;  // Long lists stay readable.
  std::string text;
  for (std::size_t i = 0; i < times.quantiles.size(); ++i) {
    if (i > 0) text += i % kPerLine == 0 ? ",\n    " : ", ";
    text += Decimal(times.quantiles[i].nanoseconds(), unit.nanoseconds(), decimals);
  }
  return "[" + text + "]";
}

std::string MebibytesText(Bytes bytes) {
  constexpr std::int64_t kMebibyte = 1 << 20;
  return Text((bytes.count() + kMebibyte - 1) / kMebibyte);
}

std::string BatchingText(const DynamicBatching& batching) {
  std::string sizes;
  for (const std::int32_t size : batching.preferred_sizes) {
    sizes += (sizes.empty() ? "" : ", ") + Text(size);
  }
  const QueuePolicy& queue = batching.default_policy;
  const char* action = queue.timeout_action == TimeoutAction::kDelay ? "DELAY" : "REJECT";
  return "{ preferred_batch_size = [" + sizes +
         "], max_queue_delay_microseconds = " + Text(batching.queue_delay_max.microseconds()) +
         ", preserve_ordering = " + (batching.preserve_ordering ? "true" : "false") +
         ", default_queue_policy = { timeout_action = \"" + action +
         "\", default_timeout_microseconds = " + Text(queue.default_timeout.microseconds()) +
         ", max_queue_size = " + Text(queue.waiting_max) + " } }";
}

std::string ModelText(const ScenarioModel& model, const std::string& profile) {
  std::string text = "\n[[models]]\n" + Key("name", Quoted(model.name)) +
                     Key("max_batch_size", Text(model.rows_max)) + Key("cores", Text(model.cores));
  if (model.batching) text += Key("dynamic_batching", BatchingText(*model.batching));
  if (!profile.empty()) return text + Key("profile", Quoted(profile));
  if (model.profile.runs.empty()) {
    return text + "# It never ran: add `run_us`, or a `profile` that has its times.\n";
  }
  std::string runs;
  for (const RunTimes& run : model.profile.runs) {
    runs += (runs.empty() ? "" : ", ") + Text(run.rows) + " = " +
            TimesText(run.alone, Duration::Microseconds(1), 3);
  }
  text += Key("run_us", "{ " + runs + " }");
  if (!model.profile.load.empty()) {
    text += Key("load_ms", TimesText(model.profile.load, Duration::Milliseconds(1), 6));
  }
  return text + Key("mapped_mib", MebibytesText(model.profile.mapped)) +
         Key("anonymous_mib", MebibytesText(model.profile.anonymous));
}

}  // namespace

Status CheckScenarioNames(const Scenario& scenario) {
  const auto check = [](const char* what, const std::string& name) {
    if (IsPlainName(name)) return Status();
    return InvalidArgument(std::string("the ") + what + " '" + name +
                           "' cannot be named in a scenario: letters, digits, '-', '_' and '.'");
  };
  for (const Tenant& tenant : scenario.node.tenants) {
    COTENANT_RETURN_IF_ERROR(check("tenant", tenant.name));
  }
  for (const ScenarioModel& model : scenario.models) {
    COTENANT_RETURN_IF_ERROR(check("model", model.name));
  }
  return Status();
}

std::string ScenarioText(const Scenario& scenario, const ScenarioFiles& files) {
  std::string text = Key("description", Quoted(scenario.description));
  // Never shorter than the trace.
  constexpr std::int64_t kMillisecond = 1'000'000;
  const std::int64_t lasts = (scenario.lasts.nanoseconds() + kMillisecond - 1) / kMillisecond;
  text += Key("lasts_s", Decimal(lasts, 1'000, 3));
  const PolicyChoice& policies = scenario.node.policies;
  text +=
      "\n[policies]\n" + Key("dispatch", Quoted(policies.dispatch)) +
      Key("batching", Quoted(policies.batching)) + Key("admission", Quoted(policies.admission)) +
      Key("residency", Quoted(policies.residency)) + Key("prediction", Quoted(policies.prediction));
  text += "\n[device]\n" + Key("slots", Text(scenario.device.slots));
  if (!files.profile.empty()) {
    text += Key("profile", Quoted(files.profile));
  } else {
    text +=
        "# The models' times below are those of the recorded runs, as they slowed each other. A\n"
        "# file of `cotenant profile` knows them alone and beside others, and the node's own\n"
        "# costs: `profile = \"FILE\"` here and in each model.\n";
  }
  for (const Tenant& tenant : scenario.node.tenants) {
    text += "\n[[tenants]]\n" + Key("name", Quoted(tenant.name)) +
            Key("weight", Text(tenant.weight)) +
            Key("latency_bound_ms", Text(tenant.latency_bound.milliseconds())) +
            Key("waiting_max", Text(tenant.waiting_max));
  }
  for (const ScenarioModel& model : scenario.models) text += ModelText(model, files.profile);
  return text + "\n[[load]]\n" + Key("pattern", "\"trace\"") + Key("file", Quoted(files.trace));
}

}  // namespace cotenant
