#include "execution/onnx/onnx_run.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <utility>

#include "execution/onnx/string_tensor.h"

namespace cotenant {
namespace {

// Up to here copying an input is cheaper than making a tensor around it. Lower it if the library
// gets cheaper.
constexpr std::size_t kCopiedInputMax = 8 << 10;
// Buffers up to here outlive `Recycle`. Lower it where very many runs are kept.
constexpr std::size_t kKeptBufferMax = 64 << 10;

bool SameButRows(const Shape& a, const Shape& b) {
  return a.rank() == b.rank() && a.rank() > 0 &&
         std::ranges::equal(a.dims().subspan(1), b.dims().subspan(1));
}

/// A tensor may have no elements, but the library wants an address.
alignas(64) std::byte no_bytes[64];

Instant MonotonicNow() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return Instant::FromNanoseconds(std::chrono::nanoseconds(now).count());
}

/// Does the library say that an output is not of the shape that we bound? Newer and older wording.
bool BlamesBoundShape(const std::string& text) {
  return text.find("pre-allocated output") != std::string::npos ||
         text.find("shape verification failed") != std::string::npos;
}

/// Ends a run's time to be stopped however it ends.
class Finally {
 public:
  Finally(std::mutex& mutex, bool& running) : mutex_(mutex), running_(running) {}
  ~Finally() {
    std::lock_guard lock(mutex_);
    running_ = false;
  }
  Finally(const Finally&) = delete;
  Finally& operator=(const Finally&) = delete;

 private:
  std::mutex& mutex_;
  bool& running_;
};

}  // namespace

OnnxRun::Buffer::Buffer(Buffer&& other) noexcept
    : pool_(other.pool_),
      data_(std::exchange(other.data_, nullptr)),
      capacity_(std::exchange(other.capacity_, 0)) {}

std::byte* OnnxRun::Buffer::Reserve(std::size_t size) {
  if (size > capacity_ || data_ == nullptr) {
    Drop();
    data_ = static_cast<std::byte*>(pool_->Allocate(size));
    capacity_ = size;
  }
  return data_;
}

void OnnxRun::Buffer::Drop() {
  pool_->Free(std::exchange(data_, nullptr));
  capacity_ = 0;
}

OnnxRun::OnnxRun(OnnxSession& session)
    : session_(session), account_(MemoryPool::OpenAccount(session.place().run_memory_max, true)) {
  OrtRunOptions* options = nullptr;
  OrtStatus* status = Ort().CreateRunOptions(&options);
  COTENANT_CHECK(status == nullptr);
  options_.reset(options);
  const ModelSignature& signature = session.signature();
  inputs_.reserve(signature.inputs.size());
  for (std::size_t i = 0; i < signature.inputs.size(); ++i) {
    inputs_.emplace_back(session.place().pool);
  }
  outputs_.reserve(signature.outputs.size());
  for (std::size_t i = 0; i < signature.outputs.size(); ++i) {
    outputs_.emplace_back(session.place().pool);
  }
  input_names_.reserve(inputs_.size());
  input_values_.reserve(inputs_.size());
  output_names_.reserve(outputs_.size());
  output_values_.reserve(outputs_.size());
  wholes_.resize(outputs_.size());
  split_.reserve(outputs_.size());
}

OnnxRun::~OnnxRun() = default;

Status OnnxRun::Execute(std::span<const Member> members, std::uint64_t output_mask) {
  split_.clear();
  wanted_ = 0;
  network_ = {};
  {
    std::lock_guard lock(stop_mutex_);
    running_ = true;
    // A stop that came too late for the last run must not reach this one.
    if (std::exchange(stopped_, false)) {
      const OrtOwner<OrtStatus> status(Ort().RunOptionsUnsetTerminate(options_.get()));
    }
  }
  const Finally finally(stop_mutex_, running_);
  account_->RestartPeak();
  Status status;
  try {
    const MemoryPool::Charge charge(*account_);
    const bool trusted = session_.shapes_hold();
    status = ExecuteOnce(members, output_mask);
    if (!status.ok() && trusted && !session_.shapes_hold()) {
      status = ExecuteOnce(members, output_mask);
    }
  } catch (const std::bad_alloc&) {
    status = ResourceExhausted("not enough memory to run the network");
  } catch (const std::exception& error) {
    status = Internal(error.what());
  }
  if (status.ok()) return status;
  // Nothing half-done stays: the next run binds anew, and a large failed one keeps no memory.
  split_.clear();
  DropLarge(0);
  std::lock_guard lock(stop_mutex_);
  if (stopped_) return Status(Code::kCancelled, "the run was stopped");
  if (account_->refused()) {
    return ResourceExhausted("the run needs more than the " +
                             std::to_string(session_.place().run_memory_max.count()) +
                             " bytes of memory that it may have: " + status.message());
  }
  return status;
}

