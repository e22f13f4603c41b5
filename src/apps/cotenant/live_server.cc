#include "apps/cotenant/live_server.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "client/http_get.h"
#include "server/clock.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

/// Networks are measured at a first start, one after another.
constexpr Duration kStartMax = Duration::Seconds(180);
constexpr Duration kStopMax = Duration::Seconds(20);
constexpr std::chrono::milliseconds kPoll(20);

std::string TextOf(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool Write(const fs::path& path, const std::string& text) {
  std::ofstream file(path);
  file << text << std::flush;
  return file.good();
}

/// Our own group below a controller's mount, from /proc/self/cgroup: "N:controllers:/path".
std::string OwnGroup(const std::string& controller) {
  std::istringstream lines(TextOf("/proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    if (controllers.find("," + controller + ",") != std::string::npos) {
      return line.substr(second + 2);
    }
  }
  return {};
}

/// The number after `key` and a space, at a line's start; -1: none.
std::int64_t CountIn(const std::string& text, const std::string& key) {
  std::istringstream lines(text);
  std::string name;
  for (std::int64_t value = 0; lines >> name >> value;) {
    if (name == key) return value;
  }
  return -1;
}

/// In the child: nothing but calls that are safe after a fork.
[[noreturn]] void Become(char* const* words, const char* log, const char* entrance, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  const int out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  if (entrance[0] != '\0') {
    const int group = open(entrance, O_WRONLY | O_CLOEXEC);
    // "0" is whoever writes it.
    if (group < 0 || write(group, "0", 1) != 1) _exit(126);
  }
  execv("/proc/self/exe", words);
  _exit(127);
}

Bytes BytesIn(const nlohmann::json& json, const char* name) {
  return Bytes(json.value(name, std::int64_t{0}));
}

LiveModelFacts RowOf(const nlohmann::json& json) {
  LiveModelFacts row;
  row.name = json.at("name").get<std::string>();
  row.size = BytesIn(json, "mapped") + BytesIn(json, "anonymous");
  row.run_peak = BytesIn(json, "run_peak");
  row.loads = json.at("loads").get<std::uint64_t>();
  row.load_seconds = json.at("load_seconds").get<double>();
  row.evictions = json.at("evictions").get<std::uint64_t>();
  for (const nlohmann::json& variant : json.value("variants", nlohmann::json::array())) {
    row.variants.push_back({variant.at("name").get<std::string>(),
                            BytesIn(variant, "mapped") + BytesIn(variant, "anonymous"),
                            BytesIn(variant, "run_peak")});
  }
  return row;
}

}  // namespace

Status MemoryGroup::Make(Bytes limit) {
  const std::string name = "cotenant-live-" + std::to_string(getpid());
  const std::string bytes = std::to_string(limit.count());
  const fs::path unified = "/sys/fs/cgroup";
  unified_ = fs::exists(unified / "cgroup.controllers");
  const fs::path parent =
      unified_ ? unified / OwnGroup("") : unified / "memory" / OwnGroup("memory");
  const fs::path place = parent / name;
  std::error_code error;
  if (!fs::create_directory(place, error)) {
    return FailedPrecondition("no memory group below " + parent.string() + ": " + error.message());
  }
  path_ = place;
  const bool limited =
      unified_ ? Write(place / "memory.max", bytes) : Write(place / "memory.limit_in_bytes", bytes);
  if (limited) {
    // No help from swap, where it is counted.
    if (unified_) {
      Write(place / "memory.swap.max", "0");
    } else {
      Write(place / "memory.memsw.limit_in_bytes", bytes);
    }
    return Status();
  }
  fs::remove(place, error);
  path_.clear();
  return FailedPrecondition(place.string() + " takes no limit");
}

MemoryGroup::~MemoryGroup() {
  // A process that just ended leaves its group a little later.
  for (int i = 0; i < 100 && !path_.empty(); ++i) {
    std::error_code error;
    if (fs::remove(path_, error) || !fs::exists(path_)) return;
    std::this_thread::sleep_for(kPoll);
  }
}

std::string MemoryGroup::entrance() const {
  return path_.empty() ? std::string() : (path_ / "cgroup.procs").string();
}

std::int64_t MemoryGroup::Kills() const {
  if (path_.empty()) return -1;
  return CountIn(TextOf(path_ / (unified_ ? "memory.events" : "memory.oom_control")), "oom_kill");
}

