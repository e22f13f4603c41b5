#include "apps/cotenant/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "server/clock.h"

namespace cotenant {
namespace {

/// More than any program of ours prints.
constexpr std::size_t kPrintedMax = std::size_t{4} << 20;
constexpr std::size_t kErrorsMax = std::size_t{16} << 10;
constexpr int kNice = 10;

class Pipe {
 public:
  Pipe() { open_ = pipe2(ends_, O_CLOEXEC) == 0; }
  ~Pipe() {
    CloseWriter();
    if (open_) close(ends_[0]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  bool open() const { return open_; }
  int reader() const { return ends_[0]; }
  int writer() const { return ends_[1]; }
  void CloseWriter() {
    if (open_ && ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  int ends_[2] = {-1, -1};
  bool open_ = false;
};

/// Takes what is there. False at the end.
bool Take(int reader, std::string& text) {
  std::array<char, 4096> piece;
  const ssize_t size = read(reader, piece.data(), piece.size());
  if (size < 0) return errno == EINTR || errno == EAGAIN;
  text.append(piece.data(), static_cast<std::size_t>(size));
  return size > 0;
}

/// Reads both until both are at their ends. False: the time was over first.
bool ReadAll(const Pipe& printed, const Pipe& errors, Instant until, ChildOutput& output) {
  std::array<pollfd, 2> files = {pollfd{printed.reader(), POLLIN, 0},
                                 pollfd{errors.reader(), POLLIN, 0}};
  while (files[0].fd >= 0 || files[1].fd >= 0) {
    const Duration left = until - MonotonicNow();
    if (left <= Duration()) return false;
    const int wait = static_cast<int>(left.nanoseconds() / 1'000'000) + 1;
    if (poll(files.data(), files.size(), wait) < 0 && errno != EINTR) return false;
    if (files[0].revents != 0 && !Take(files[0].fd, output.printed)) files[0].fd = -1;
    if (files[1].revents != 0 && !Take(files[1].fd, output.errors)) files[1].fd = -1;
    if (output.errors.size() > kErrorsMax) {
      output.errors.erase(0, output.errors.size() - kErrorsMax / 2);
    }
    if (output.printed.size() > kPrintedMax) return false;
  }
  return true;
}

Result<pid_t> Spawn(const std::vector<std::string>& words, const Pipe& printed,
                    const Pipe& errors) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, printed.writer(), 1);
  posix_spawn_file_actions_adddup2(&files, errors.writer(), 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // The signals that this process handles are the child's to take. A group of its own, so that
  // what it starts itself ends with it.
  sigset_t none;
  sigemptyset(&none);
  sigset_t all;
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(
      &attributes,
      static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
  pid_t child = 0;
  const int error =
      posix_spawnp(&child, arguments[0], &files, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) return Unavailable("'" + words[0] + "': " + std::strerror(error));
  setpriority(PRIO_PROCESS, static_cast<id_t>(child), kNice);
  return child;
}

}  // namespace

Result<ChildOutput> RunChild(const std::vector<std::string>& words, Duration lasts_max) {
  Pipe printed;
  Pipe errors;
  if (!printed.open() || !errors.open()) {
    return Unavailable("'" + words[0] + "': " + std::strerror(errno));
  }
  const Instant until = MonotonicNow() + lasts_max;
  Result<pid_t> child = Spawn(words, printed, errors);
  if (!child.ok()) return child.status();
  printed.CloseWriter();
  errors.CloseWriter();
  ChildOutput output;
  const bool ended = ReadAll(printed, errors, until, output);
  if (!ended) kill(-*child, SIGKILL);
  int status = 0;
  while (waitpid(*child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended) {
    return Status(Code::kDeadlineExceeded, "'" + words[0] + "' did not end in time");
  }
  output.exit_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return output;
}

}  // namespace cotenant
