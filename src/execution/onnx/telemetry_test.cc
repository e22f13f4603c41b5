// ONNX Runtime's Linux builds report home unless told not to. Here the program itself defines the
// calls that every connection of the library must go through, so that an attempt is seen (and
// refused) and not only hoped away. A second process with the telemetry left on shows that an
// attempt would have been seen.

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "execution/onnx/onnx_models_test.h"
#include "execution/onnx/ort_api.h"

namespace {

std::atomic<int> attempts{0};

// Where a child tells of an attempt: its standard output.
void Attempted() {
  ++attempts;
  const char mark = '!';
  if (std::getenv("COTENANT_WATCHED") == nullptr) return;
  if (write(STDOUT_FILENO, &mark, 1) != 1) std::abort();
}

}  // namespace

extern "C" int socket(int domain, int, int) noexcept {
  if (domain == AF_INET || domain == AF_INET6) Attempted();
  errno = EACCES;
  return -1;
}

extern "C" int connect(int, const sockaddr*, socklen_t) {
  Attempted();
  errno = EACCES;
  return -1;
}

extern "C" int getaddrinfo(const char*, const char*, const addrinfo*, addrinfo**) {
  Attempted();
  return EAI_FAIL;
}

namespace cotenant {
namespace {

/// This program again, in a process and a home of its own, running one of the two tests below.
class Child {
 public:
  explicit Child(const std::string& test)
      : home_(std::filesystem::temp_directory_path() /
              ("cotenant_home_" + std::to_string(getpid()) + test)) {
    std::filesystem::create_directories(home_);
    int in[2];
    int out[2];
    EXPECT_EQ(pipe(in), 0);
    EXPECT_EQ(pipe(out), 0);
    // Made before the fork, after which only simple calls are safe.
    const std::string filter = "--gtest_filter=DISABLED_TelemetryChild." + test;
    const std::string home = "HOME=" + home_.string();
    const char* arguments[] = {"/proc/self/exe", filter.c_str(), "--gtest_also_run_disabled_tests",
                               "--gtest_brief=1", nullptr};
    const char* environment[] = {home.c_str(), "COTENANT_WATCHED=1", nullptr};
    process_ = fork();
    if (process_ == 0) {
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      for (const int end : {in[0], in[1], out[0], out[1]}) close(end);
      execve(arguments[0], const_cast<char**>(arguments), const_cast<char**>(environment));
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    to_ = in[1];
    from_ = out[0];
  }
  ~Child() {
    close(from_);
    std::filesystem::remove_all(home_);
  }
  Child(const Child&) = delete;

  /// Reads until the mark comes, the child ends, or the time is over.
  bool Attempts(int milliseconds_max) {
    pollfd ready{from_, POLLIN, 0};
    char text[256];
    while (poll(&ready, 1, milliseconds_max) > 0) {
      const auto size = read(from_, text, sizeof text);
      if (size <= 0) return false;
      if (std::string_view(text, static_cast<std::size_t>(size)).find('!') != std::string::npos) {
        return true;
      }
    }
    return false;
  }

  /// Lets it end and gives its exit status.
  int End() {
    close(to_);
    int status = -1;
    EXPECT_EQ(waitpid(process_, &status, 0), process_);
    return status;
  }

  bool WroteFiles() const { return !std::filesystem::is_empty(home_); }

 private:
  std::filesystem::path home_;
  pid_t process_ = -1;
  int to_ = -1;
  int from_ = -1;
};

void AwaitEndOfInput() {
  char ignored = 0;
  while (read(STDIN_FILENO, &ignored, 1) > 0) {
  }
}

TEST(DISABLED_TelemetryChild, UsesTheBackend) {
  if (std::getenv("COTENANT_WATCHED") == nullptr) GTEST_SKIP() << "only a child of another test";
  {
    const auto backend = NewBackend();
    const auto executor = LoadModel(*backend, "mlp");
    const auto run = executor->NewRun();
    Batch batch;
    batch.Add(1, {Floats({1, 64}, std::vector<float>(64, 1))});
    ASSERT_TRUE(run->Execute(batch.members(), kAllOutputs).ok());
    AwaitEndOfInput();
  }
  EXPECT_EQ(attempts.load(), 0);
}

TEST(DISABLED_TelemetryChild, LeavesItOn) {
  if (std::getenv("COTENANT_WATCHED") == nullptr) GTEST_SKIP() << "only a child of another test";
  const OrtApi* ort = OrtGetApiBase()->GetApi(ORT_API_VERSION);
  OrtEnv* environment = nullptr;
  OrtSessionOptions* options = nullptr;
  OrtSession* session = nullptr;
  ASSERT_EQ(ort->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "control", &environment), nullptr);
  ASSERT_EQ(ort->CreateSessionOptions(&options), nullptr);
  ASSERT_EQ(ort->CreateSession(environment, ModelPath("mlp").c_str(), options, &session), nullptr);
  AwaitEndOfInput();
  // The reports still wait for a connection: without the usual farewell.
  _exit(0);
}

TEST(OnnxTelemetry, NoConnectionIsTriedWhereTheLibraryWouldHaveTriedOne) {
  Child control("LeavesItOn");
  Child ours("UsesTheBackend");
  // The library sends its first report some 10 s after its start.
  const bool tried = control.Attempts(40'000);
  EXPECT_EQ(ours.End(), 0);
  EXPECT_FALSE(ours.Attempts(0));
  EXPECT_FALSE(ours.WroteFiles());
  EXPECT_EQ(control.End(), 0);
  if (!control.WroteFiles()) GTEST_SKIP() << "this build of the library has no telemetry";
  EXPECT_TRUE(tried) << "the watch would not have seen a connection";
}

}  // namespace
}  // namespace cotenant
