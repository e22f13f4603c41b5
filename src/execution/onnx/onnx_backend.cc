#include "execution/onnx/onnx_backend.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>

#include "execution/onnx/memory_pool.h"
#include "execution/onnx/onnx_session.h"
#include "execution/onnx/ort_api.h"

namespace cotenant {
namespace {

std::atomic<bool> exists{false};

/// The pool as the library sees it.
struct PoolAllocator : OrtAllocator {
  explicit PoolAllocator(MemoryPool& pool_) : OrtAllocator{}, pool(pool_) {
    version = ORT_API_VERSION;
    Alloc = [](OrtAllocator* self, std::size_t size) {
      return static_cast<PoolAllocator*>(self)->pool.Allocate(size);
    };
    Reserve = Alloc;
    Free = [](OrtAllocator* self, void* data) {
      static_cast<PoolAllocator*>(self)->pool.Free(data);
    };
    Info = [](const OrtAllocator* self) -> const OrtMemoryInfo* {
      return static_cast<const PoolAllocator*>(self)->memory_info.get();
    };
  }

  MemoryPool& pool;
  OrtOwner<OrtMemoryInfo> memory_info;
};

/// What lines of no session are marked with.
constexpr const char* kEnvironmentLog = "cotenant//";

void PassLog(void* context, OrtLoggingLevel severity, const char*, const char* source, const char*,
             const char* message) {
  const auto& options = *static_cast<const OnnxOptions*>(context);
  if (options.log == nullptr) return;
  std::string_view model = source == nullptr || source == std::string_view(kEnvironmentLog)
                               ? std::string_view()
                               : std::string_view(source);
  // A run's lines have a tag behind the session's name, which is empty.
  if (model.ends_with('/')) model.remove_suffix(1);
  options.log(options.log_context,
              severity >= ORT_LOGGING_LEVEL_ERROR ? OnnxLogLevel::kError : OnnxLogLevel::kWarning,
              model, message);
}

Bytes LimitIn(const char* path) {
  std::ifstream file(path);
  std::int64_t limit = 0;
  // "max" is no number: the read fails, and there is no limit.
  if (!(file >> limit) || limit <= 0) return Bytes(INT64_MAX);
  return Bytes(limit);
}

OnnxOptions WithDefaults(OnnxOptions options) {
  const Bytes usable = UsableMemory();
  if (options.run_memory_max == Bytes()) options.run_memory_max = Bytes(usable.count() / 2);
  if (options.memory_max == Bytes()) options.memory_max = Bytes(usable.count() / 10 * 9);
  return options;
}

}  // namespace

Bytes UsableMemory() {
  const Bytes machine(static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE));
  return std::min({machine, LimitIn("/sys/fs/cgroup/memory.max"),
                   LimitIn("/sys/fs/cgroup/memory/memory.limit_in_bytes")});
}

class OnnxBackend::Environment {
 public:
  explicit Environment(const OnnxOptions& given)
      : options(WithDefaults(given)),
        pool({options.memory_max, options.kept_memory_max}),
        allocator(pool) {}
  ~Environment() {
    if (registered) {
      OrtOwner<OrtStatus> status(
          Ort().UnregisterAllocator(environment.get(), allocator.memory_info.get()));
    }
    environment.reset();
    exists = false;
  }

  Status Open() {
    OrtMemoryInfo* info = nullptr;
    COTENANT_RETURN_IF_ORT_ERROR(
        Ort().CreateMemoryInfo("Cpu", OrtDeviceAllocator, 0, OrtMemTypeDefault, &info),
        "ONNX Runtime");
    allocator.memory_info.reset(info);
    OrtEnv* raw = nullptr;
    COTENANT_RETURN_IF_ORT_ERROR(
        Ort().CreateEnvWithCustomLogger(PassLog, &options, ORT_LOGGING_LEVEL_WARNING,
                                        kEnvironmentLog, &raw),
        "ONNX Runtime");
    environment.reset(raw);
    COTENANT_RETURN_IF_ORT_ERROR(Ort().DisableTelemetryEvents(raw), "ONNX Runtime");
    COTENANT_RETURN_IF_ORT_ERROR(Ort().RegisterAllocator(raw, &allocator), "ONNX Runtime");
    registered = true;
    return Status();
  }

  OnnxOptions options;  // Its address is the library's logger.
  MemoryPool pool;
  PoolAllocator allocator;
  OrtOwner<OrtEnv> environment;
  bool registered = false;
  std::atomic<bool> drop_unmapped = false;
};

Result<std::unique_ptr<OnnxBackend>> OnnxBackend::Create(const OnnxOptions& options) {
  if (OrtTable() == nullptr) {
    return FailedPrecondition("ONNX Runtime " + OnnxRuntimeVersion() + " is too old: its API " +
                              std::to_string(ORT_API_VERSION) + " is needed");
  }
  if (exists.exchange(true)) {
    return FailedPrecondition("ONNX Runtime has one environment per process, and it is in use");
  }
  auto environment = std::make_unique<Environment>(options);
  COTENANT_RETURN_IF_ERROR(environment->Open());
  return std::unique_ptr<OnnxBackend>(new OnnxBackend(std::move(environment)));
}

OnnxBackend::OnnxBackend(std::unique_ptr<Environment> environment)
    : environment_(std::move(environment)) {}

OnnxBackend::~OnnxBackend() = default;

Result<std::unique_ptr<Executor>> OnnxBackend::Load(const VersionFile& file,
                                                    const ModelConfig& config,
                                                    const std::atomic<bool>* stop) {
  Environment& environment = *environment_;
  return OnnxSession::Load(
      {*environment.environment, environment.allocator, *environment.allocator.memory_info,
       environment.pool, environment.options.run_memory_max, environment.drop_unmapped},
      file, config, stop);
}

Status OnnxBackend::SaveOptimised(const VersionFile& file, const ModelConfig& config,
                                  const std::string& folder, bool prepacked) {
  Environment& environment = *environment_;
  return OnnxSession::SaveOptimised(
      {*environment.environment, environment.allocator, *environment.allocator.memory_info,
       environment.pool, environment.options.run_memory_max},
      file, config, {folder + "/" + std::string(kOptimisedFileName), prepacked});
}

void OnnxBackend::SetMemory(Bytes memory_max, Bytes run_memory_max) {
  MemoryPool::Limits limits = environment_->pool.limits();
  limits.in_use_max = memory_max;
  environment_->pool.SetLimits(limits);
  environment_->options.run_memory_max = run_memory_max;
}

void OnnxBackend::DropUnmapped(bool drop) { environment_->drop_unmapped = drop; }

PoolFigures OnnxBackend::pool() const {
  const MemoryPool::Figures figures = environment_->pool.figures();
  return {figures.in_use, figures.peak, figures.kept};
}

void OnnxBackend::KeepWithin(Bytes bytes) {
  MemoryPool::Limits limits = environment_->pool.limits();
  limits.runs_max = bytes;
  environment_->pool.SetLimits(limits);
}

void OnnxBackend::Trim() { environment_->pool.Trim(); }

bool OnnxBackend::TrimUnused() { return environment_->pool.TrimUnused(); }

}  // namespace cotenant
