#include "protocol/grpc/answers.h"

#include <atomic>
#include <string>
#include <utility>

#include "protocol/server_facts.h"
#include "server/served_model.h"

namespace cotenant {
namespace {

void SetTensors(
    const std::vector<TensorSpec>& specs, std::int32_t max_batch_size,
    google::protobuf::RepeatedPtrField<inference::ModelMetadataResponse::TensorMetadata>& out) {
  for (const TensorSpec& spec : specs) {
    auto& tensor = *out.Add();
    tensor.set_name(spec.name);
    tensor.set_datatype(std::string(DataTypeName(spec.datatype)));
    const Shape shape = MetadataShape(spec, max_batch_size);
    for (const std::int64_t dim : shape.dims()) tensor.add_shape(dim);
  }
}

void Set(const CountedTime& time, inference::StatisticDuration& out) {
  out.set_count(time.count);
  out.set_ns(time.nanoseconds);
}

void SetStatistics(ServedModel& model, inference::ModelStatistics& out) {
  const cotenant::ModelStatistics statistics = model.counters().Statistics();
  out.set_name(model.config().name);
  out.set_version(model.version_text());
  out.set_last_inference(statistics.last_inference_milliseconds);
  out.set_inference_count(statistics.inference_count);
  out.set_execution_count(statistics.execution_count);
  auto& infer = *out.mutable_inference_stats();
  Set(statistics.success, *infer.mutable_success());
  Set(statistics.fail, *infer.mutable_fail());
  Set(statistics.queue, *infer.mutable_queue());
  Set(statistics.compute_input, *infer.mutable_compute_input());
  Set(statistics.compute_infer, *infer.mutable_compute_infer());
  Set(statistics.compute_output, *infer.mutable_compute_output());
  Set({}, *infer.mutable_cache_hit());
  Set({}, *infer.mutable_cache_miss());
  for (const ModelStatistics::Batch& batch : statistics.batches) {
    auto& row = *out.add_batch_stats();
    row.set_batch_size(batch.rows);
    Set(batch.compute_input, *row.mutable_compute_input());
    Set(batch.compute_infer, *row.mutable_compute_infer());
    Set(batch.compute_output, *row.mutable_compute_output());
  }
}

Status Stopping() { return Unavailable("the server is shutting down"); }

Status CheckRepository(const std::string& name) {
  return name.empty() ? Status() : NotSupported("'repository_name' specification");
}

}  // namespace

/// A load or unload that is to be answered once, by whoever comes first.
class Answers::Pending {
 public:
  explicit Pending(Finish finish) : finish_(std::move(finish)) {}
  void End(const Status& status) {
    if (!ended_.exchange(true)) finish_(status);
  }

