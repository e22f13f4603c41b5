#pragma once

/// What both light clients count, and the one line of JSON they print.
///
/// Latencies are kept one by one (4 bytes each), so percentiles are exact. One thread.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <map>
#include <string>
#include <vector>

namespace light {

using Clock = std::chrono::steady_clock;

inline double CpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

inline float Microseconds(Clock::duration time) {
  return std::chrono::duration<float, std::micro>(time).count();
}

/// Sorted microseconds as JSON.
inline std::string PercentilesJson(std::vector<float> times) {
  std::sort(times.begin(), times.end());
  const auto at = [&times](double part) {
    return times.empty()
               ? 0.0
               : static_cast<double>(
                     times[static_cast<std::size_t>(static_cast<double>(times.size() - 1) * part)]);
  };
  double sum = 0;
  for (const float time : times) sum += static_cast<double>(time);
  char text[256];
  std::snprintf(text, sizeof text,
                "{\"mean\": %.2f, \"p50\": %.2f, \"p90\": %.2f, \"p95\": %.2f, \"p99\": %.2f, "
                "\"p999\": %.2f, \"max\": %.2f}",
                times.empty() ? 0.0 : sum / static_cast<double>(times.size()), at(0.5), at(0.9),
                at(0.95), at(0.99), at(0.999), at(1.0));
  return text;
}

/// Answers that came after the warm-up.
class Measure {
 public:
  void Begin() {
    began_ = Clock::now();
    cpu_ = CpuSeconds();
  }
  /// `status` is HTTP's status, or gRPC's code. Only answers that are well count for the
  /// percentiles.
  void Add(int status, bool well, float microseconds) {
    ++statuses_[status];
    if (well) times_.push_back(microseconds);
  }
  void AddServerTime(float microseconds) { server_times_.push_back(microseconds); }
  void AddBoundMet(bool met) { ++(met ? met_ : missed_); }

  void Print(std::size_t connections, std::uint64_t broken) const {
    const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
    std::string statuses;
    for (const auto& [status, count] : statuses_) {
      statuses += (statuses.empty() ? "\"" : ", \"") + std::to_string(status) +
                  "\": " + std::to_string(count);
    }
    std::printf(
        "{\"connections\": %zu, \"count\": %zu, \"seconds\": %.4f, \"rate\": %.2f, \"broken\": "
        "%llu, \"statuses\": {%s}, \"client_cpu_seconds\": %.4f, \"bounds_met\": %llu, "
        "\"bounds_missed\": %llu, \"latency_us\": %s, \"server_us\": %s}\n",
        connections, times_.size(), seconds, static_cast<double>(times_.size()) / seconds,
        static_cast<unsigned long long>(broken), statuses.c_str(), CpuSeconds() - cpu_,
        static_cast<unsigned long long>(met_), static_cast<unsigned long long>(missed_),
        PercentilesJson(times_).c_str(), PercentilesJson(server_times_).c_str());
  }

 private:
  Clock::time_point began_ = Clock::now();
  double cpu_ = 0;
  std::uint64_t met_ = 0;
  std::uint64_t missed_ = 0;
  std::map<int, std::uint64_t> statuses_;
  std::vector<float> times_;
  std::vector<float> server_times_;
};

}  // namespace light
