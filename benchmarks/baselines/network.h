#pragma once

/// FROZEN: a yardstick. The figures of docs/performance.md are ratios to programs built from this
/// file; never change it.
///
/// One FP32 network behind ONNX Runtime with both tensors preallocated: one thread, no spinning, no
/// copy besides the caller's. What any server has to pay at least. Not thread-safe: one object per
/// thread (sessions are not shared).

#include <onnxruntime_cxx_api.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

namespace yardstick {

/// "1,3,32,32" as numbers.
inline std::vector<std::int64_t> ParseShape(const std::string& text) {
  std::vector<std::int64_t> shape;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) shape.push_back(std::stoll(part));
  return shape;
}

inline std::size_t Elements(const std::vector<std::int64_t>& shape) {
  std::size_t count = 1;
  for (const std::int64_t dim : shape) count *= static_cast<std::size_t>(dim);
  return count;
}

/// Telemetry is off before the library's first call: else it starts a thread, and may connect to
/// its maker.
inline Ort::Env& Environment() {
  static const int quiet = setenv("ORT_DISABLE_TELEMETRY", "1", 1);
  static Ort::Env env(ORT_LOGGING_LEVEL_ERROR, "yardstick");
  static const bool quieter = (env.DisableTelemetryEvents(), quiet == 0);
  (void)quieter;
  return env;
}

class Network {
 public:
  Network(const std::string& path, std::vector<std::int64_t> shape)
      : shape_(std::move(shape)), session_(nullptr), input_(Elements(shape_)) {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(1);
    options.SetInterOpNumThreads(1);
    options.SetExecutionMode(ORT_SEQUENTIAL);
    options.AddConfigEntry("session.intra_op.allow_spinning", "0");
    session_ = Ort::Session(Environment(), path.c_str(), options);
    Ort::AllocatorWithDefaultOptions allocator;
    input_name_ = session_.GetInputNameAllocated(0, allocator).get();
    output_name_ = session_.GetOutputNameAllocated(0, allocator).get();
    const char* const inputs[] = {input_name_.c_str()};
    const char* const outputs[] = {output_name_.c_str()};
    input_tensor_ = Ort::Value::CreateTensor<float>(memory_, input_.data(), input_.size(),
                                                    shape_.data(), shape_.size());
    // The first run tells the output's shape; later ones write where we say.
    auto first = session_.Run(Ort::RunOptions(nullptr), inputs, &input_tensor_, 1, outputs, 1);
    output_shape_ = first[0].GetTensorTypeAndShapeInfo().GetShape();
    output_.resize(Elements(output_shape_));
    output_tensor_ = Ort::Value::CreateTensor<float>(memory_, output_.data(), output_.size(),
                                                     output_shape_.data(), output_shape_.size());
  }

  void Run() {
    const char* const inputs[] = {input_name_.c_str()};
    const char* const outputs[] = {output_name_.c_str()};
    session_.Run(run_options_, inputs, &input_tensor_, 1, outputs, &output_tensor_, 1);
  }

  std::vector<float>& input() { return input_; }
  const std::vector<float>& output() const { return output_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }
  const std::vector<std::int64_t>& output_shape() const { return output_shape_; }
  const std::string& input_name() const { return input_name_; }
  const std::string& output_name() const { return output_name_; }

 private:
  std::vector<std::int64_t> shape_;
  Ort::Session session_;
  Ort::RunOptions run_options_;
  Ort::MemoryInfo memory_ = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  std::string input_name_;
  std::string output_name_;
  std::vector<float> input_;
  std::vector<float> output_;
  std::vector<std::int64_t> output_shape_;
  Ort::Value input_tensor_{nullptr};
  Ort::Value output_tensor_{nullptr};
};

}  // namespace yardstick
