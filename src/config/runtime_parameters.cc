#include "config/runtime_parameters.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "config/field_table.h"
#include "config/nearest.h"

namespace cotenant {
namespace {

std::optional<std::int32_t> ParseInteger(const std::string& text, std::int32_t most) {
  std::int32_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < 0 || value > most) return std::nullopt;
  return value;
}

std::optional<bool> ParseFlag(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (text == "1" || text == "true" || text == "on") return true;
  if (text == "0" || text == "false" || text == "off") return false;
  return std::nullopt;
}

Status SetParameter(const std::string& name, const std::string& value, const std::string& file,
                    RuntimeOptions& options) {
  const std::string what = file + ": parameter '" + name + "': expected ";
  const std::string got = ", got '" + value + "'";
  if (name.starts_with("session.")) {
    options.session_entries[name] = value;
  } else if (name == "execution_mode") {
    const auto mode = ParseInteger(value, 1);
    if (!mode) return InvalidArgument(what + "0 or 1" + got);
    options.parallel_execution = *mode == 1;
  } else if (name == "enable_mem_pattern") {
    const auto enable = ParseFlag(value);
    if (!enable) return InvalidArgument(what + "0, 1, false or true" + got);
    options.enable_memory_pattern = *enable;
  } else {
    const auto threads = ParseInteger(value, kOperatorThreadsMax);
    if (!threads) {
      return InvalidArgument(what + "0 to " + std::to_string(kOperatorThreadsMax) + got);
    }
    (name == "intra_op_thread_count" ? options.intra_op_threads : options.inter_op_threads) =
        std::max(1, *threads);
  }
  return {};
}

std::string Unknown(const std::string& name) {
  std::vector<std::string_view> names;
  for (const ParameterRow& row : ParameterTable()) names.push_back(row.name);
  return "is not known and has no effect" + DidYouMean(name, names);
}

}  // namespace

Result<RuntimeOptions> ReadRuntimeOptions(const inference::ModelConfig& config,
                                          const std::string& file,
                                          std::vector<std::string>& warnings) {
  RuntimeOptions options;
  switch (config.optimization().graph().level()) {
    case -1: options.graph_optimization_level = 1; break;
    case 1: options.graph_optimization_level = 2; break;
    case 2: options.graph_optimization_level = 0; break;
    default: break;
  }
  std::map<std::string, std::string> sorted;
  for (const auto& [name, value] : config.parameters()) sorted[name] = value.string_value();
  for (const auto& [name, value] : sorted) {
    const ParameterRow* row = FindParameter(name);
    if (row != nullptr && row->use == FieldUse::kUsed) {
      COTENANT_RETURN_IF_ERROR(SetParameter(name, value, file, options));
      continue;
    }
    warnings.push_back(file + ": parameter '" + name + "' " +
                       (row == nullptr ? Unknown(name) : "is ignored: " + std::string(row->note)));
  }
  return options;
}

}  // namespace cotenant
