#pragma once

/// Inputs for measuring a model without a client: what `cotenant load` would send it.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "client/request_bodies.h"
#include "execution/executor.h"
#include "server/served_model.h"

namespace cotenant {

/// What the command line says of one model's inputs, by their names.
struct InputChoice {
  /// An input that has several shapes is measured with each of them, one choice after another.
  std::size_t Choices() const;
  /// Every input with one shape: of several that one, or the last.
  InputChoice Choice(std::size_t number) const;

  std::vector<std::pair<std::string, Shape>> shapes;  ///< As in config.pbtxt: without the rows.
  std::vector<std::pair<std::string, std::string>> files;  ///< Raw little-endian values.
};

class ModelInputs {
 public:
  /// Shapes and files that `choice` does not give come from the model's first warm-up sample; else
  /// dimensions that are left open are `open_dimension`, and values are random. InvalidArgument
  /// names model and input.
  static Result<ModelInputs> Make(const ServedModel& model, const InputChoice& choice,
                                  std::int64_t open_dimension, std::int32_t rows_max);

  /// A request of so many rows, one of several that differ in their values. The tensors' bytes stay
  /// while this object lives.
  std::vector<InputTensor> Request(std::int32_t rows, Random& random) const;
  /// "input [1,3,320,320], scale [1,2]": of one row.
  const std::string& shapes_text() const { return shapes_text_; }
  /// Were there dimensions that neither the model nor anybody else says?
  bool any_open() const { return any_open_; }
  /// Of a request of one row.
  Bytes row_bytes() const { return row_bytes_; }

 private:
  struct Input {
    std::uint32_t index = 0;
    DataType datatype = DataType::kInvalid;
    Shape shape;
    bool has_rows = false;
  };

  explicit ModelInputs(RequestBodies bodies) : bodies_(std::move(bodies)) {}

  RequestBodies bodies_;
  std::vector<Input> inputs_;
  std::string shapes_text_;
  Bytes row_bytes_;
  bool any_open_ = false;
};

}  // namespace cotenant