void OnnxRun::Stop() {
  std::lock_guard lock(stop_mutex_);
  if (!running_) return;
  stopped_ = true;
  const OrtOwner<OrtStatus> status(Ort().RunOptionsSetTerminate(options_.get()));
}

Status OnnxRun::ExecuteOnce(std::span<const Member> members, std::uint64_t output_mask) {
  COTENANT_RETURN_IF_ERROR(CheckMembers(members));
  input_names_.clear();
  input_values_.clear();
  for (std::size_t i = 0; i < members[0].inputs.size(); ++i) {
    COTENANT_RETURN_IF_ERROR(BindInput(members, i));
  }
  COTENANT_RETURN_IF_ERROR(ChooseOutputs(output_mask));
  const Instant began = MonotonicNow();
  COTENANT_RETURN_IF_ERROR(CallLibrary());
  network_ = {began, MonotonicNow()};
  COTENANT_RETURN_IF_ERROR(ReadOutputs());
  return Split(members);
}

Status OnnxRun::CheckMembers(std::span<const Member> members) const {
  if (members.empty()) return InvalidArgument("a run has no members");
  const auto first = members[0].inputs;
  for (const Member& member : members) {
    if (member.inputs.size() != first.size()) {
      return InvalidArgument("the members of a batch give different inputs");
    }
    for (std::size_t i = 0; i < first.size(); ++i) {
      const InputTensor& input = member.inputs[i];
      if (input.index >= inputs_.size()) return InvalidArgument("no such input");
      const std::string& name = session_.signature().inputs[input.index].name;
      const std::int64_t count = input.shape.ElementCount();
      if (count < 0) return InvalidArgument("input '" + name + "': its shape is not one");
      const std::size_t element = ElementSize(input.datatype);
      if (element != 0 && static_cast<std::uint64_t>(count) * element != input.bytes.size()) {
        return InvalidArgument("input '" + name + "': has " + std::to_string(input.bytes.size()) +
                               " bytes, its shape says " +
                               std::to_string(static_cast<std::uint64_t>(count) * element));
      }
      if (members.size() > 1 &&
          (input.index != first[i].index || input.datatype != first[i].datatype ||
           !SameButRows(input.shape, first[i].shape) || input.shape[0] != member.rows)) {
        return InvalidArgument("input '" + name +
                               "': the members of a batch do not agree in type or shape");
      }
    }
  }
  return Status();
}

Status OnnxRun::BindInput(std::span<const Member> members, std::size_t position) {
  const InputTensor& first = members[0].inputs[position];
  Shape shape = first.shape;
  if (members.size() > 1) {
    std::int64_t rows = 0;
    for (const Member& member : members) rows += member.inputs[position].shape[0];
    shape[0] = rows;
  }
  Tensor& tensor = inputs_[first.index];
  COTENANT_RETURN_IF_ERROR(first.datatype == DataType::kBytes
                               ? BindStrings(tensor, shape, members, position)
                               : BindBytes(tensor, first, shape, members, position));
  input_names_.push_back(session_.signature().inputs[first.index].name.c_str());
  input_values_.push_back(tensor.value.get());
  return Status();
}

