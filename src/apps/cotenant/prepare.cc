#include "apps/cotenant/prepare.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "apps/cotenant/cpu_name.h"
#include "apps/cotenant/prepare_network.h"
#include "apps/cotenant/result_json.h"
#include "config/command_flags.h"
#include "config/directory_source.h"
#include "config/memory_option.h"
#include "config/network_hash.h"
#include "config/state_dir.h"
#include "execution/onnx/onnx_backend.h"

namespace cotenant {
namespace {

volatile std::sig_atomic_t stop_asked = 0;

struct Settings {
  std::string repository;
  std::string cache_dir;
  std::string json;
  std::int64_t jobs = 1;
  bool progress = isatty(STDERR_FILENO) != 0;
  PrepareOptions options;
};

Status SetSize(const std::string& text, Bytes& size) {
  const Result<Bytes> parsed = ParseSize(text);
  COTENANT_RETURN_IF_ERROR(parsed.status());
  size = *parsed;
  return Status();
}

std::vector<CommandFlag> Flags(Settings& s) {
  using enum FlagKind;
  return {
      {"cache-dir", kValue, "DIR", "where prepared networks are kept (docs/prepare.md)",
       SetsText(s.cache_dir)},
      {"cache-size", kValue, "SIZE", "of the cache; the longest unused leave it (1GiB)",
       [&s](const std::string& text) { return SetSize(text, s.options.cache_max); }},
      {"jobs", kValue, "N", "networks at the same time; measures are worse then (1)",
       SetsNumber(s.jobs, 1, 64)},
      {"data", kValue, "DIR", "real inputs: DIR/MODEL/SAMPLE/INPUT (docs/prepare.md)",
       SetsText(s.options.data)},
      {"quantiser", kValue, "PROGRAM", "also try int8 forms, made by it (tools/quantise)",
       SetsText(s.options.quantiser)},
      {"agreement", kValue, "PERCENT",
       "serve a form that agrees in so many answers (100: only exact)",
       [&s](const std::string& text) {
         std::int64_t percent = 100;
         const Status status = SetsNumber(percent, 90, 100)(text);
         s.options.served_agreement_min = static_cast<std::int32_t>(percent * 1'000);
         return status;
       }},
      {"seconds", kValue, "S", "of running each form (0.3)",
       SetsSeconds(s.options.runs_for, Duration::Milliseconds(1), Duration::Seconds(60))},
      {"json", kValue, "FILE", "write what the table shows", SetsText(s.json)},
      {"progress", kSwitch, "", "show progress also without a terminal", SetsSwitch(s.progress)},
      {"no-progress", kSwitch, "", "show no progress", SetsSwitch(s.progress, false)},
  };
}

constexpr CommandUsage kUsage = {
    "prepare",
    "MODELS_DIR",
    "one model repository",
    1,
    1,
    "Builds forms of each network that load faster or take less memory, measures them, and keeps "
    "the best in a cache that `cotenant serve` uses."};

int Fail(int code, const std::string& message) { return FailCommand(kUsage, code, message); }

/// A network of the repository, and what became of it.
struct Row {
  std::string name;
  std::string variant;  ///< A declared one; empty: the model's own network.
  ModelConfig config;
  VersionFile file;
  PreparedKey key;
  PreparedOutcome outcome;
  Status status;
};

class StepsBar {
 public:
  StepsBar(bool shown, int steps) : shown_(shown), steps_(std::max(steps, 1)) {}
  void Step(const std::string& what) {
    std::lock_guard lock(mutex_);
    Show(what);
    ++done_;
  }
  /// Steps of a network that were not needed.
  void Reach(int steps) {
    std::lock_guard lock(mutex_);
    done_ = std::max(done_, std::min(steps, steps_));
  }
  void Clear() {
    if (shown_ && terminal_) std::fputs("\r\x1b[K", stderr);
  }

 private:
  void Show(const std::string& what) {
    if (!shown_) return;
    constexpr int kWidth = 30;
    const int full = std::min(done_ * kWidth / steps_, kWidth);
    std::fprintf(stderr, "%s[%s%s] %3d %%  %s%s", terminal_ ? "\r\x1b[K" : "",
                 std::string(static_cast<std::size_t>(full), '#').c_str(),
                 std::string(static_cast<std::size_t>(kWidth - full), '.').c_str(),
                 std::min(done_ * 100 / steps_, 100), what.c_str(), terminal_ ? "" : "\n");
  }

  bool shown_;
  bool terminal_ = isatty(STDERR_FILENO) != 0;
  int steps_;
  int done_ = 0;
  std::mutex mutex_;
};

/// All networks, marked as used: what one needs does not leave the cache for another.
std::vector<Row> RowsOf(DirectorySource& source, const std::vector<std::string>& names,
                        const PreparedStore& store) {
  std::vector<Row> rows;
  for (const std::string& name : names) {
    Result<ModelDescription> description = source.Read(name, {});
    if (!description.ok()) {
      rows.push_back({name, {}, {}, {}, {}, {}, description.status()});
      continue;
    }
    const auto add = [&](const std::string& title, const std::string& variant, VersionFile file) {
      const std::string version =
          description->versions.size() > 1 ? " version " + std::to_string(file.version) : "";
      const Result<std::string> hash = NetworkHash(file);
      const PreparedKey key{hash.ok() ? *hash : "", CpuName(), OnnxRuntimeVersion(),
                            PreparedOptionsText(description->config.runtime)};
      rows.push_back(
          {title + version, variant, description->config, std::move(file), key, {}, hash.status()});
      store.NoteUse(key);
    };
    for (const VersionFile& file : description->versions) {
      add(name, "", file);
      for (const VariantSource& variant : file.variants) {
        add(VariantTitle(name, variant.name), variant.name, FileOf(variant, file.version));
      }
    }
  }
  return rows;
}

/// Whoever declared a variant said what it loses: of that one no form loses more.
PrepareOptions OptionsFor(const Settings& settings, const Row& row) {
  PrepareOptions options = settings.options;
  if (row.variant.empty()) return options;
  options.exact_only = true;
  options.quantiser.clear();
  options.served_agreement_min = kFullAccuracy;
  return options;
}

void PrepareRow(const Settings& settings, PreparedStore& store, Row& row) {
  const NetworkToMeasure shipped{.repository = settings.repository,
                                 .model = row.config.name,
                                 .version = row.file.version,
                                 .variant = row.variant};
  Result<PreparedOutcome> outcome =
      PrepareNetwork(shipped, row.config, row.file, row.key, OptionsFor(settings, row), store);
  row.status = outcome.status();
  if (outcome.ok()) row.outcome = *std::move(outcome);
}

double Mib(Bytes size) { return static_cast<double>(size.count()) / (1 << 20); }
double Ms(Duration span) { return static_cast<double>(span.nanoseconds()) * 1e-6; }

void PrintForm(const std::string& model, const std::string& name, const MeasuredForm& form,
               const std::string& note) {
  std::printf("%-18s %-12s %8.1f %9.1f %8.1f %9.1f %8.1f %8.2f  %s\n", model.c_str(), name.c_str(),
              Mib(form.cost.mapped), Mib(form.cost.anonymous), Mib(form.cost.run_peak),
              Mib(form.cost.transition_peak), Ms(form.cost.load_takes), Ms(form.run_takes),
              note.c_str());
}

void PrintTable(const std::vector<Row>& rows) {
  std::printf("%-18s %-12s %8s %9s %8s %9s %8s %8s\n", "network", "form", "mapped", "anonymous",
              "a run", "load peak", "load ms", "run ms");
  for (const Row& row : rows) {
    if (!row.status.ok()) {
      std::printf("%-18s %s\n", row.name.c_str(), row.status.message().c_str());
      continue;
    }
    const PreparedNetwork& network = row.outcome.network;
    const bool as_shipped = ServedForm(network) == nullptr;
    const std::string inputs = network.samples > 0 ? std::to_string(network.samples) + " samples"
                                                   : std::string("random inputs");
    if (network.shipped) {
      PrintForm(row.name, "as shipped", *network.shipped, inputs + (as_shipped ? ", served" : ""));
    }
    for (const PreparedForm& form : network.forms) {
      const bool served = !as_shipped && &form == &network.forms.front();
      std::string note = served ? "served" : "";
      if (!IsExact(form)) {
        note += std::string(served ? ", " : "") + "agrees in " + AccuracyText(form.accuracy.milli) +
                " %";
      }
      PrintForm("", form.name, form.measured, note);
    }
    for (const PreparedNetwork::Dropped& dropped : network.dropped) {
      std::printf("%-18s %-12s dropped: %s\n", "", dropped.name.c_str(), dropped.reason.c_str());
    }
    if (!row.outcome.remark.empty()) {
      std::printf("%-18s built anew: %s\n", "", row.outcome.remark.c_str());
    }
  }
  std::printf("sizes in MiB\n");
}

using Json = nlohmann::ordered_json;

Json FormJson(const MeasuredForm& form) {
  return Json{{"mapped_bytes", form.cost.mapped.count()},
              {"anonymous_bytes", form.cost.anonymous.count()},
              {"run_peak_bytes", form.cost.run_peak.count()},
              {"load_peak_bytes", form.cost.transition_peak.count()},
              {"load_ms", Ms(form.cost.load_takes)},
              {"run_ms", Ms(form.run_takes)}};
}

std::string TableJson(const std::vector<Row>& rows, const PreparedStore& store) {
  Json json{{"cache", store.folder().string()}, {"networks", Json::array()}};
  for (const Row& row : rows) {
    Json network{{"name", row.name}, {"prepared", row.status.ok()}};
    if (!row.status.ok()) network["error"] = row.status.message();
    network["was_there"] = row.outcome.was_there;
    network["samples"] = row.outcome.network.samples;
    if (row.outcome.network.shipped) network["shipped"] = FormJson(*row.outcome.network.shipped);
    network["forms"] = Json::array();
    for (const PreparedForm& form : row.outcome.network.forms) {
      Json one = FormJson(form.measured);
      one["name"] = form.name;
      one["served"] = ServedForm(row.outcome.network) == &form;
      one["exact"] = IsExact(form);
      one["agreement_percent"] = form.accuracy.milli / 1000.0;
      network["forms"].push_back(std::move(one));
    }
    network["dropped"] = Json::array();
    for (const PreparedNetwork::Dropped& dropped : row.outcome.network.dropped) {
      network["dropped"].push_back(Json{{"name", dropped.name}, {"reason", dropped.reason}});
    }
    json["networks"].push_back(std::move(network));
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void CatchSignals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_asked = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // A second signal ends the program at once.
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

void PrepareAll(Settings& settings, PreparedStore& store, std::vector<Row>& rows) {
  int steps = 0;
  for (const Row& row : rows) steps += StepsOf(OptionsFor(settings, row));
  StepsBar bar(settings.progress, steps);
  settings.options.progress = [&bar](const std::string& step) { bar.Step(step); };
  std::mutex mutex;
  std::size_t next = 0;
  int done = 0;
  const auto work = [&] {
    std::unique_lock lock(mutex);
    while (next < rows.size()) {
      Row& row = rows[next++];
      lock.unlock();
      if (row.status.ok()) PrepareRow(settings, store, row);
      lock.lock();
      done += StepsOf(OptionsFor(settings, row));
      bar.Reach(done);
    }
  };
  std::vector<std::thread> threads;
  for (std::int64_t i = 1; i < settings.jobs; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  bar.Clear();
}

}  // namespace

int Prepare(std::span<const std::string> arguments) {
  Settings settings;
  const CommandLine line = ReadCommandLine(kUsage, Flags(settings), arguments);
  if (line.exit) return *line.exit;
  settings.repository = line.words[0];
  if (!settings.options.data.empty() && !std::filesystem::is_directory(settings.options.data)) {
    return Fail(2, "--data: '" + settings.options.data + "' is no folder");
  }
  settings.options.stop = &stop_asked;
  DirectorySource source({settings.repository});
  Result<std::vector<std::string>> names = source.List();
  if (!names.ok()) return Fail(2, names.status().message());
  const std::filesystem::path cache =
      settings.cache_dir.empty() ? DefaultCacheDir() : std::filesystem::path(settings.cache_dir);
  PreparedStore store(cache);
  CatchSignals();
  std::vector<Row> rows = RowsOf(source, *names, store);
  PrepareAll(settings, store, rows);
  PrintTable(rows);
  std::size_t failed = 0;
  std::size_t there = 0;
  for (const Row& row : rows) {
    failed += row.status.ok() ? 0U : 1U;
    there += row.outcome.was_there ? 1U : 0U;
    for (const std::string& name : row.outcome.left) {
      std::printf("left the full cache: %s\n", name.c_str());
    }
  }
  std::printf("%zu networks: %zu prepared, %zu were, %zu failed; cache: %s\n", rows.size(),
              rows.size() - failed - there, there, failed, cache.c_str());
  int code = failed == 0 ? 0 : 1;
  if (!settings.json.empty()) {
    const Status written = WriteResultJson(settings.json, TableJson(rows, store));
    if (!written.ok()) code = Fail(1, written.message());
  }
  if (stop_asked != 0) code = Fail(1, "stopped; what was prepared until then is kept");
  return code;
}

}  // namespace cotenant