 private:
  Finish finish_;
  std::atomic<bool> ended_ = false;
};

Status Answers::ServerLive(const inference::ServerLiveRequest&,
                           inference::ServerLiveResponse& reply) {
  reply.set_live(node_.Live());
  return Status();
}

Status Answers::ServerReady(const inference::ServerReadyRequest&,
                            inference::ServerReadyResponse& reply) {
  reply.set_ready(node_.Ready());
  return Status();
}

Status Answers::ModelReady(const inference::ModelReadyRequest& request,
                           inference::ModelReadyResponse& reply) {
  const auto ready = node_.ModelReady(request.name(), request.version());
  if (!ready.ok()) return ready.status();
  reply.set_ready(*ready);
  return Status();
}

Status Answers::ServerMetadata(const inference::ServerMetadataRequest&,
                               inference::ServerMetadataResponse& reply) {
  reply.set_name(node_.options().server_id);
  reply.set_version(std::string(kServerVersion));
  for (const std::string_view extension : kExtensions) {
    reply.add_extensions(std::string(extension));
  }
  return Status();
}

Status Answers::ModelMetadata(const inference::ModelMetadataRequest& request,
                              inference::ModelMetadataResponse& reply) {
  const auto found = node_.Find(request.name(), request.version());
  if (!found.ok()) return found.status();
  const cotenant::ModelConfig& config = (*found)->config();
  reply.set_name(config.name);
  if (!request.version().empty()) {
    reply.add_versions((*found)->version_text());
  } else {
    const auto versions = node_.Versions(request.name());
    if (!versions.ok()) return versions.status();
    for (const auto& version : *versions) reply.add_versions(version->version_text());
  }
  reply.set_platform(config.platform);
  SetTensors(config.inputs, config.max_batch_size, *reply.mutable_inputs());
  SetTensors(config.outputs, config.max_batch_size, *reply.mutable_outputs());
  return Status();
}

Status Answers::ModelConfig(const inference::ModelConfigRequest& request,
                            inference::ModelConfigResponse& reply) {
  const auto found = node_.Find(request.name(), request.version());
  if (!found.ok()) return found.status();
  if (!reply.mutable_config()->ParseFromString((*found)->rendered().protobuf)) {
    return Internal("the configuration of model '" + request.name() + "' cannot be rendered");
  }
  return Status();
}

Status Answers::ModelStatistics(const inference::ModelStatisticsRequest& request,
                                inference::ModelStatisticsResponse& reply) {
  std::vector<std::shared_ptr<ServedModel>> models;
  if (request.name().empty()) {
    models = node_.AllServed();
  } else if (request.version().empty()) {
    auto versions = node_.Versions(request.name());
    if (!versions.ok()) return versions.status();
    models = std::move(*versions);
  } else {
    auto found = node_.Find(request.name(), request.version());
    if (!found.ok()) return found.status();
    models.push_back(std::move(*found));
  }
  for (const auto& model : models) SetStatistics(*model, *reply.add_model_stats());
  return Status();
}

Status Answers::RepositoryIndex(const inference::RepositoryIndexRequest& request,
                                inference::RepositoryIndexResponse& reply) {
  COTENANT_RETURN_IF_ERROR(CheckRepository(request.repository_name()));
  for (const IndexRow& row : node_.Index(request.ready())) {
    auto& model = *reply.add_models();
    model.set_name(row.name);
    model.set_version(row.version);
    if (row.known_state) model.set_state(std::string(ModelStateName(row.state)));
    model.set_reason(row.reason);
  }
  return Status();
}

void Answers::RepositoryModelLoad(const inference::RepositoryModelLoadRequest& request,
                                  Finish finish) {
  if (const Status status = CheckRepository(request.repository_name()); !status.ok()) {
    return finish(status);
  }
  LoadOverride override_;
  for (const auto& [name, parameter] : request.parameters()) {
    using Parameter = inference::ModelRepositoryParameter;
    const bool config = name == "config";
    const auto wanted = config ? Parameter::kStringParam : Parameter::kBytesParam;
    if ((config || name.starts_with("file:")) && parameter.parameter_choice_case() != wanted) {
      return finish(InvalidArgument("invalid value type for load parameter '" + name +
                                    "', expected " + (config ? "string_param" : "bytes_param")));
    }
    std::string value = config ? parameter.string_param() : parameter.bytes_param();
    const Status taken = TakeLoadParameter(name, std::move(value), override_);
    if (!taken.ok()) return finish(taken);
  }
  node_.Load(
      request.model_name(), std::move(override_),
      [pending = AddPending(std::move(finish))](const Status& status) { pending->End(status); });
}

void Answers::RepositoryModelUnload(const inference::RepositoryModelUnloadRequest& request,
                                    Finish finish) {
  if (const Status status = CheckRepository(request.repository_name()); !status.ok()) {
    return finish(status);
  }
  // `unload_dependents` concerns ensembles, of which there are none.
  node_.Unload(request.model_name(), [pending = AddPending(std::move(finish))](
                                         const Status& status) { pending->End(status); });
}

std::shared_ptr<Answers::Pending> Answers::AddPending(Finish finish) {
  auto pending = std::make_shared<Pending>(std::move(finish));
  const std::lock_guard lock(mutex_);
  std::erase_if(pending_, [](const auto& old) { return old.expired(); });
  if (closed_) {
    pending->End(Stopping());
  } else {
    pending_.push_back(pending);
  }
  return pending;
}

void Answers::GiveUpPending() {
  std::vector<std::weak_ptr<Pending>> all;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    all.swap(pending_);
  }
  for (const auto& weak : all) {
    if (const auto pending = weak.lock()) pending->End(Stopping());
  }
}

}  // namespace cotenant
