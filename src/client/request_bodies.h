#pragma once

/// The bodies of a model's requests, built once before the run: JSON and binary tensors, in several
/// versions with different values, for every number of rows up to a greatest one.
///
/// A body is parts of memory that stay where they are while this object lives. Values: FP32, FP64,
/// FP16 and BF16 in 0 … 1; integers 0 or 1, indices that every table accepts; BYTES eight letters;
/// or a raw file's bytes. Dimensions that neither the model nor a file says are 1, but for the
/// first, which is the number of rows.

#include <sys/uio.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "client/model_metadata.h"

namespace cotenant {

/// Absolute paths by input name. A file's name may say its dimensions (client/sample_files.h).
using FilesByInput = std::vector<std::pair<std::string, std::string>>;

/// Those of the folder's first samples. InvalidArgument names one that lacks an input.
Result<std::vector<FilesByInput>> SampleFilesOf(const std::filesystem::path& folder,
                                                const std::string& model,
                                                const ModelMetadata& metadata);

class RequestBodies {
 public:
  struct Body {
    std::vector<iovec> parts;   ///< The first is the JSON.
    std::size_t json_size = 0;  ///< As in `Inference-Header-Content-Length`.
    std::size_t size = 0;
  };

  /// `samples`: in turn; inputs that one does not name, and all where there is none, get random
  /// values. InvalidArgument names model and input.
  static Result<RequestBodies> Build(const std::string& model, const ModelMetadata& metadata,
                                     std::int32_t rows_max,
                                     const std::vector<FilesByInput>& samples, Random& random);

  /// `rows` in 1 … rows_max.
  const Body& Pick(std::int32_t rows, Random& random) const {
    const std::size_t place = static_cast<std::size_t>(rows - 1) * versions_;
    return bodies_[place + static_cast<std::size_t>(random.Below(versions_))];
  }

 private:
  RequestBodies() = default;

  std::size_t versions_ = 1;
  std::vector<Body> bodies_;  ///< By rows, then by version.
  std::vector<std::unique_ptr<std::string>> memory_;
};

}  // namespace cotenant
