#pragma once

/// What the command line and the server file ask of a serving node: plain data and the call that
/// reads it.
///
/// The program is started as `cotenant serve MODELS_DIR [flags]`, or under the name `tritonserver`
/// with that program's flags and no subcommand, as the field's own start lines do. Both take the
/// same flags and differ in defaults. The command line wins over the server file. Blocks on files.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "catalog/tenant.h"
#include "config/memory_option.h"
#include "config/server_file.h"

namespace cotenant {

enum class Program : unsigned char { kCotenant, kTritonserver };
/// By the last part of argv[0].
Program ProgramOf(std::string_view argv0);

struct ListenOptions {
  bool allow = true;
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: any free port.
};

enum class ModelControl : unsigned char { kNone, kPoll, kExplicit };
enum class LogStyle : unsigned char { kDefault, kIso8601, kJson };

struct LogFlags {
  std::int32_t verbose = 0;
  bool info = true;
  bool warning = true;
  bool error = true;
  LogStyle style = LogStyle::kDefault;
  std::string file;  ///< Empty: standard error.
};

/// The node's limits. Over each: a defined, counted answer.
struct LimitOptions {
  std::uint32_t connections_max = 12'000;      ///< HTTP connections. Raise it with the file limit.
  std::uint32_t grpc_connections_max = 1'000;  ///< Raise it with the file limit.
  Bytes http_head_max = Bytes::KiB(16);  ///< Raise it for clients behind proxies that add much.
  Bytes body_max = Bytes::MiB(64);       ///< Both protocols. Raise it for larger inputs.
  std::uint32_t json_depth_max = 32;     ///< Raise it for tensors of higher rank.
  std::uint32_t tensors_max = 1'024;     ///< Inputs, or outputs, of a request.
  Bytes in_flight_bytes_max = Bytes::MiB(512);  ///< Not answered yet. Raise it with the memory.
  std::uint32_t waiting_max = 100'000;          ///< Requests that wait for a run, over all models.
  std::uint32_t grpc_streams_max = 1'024;       ///< Calls of one gRPC connection at a time.
  Duration request_timeout = Duration::Seconds(60);  ///< From a request's first byte to its last.
  Duration idle_timeout = Duration::Seconds(600);  ///< A connection without a request. Zero: none.
};

/// gRPC's channel arguments of the same names. Unset: gRPC's own default.
struct KeepaliveOptions {
  std::optional<Duration> time;
  std::optional<Duration> timeout;
  std::optional<bool> permit_without_calls;
  std::optional<std::int32_t> pings_without_data_max;
  std::optional<Duration> ping_interval_without_data_min;
  std::optional<std::int32_t> ping_strikes_max;
  std::optional<Duration> connection_age_max;
  std::optional<Duration> connection_age_grace;
};

struct ServeOptions {
  bool help = false;     ///< Print `ServeHelp` and end; nothing else was checked.
  bool version = false;  ///< Print the version and end; nothing else was checked.

  /// As the program was started, for when the server file is read again.
  Program program = Program::kCotenant;
  std::vector<std::string> arguments;

  std::vector<std::string> repositories;
  /// The server file that was read; empty when there is none.
  std::string config_file;
  /// What its [server] sets, but for what the command line sets too.
  std::vector<ServerSetting> server;
  NodeSettings settings;

  ModelControl control = ModelControl::kNone;
  Duration poll_interval = Duration::Seconds(15);
  std::vector<std::string> load_models;  ///< kExplicit: at start. A single "*" means all.
  std::int32_t load_threads = 1;
  bool complete_configs = true;
  std::int32_t default_max_batch_size = 4;
  bool strict_readiness = false;
  bool exit_on_error = false;
  std::string server_id = "cotenant";

  ListenOptions http;
  ListenOptions grpc;
  ListenOptions metrics;
  std::int32_t io_threads = 0;              ///< I/O contexts. 0: one per core.
  std::int32_t slots = 0;                   ///< CPU slots. 0: the CPUs that the process may use.
  std::string http_header_forward_pattern;  ///< RE2; empty: none.
  std::string grpc_header_forward_pattern;  ///< RE2; empty: none.
  KeepaliveOptions keepalive;
  LimitOptions limits;
  MemoryOption memory;
  std::optional<Bytes> parked_max;  ///< For networks that left memory. None: as the budget has it.
  /// A model leaves memory unasked for so long, where its folder says nothing. Zero: it does not.
  Duration idle_unload;
  Duration drain_timeout = Duration::Seconds(30);

  LogFlags log;
  std::uint32_t decisions_max = 4'096;      ///< Kept with their reasons. Zero: none.
  std::string state_dir;                    ///< Empty: DefaultStateDir().
  std::string cache_dir;                    ///< Empty: DefaultCacheDir(); "none": no cache.
  std::string record;                       ///< The event log. Empty: none.
  Bytes record_bytes_max = Bytes::MiB(64);  ///< Of each of two files. Raise it for a longer past.

  /// Policies that a flag chose, on the command line or in [server]: they go before [policies].
  std::optional<std::string> dispatch;
  std::optional<std::string> batching;
  std::optional<std::string> admission;
  std::optional<std::string> residency;
  std::optional<std::string> prediction;

  /// Remarks for the log, once it runs.
  std::vector<std::string> warnings;
};

/// `args` are those after the program's name and `serve`. InvalidArgument (Unimplemented for a
/// feature that is refused) with one line for every mistake; unknown flags are answered with the
/// nearest known one.
Result<ServeOptions> ParseServe(Program program, std::span<const std::string> args);

/// The server file as it is now.
struct SettingsAgain {
  NodeSettings settings;
  std::string warning;  ///< Names what changed but only counts from the next start on; or empty.
};

/// Reads the server file again (SIGHUP), also one that was not there when `running` was read; what
/// the command line says goes before it, as at the start. InvalidArgument with every mistake, those
/// in [server] too: nothing of such a file counts.
Result<SettingsAgain> ReadSettings(const ServeOptions& running);

/// The page that --help prints.
std::string ServeHelp(Program program);

/// The flags as they stand in docs/config.md.
std::string FlagTableMarkdown();

}  // namespace cotenant
