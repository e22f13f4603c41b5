#include "config/field_table.h"

#include <array>

namespace cotenant {
namespace {

using enum FieldUse;

constexpr FieldRow kFields[] = {
    {"ModelConfig.name", kUsed, "must be the folder's name when given"},
    {"ModelConfig.platform", kUsed, "`onnxruntime_onnx`; any other is refused"},
    {"ModelConfig.backend", kUsed, "`onnxruntime`; any other is refused"},
    {"ModelConfig.runtime", kRefused, "names a library of another server"},
    {"ModelConfig.version_policy", kUsed, "which version folders are served; default: the latest"},
    {"ModelConfig.max_batch_size", kUsed,
     "rows of a batch; 0: none. Not given: completed from the network"},
    {"ModelConfig.input", kUsed, "checked against the network; not given: completed from it"},
    {"ModelConfig.output", kUsed, "checked against the network; not given: completed from it"},
    {"ModelConfig.batch_input", kRefused, "the batcher adds no tensors of its own"},
    {"ModelConfig.batch_output", kRefused, "the batcher scatters by rows only"},
    {"ModelConfig.optimization", kUsed, ""},
    {"ModelConfig.dynamic_batching", kUsed, "the policy `window`"},
    {"ModelConfig.sequence_batching", kRefused, "sequences of requests keep no state here"},
    {"ModelConfig.ensemble_scheduling", kRefused, "ensembles are not served"},
    {"ModelConfig.instance_group", kIgnored,
     "a model runs on every CPU slot that is free, with one copy of its network: on as many slots "
     "that many runs go on at once without it"},
    {"ModelConfig.default_model_filename", kUsed, "default `model.onnx`"},
    {"ModelConfig.cc_model_filenames", kIgnored, "chooses a file by the GPU"},
    {"ModelConfig.metric_tags", kIgnored, "label sets of metrics are bounded"},
    {"ModelConfig.parameters", kUsed, "see the next table"},
    {"ModelConfig.model_warmup", kUsed, "run before the version takes requests"},
    {"ModelConfig.model_operations", kRefused, "libraries with operators are not loaded"},
    {"ModelConfig.model_transaction_policy", kUsed, ""},
    {"ModelConfig.model_repository_agents", kRefused, "agents may change or verify model files"},
    {"ModelConfig.response_cache", kIgnored, "every request is computed"},
    {"ModelConfig.model_metrics", kIgnored, "histogram buckets are fixed"},

    {"ModelInput.name", kUsed, ""},
    {"ModelInput.data_type", kUsed, ""},
    {"ModelInput.format", kIgnored, "says what dimensions mean; the data stays as it is"},
    {"ModelInput.dims", kUsed, "without the batch dimension when `max_batch_size` > 0"},
    {"ModelInput.reshape", kRefused, "tensors reach the network in the shape of the request"},
    {"ModelInput.is_shape_tensor", kRefused, "a feature of TensorRT"},
    {"ModelInput.allow_ragged_batch", kRefused, "requests of one batch agree in shape"},
    {"ModelInput.optional", kUsed, "a request may leave it out"},
    {"ModelInput.is_non_linear_format_io", kRefused, "a feature of TensorRT"},

    {"ModelOutput.name", kUsed, ""},
    {"ModelOutput.data_type", kUsed, ""},
    {"ModelOutput.dims", kUsed, "without the batch dimension when `max_batch_size` > 0"},
    {"ModelOutput.reshape", kRefused, "tensors reach the client in the network's shape"},
    {"ModelOutput.label_filename", kUsed, "names of classes, one a line, for classification"},
    {"ModelOutput.is_shape_tensor", kRefused, "a feature of TensorRT"},
    {"ModelOutput.is_non_linear_format_io", kRefused, "a feature of TensorRT"},

    {"ModelVersionPolicy.latest", kUsed, ""},
    {"ModelVersionPolicy.all", kUsed, ""},
    {"ModelVersionPolicy.specific", kUsed, ""},
    {"ModelVersionPolicy.Latest.num_versions", kUsed, "at least 1"},
    {"ModelVersionPolicy.Specific.versions", kUsed, "those without a folder are warned of"},

    {"ModelOptimizationPolicy.graph", kUsed, ""},
    {"ModelOptimizationPolicy.priority", kIgnored, "tenants have weights instead"},
    {"ModelOptimizationPolicy.cuda", kIgnored, "networks run on the CPU"},
    {"ModelOptimizationPolicy.execution_accelerators", kIgnored,
     "ONNX Runtime's own CPU kernels are used"},
    {"ModelOptimizationPolicy.input_pinned_memory", kIgnored, "networks run on the CPU"},
    {"ModelOptimizationPolicy.output_pinned_memory", kIgnored, "networks run on the CPU"},
    {"ModelOptimizationPolicy.gather_kernel_buffer_threshold", kIgnored, "networks run on the CPU"},
    {"ModelOptimizationPolicy.eager_batching", kIgnored, "the scheduler forms batches"},
    {"ModelOptimizationPolicy.Graph.level", kUsed,
     "-1: basic, 1: extended, 2: none; else all optimisations"},

    {"ModelDynamicBatching.preferred_batch_size", kUsed, "at most `max_batch_size`"},
    {"ModelDynamicBatching.max_queue_delay_microseconds", kUsed, ""},
    {"ModelDynamicBatching.preserve_ordering", kUsed, ""},
    {"ModelDynamicBatching.priority_levels", kUsed, ""},
    {"ModelDynamicBatching.default_priority_level", kUsed, ""},
    {"ModelDynamicBatching.default_queue_policy", kUsed, ""},
    {"ModelDynamicBatching.priority_queue_policy", kUsed, ""},

    {"ModelQueuePolicy.timeout_action", kUsed, ""},
    {"ModelQueuePolicy.default_timeout_microseconds", kUsed, "0: none"},
    {"ModelQueuePolicy.allow_timeout_override", kUsed, ""},
    {"ModelQueuePolicy.max_queue_size", kUsed, "0: only the node's own limit"},

    {"ModelParameter.string_value", kUsed, ""},

    {"ModelWarmup.name", kUsed, ""},
    {"ModelWarmup.batch_size", kUsed, ""},
    {"ModelWarmup.inputs", kUsed, ""},
    {"ModelWarmup.count", kUsed, "0 counts as 1"},
    {"ModelWarmup.Input.data_type", kUsed, ""},
    {"ModelWarmup.Input.dims", kUsed, ""},
    {"ModelWarmup.Input.zero_data", kUsed, ""},
    {"ModelWarmup.Input.random_data", kUsed, ""},
    {"ModelWarmup.Input.input_data_file", kUsed,
     "a file in the model's folder `warmup`: one row, which is repeated, or all rows of the batch"},

    {"ModelTransactionPolicy.decoupled", kRefused, "every request has one reply"},
};

constexpr ParameterRow kParameters[] = {
    {"intra_op_thread_count", kUsed, "threads of an operator, and CPU slots a run takes; 0: 1"},
    {"inter_op_thread_count", kUsed, "threads across operators when `execution_mode` is 1; 0: 1"},
    {"execution_mode", kUsed, "0: one operator after the other, 1: in parallel"},
    {"enable_mem_pattern", kUsed, "0 / 1 / false / true"},
    {"session.*", kUsed, "session configuration entries of ONNX Runtime, given to it as they are"},
    {"enable_mem_arena", kIgnored, "all networks share one counted allocator"},
    {"memory.enable_memory_arena_shrinkage", kIgnored, "all networks share one counted allocator"},
    {"share_session_between_instances", kIgnored, "one session serves all slots"},
    {"gpu_mem_limit", kIgnored, "networks run on the CPU"},
    {"arena_extend_strategy", kIgnored, "networks run on the CPU"},
    {"cudnn_conv_algo_search", kIgnored, "networks run on the CPU"},
    {"do_copy_in_default_stream", kIgnored, "networks run on the CPU"},
};

std::string_view UseName(FieldUse use) {
  switch (use) {
    case kUsed: return "used";
    case kIgnored: return "ignored, with a warning";
    case kRefused: return "**refused**";
  }
  return "";
}

template <typename Row>
std::string Markdown(std::span<const Row> rows, std::string_view what) {
  std::string text = "| " + std::string(what) + " | | |\n|---|---|---|\n";
  for (const Row& row : rows) {
    text += "| `" + std::string(row.name) + "` | " + std::string(UseName(row.use)) + " | " +
            std::string(row.note) + " |\n";
  }
  return text;
}

}  // namespace

std::span<const FieldRow> FieldTable() { return kFields; }

const FieldRow* FindField(std::string_view name) {
  for (const FieldRow& row : kFields) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

std::span<const ParameterRow> ParameterTable() { return kParameters; }

const ParameterRow* FindParameter(std::string_view name) {
  for (const ParameterRow& row : kParameters) {
    if (row.name == name) return &row;
    if (row.name.ends_with('*') && name.starts_with(row.name.substr(0, row.name.size() - 1))) {
      return &row;
    }
  }
  return nullptr;
}

std::string FieldTableMarkdown() { return Markdown(FieldTable(), "field"); }
std::string ParameterTableMarkdown() { return Markdown(ParameterTable(), "parameter"); }

}  // namespace cotenant
