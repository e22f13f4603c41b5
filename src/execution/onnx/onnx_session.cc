#include "execution/onnx/onnx_session.h"

#include <fcntl.h>
#include <malloc.h>
#include <onnxruntime_session_options_config_keys.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "execution/onnx/external_weights.h"
#include "execution/onnx/onnx_run.h"

namespace cotenant {
namespace {

/// Symbolic names of a tensor's dynamic dimensions, empty where it has none.
using Symbols = std::vector<std::string>;

struct Declared {
  ModelSignature::Tensor tensor;
  Symbols symbols;
};

/// What the process has from malloc. The library takes some weights there and not from our
/// allocator.
Bytes FromMalloc() {
  const struct mallinfo2 figures = mallinfo2();
  return Bytes(static_cast<std::int64_t>(figures.uordblks + figures.hblkhd));
}

std::string FolderOf(const std::string& path) {
  std::error_code error;
  const auto whole = std::filesystem::canonical(path, error);
  return error ? std::string() : whole.parent_path().string();
}

Status ReadShape(const OrtTensorTypeAndShapeInfo& info, const std::string& what, Declared* out) {
  std::size_t rank = 0;
  COTENANT_RETURN_IF_ORT_ERROR(Ort().GetDimensionsCount(&info, &rank), what);
  if (rank > kTensorRankMax) {
    return Unimplemented(what + ": has " + std::to_string(rank) + " dimensions; at most " +
                         std::to_string(kTensorRankMax) + " are served");
  }
  std::array<std::int64_t, kTensorRankMax> dims{};
  std::array<const char*, kTensorRankMax> names{};
  COTENANT_RETURN_IF_ORT_ERROR(Ort().GetDimensions(&info, dims.data(), rank), what);
  COTENANT_RETURN_IF_ORT_ERROR(Ort().GetSymbolicDimensions(&info, names.data(), rank), what);
  for (std::size_t i = 0; i < rank; ++i) {
    out->tensor.shape.Append(dims[i] < 0 ? -1 : dims[i]);
    out->symbols.emplace_back(names[i] != nullptr ? names[i] : "");
  }
  return Status();
}

const char* KindName(ONNXType kind) {
  switch (kind) {
    case ONNX_TYPE_SEQUENCE: return "a sequence";
    case ONNX_TYPE_MAP: return "a map";
    case ONNX_TYPE_OPTIONAL: return "an optional";
    case ONNX_TYPE_SPARSETENSOR: return "a sparse tensor";
    default: return "not a tensor";
  }
}

Status ReadDeclared(OrtSession& session, bool input, std::size_t index, const std::string& model,
                    Declared* out) {
  OrtAllocator* allocator = nullptr;
  COTENANT_RETURN_IF_ORT_ERROR(Ort().GetAllocatorWithDefaultOptions(&allocator), model);
  char* name = nullptr;
  COTENANT_RETURN_IF_ORT_ERROR(input
                                   ? Ort().SessionGetInputName(&session, index, allocator, &name)
                                   : Ort().SessionGetOutputName(&session, index, allocator, &name),
                               model);
  out->tensor.name = name;
  allocator->Free(allocator, name);
  const std::string what = model + ": " + (input ? "input '" : "output '") + out->tensor.name + "'";

  OrtTypeInfo* raw = nullptr;
  COTENANT_RETURN_IF_ORT_ERROR(input ? Ort().SessionGetInputTypeInfo(&session, index, &raw)
                                     : Ort().SessionGetOutputTypeInfo(&session, index, &raw),
                               what);
  const OrtOwner<OrtTypeInfo> type(raw);
  ONNXType kind = ONNX_TYPE_UNKNOWN;
  COTENANT_RETURN_IF_ORT_ERROR(Ort().GetOnnxTypeFromTypeInfo(raw, &kind), what);
  if (kind != ONNX_TYPE_TENSOR) {
    return Unimplemented(what + ": is " + KindName(kind) + "; only tensors are served");
  }
  const OrtTensorTypeAndShapeInfo* info = nullptr;
  COTENANT_RETURN_IF_ORT_ERROR(Ort().CastTypeInfoToTensorInfo(raw, &info), what);
  ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  COTENANT_RETURN_IF_ORT_ERROR(Ort().GetTensorElementType(info, &element), what);
  out->tensor.datatype = FromOrtType(element);
  if (out->tensor.datatype == DataType::kInvalid) {
    return Unimplemented(what + ": its element type (" + std::to_string(element) +
                         " in ONNX) is not one of the protocol's");
  }
  return ReadShape(*info, what, out);
}

std::optional<DimensionSource> SourceOf(const std::string& symbol, bool batch,
                                        const std::vector<Declared>& inputs) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Declared& input = inputs[i];
    for (std::size_t d = 0; d < input.symbols.size(); ++d) {
      if (input.tensor.shape[d] != -1) continue;
      if (!symbol.empty() && input.symbols[d] == symbol) return DimensionSource{i, d};
      if (symbol.empty() && batch && d == 0) return DimensionSource{i, d};
    }
  }
  return std::nullopt;
}

