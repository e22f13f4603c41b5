#include <algorithm>

#include "client/http_get.h"
#include "client/load_run.h"
#include "client/model_metadata.h"

namespace cotenant {
namespace {

/// A model that is still loading answers later.
constexpr Duration kMetadataTimeout = Duration::Seconds(30);

/// The most rows that the load asks of each model; 0 for one that it does not use.
std::vector<std::int32_t> RowsMaxByModel(const Scenario& scenario) {
  std::vector<std::int32_t> rows_max(scenario.models.size(), 0);
  const auto see = [&](std::size_t model, std::int32_t rows) {
    rows_max[model] = std::max(rows_max[model], rows);
  };
  for (const LoadSource& source : scenario.sources) {
    if (const auto* trace = std::get_if<TraceArrivals>(&source.arrivals)) {
      for (const TraceArrivals::Row& row : trace->rows) see(row.model, row.rows);
    } else {
      see(source.model, source.rows_max);
    }
  }
  return rows_max;
}

Result<ModelMetadata> AskForMetadata(const std::string& model, const ServerUrl& url,
                                     const ServerAddress& address) {
  const std::string path = "/v2/models/" + PercentEncoded(model);
  const Result<HttpAnswer> answer = HttpGet(url, address, path, kMetadataTimeout);
  if (!answer.ok()) return answer.status();
  if (answer->status != 200) {
    return Status(answer->status == 404 ? Code::kNotFound : Code::kUnavailable,
                  "model '" + model + "': the server answers HTTP " +
                      std::to_string(answer->status) + ": " + ErrorText(answer->body));
  }
  Result<ModelMetadata> metadata = ParseModelMetadata(answer->body);
  if (metadata.ok()) return metadata;
  return Status(metadata.status().code(), "model '" + model + "': " + metadata.status().message());
}

Result<RequestBodies> BodiesOf(const ScenarioModel& model, const ModelMetadata& metadata,
                               std::int32_t rows_max, Random& random) {
  std::vector<FilesByInput> samples;
  if (!model.samples.empty()) {
    Result<std::vector<FilesByInput>> found = SampleFilesOf(model.samples, model.name, metadata);
    COTENANT_RETURN_IF_ERROR(found.status());
    samples = *std::move(found);
  } else if (!model.input_files.empty()) {
    samples.push_back(model.input_files);
  }
  return RequestBodies::Build(model.name, metadata, rows_max, samples, random);
}

}  // namespace

std::string PercentEncoded(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += '%';
      encoded += kDigits[byte >> 4];
      encoded += kDigits[byte & 15];
    }
  }
  return encoded;
}

Result<BodiesByModel> PrepareBodies(const Scenario& scenario, const ServerUrl& url,
                                    const ServerAddress& address, std::uint64_t seed) {
  Random random(seed);
  BodiesByModel bodies(scenario.models.size());
  const std::vector<std::int32_t> rows_max = RowsMaxByModel(scenario);
  std::string errors;
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    if (rows_max[i] == 0) continue;
    const ScenarioModel& model = scenario.models[i];
    const Result<ModelMetadata> metadata = AskForMetadata(model.name, url, address);
    Status status = metadata.status();
    if (metadata.ok()) {
      Result<RequestBodies> made = BodiesOf(model, *metadata, rows_max[i], random);
      status = made.status();
      if (made.ok()) bodies[i] = *std::move(made);
    }
    if (!status.ok()) errors += (errors.empty() ? "" : "\n") + status.message();
  }
  if (!errors.empty()) return InvalidArgument(errors);
  return bodies;
}

}  // namespace cotenant
