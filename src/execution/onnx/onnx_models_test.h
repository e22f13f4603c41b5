#pragma once

/// For this folder's tests: the networks of tests/models, and requests to them in few words.

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "execution/onnx/onnx_backend.h"

namespace cotenant {

inline std::string ModelPath(const std::string& name) {
  return std::string(COTENANT_SOURCE_DIR) + "/tests/models/" + name + "/1/model.onnx";
}

inline std::unique_ptr<OnnxBackend> NewBackend(const OnnxOptions& options = {}) {
  auto backend = OnnxBackend::Create(options);
  EXPECT_TRUE(backend.ok()) << backend.status().message();
  return std::move(backend).value();
}

inline ModelConfig ConfigNamed(const std::string& name) {
  ModelConfig config;
  config.name = name;
  return config;
}

inline Result<std::unique_ptr<Executor>> TryLoad(Backend& backend, const std::string& name) {
  return backend.Load({1, ModelPath(name), nullptr}, ConfigNamed(name));
}

inline std::unique_ptr<Executor> LoadModel(Backend& backend, const std::string& name) {
  auto executor = TryLoad(backend, name);
  EXPECT_TRUE(executor.ok()) << executor.status().message();
  return std::move(executor).value();
}

template <typename T>
std::vector<std::byte> RawOf(const std::vector<T>& values) {
  std::vector<std::byte> raw(values.size() * sizeof(T));
  if (!raw.empty()) std::memcpy(raw.data(), values.data(), raw.size());
  return raw;
}

inline std::vector<std::byte> RawOfStrings(const std::vector<std::string>& values) {
  std::vector<std::byte> raw;
  for (const std::string& value : values) {
    for (std::size_t i = 0; i < 4; ++i) {
      raw.push_back(static_cast<std::byte>((value.size() >> (8 * i)) & 0xff));
    }
    for (const char c : value) raw.push_back(static_cast<std::byte>(c));
  }
  return raw;
}

template <typename T>
std::vector<T> ValuesOf(const OutputTensor& output) {
  std::vector<T> values(output.bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), output.bytes.data(), values.size() * sizeof(T));
  return values;
}

/// Requests of one batch, with their bytes. Members are valid while nothing is added.
class Batch {
 public:
  struct Given {
    DataType datatype;
    Shape shape;
    std::vector<std::byte> raw;
  };

  Batch& Add(std::int32_t rows, std::vector<Given> inputs) {
    given_.push_back(std::move(inputs));
    rows_.push_back(rows);
    return *this;
  }

  std::span<const Member> members() {
    tensors_.assign(given_.size(), {});
    members_.clear();
    for (std::size_t m = 0; m < given_.size(); ++m) {
      for (std::size_t i = 0; i < given_[m].size(); ++i) {
        const Given& input = given_[m][i];
        tensors_[m].push_back(
            {static_cast<std::uint32_t>(i), input.datatype, input.shape, input.raw});
      }
      members_.push_back({tensors_[m], rows_[m]});
    }
    return members_;
  }

 private:
  std::vector<std::vector<Given>> given_;
  std::vector<std::int32_t> rows_;
  std::vector<std::vector<InputTensor>> tensors_;
  std::vector<Member> members_;
};

inline Batch::Given Floats(Shape shape, const std::vector<float>& values) {
  return {DataType::kFp32, shape, RawOf(values)};
}
inline Batch::Given Ints(Shape shape, const std::vector<std::int64_t>& values) {
  return {DataType::kInt64, shape, RawOf(values)};
}

inline constexpr std::uint64_t kAllOutputs = ~std::uint64_t{0};

}  // namespace cotenant