/// `batching`: the configuration promises that the first dimension is the batch's.
OnnxOutputPlan PlanFor(const Declared& output, bool batching, const std::vector<Declared>& inputs) {
  OnnxOutputPlan plan;
  for (std::size_t d = 0; d < output.symbols.size(); ++d) {
    if (output.tensor.shape[d] != -1) continue;
    const auto source = SourceOf(output.symbols[d], batching && d == 0, inputs);
    if (!source) return OnnxOutputPlan();
    plan.sources.push_back(*source);
  }
  plan.predictable = output.tensor.datatype != DataType::kBytes;
  return plan;
}

Status SetOptions(const RuntimeOptions& runtime, const std::string& what,
                  OrtSessionOptions& options) {
  const OrtApi& ort = Ort();
  const auto set = [&](OrtStatus* status) {
    if (status == nullptr) return Status();
    Status failed = FromOrt(status, what);
    return InvalidArgument(failed.message());
  };
  const auto entry = [&](const char* key, const char* text) {
    return set(ort.AddSessionConfigEntry(&options, key, text));
  };
  COTENANT_RETURN_IF_ERROR(set(ort.SetIntraOpNumThreads(&options, runtime.intra_op_threads)));
  COTENANT_RETURN_IF_ERROR(set(ort.SetInterOpNumThreads(&options, runtime.inter_op_threads)));
  COTENANT_RETURN_IF_ERROR(set(ort.SetSessionExecutionMode(
      &options, runtime.parallel_execution ? ORT_PARALLEL : ORT_SEQUENTIAL)));
  COTENANT_RETURN_IF_ERROR(set(ort.SetSessionGraphOptimizationLevel(
      &options, static_cast<GraphOptimizationLevel>(runtime.graph_optimization_level))));
  COTENANT_RETURN_IF_ERROR(set(runtime.enable_memory_pattern ? ort.EnableMemPattern(&options)
                                                             : ort.DisableMemPattern(&options)));
  // A waiting pool that spins would take the other tenants' time.
  COTENANT_RETURN_IF_ERROR(entry(kOrtSessionOptionsConfigAllowIntraOpSpinning, "0"));
  COTENANT_RETURN_IF_ERROR(entry(kOrtSessionOptionsConfigAllowInterOpSpinning, "0"));
  for (const auto& [key, text] : runtime.session_entries) {
    COTENANT_RETURN_IF_ERROR(entry(key.c_str(), text.c_str()));
  }
  // Last, so that no model can leave the account of memory.
  COTENANT_RETURN_IF_ERROR(entry(kOrtSessionOptionsConfigUseEnvAllocators, "1"));
  return set(ort.DisableCpuMemArena(&options));
}

/// Small constants stay in the graph: a mapping each would cost more than they do.
constexpr const char* kExternalBytesMin = "1024";

Status SetSaving(const OnnxSession::Saving& saving, const std::string& what,
                 OrtSessionOptions& options) {
  const auto entry = [&](const char* key, const char* text) {
    COTENANT_RETURN_IF_ORT_ERROR(Ort().AddSessionConfigEntry(&options, key, text), what);
    return Status();
  };
  COTENANT_RETURN_IF_ORT_ERROR(Ort().SetOptimizedModelFilePath(&options, saving.path.c_str()),
                               what);
  COTENANT_RETURN_IF_ERROR(
      entry(kOrtSessionOptionsOptimizedModelExternalInitializersFileName, "weights.bin"));
  COTENANT_RETURN_IF_ERROR(
      entry(kOrtSessionOptionsOptimizedModelExternalInitializersMinSizeInBytes, kExternalBytesMin));
  return entry(kOrtSessionOptionsSavePrePackedConstantInitializers, saving.prepacked ? "1" : "0");
}

std::string NameOf(const VersionFile& file, const ModelConfig& config) {
  if (!file.path.empty()) return file.path;
  return "model '" + config.name + "' version " + std::to_string(file.version) +
         " (from the request)";
}

/// What the library throws comes back as a status.
template <typename T, typename Work>
T Guarded(const std::string& what, Work work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return ResourceExhausted(what + ": not enough memory to load it");
  } catch (const std::exception& error) {
    return Internal(what + ": " + error.what());
  }
}

}  // namespace

Result<std::unique_ptr<Executor>> OnnxSession::Load(const Place& place, const VersionFile& file,
                                                    const ModelConfig& config,
                                                    const std::atomic<bool>* stop) {
  using Loaded = Result<std::unique_ptr<Executor>>;
  const std::string what = NameOf(file, config);
  Loaded loaded = Guarded<Loaded>(what, [&]() -> Loaded {
    std::unique_ptr<OnnxSession> session(new OnnxSession(place));
    COTENANT_RETURN_IF_ERROR(session->Open(file, config, what, nullptr, stop));
    COTENANT_RETURN_IF_ERROR(session->ReadSignature(config, what));
    return std::unique_ptr<Executor>(std::move(session));
  });
  if (!loaded.ok() && stop != nullptr && stop->load(std::memory_order_relaxed)) {
    return Status(Code::kCancelled, what + ": nobody waits for it any more");
  }
  return loaded;
}

