#include <gtest/gtest.h>
#include <onnxruntime_c_api.h>

#include <cstdlib>
#include <new>

#include "execution/onnx/onnx_models_test.h"
#include "execution/onnx/ort_api.h"

// A sanitizer brings its own operator new, which must stay.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COTENANT_COUNTS_NEW 1
#endif

namespace {
thread_local std::size_t news = 0;
}  // namespace

#ifdef COTENANT_COUNTS_NEW
// The library finds these too, so that both its allocations and ours are counted.
void* operator new(std::size_t size) {
  ++news;
  if (void* data = std::malloc(size == 0 ? 1 : size)) return data;
  throw std::bad_alloc();
}
void operator delete(void* data) noexcept { std::free(data); }
void operator delete(void* data, std::size_t) noexcept { std::free(data); }
#endif

namespace cotenant {
namespace {

// A reason from a failed call, which ends the test.
void Expect(OrtStatus* status) {
  ASSERT_EQ(status, nullptr) << (status != nullptr ? Ort().GetErrorMessage(status) : "");
}

/// What the library itself allocates in one run with all its tensors given.
std::size_t NewsOfABareRun() {
  OrtSessionOptions* options = nullptr;
  OrtEnv* environment = nullptr;
  OrtSession* session = nullptr;
  OrtMemoryInfo* memory = nullptr;
  OrtRunOptions* run_options = nullptr;
  Expect(Ort().CreateEnv(ORT_LOGGING_LEVEL_WARNING, "bare", &environment));
  Expect(Ort().CreateSessionOptions(&options));
  Expect(Ort().SetIntraOpNumThreads(options, 1));
  Expect(Ort().CreateSession(environment, ModelPath("mlp").c_str(), options, &session));
  Expect(Ort().CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &memory));
  Expect(Ort().CreateRunOptions(&run_options));
  float x[64] = {};
  float y[10] = {};
  const std::int64_t x_shape[] = {1, 64};
  const std::int64_t y_shape[] = {1, 10};
  OrtValue* input = nullptr;
  OrtValue* output = nullptr;
  Expect(Ort().CreateTensorWithDataAsOrtValue(memory, x, sizeof x, x_shape, 2,
                                              ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &input));
  Expect(Ort().CreateTensorWithDataAsOrtValue(memory, y, sizeof y, y_shape, 2,
                                              ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &output));
  const char* input_name = "x";
  const char* output_name = "y";
  const OrtValue* inputs[] = {input};
  std::size_t counted = 0;
  for (int i = 0; i < 20; ++i) {
    const std::size_t before = news;
    Expect(Ort().Run(session, run_options, &input_name, inputs, 1, &output_name, 1, &output));
    counted = news - before;
  }
  Ort().ReleaseValue(input);
  Ort().ReleaseValue(output);
  Ort().ReleaseRunOptions(run_options);
  Ort().ReleaseMemoryInfo(memory);
  Ort().ReleaseSession(session);
  Ort().ReleaseSessionOptions(options);
  Ort().ReleaseEnv(environment);
  return counted;
}

TEST(OnnxRunAllocations, ASteadyRunAllocatesNothingBesidesTheLibrarysOwn) {
#ifndef COTENANT_COUNTS_NEW
  GTEST_SKIP() << "the sanitizer counts allocations itself";
#endif
  const auto backend = NewBackend();
  const std::size_t bare = NewsOfABareRun();
  EXPECT_GT(bare, 0U) << "the library's allocations are not seen, so ours might not be";
  const auto executor = LoadModel(*backend, "mlp");
  const auto run = executor->NewRun();
  for (const std::int32_t members : {1, 4}) {
    // Requests lie elsewhere each time, as they do in a server.
    std::vector<Batch> batches(3);
    for (Batch& batch : batches) {
      for (std::int32_t m = 0; m < members; ++m) {
        batch.Add(1, {Floats({1, 64}, std::vector<float>(64, 1))});
      }
    }
    std::size_t counted = 0;
    Bytes taken;
    for (int i = 0; i < 30; ++i) {
      const auto requests = batches[static_cast<std::size_t>(i) % 3].members();
      const std::size_t before = news;
      const PoolFigures memory_before = backend->pool();
      ASSERT_TRUE(run->Execute(requests, kAllOutputs).ok());
      run->Recycle();
      counted = news - before;
      taken =
          backend->pool().in_use + backend->pool().kept - memory_before.in_use - memory_before.kept;
    }
    EXPECT_LE(counted, bare) << members << " members";
    EXPECT_EQ(taken, Bytes()) << "the pool took memory from the system";
  }
}

}  // namespace
}  // namespace cotenant
