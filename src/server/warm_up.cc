#include "server/warm_up.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

#include "base/random.h"
#include "server/clock.h"

namespace cotenant {
namespace {

using Buffer = std::vector<std::byte>;

/// Of one input. Raise them for networks that take more at once.
constexpr std::int64_t kElementsMax = std::int64_t{1} << 30;
constexpr std::size_t kBytesMax = std::size_t{1} << 32;

Result<Buffer> ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return InvalidArgument("cannot read warm-up data " + path);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  Buffer bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

/// Floating point in [0, 1), integers in [0, 128): values that every network takes as ordinary.
void FillRandom(Buffer& bytes, DataType type) {
  Random random(1);
  const std::size_t size = std::max<std::size_t>(1, ElementSize(type));
  for (std::size_t at = 0; at + size <= bytes.size(); at += size) {
    if (type == DataType::kFp32) {
      const float value = static_cast<float>(random.Below(1 << 24)) / static_cast<float>(1 << 24);
      std::memcpy(&bytes[at], &value, size);
    } else if (type == DataType::kFp64) {
      const double value =
          static_cast<double>(random.Below(1 << 24)) / static_cast<double>(1 << 24);
      std::memcpy(&bytes[at], &value, size);
    } else if (type != DataType::kFp16 && type != DataType::kBf16) {
      bytes[at] = static_cast<std::byte>(random.Below(type == DataType::kBool ? 2 : 128));
    }
  }
}

/// As in Triton, a file holds one row, and each row gets the same; what is more is not used. Unless
/// it is exactly what all rows take: then each has its own.
Result<Buffer> ReadRows(const WarmupInput& input, std::int32_t rows) {
  Result<Buffer> read = ReadBytes(input.file);
  COTENANT_RETURN_IF_ERROR(read.status());
  Buffer row = *std::move(read);
  const auto count = static_cast<std::size_t>(rows);
  if (input.datatype != DataType::kBytes) {
    const auto elements = static_cast<std::size_t>(input.dims.ElementCount());
    const std::size_t size = elements * ElementSize(input.datatype);
    if (row.size() < size) {
      return InvalidArgument("warm-up data " + input.file + " has " + std::to_string(row.size()) +
                             " bytes; one row of input '" + input.name + "' takes " +
                             std::to_string(size));
    }
    if (row.size() == size * count) return row;
    row.resize(size);
  }
  if (row.size() > kBytesMax / count) {
    return InvalidArgument("warm-up data " + input.file + " is too much for " +
                           std::to_string(rows) + " rows");
  }
  Buffer all;
  all.reserve(row.size() * count);
  for (std::size_t i = 0; i < count; ++i) all.insert(all.end(), row.begin(), row.end());
  return all;
}

/// For `rows` rows, which `shape` has before the input's own dimensions where the model batches.
Result<Buffer> MakeData(const WarmupInput& input, const Shape& shape, std::int32_t rows) {
  const std::int64_t elements = shape.ElementCount();
  if (elements < 0 || elements > kElementsMax) {
    return InvalidArgument("warm-up input '" + input.name + "' has shape " + shape.ToString() +
                           ", which is not one that can be made");
  }
  if (input.kind == WarmupInput::Kind::kFile) return ReadRows(input, rows);
  // An element of BYTES is its four bytes of length: zero, an empty string.
  const std::size_t size = input.datatype == DataType::kBytes ? 4 : ElementSize(input.datatype);
  Buffer bytes(static_cast<std::size_t>(elements) * size);
  if (input.kind == WarmupInput::Kind::kRandom && input.datatype != DataType::kBytes) {
    FillRandom(bytes, input.datatype);
  }
  return bytes;
}

Status RunOne(ServedModel& model, const Warmup& warmup, WarmUpOutcome& outcome) {
  const Result<OwnedRequest> request = MakeWarmUp(model, warmup);
  COTENANT_RETURN_IF_ERROR(request.status());
  const std::int32_t rows = request->rows;
  const Member member{request->tensors, rows};
  TakenRun taken = model.TakeRun();
  const std::unique_ptr<Run>& run = taken.run;
  Status status;
  for (std::uint32_t i = 0; i < std::max(1U, warmup.count) && status.ok(); ++i) {
    const Instant began = MonotonicNow();
    status = run->Execute(std::span(&member, 1), ~std::uint64_t{0});
    const Instant ended = MonotonicNow();
    outcome.times.push_back({ended, model.id(), rows, ended - began});
    outcome.run_peak = std::max(outcome.run_peak, run->Peak());
  }
  run->Recycle();
  model.GiveRun(std::move(taken));
  if (status.ok()) return status;
  return Status(status.code(), "warm-up '" + warmup.name + "' failed: " + status.message());
}

}  // namespace

Result<OwnedRequest> MakeWarmUp(const ServedModel& model, const Warmup& warmup) {
  const ModelConfig& config = model.config();
  const bool batched = config.max_batch_size > 0;
  OwnedRequest request;
  if (batched) request.rows = std::max(1, static_cast<std::int32_t>(warmup.batch_size));
  for (const WarmupInput& input : warmup.inputs) {
    std::size_t i = 0;
    while (i < config.inputs.size() && config.inputs[i].name != input.name) ++i;
    if (i == config.inputs.size()) {
      return InvalidArgument("warm-up '" + warmup.name + "' names the input '" + input.name +
                             "', which the model does not have");
    }
    Shape shape;
    if (batched) shape.Append(request.rows);
    for (std::int64_t dim : input.dims.dims()) {
      if (!shape.TryAppend(dim))
        return InvalidArgument("warm-up '" + warmup.name + "': rank too high");
    }
    Result<Buffer> bytes = MakeData(input, shape, request.rows);
    COTENANT_RETURN_IF_ERROR(bytes.status());
    request.data.push_back(*std::move(bytes));
    request.tensors.push_back({model.InputIndex(i), input.datatype, shape, request.data.back()});
  }
  return request;
}

Result<WarmUpOutcome> WarmUp(ServedModel& model) {
  WarmUpOutcome outcome;
  for (const Warmup& warmup : model.config().warmups) {
    COTENANT_RETURN_IF_ERROR(RunOne(model, warmup, outcome));
  }
  if (!outcome.times.empty()) outcome.times.erase(outcome.times.begin());
  model.NotePeak(outcome.run_peak);
  return outcome;
}

}  // namespace cotenant
