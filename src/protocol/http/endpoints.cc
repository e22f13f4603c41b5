#include "protocol/http/endpoints.h"

#include <string_view>
#include <vector>

#include "protocol/http/control_request.h"
#include "protocol/http/decisions_page.h"
#include "protocol/http/json_text.h"
#include "protocol/http/memory_page.h"
#include "protocol/http/page.h"
#include "protocol/server_facts.h"
#include "server/served_model.h"

namespace cotenant {
namespace {

void AppendMember(std::string_view name, std::string& out) {
  if (out.back() != '{') out += ',';
  AppendJsonString(name, out);
  out += ':';
}

void AppendTensors(std::string_view name, const std::vector<TensorSpec>& tensors,
                   std::int32_t max_batch_size, std::string& out) {
  AppendMember(name, out);
  out += '[';
  for (const TensorSpec& tensor : tensors) {
    if (&tensor != &tensors.front()) out += ',';
    out += "{\"name\":";
    AppendJsonString(tensor.name, out);
    out += ",\"datatype\":";
    AppendJsonString(DataTypeName(tensor.datatype), out);
    out += ",\"shape\":";
    AppendShape(MetadataShape(tensor, max_batch_size), out);
    out += '}';
  }
  out += ']';
}

void AppendCounted(std::string_view name, const CountedTime& time, std::string& out) {
  AppendMember(name, out);
  out += "{\"count\":";
  AppendNumber(time.count, out);
  out += ",\"ns\":";
  AppendNumber(time.nanoseconds, out);
  out += '}';
}

/// All eight members of `inference_stats`: clients read them without looking.
void AppendStatistics(ServedModel& model, std::string& out) {
  const ModelStatistics statistics = model.counters().Statistics();
  out += "{\"name\":";
  AppendJsonString(model.config().name, out);
  AppendMember("version", out);
  AppendJsonString(model.version_text(), out);
  AppendMember("last_inference", out);
  AppendNumber(statistics.last_inference_milliseconds, out);
  AppendMember("inference_count", out);
  AppendNumber(statistics.inference_count, out);
  AppendMember("execution_count", out);
  AppendNumber(statistics.execution_count, out);
  out += ",\"inference_stats\":{";
  AppendCounted("success", statistics.success, out);
  AppendCounted("fail", statistics.fail, out);
  AppendCounted("queue", statistics.queue, out);
  AppendCounted("compute_input", statistics.compute_input, out);
  AppendCounted("compute_infer", statistics.compute_infer, out);
  AppendCounted("compute_output", statistics.compute_output, out);
  AppendCounted("cache_hit", CountedTime(), out);
  AppendCounted("cache_miss", CountedTime(), out);
  out += "},\"response_stats\":{},\"batch_stats\":[";
  for (const ModelStatistics::Batch& batch : statistics.batches) {
    if (&batch != &statistics.batches.front()) out += ',';
    out += "{\"batch_size\":";
    AppendNumber(batch.rows, out);
    AppendCounted("compute_input", batch.compute_input, out);
    AppendCounted("compute_infer", batch.compute_infer, out);
    AppendCounted("compute_output", batch.compute_output, out);
    out += '}';
  }
  out += "],\"memory_usage\":[]}";
}

std::string_view AllowedMethods(const Route& route) {
  if (route.get && route.post) return "GET, HEAD, POST";
  return route.get ? "GET, HEAD" : "POST";
}

bool IsAllowed(const Route& route, HttpMethod method) {
  if (method == HttpMethod::kPost) return route.post;
  return method != HttpMethod::kOther && route.get;
}

}  // namespace

void Endpoints::Json(int status, const ReplyStyle& style, HttpReply& reply) {
  reply.SetText(status, "application/json", text_, style);
}

void Endpoints::Error(const Status& status, bool reads_body, const ReplyStyle& style,
                      HttpReply& reply) {
  // What is too large is the request where it has a body, else a model.
  const bool too_large = reads_body && status.code() == Code::kResourceExhausted;
  reply.SetError(too_large ? 413 : HttpStatusOf(status.code()), status.message(), style);
}

void Endpoints::Answer(const Route& route, const HttpHead& head, std::span<const std::byte> body,
                       const ReplyStyle& style, HttpReply& reply) {
  text_.clear();
  if (route.endpoint == Endpoint::kUnknown) {
    reply.SetError(404, "there is no endpoint '" + std::string(head.target.substr(0, 256)) + "'",
                   style);
    return;
  }
  if (!IsAllowed(route, head.method)) {
    reply.SetNotAllowed(AllowedMethods(route), style);
    return;
  }
  Status status;
  int http_status = 200;
  switch (route.endpoint) {
    case Endpoint::kPage:
      WritePage(node_, text_);
      reply.SetText(200, "text/html; charset=utf-8", text_, style);
      return;
    case Endpoint::kMetrics:
      reply.SetText(200, "text/plain; version=0.0.4; charset=utf-8", node_.MetricsText(), style);
      return;
    case Endpoint::kTenants: Tenants(); break;
    case Endpoint::kMemory: WriteMemory(node_, text_); break;
    case Endpoint::kDecisions: status = WriteDecisions(node_, head.target, text_); break;
    case Endpoint::kLive:
      text_ = node_.Live() ? "{\"live\":true}" : "{\"live\":false}";
      http_status = node_.Live() ? 200 : 400;
      break;
    case Endpoint::kReady: {
      const bool ready = node_.Ready();
      text_ = ready ? "{\"live\":true,\"ready\":true}" : "{\"live\":true,\"ready\":false}";
      http_status = ready ? 200 : 400;
      break;
    }
    case Endpoint::kServer: status = Server(); break;
    case Endpoint::kModel: status = Model(route); break;
    case Endpoint::kModelReady: status = ModelReady(route, http_status); break;
    case Endpoint::kModelConfig: {
      auto served = node_.Find(route.model, route.version);
      status = served.status();
      if (served.ok()) text_ = (*served)->rendered().json;
      break;
    }
    case Endpoint::kModelStatistics:
    case Endpoint::kAllStatistics: status = Statistics(route); break;
    case Endpoint::kIndex: status = Index(route, body); break;
    case Endpoint::kSharedMemoryStatus:
      text_ = "[]";  // No region is registered, because none can be.
      break;
    case Endpoint::kSharedMemory: status = NotSupported("shared memory"); break;
    case Endpoint::kTrace: status = NotSupported("the trace extension"); break;
    case Endpoint::kLogging: status = NotSupported("the logging extension"); break;
    case Endpoint::kGenerate: status = NotSupported("the generate extension"); break;
    case Endpoint::kUnknown:
    case Endpoint::kInfer:
    case Endpoint::kLoad:
    case Endpoint::kUnload: COTENANT_CHECK(false);
  }
  if (status.ok()) {
    Json(http_status, style, reply);
  } else {
    Error(status, route.endpoint == Endpoint::kIndex, style, reply);
  }
}

Status Endpoints::Server() {
  text_ = "{\"name\":";
  AppendJsonString(node_.options().server_id, text_);
  AppendMember("version", text_);
  AppendJsonString(kServerVersion, text_);
  text_ += ",\"extensions\":[";
  for (std::string_view extension : kExtensions) {
    if (text_.back() != '[') text_ += ',';
    AppendJsonString(extension, text_);
  }
  text_ += "]}";
  return Status();
}

Status Endpoints::Model(const Route& route) {
  auto served = node_.Find(route.model, route.version);
  if (!served.ok()) return served.status();
  const ModelConfig& config = (*served)->config();
  text_ = "{\"name\":";
  AppendJsonString(config.name, text_);
  text_ += ",\"versions\":[";
  if (!route.version.empty()) {
    AppendJsonString((*served)->version_text(), text_);
  } else {
    auto versions = node_.Versions(route.model);
    if (!versions.ok()) return versions.status();
    for (const auto& version : *versions) {
      if (text_.back() != '[') text_ += ',';
      AppendJsonString(version->version_text(), text_);
    }
  }
  text_ += ']';
  AppendMember("platform", text_);
  AppendJsonString(config.platform, text_);
  AppendTensors("inputs", config.inputs, config.max_batch_size, text_);
  AppendTensors("outputs", config.outputs, config.max_batch_size, text_);
  text_ += '}';
  return Status();
}

Status Endpoints::ModelReady(const Route& route, int& status) {
  auto ready = node_.ModelReady(route.model, route.version);
  if (!ready.ok()) return ready.status();
  text_ = "{\"name\":";
  AppendJsonString(route.model, text_);
  text_ += *ready ? ",\"ready\":true}" : ",\"ready\":false}";
  if (!*ready) status = 400;
  return Status();
}

Status Endpoints::Statistics(const Route& route) {
  std::vector<std::shared_ptr<ServedModel>> models;
  if (route.model.empty()) {
    models = node_.AllServed();
  } else if (route.version.empty()) {
    auto versions = node_.Versions(route.model);
    if (!versions.ok()) return versions.status();
    models = *std::move(versions);
  } else {
    auto served = node_.Find(route.model, route.version);
    if (!served.ok()) return served.status();
    models.push_back(*std::move(served));
  }
  text_ = "{\"model_stats\":[";
  for (const auto& model : models) {
    if (text_.back() != '[') text_ += ',';
    AppendStatistics(*model, text_);
  }
  text_ += "]}";
  return Status();
}

Status Endpoints::Index(const Route& route, std::span<const std::byte> body) {
  if (!route.repository.empty()) return NotSupported("'repository_name' specification");
  auto ready_only = ReadIndex(document_, body);
  if (!ready_only.ok()) return ready_only.status();
  text_ = "[";
  for (const IndexRow& row : node_.Index(*ready_only)) {
    if (text_.back() != '[') text_ += ',';
    text_ += "{\"name\":";
    AppendJsonString(row.name, text_);
    if (!row.version.empty()) {
      AppendMember("version", text_);
      AppendJsonString(row.version, text_);
    }
    if (row.known_state) {
      AppendMember("state", text_);
      AppendJsonString(ModelStateName(row.state), text_);
    }
    if (!row.reason.empty()) {
      AppendMember("reason", text_);
      AppendJsonString(row.reason, text_);
    }
    text_ += '}';
  }
  text_ += ']';
  return Status();
}

void Endpoints::Tenants() {
  text_ = "{\"tenants\":[";
  for (const Tenant& tenant : node_.Tenants()) {
    if (text_.back() != '[') text_ += ',';
    text_ += "{\"name\":";
    AppendJsonString(tenant.name, text_);
    AppendMember("weight", text_);
    AppendNumber(tenant.weight, text_);
    AppendMember("waiting_max", text_);
    AppendNumber(tenant.waiting_max, text_);
    if (tenant.latency_bound > Duration()) {
      AppendMember("latency_bound_ms", text_);
      AppendNumber(static_cast<double>(tenant.latency_bound.nanoseconds()) * 1e-6, text_);
    }
    text_ += '}';
  }
  text_ += "]}";
}

}  // namespace cotenant