Status OnnxSession::SaveOptimised(const Place& place, const VersionFile& file,
                                  const ModelConfig& config, const Saving& saving) {
  const std::string what = NameOf(file, config);
  return Guarded<Status>(what, [&] {
    std::unique_ptr<OnnxSession> session(new OnnxSession(place));
    return session->Open(file, config, what, &saving, nullptr);
  });
}

Status OnnxSession::Open(const VersionFile& file, const ModelConfig& config,
                         const std::string& what, const Saving* saving,
                         const std::atomic<bool>* stop) {
  OrtSessionOptions* raw_options = nullptr;
  COTENANT_RETURN_IF_ORT_ERROR(Ort().CreateSessionOptions(&raw_options), what);
  const OrtOwner<OrtSessionOptions> options(raw_options);
  COTENANT_RETURN_IF_ERROR(SetOptions(config.runtime, what, *options));
  COTENANT_RETURN_IF_ORT_ERROR(Ort().SetSessionLogId(options.get(), config.name.c_str()), what);
  if (saving != nullptr) COTENANT_RETURN_IF_ERROR(SetSaving(*saving, what, *options));

  const bool from_bytes = file.content != nullptr;
  std::error_code unreadable;
  if (!from_bytes && !std::filesystem::is_regular_file(file.path, unreadable)) {
    return NotFound(what + ": no such file");
  }
  const std::string folder = from_bytes ? std::string() : FolderOf(file.path);
  const MappedFiles mapped_before = folder.empty() ? MappedFiles() : MappedFrom(folder);
  const Bytes malloc_before = FromMalloc();
  OrtSession* raw = nullptr;
  {
    const MemoryPool::Charge charge(*account_, stop);
    ExternalWeights weights;
    if (!file.may_map) {
      Result<ExternalWeights> read =
          ExternalWeights::Read(file, what, place_.pool, !place_.drop_unmapped);
      COTENANT_RETURN_IF_ERROR(read.status());
      weights = *std::move(read);
      COTENANT_RETURN_IF_ERROR(weights.AddTo(*options, what));
    }
    OrtStatus* status =
        from_bytes
            ? Ort().CreateSessionFromArray(&place_.environment, file.content->data(),
                                           file.content->size(), options.get(), &raw)
            : Ort().CreateSession(&place_.environment, file.path.c_str(), options.get(), &raw);
    if (status != nullptr) {
      Status failed = FromOrt(status, what);
      if (account_->refused()) return ResourceExhausted(failed.message());
      return failed;
    }
  }
  session_.reset(raw);
  // Others may have taken from malloc meanwhile: what was measured alone bounds what it can be.
  const Bytes with_malloc = FromMalloc() - malloc_before + account_->mapped();
  facts_.anonymous = std::max(account_->in_use(),
                              std::min(with_malloc, file.anonymous_measured.value_or(with_malloc)));
  if (folder.empty()) return Status();
  const MappedFiles mapped = MappedFrom(folder);
  mapped_ranges_ = Without(mapped.ranges, mapped_before.ranges);
  facts_.mapped = SizeOf(mapped_ranges_);
  mapped_files_.assign(mapped.paths.begin(), mapped.paths.end());
  if (!file.may_map && !mapped_ranges_.empty()) {
    return Unimplemented(what + ": the library maps '" + *mapped.paths.begin() +
                         "', a file that others may change, and cannot serve from it");
  }
  return Status();
}

OnnxSession::~OnnxSession() {
  session_.reset();
  if (!place_.drop_unmapped) return;
  for (const std::string& path : mapped_files_) {
    // Pages that somebody still maps stay.
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) continue;
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    close(file);
  }
}

bool OnnxSession::Park() { return !mapped_ranges_.empty() && DropPages(mapped_ranges_); }

bool OnnxSession::Unpark() { return FetchPages(mapped_ranges_); }

Status OnnxSession::ReadSignature(const ModelConfig& config, const std::string& what) {
  std::size_t count = 0;
  std::vector<Declared> inputs;
  COTENANT_RETURN_IF_ORT_ERROR(Ort().SessionGetInputCount(session_.get(), &count), what);
  inputs.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    COTENANT_RETURN_IF_ERROR(ReadDeclared(*session_, true, i, what, &inputs[i]));
    signature_.inputs.push_back(inputs[i].tensor);
  }
  COTENANT_RETURN_IF_ORT_ERROR(Ort().SessionGetOutputCount(session_.get(), &count), what);
  for (std::size_t i = 0; i < count; ++i) {
    Declared output;
    COTENANT_RETURN_IF_ERROR(ReadDeclared(*session_, false, i, what, &output));
    plans_.push_back(PlanFor(output, config.max_batch_size > 0, inputs));
    signature_.outputs.push_back(std::move(output.tensor));
  }
  return Status();
}

std::unique_ptr<Run> OnnxSession::NewRun() { return std::make_unique<OnnxRun>(*this); }

}  // namespace cotenant
