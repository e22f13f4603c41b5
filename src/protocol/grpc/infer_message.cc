#include "protocol/grpc/infer_message.h"

#include <algorithm>
#include <string_view>

#include "protocol/classification.h"
#include "protocol/grpc/tensor_contents.h"
#include "protocol/parameters.h"
#include "protocol/server_facts.h"
#include "server/clock.h"
#include "server/served_model.h"

namespace cotenant {
namespace {

using Request = inference::ModelInferRequest;

/// A request with more tensor data than this gives its buffers back instead of keeping them for the
/// next one.
constexpr std::int64_t kKeptBytesMax = 64 << 10;

std::string_view ViewOf(grpc::string_ref text) { return {text.data(), text.size()}; }

Result<ParameterValue> ValueOf(const std::string& name, const inference::InferParameter& value) {
  switch (value.parameter_choice_case()) {
    case inference::InferParameter::kBoolParam: return ParameterValue(value.bool_param());
    case inference::InferParameter::kInt64Param: return ParameterValue(value.int64_param());
    case inference::InferParameter::kStringParam:
      return ParameterValue(std::string_view(value.string_param()));
    case inference::InferParameter::kDoubleParam: return ParameterValue(value.double_param());
    case inference::InferParameter::kUint64Param: return ParameterValue(value.uint64_param());
    case inference::InferParameter::PARAMETER_CHOICE_NOT_SET: break;
  }
  return InvalidArgument("parameter '" + name + "' has no value");
}

void SetParameter(const ParameterValue& value, inference::InferParameter& out) {
  if (const auto* b = std::get_if<bool>(&value)) out.set_bool_param(*b);
  if (const auto* i = std::get_if<std::int64_t>(&value)) out.set_int64_param(*i);
  if (const auto* u = std::get_if<std::uint64_t>(&value)) out.set_uint64_param(*u);
  if (const auto* d = std::get_if<double>(&value)) out.set_double_param(*d);
  if (const auto* s = std::get_if<std::string_view>(&value)) out.set_string_param(std::string(*s));
}

/// The time that the client still gives, or zero when it set no deadline.
Duration TimeLeft(const grpc::ServerContext& rpc) {
  const gpr_timespec deadline = rpc.raw_deadline();
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return Duration();
  const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  if (left.tv_sec > kBoundMax.nanoseconds() / 1'000'000'000) return Duration();
  // A deadline that has passed is still a bound, and zero would mean none.
  return std::max(Duration::Seconds(left.tv_sec) + Duration::Nanoseconds(left.tv_nsec),
                  Duration::Nanoseconds(1));
}

Result<Shape> ShapeOf(const Request::InferInputTensor& input) {
  Shape shape;
  for (const std::int64_t dim : input.shape()) {
    if (!shape.TryAppend(dim)) {
      return InvalidArgument("input '" + input.name() + "' has " +
                             std::to_string(input.shape_size()) + " dimensions, at most " +
                             std::to_string(kTensorRankMax) + " are supported");
    }
  }
  return shape;
}

template <typename Tensors>
Status CheckCount(const Tensors& tensors, const char* what, int most) {
  if (tensors.size() <= most) return Status();
  return InvalidArgument("the request names " + std::to_string(tensors.size()) + " " + what +
                         ", at most " + std::to_string(most) + " are taken");
}

/// Does the reply carry the output's bytes as they are, or as text of its classes?
Status AppendOutput(const ReplyOutput& output, bool batched, inference::ModelInferResponse& reply) {
  auto& tensor = *reply.add_outputs();
  std::string& raw = *reply.add_raw_output_contents();
  Shape shape = output.shape;
  DataType datatype = output.datatype;
  if (output.classification > 0) {
    auto classes = AppendClasses(output, batched, raw);
    if (!classes.ok()) return classes.status();
    shape = *classes;
    datatype = DataType::kBytes;
  } else {
    raw.assign(reinterpret_cast<const char*>(output.bytes.data()), output.bytes.size());
  }
  tensor.set_name(output.spec->name);
  const std::string_view type = DataTypeName(datatype);
  tensor.set_datatype(type.data(), type.size());
  for (const std::int64_t dim : shape.dims()) tensor.add_shape(dim);
  return Status();
}

}  // namespace

Status InferMessage::Read(const GrpcContext& context, const grpc::ServerContext& rpc, Instant now,
                          InferCall& call) {
  call.model = request.model_name();
  call.version = request.model_version();
  call.id = request.id();
  call.at = now;
  COTENANT_RETURN_IF_ERROR(ReadParameters(context, rpc, now, call));
  COTENANT_RETURN_IF_ERROR(ReadInputs(context.options, call));
  return ReadOutputs(context.options, call);
}

Status InferMessage::ReadParameters(const GrpcContext& context, const grpc::ServerContext& rpc,
                                    Instant now, InferCall& call) {
  ParameterReader reader(call);
  for (const auto& [name, value] : rpc.client_metadata()) {
    COTENANT_RETURN_IF_ERROR(reader.TakeHeader(ViewOf(name), ViewOf(value)));
    if (context.header_forward &&
        RE2::PartialMatch(re2::StringPiece(name.data(), name.size()), *context.header_forward)) {
      COTENANT_RETURN_IF_ERROR(reader.Take(ViewOf(name), ViewOf(value)));
    }
  }
  for (const auto& [name, parameter] : request.parameters()) {
    auto value = ValueOf(name, parameter);
    if (!value.ok()) return value.status();
    COTENANT_RETURN_IF_ERROR(reader.Take(name, *value));
  }
  wants_facts_ = reader.wants_facts();
  if (const Duration left = TimeLeft(rpc); left > Duration()) {
    const Duration bound = (MonotonicNow() - now) + left;
    Duration& latency = call.bounds.latency;
    latency = latency > Duration() ? std::min(latency, bound) : bound;
  }
  return Status();
}

Status InferMessage::ReadInputs(const GrpcOptions& options, InferCall& call) {
  COTENANT_RETURN_IF_ERROR(CheckCount(request.inputs(), "inputs", options.tensors_max));
  // First: such an input has no entry in raw_input_contents.
  for (const auto& input : request.inputs()) {
    if (input.parameters().contains("shared_memory_region")) {
      return SharedMemoryRefused(input.name());
    }
  }
  const int raw_count = request.raw_input_contents_size();
  if (raw_count != 0 && raw_count != request.inputs_size()) {
    return InvalidArgument("expected " + std::to_string(request.inputs_size()) +
                           " raw_input_contents, one for each input of model '" +
                           request.model_name() + "', got " + std::to_string(raw_count));
  }
  if (raw_count == 0) typed_.resize(static_cast<std::size_t>(request.inputs_size()));
  for (int i = 0; i < request.inputs_size(); ++i) {
    const auto& input = request.inputs(i);
    const auto datatype = ParseDataType(input.datatype());
    if (!datatype) {
      return InvalidArgument("input '" + input.name() + "': unknown data-type '" +
                             input.datatype() + "'");
    }
    auto shape = ShapeOf(input);
    if (!shape.ok()) return shape.status();
    NamedInput named{input.name(), *datatype, *shape, {}};
    if (raw_count != 0) {
      if (input.has_contents()) {
        return InvalidArgument(
            "contents field must not be specified when using raw_input_contents for '" +
            input.name() + "' for model '" + request.model_name() + "'");
      }
      named.bytes = std::as_bytes(std::span(request.raw_input_contents(i)));
    } else if (input.has_contents()) {
      auto bytes = TypedContents(input, request.model_name(), *datatype, *shape,
                                 typed_[static_cast<std::size_t>(i)]);
      if (!bytes.ok()) return bytes.status();
      named.bytes = *bytes;
    } else {
      return InvalidArgument("unable to find data for input tensor '" + input.name() +
                             "' for model '" + request.model_name() + "' in request.");
    }
    payload_bytes_ += static_cast<std::int64_t>(named.bytes.size());
    call.inputs.push_back(named);
  }
  return Status();
}

Status InferMessage::ReadOutputs(const GrpcOptions& options, InferCall& call) {
  COTENANT_RETURN_IF_ERROR(CheckCount(request.outputs(), "outputs", options.tensors_max));
  for (const auto& output : request.outputs()) {
    WantedOutput wanted{output.name(), 0, 0};
    for (const auto& [name, parameter] : output.parameters()) {
      if (name == "shared_memory_region") return SharedMemoryRefused(output.name());
      if (name != "classification") continue;
      auto value = ValueOf(name, parameter);
      if (!value.ok()) return value.status();
      auto count = WholeNumber(name, *value, 0, UINT32_MAX);
      if (!count.ok()) return count.status();
      wanted.classification = static_cast<std::uint32_t>(*count);
    }
    call.wanted.push_back(wanted);
  }
  return Status();
}

Status InferMessage::Write(const InferCall& call, inference::ModelInferResponse& reply) const {
  reply.set_model_name(call.served->config().name);
  reply.set_model_version(call.served->version_text());
  reply.set_id(call.id);
  if (wants_facts_) {
    FactsOf(call, [&](std::string_view name, const ParameterValue& value) {
      SetParameter(value, (*reply.mutable_parameters())[std::string(name)]);
    });
  }
  const bool batched = call.served->config().max_batch_size > 0;
  for (const ReplyOutput& output : call.outputs) {
    COTENANT_RETURN_IF_ERROR(AppendOutput(output, batched, reply));
  }
  return Status();
}

void InferMessage::Reset() {
  if (payload_bytes_ > kKeptBytesMax) {
    inference::ModelInferRequest().Swap(&request);
    typed_.clear();
  } else {
    request.Clear();
  }
  payload_bytes_ = 0;
  wants_facts_ = false;
}

}  // namespace cotenant
