#pragma once

/// Real inputs of a model, for measuring it, comparing its forms and calibrating a quantiser: from
/// a folder of raw files (client/sample_files.h), and from those of its warm-up requests that bring
/// data.

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/model_config.h"
#include "server/served_model.h"
#include "server/warm_up.h"

namespace cotenant {

/// Which samples there are, without a look at whether the network takes them.
struct SampleFacts {
  std::size_t count = 0;
  std::string sha256;  ///< Of names and contents. Empty: there are none.
};
/// `folder` may be empty or not exist: it holds none then. NotFound names a file that cannot be
/// read.
Result<SampleFacts> FindSamples(const std::filesystem::path& folder, const ModelConfig& config);

/// Those of the folder by name, then those of warm-ups. InvalidArgument names the file that is
/// wrong.
Result<std::vector<OwnedRequest>> ReadSamples(const std::filesystem::path& folder,
                                              const ServedModel& model);

/// "x [1,3,48,192], y [1]".
std::string ShapesText(const ServedModel& model, const OwnedRequest& sample);
Bytes BytesOf(const OwnedRequest& sample);
/// Its one row, so many times.
OwnedRequest Repeated(const OwnedRequest& sample, std::int32_t rows);

/// Writes each sample's tensors as raw files, and a `samples.json` that says what they are, for
/// programs that are no servers. The folder is made.
Status WriteSamples(const std::filesystem::path& folder, const ServedModel& model,
                    const std::vector<OwnedRequest>& samples);

}  // namespace cotenant