Status OnnxRun::BindBytes(Tensor& tensor, const InputTensor& first, const Shape& shape,
                          std::span<const Member> members, std::size_t position) {
  const std::size_t element = ElementSize(first.datatype);
  if (element == 0) return InvalidArgument("an input has no element type");
  const auto size = static_cast<std::size_t>(shape.ElementCount()) * element;
  const bool aligned = reinterpret_cast<std::uintptr_t>(first.bytes.data()) % element == 0;
  if (members.size() == 1 && size > kCopiedInputMax && aligned) {
    return BindFixed(tensor, first.datatype, shape, first.bytes.data(), size);
  }
  std::byte* to = tensor.buffer.data();
  if (size > tensor.buffer.capacity() || to == nullptr) {
    tensor.value.reset();
    to = tensor.buffer.Reserve(size);
  }
  std::byte* next = to;
  for (const Member& member : members) {
    const auto bytes = member.inputs[position].bytes;
    if (!bytes.empty()) std::memcpy(next, bytes.data(), bytes.size());
    next += bytes.size();
  }
  return BindFixed(tensor, first.datatype, shape, to, size);
}

Status OnnxRun::BindFixed(Tensor& tensor, DataType datatype, const Shape& shape,
                          const std::byte* data, std::size_t size) {
  if (data == nullptr) data = no_bytes;
  if (tensor.value && tensor.data == data && tensor.datatype == datatype && tensor.shape == shape) {
    return Status();
  }
  tensor.value.reset();
  OrtValue* value = nullptr;
  // The library never writes to an input.
  COTENANT_RETURN_IF_ORT_ERROR(
      Ort().CreateTensorWithDataAsOrtValue(&session_.place().memory_info,
                                           const_cast<std::byte*>(data), size, shape.dims().data(),
                                           shape.rank(), ToOrtType(datatype), &value),
      "making a tensor");
  tensor.value.reset(value);
  tensor.data = data;
  tensor.datatype = datatype;
  tensor.shape = shape;
  return Status();
}

Status OnnxRun::BindStrings(Tensor& tensor, const Shape& shape, std::span<const Member> members,
                            std::size_t position) {
  if (!tensor.value || tensor.datatype != DataType::kBytes || !(tensor.shape == shape)) {
    tensor.value.reset();
    OrtValue* value = nullptr;
    COTENANT_RETURN_IF_ORT_ERROR(
        Ort().CreateTensorAsOrtValue(&session_.place().allocator, shape.dims().data(), shape.rank(),
                                     ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, &value),
        "making a tensor of strings");
    tensor.value.reset(value);
    tensor.data = nullptr;
    tensor.datatype = DataType::kBytes;
    tensor.shape = shape;
  }
  std::size_t index = 0;
  for (const Member& member : members) {
    const InputTensor& input = member.inputs[position];
    const auto count = static_cast<std::size_t>(input.shape.ElementCount());
    COTENANT_RETURN_IF_ERROR(FillStrings(input.bytes, count, index, *tensor.value));
    index += count;
  }
  return Status();
}

Status OnnxRun::CallLibrary() {
  OrtStatus* failed = Ort().Run(&session_.session(), options_.get(), input_names_.data(),
                                input_values_.data(), input_values_.size(), output_names_.data(),
                                output_names_.size(), output_values_.data());
  for (std::size_t i = 0; i < wanted_; ++i) {
    OrtOwner<OrtValue>& value = outputs_[wholes_[i].index].value;
    if (!value) value.reset(output_values_[i]);
  }
  if (failed == nullptr) return Status();
  const std::string text = Ort().GetErrorMessage(failed);
  if (BlamesBoundShape(text)) session_.DistrustShapes();
  return FromOrt(
      failed, "onnx runtime error " + std::to_string(static_cast<int>(Ort().GetErrorCode(failed))));
}

std::span<const OutputTensor> OnnxRun::Outputs(std::size_t member) const {
  if (split_.empty()) return {};
  COTENANT_CHECK((member + 1) * wanted_ <= split_.size());
  return std::span(split_).subspan(member * wanted_, wanted_);
}

void OnnxRun::Recycle() {
  split_.clear();
  DropLarge(kKeptBufferMax);
}

void OnnxRun::DropLarge(std::size_t size_max) {
  for (std::vector<Tensor>* tensors : {&inputs_, &outputs_}) {
    for (Tensor& tensor : *tensors) {
      const bool ours = tensor.data != nullptr && tensor.data == tensor.buffer.data();
      const bool large = tensor.buffer.capacity() > size_max;
      // A tensor around a request's own bytes, or one that the library allocated, ends with the
      // run.
      if (!ours || large) {
        tensor.value.reset();
        tensor.data = nullptr;
      }
      if (large) tensor.buffer.Drop();
    }
  }
}

}  // namespace cotenant
