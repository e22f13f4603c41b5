#pragma once

/// The buffers of one run at a time of an `OnnxSession`.
///
/// A small input is copied into a buffer that stays bound from run to run, because making a tensor
/// of the library costs more than the copy; a large one is used where it lies. A small output whose
/// shape the input shapes say is written to a buffer that stays bound too. In that steady state a
/// run allocates nothing of ours.

#include <mutex>
#include <string>
#include <vector>

#include "execution/onnx/memory_pool.h"
#include "execution/onnx/onnx_session.h"
#include "execution/onnx/ort_api.h"

namespace cotenant {

class OnnxRun final : public Run {
 public:
  explicit OnnxRun(OnnxSession& session);
  ~OnnxRun() override;

  Status Execute(std::span<const Member> members, std::uint64_t output_mask) override;
  void Stop() override;
  std::span<const OutputTensor> Outputs(std::size_t member) const override;
  Bytes Peak() const override { return account_->peak(); }
  Span NetworkRan() const override { return network_; }
  void Recycle() override;

 private:
  /// Memory of the pool, kept between runs.
  class Buffer {
   public:
    explicit Buffer(MemoryPool& pool) : pool_(&pool) {}
    Buffer(Buffer&& other) noexcept;
    Buffer& operator=(Buffer&&) = delete;
    ~Buffer() { Drop(); }
    /// At least `size` bytes; what was in it is lost if it must grow.
    std::byte* Reserve(std::size_t size);
    void Drop();
    std::byte* data() const { return data_; }
    std::size_t capacity() const { return capacity_; }

   private:
    MemoryPool* pool_;
    std::byte* data_ = nullptr;
    std::size_t capacity_ = 0;
  };

  struct Tensor {
    explicit Tensor(MemoryPool& pool) : buffer(pool) {}
    OrtOwner<OrtValue> value;
    Buffer buffer;
    /// What `value` is made of; `data` is null for strings and for what the library allocated.
    const std::byte* data = nullptr;
    DataType datatype = DataType::kInvalid;
    Shape shape;
  };

  /// One wanted output of the last run, whole.
  struct Whole {
    std::uint32_t index = 0;
    DataType datatype = DataType::kInvalid;
    Shape shape;
    std::span<const std::byte> bytes;
    /// Strings: where each element's raw form begins, and the end of the last.
    std::vector<std::size_t> starts;
  };

  Status ExecuteOnce(std::span<const Member> members, std::uint64_t output_mask);
  Status CheckMembers(std::span<const Member> members) const;
  Status BindInput(std::span<const Member> members, std::size_t position);
  Status BindBytes(Tensor& tensor, const InputTensor& first, const Shape& shape,
                   std::span<const Member> members, std::size_t position);
  Status BindStrings(Tensor& tensor, const Shape& shape, std::span<const Member> members,
                     std::size_t position);
  Status BindFixed(Tensor& tensor, DataType datatype, const Shape& shape, const std::byte* data,
                   std::size_t size);
  Status ChooseOutputs(std::uint64_t output_mask);
  Status BindOutput(std::size_t index);
  bool PredictShape(std::size_t index, Shape* shape) const;
  Status CallLibrary();
  Status ReadOutputs();
  Status ReadOutput(Whole& whole, Tensor& tensor);
  Status ReadStrings(Whole& whole, Tensor& tensor, std::size_t count);
  Status Split(std::span<const Member> members);
  void DropLarge(std::size_t size_max);

  OnnxSession& session_;
  MemoryPool::AccountOwner account_;
  OrtOwner<OrtRunOptions> options_;

  std::vector<Tensor> inputs_;   // By the signature's index.
  std::vector<Tensor> outputs_;  // By the signature's index.
  std::vector<const char*> input_names_;
  std::vector<const OrtValue*> input_values_;
  std::vector<const char*> output_names_;
  std::vector<OrtValue*> output_values_;
  std::vector<Whole> wholes_;
  std::size_t wanted_ = 0;
  std::vector<OutputTensor> split_;
  Span network_;

  std::mutex stop_mutex_;  // Guards the two below, and the flag inside `options_`.
  bool running_ = false;
  bool stopped_ = false;
};

}  // namespace cotenant
