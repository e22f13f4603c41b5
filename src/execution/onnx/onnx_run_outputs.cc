// The half of OnnxRun that chooses, reads and splits outputs.

#include <cstdint>
#include <string>

#include "execution/onnx/onnx_run.h"
#include "execution/onnx/string_tensor.h"

namespace cotenant {
namespace {

// Outputs up to here are written to buffers of ours; above, the library's allocation is small
// beside the run.
constexpr std::size_t kBoundOutputMax = 64 << 10;

bool Wanted(std::uint64_t mask, std::size_t index) {
  return index < 64 ? ((mask >> index) & 1) != 0 : mask == ~std::uint64_t{0};
}

Shape JoinedShape(const Shape& first, std::int64_t rows) {
  Shape shape = first;
  shape[0] = rows;
  return shape;
}

}  // namespace

Status OnnxRun::ChooseOutputs(std::uint64_t output_mask) {
  output_names_.clear();
  output_values_.clear();
  wanted_ = 0;
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    if (!Wanted(output_mask, i)) continue;
    COTENANT_RETURN_IF_ERROR(BindOutput(i));
    wholes_[wanted_++].index = static_cast<std::uint32_t>(i);
    output_names_.push_back(session_.signature().outputs[i].name.c_str());
    output_values_.push_back(outputs_[i].value.get());
  }
  if (wanted_ == 0) return InvalidArgument("none of the network's outputs is wanted");
  return Status();
}

/// Leaves the output's tensor null when the library is to allocate it.
Status OnnxRun::BindOutput(std::size_t index) {
  Tensor& tensor = outputs_[index];
  const DataType datatype = session_.signature().outputs[index].datatype;
  Shape shape;
  if (session_.shapes_hold() && PredictShape(index, &shape)) {
    const std::int64_t count = shape.ElementCount();
    const std::size_t element = ElementSize(datatype);
    if (count >= 0 && static_cast<std::uint64_t>(count) <= kBoundOutputMax / element) {
      const auto size = static_cast<std::size_t>(count) * element;
      if (size > tensor.buffer.capacity() || tensor.buffer.data() == nullptr) {
        tensor.value.reset();
        tensor.buffer.Reserve(size);
      }
      return BindFixed(tensor, datatype, shape, tensor.buffer.data(), size);
    }
  }
  tensor.value.reset();
  tensor.data = nullptr;
  return Status();
}

bool OnnxRun::PredictShape(std::size_t index, Shape* shape) const {
  const OnnxOutputPlan& plan = session_.plan(index);
  if (!plan.predictable) return false;
  *shape = session_.signature().outputs[index].shape;
  std::size_t next = 0;
  for (std::size_t d = 0; d < shape->rank(); ++d) {
    if ((*shape)[d] != -1) continue;
    const DimensionSource& source = plan.sources[next++];
    const Shape& input = inputs_[source.input].shape;
    if (!inputs_[source.input].value || input.rank() <= source.dimension) return false;
    (*shape)[d] = input[source.dimension];
  }
  return true;
}

Status OnnxRun::ReadOutputs() {
  for (std::size_t i = 0; i < wanted_; ++i) {
    COTENANT_RETURN_IF_ERROR(ReadOutput(wholes_[i], outputs_[wholes_[i].index]));
  }
  return Status();
}

Status OnnxRun::ReadOutput(Whole& whole, Tensor& tensor) {
  if (tensor.data != nullptr) {  // Ours: nothing to ask.
    whole.datatype = tensor.datatype;
    whole.shape = tensor.shape;
    whole.bytes = {tensor.data, static_cast<std::size_t>(tensor.shape.ElementCount()) *
                                    ElementSize(tensor.datatype)};
    return Status();
  }
  const std::string& name = session_.signature().outputs[whole.index].name;
  OrtTensorTypeAndShapeInfo* raw = nullptr;
  COTENANT_RETURN_IF_ORT_ERROR(Ort().GetTensorTypeAndShape(tensor.value.get(), &raw), name);
  const OrtOwner<OrtTensorTypeAndShapeInfo> info(raw);
  ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  std::size_t rank = 0;
  std::int64_t dims[kTensorRankMax];
  COTENANT_RETURN_IF_ORT_ERROR(Ort().GetTensorElementType(raw, &type), name);
  COTENANT_RETURN_IF_ORT_ERROR(Ort().GetDimensionsCount(raw, &rank), name);
  if (rank > kTensorRankMax) return Internal("output '" + name + "': has too many dimensions");
  COTENANT_RETURN_IF_ORT_ERROR(Ort().GetDimensions(raw, dims, rank), name);
  whole.datatype = FromOrtType(type);
  whole.shape = Shape();
  for (std::size_t d = 0; d < rank; ++d) whole.shape.Append(dims[d]);
  const auto count = static_cast<std::size_t>(whole.shape.ElementCount());
  if (whole.datatype == DataType::kBytes) return ReadStrings(whole, tensor, count);
  void* data = nullptr;
  COTENANT_RETURN_IF_ORT_ERROR(Ort().GetTensorMutableData(tensor.value.get(), &data), name);
  whole.bytes = {static_cast<const std::byte*>(data), count * ElementSize(whole.datatype)};
  return Status();
}

Status OnnxRun::ReadStrings(Whole& whole, Tensor& tensor, std::size_t count) {
  std::size_t size = 0;
  COTENANT_RETURN_IF_ERROR(RawStringsSize(*tensor.value, count, &size));
  std::byte* to = tensor.buffer.Reserve(size);
  whole.starts.resize(count + 1);
  COTENANT_RETURN_IF_ERROR(CopyStrings(*tensor.value, {to, size}, whole.starts));
  whole.bytes = {to, size};
  return Status();
}

Status OnnxRun::Split(std::span<const Member> members) {
  if (members.size() == 1) {
    for (std::size_t i = 0; i < wanted_; ++i) {
      const Whole& whole = wholes_[i];
      split_.push_back({whole.index, whole.datatype, whole.shape, whole.bytes});
    }
    return Status();
  }
  std::int64_t rows = 0;
  for (const Member& member : members) rows += member.rows;
  for (std::size_t i = 0; i < wanted_; ++i) {
    const Shape& shape = wholes_[i].shape;
    if (shape.empty() || shape[0] != rows) {
      return Internal("output '" + session_.signature().outputs[wholes_[i].index].name +
                      "': its shape " + shape.ToString() + " does not have one row for each of " +
                      std::to_string(rows) + " in the batch");
    }
  }
  std::int64_t first = 0;
  for (const Member& member : members) {
    for (std::size_t i = 0; i < wanted_; ++i) {
      const Whole& whole = wholes_[i];
      OutputTensor part{whole.index, whole.datatype, JoinedShape(whole.shape, member.rows), {}};
      if (rows > 0 && whole.datatype == DataType::kBytes) {
        const auto per_row = (whole.starts.size() - 1) / static_cast<std::size_t>(rows);
        const auto from = whole.starts[static_cast<std::size_t>(first) * per_row];
        const auto to = whole.starts[static_cast<std::size_t>(first + member.rows) * per_row];
        part.bytes = whole.bytes.subspan(from, to - from);
      } else if (rows > 0) {
        const auto per_row = whole.bytes.size() / static_cast<std::size_t>(rows);
        part.bytes = whole.bytes.subspan(static_cast<std::size_t>(first) * per_row,
                                         static_cast<std::size_t>(member.rows) * per_row);
      }
      split_.push_back(part);
    }
    first += member.rows;
  }
  return Status();
}

}  // namespace cotenant