Result<std::unique_ptr<LiveServer>> LiveServer::Start(const fs::path& repository,
                                                      const std::vector<std::string>& flags,
                                                      const fs::path& log,
                                                      const std::string& entrance,
                                                      const volatile std::sig_atomic_t& stop) {
  std::vector<std::string> words = {"cotenant",
                                    "serve",
                                    repository.string(),
                                    "--http-port=0",
                                    "--grpc-port=0",
                                    "--metrics-port=0",
                                    "--http-address=127.0.0.1"};
  words.insert(words.end(), flags.begin(), flags.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const pid_t own = getpid();
  const pid_t child = fork();
  if (child == 0) Become(arguments.data(), log.c_str(), entrance.c_str(), own);
  if (child < 0) return Unavailable(std::string("fork: ") + std::strerror(errno));
  std::unique_ptr<LiveServer> server(new LiveServer(child, log));
  COTENANT_RETURN_IF_ERROR(server->AwaitStart(stop));
  return server;
}

bool LiveServer::Ended() {
  int status = 0;
  if (child_ > 0 && waitpid(child_, &status, WNOHANG) != 0) {
    child_ = -1;
    ended_ = WIFSIGNALED(status) ? "by signal " + std::to_string(WTERMSIG(status)) + "\n" : "";
  }
  return child_ <= 0;
}

Status LiveServer::AwaitStart(const volatile std::sig_atomic_t& stop) {
  constexpr std::string_view kStarted = "Started HTTPService at 127.0.0.1:";
  const Instant until = MonotonicNow() + kStartMax;
  while (MonotonicNow() < until) {
    if (stop != 0) return Status(Code::kCancelled, "stopped");
    const std::string text = TextOf(log_);
    const std::size_t at = text.find(kStarted);
    if (at != std::string::npos && text.find('\n', at) != std::string::npos) {
      const std::size_t begin = at + kStarted.size();
      const std::string port =
          text.substr(begin, text.find_first_not_of("0123456789", begin) - begin);
      const Result<ServerUrl> url = ParseServerUrl("http://127.0.0.1:" + port);
      const Result<ServerAddress> address = FindServer(*url);
      if (address.ok()) {
        url_ = *url;
        address_ = *address;
        const Status ready = AwaitReady(url_, address_, Duration::Seconds(1));
        if (ready.ok()) return ready;
      }
    }
    if (Ended()) {
      return Unavailable("the server ended:\n" + ended_ +
                         text.substr(text.size() - std::min<std::size_t>(text.size(), 2'000)));
    }
    std::this_thread::sleep_for(kPoll);
  }
  return Unavailable("the server was not ready in time; its log: " + log_.string());
}

Result<LiveMemoryFacts> LiveServer::Memory() const {
  const Result<HttpAnswer> answer =
      HttpGet(url_, address_, "/cotenant/v1/memory", Duration::Seconds(30));
  COTENANT_RETURN_IF_ERROR(answer.status());
  const nlohmann::json json = nlohmann::json::parse(answer->body, nullptr, false);
  if (answer->status != 200 || json.is_discarded()) {
    return Unavailable("the memory page: HTTP " + std::to_string(answer->status));
  }
  LiveMemoryFacts facts;
  if (!json.at("budget").is_null()) {
    facts.budget = BytesIn(json["budget"], "total");
    facts.base = BytesIn(json["budget"], "base");
    facts.requests = BytesIn(json["budget"], "requests");
    facts.models = BytesIn(json["budget"], "models");
  }
  facts.resident_peak = BytesIn(json.at("process"), "resident_peak");
  facts.major_faults = json["process"].value("major_faults", std::uint64_t{0});
  facts.run_reserve = BytesIn(json.at("ledger"), "runs");
  for (const nlohmann::json& row : json.at("models")) facts.rows.push_back(RowOf(row));
  return facts;
}

LiveServer::~LiveServer() {
  if (Ended()) return;
  kill(child_, SIGTERM);
  const Instant until = MonotonicNow() + kStopMax;
  while (!Ended() && MonotonicNow() < until) std::this_thread::sleep_for(kPoll);
  if (Ended()) return;
  kill(child_, SIGKILL);
  waitpid(child_, nullptr, 0);
}

}  // namespace cotenant
