#pragma once

/// Refusals that both protocols send, as one table: what is asked, in which situation, and the
/// status, code and text that come back. Each protocol's test puts it into its own form.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/test_node.h"

namespace cotenant {

/// Where the node stands. One after the other; each begins with what the one before left.
enum class Situation : unsigned char {
  kIdle,
  kBusy,      ///< The one slot runs `echo`, as long as the gate is closed; one waits for `narrow`.
  kDraining,  ///< Still busy.
};

struct RefusalCase {
  std::string_view name = {};
  Situation situation = Situation::kIdle;
  std::string model = "echo";
  std::string version = {};
  std::string input = "x";
  std::string datatype = "FP32";
  std::vector<std::int64_t> shape = {4};
  std::size_t bytes = 16;
  std::vector<std::pair<std::string, std::string>> parameters = {};
  int http = 0;
  Code grpc = Code::kOk;
  std::string text = {};
  bool whole = true;  ///< Else the text begins so: times follow.
  bool offers_bound = false;
};

/// A node with one slot whose runs all go to a worker, so that the gate holds no reader.
inline NodeOptions RefusalNode() {
  NodeOptions options;
  options.scheduler.slots = 1;
  options.scheduler.inline_run_max = Duration();
  options.scheduler.node.tenants.push_back({"shop", 1, {}, 1});
  options.memory.total = Bytes::MiB(200);
  options.memory.models = Bytes::MiB(100);
  options.scheduler.memory = Bytes::MiB(100);
  options.read_memory_room = [] { return Bytes(); };
  return options;
}

inline void PutRefusalModels(MemorySource& source) {
  source.Put(EchoConfig("echo"), "");
  ModelConfig narrow = EchoConfig("narrow", 4);
  narrow.batching.emplace();
  narrow.batching->default_policy.waiting_max = 1;
  source.Put(std::move(narrow), "");
  ModelConfig hasty = EchoConfig("hasty", 4);
  hasty.batching.emplace();
  hasty.batching->default_policy.allow_timeout_override = true;
  source.Put(std::move(hasty), "");
  source.Put(EchoConfig("slow"), "run_ns = 200000000\noccupy = sleep");
  source.Put(EchoConfig("broken"), "load_error = the file is cut short");
  source.Put(EchoConfig("fails"), "fail_every = 1");
  source.Put(EchoConfig("picky"), "refuse_byte = 0");
  source.Put(EchoConfig("vast"), "anonymous_bytes = 209715200");
}

inline const std::vector<RefusalCase>& RefusalCases() {
  const std::string unknown_id = "[request id: <id_unknown>] ";
  static const std::vector<RefusalCase> cases = {
      {.name = "unknown model",
       .model = "nope",
       .http = 404,
       .grpc = Code::kNotFound,
       .text = "Request for unknown model: 'nope' is not found"},
      {.name = "unknown version",
       .version = "9",
       .http = 404,
       .grpc = Code::kNotFound,
       .text = "Request for unknown model: 'echo' version 9 is not found"},
      {.name = "a model that did not load",
       .model = "broken",
       .http = 404,
       .grpc = Code::kNotFound,
       .text = "Request for unknown model: 'broken' has no available versions"},
      {.name = "a model that is too large",
       .model = "vast",
       .http = 507,
       .grpc = Code::kResourceExhausted,
       .text = "model 'vast' is not loaded: the network takes more memory than the server may "
               "use: 200.0 MiB loaded, of 100.0 MiB for all models and runs"},
      {.name = "unknown input",
       .input = "z",
       .http = 400,
       .grpc = Code::kInvalidArgument,
       .text = unknown_id + "unexpected inference input 'z' for model 'echo'"},
      {.name = "wrong datatype",
       .datatype = "INT32",
       .http = 400,
       .grpc = Code::kInvalidArgument,
       .text = unknown_id +
               "inference input 'x' data-type is 'INT32', but model 'echo' expects 'FP32'"},
      {.name = "wrong shape",
       .shape = {2, 2},
       .http = 400,
       .grpc = Code::kInvalidArgument,
       .text = unknown_id +
               "unexpected shape for input 'x' for model 'echo'. Expected [4], got [2,2]."},
      {.name = "wrong size",
       .bytes = 12,
       .http = 400,
       .grpc = Code::kInvalidArgument,
       .text = unknown_id +
               "input byte size mismatch for input 'x' for model 'echo'. Expected 16, got 12"},
      {.name = "unknown tenant",
       .parameters = {{"tenant", "nobody"}},
       .http = 400,
       .grpc = Code::kInvalidArgument,
       .text = "the tenant 'nobody' is not declared"},
      {.name = "unknown variant",
       .parameters = {{"variant", "int4"}},
       .http = 400,
       .grpc = Code::kInvalidArgument,
       .text = "model 'echo' has no variant 'int4'; it has default"},
      {.name = "unknown accuracy",
       .parameters = {{"accuracy_bound", "90.5"}},
       .http = 400,
       .grpc = Code::kInvalidArgument,
       .text = "'accuracy_bound' of 90.5 cannot be met: the accuracy of model 'echo' is not known"},
      {.name = "a bound that is no number",
       .parameters = {{"latency_bound_ms", "soon"}},
       .http = 400,
       .grpc = Code::kInvalidArgument,
       .text = "parameter 'latency_bound_ms' must be a number of milliseconds above 0 and at most "
               "1000000000, not 'soon'"},
      {.name = "what is not built",
       .parameters = {{"guarantee", "exactly-once"}},
       .http = 501,
       .grpc = Code::kUnimplemented,
       .text = "parameter 'guarantee'",
       .whole = false},
      {.name = "a network that fails",
       .model = "fails",
       .http = 500,
       .grpc = Code::kInternal,
       .text = "the profile lets every 1th run fail"},
      {.name = "content that the network refuses",
       .model = "picky",
       .http = 400,
       .grpc = Code::kInvalidArgument,
       .text = "",
       .whole = false},
      {.name = "a bound below the fastest run",
       .model = "slow",
       .parameters = {{"latency_bound_ms", "100"}},
       .http = 503,
       .grpc = Code::kUnavailable,
       .text = "the latency bound of 100 ms cannot be met now by model 'slow': the estimate is ",
       .whole = false,
       .offers_bound = true},

      {.name = "a queue that is full",
       .situation = Situation::kBusy,
       .model = "narrow",
       .shape = {1, 4},
       .http = 503,
       .grpc = Code::kUnavailable,
       .text = "Exceeds maximum queue size: "
               "model 'narrow', tenant 'default' or the node has as many waiting as may"},
      {.name = "a timeout of the queue",
       .situation = Situation::kBusy,
       .model = "hasty",
       .shape = {1, 4},
       .parameters = {{"timeout", "1000"}},
       .http = 503,
       .grpc = Code::kUnavailable,
       .text = "Request timeout expired"},
      {.name = "a bound that passes",
       .situation = Situation::kBusy,
       .model = "hasty",
       .shape = {1, 4},
       .parameters = {{"latency_bound_ms", "20"}},
       .http = 504,
       .grpc = Code::kDeadlineExceeded,
       .text = "the latency bound of 20 ms passed, or could not be met any more, while the request "
               "waited for model 'hasty'"},

      {.name = "a server that leaves",
       .situation = Situation::kDraining,
       .http = 503,
       .grpc = Code::kUnavailable,
       .text = "the server is shutting down and takes no new requests"},
  };
  return cases;
}

}  // namespace cotenant
