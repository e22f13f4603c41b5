#include "server/reply.h"

#include "base/quoted.h"
#include "server/memory_budget.h"

namespace cotenant {
namespace {

const OutputTensor* FindOutput(std::span<const OutputTensor> outputs, std::uint32_t index) {
  for (const OutputTensor& output : outputs) {
    if (output.index == index) return &output;
  }
  return nullptr;
}

void AddOutput(InferCall& call, ActiveRun& run, std::span<const OutputTensor> tensors,
               std::size_t config_index, std::uint32_t classification, std::uint32_t tag) {
  const OutputTensor* tensor = FindOutput(tensors, run.model().OutputIndex(config_index));
  COTENANT_CHECK(tensor != nullptr);  // The run was asked for every output that a member wants.
  call.outputs.push_back({&call.served->config().outputs[config_index], tensor->datatype,
                          tensor->shape, tensor->bytes, classification, tag});
}

}  // namespace

std::string MillisecondsText(Duration span) {
  const std::int64_t micros = (span.nanoseconds() + 999) / 1'000;
  std::string text = std::to_string(micros / 1'000);
  std::int64_t rest = micros % 1'000;
  if (rest == 0) return text;
  std::string digits = std::to_string(1'000 + rest).substr(1);
  while (digits.back() == '0') digits.pop_back();
  return text + "." + digits;
}

void FillReply(InferCall& call, ActiveRun& run, std::size_t member) {
  call.facts.queue = run.started() - call.at;
  call.facts.compute = run.ran_for();
  if (!call.served->variants().empty()) {
    call.facts.variant = run.model().variant();
    call.facts.accuracy = run.model().accuracy();
  }
  const std::span<const OutputTensor> tensors = run.Outputs(member);
  if (call.wanted.empty()) {
    for (std::size_t i = 0; i < call.served->config().outputs.size(); ++i) {
      AddOutput(call, run, tensors, i, 0, call.default_tag);
    }
  }
  for (const WantedOutput& wanted : call.wanted) {
    AddOutput(call, run, tensors, wanted.index, wanted.classification, wanted.tag);
  }
}

void FillRefusal(InferCall& call, const Reject& reject, const RefusalFacts& facts) {
  const Bytes memory = facts.memory;
  call.facts.queue = Duration();
  call.facts.earliest_bound = reject.earliest_bound;
  call.facts.estimate = reject.estimate;
  call.facts.retry_after = reject.retry_after;
  const std::string bound = MillisecondsText(call.bounds.latency);
  const std::string model = "model " + Quoted(call.served->config().name);
  std::string text;
  switch (reject.reason) {
    case RejectReason::kQueueFull:
      text = "Exceeds maximum queue size: " + model + ", tenant " + Quoted(facts.tenant.name) +
             " or the node has as many waiting as may";
      break;
    case RejectReason::kNotFeasible:
      text = "the latency bound of " + bound + " ms cannot be met now by " + model +
             ": the estimate is " + MillisecondsText(reject.estimate) +
             " ms; the smallest bound that can is " + MillisecondsText(reject.earliest_bound) +
             " ms";
      break;
    case RejectReason::kExpired:
      text = "the latency bound of " + bound +
             " ms passed, or could not be met any more, while the request waited for " + model;
      break;
    case RejectReason::kQueueTimeout: text = "Request timeout expired"; break;
    case RejectReason::kDraining:
      text = "the server is shutting down and takes no new requests";
      break;
    case RejectReason::kModelUnloaded:
      text = model + " was unloaded before the request reached it";
      break;
    case RejectReason::kNeverFits:
      text = model + " or its run takes more memory than the server may use: " +
             SizeText(call.served->facts().anonymous + call.served->facts().mapped) +
             " loaded and " + SizeText(call.served->run_peak()) +
             " for its largest run so far, of " + SizeText(memory) + " for all models and runs";
      break;
    case RejectReason::kNoRoom:
      text = model + " is not in memory, and there is no room to load it in time: it takes " +
             SizeText(call.served->facts().anonymous + call.served->facts().mapped) + " of " +
             SizeText(memory) + " for all models and runs";
      if (facts.left < memory) {
        text += ", of which other programs leave " + SizeText(facts.left) + " now";
      }
      break;
    case RejectReason::kTenantMemory:
      text = model + " takes more memory than tenant " + Quoted(facts.tenant.name) +
             " may have for models of its own: " +
             SizeText(call.served->facts().anonymous + call.served->facts().mapped) + " of " +
             SizeText(facts.tenant.memory_max);
      break;
    case RejectReason::kNotAccurate:
      text = "no variant of " + model +
             " that may answer it is as accurate as its 'accuracy_bound', " +
             AccuracyText(call.bounds.accuracy);
      break;
    case RejectReason::kLoadFailed:
      text = model +
             " could not be loaded again after it had left memory: " + call.served->load_error();
      break;
  }
  call.status = Status(reject.code, std::move(text));
}

}  // namespace cotenant
