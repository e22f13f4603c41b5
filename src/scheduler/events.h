#pragma once

/// What the driver tells the brain. Plain values: a log of them replays to the same actions.
///
/// `at` is when the thing happened (for an arrival: when the turn that read its first byte began);
/// it is never later than the crank's `now`, and may be out of order between events of different
/// threads.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "catalog/model_config.h"
#include "catalog/tenant.h"
#include "policy/arrival_history.h"

namespace cotenant {

/// The bounds that a request brought. Zero means none.
struct RequestBounds {
  Duration latency;           ///< End to end, from arrival to the reply.
  Duration queue_timeout;     ///< Triton's `timeout`: longest wait in the queue, its own meaning.
  std::int32_t accuracy = 0;  ///< No less accurate variant may answer; thousandths of points.
};

/// What is kept of the id that a client gave its request: so much that the request is found by it
/// (FNV-1a), and few enough bits that a log spends seven bytes. Zero for none.
constexpr std::uint64_t ClientIdHash(std::string_view id) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char byte : id) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3ULL;
  }
  return id.empty() ? 0 : (hash >> 15) | 1;
}

/// A request was read and validated.
struct Arrived {
  Instant at;
  RequestId request{};
  TenantId tenant{};
  ModelId model{};  ///< The first of its variants stands for all.
  /// Rows along the batch dimension; 1 for a model that does not batch.
  std::int32_t rows = 1;
  /// Equal for requests that may share a run: model, datatypes and all dimensions but the first.
  std::uint64_t batch_key = 0;
  /// Triton's priority: 1 is the highest, 0 the model's default.
  std::uint32_t priority = 0;
  RequestBounds bounds;
  /// The variant that it names, and which alone may answer. None: any within its bounds.
  std::optional<ModelId> variant = std::nullopt;
  /// `ClientIdHash`, for whoever reads a log: it decides nothing.
  std::uint64_t client_id = 0;
};

/// The client went away or cancelled. The request may have ended already.
struct Gone {
  Instant at;
  RequestId request{};
};

struct RunFinished {
  Instant at;
  RunId run{};
  Duration ran_for;
  Bytes peak;
};

struct RunFailed {
  Instant at;
  RunId run{};
  Duration ran_for;
  Code code = Code::kInternal;
  /// The network refused what it was given (not: out of memory, stopped): members may be rerun
  /// alone.
  bool on_content = false;
};

/// The reply has left for the client, or could not be written; the request's buffers are free.
/// Exactly once for every request that arrived, whatever its end, after its `Reply` or `Reject` was
/// carried out: until then the brain knows the request, its number is taken, and a drain is not
/// over.
struct ReplyWritten {
  Instant at;
  RequestId request{};
};

/// What the brain needs to know of a model.
struct ModelSettings {
  std::int32_t rows_max = 1;  ///< `max_batch_size`, at least 1.
  std::int32_t cores = 1;     ///< CPU slots that a run takes.
  bool batching = false;      ///< Does its configuration ask for batching?
  DynamicBatching window;     ///< Meaningful when `batching`.
  bool pinned = false;        ///< It does not leave memory for other models.
  /// Requests that say nothing are not answered by less accurate variants; thousandths of points.
  std::int32_t accuracy_min = 0;
  /// It leaves memory when nobody has asked for it for so long. Zero: it does not.
  Duration idle_unload = Duration();
};

/// A model is to be loaded (control). Answered by a `StartLoad` action when it is its turn and
/// there is room; by `StartUnload`, with no load before it, when it can never fit into memory.
struct LoadWanted {
  Instant at;
  ModelId model{};
  /// What the loaded model will take, as far as is known before: room for it is made first.
  Bytes expected = Bytes();
  /// The most that it takes at any time of its load, what stays included. Not more than `expected`:
  /// no more than that.
  Bytes load_peak = Bytes();
  /// Nobody has measured `load_peak`: it asks for room, but never for more than there can be.
  bool load_peak_guessed = false;
  Bytes run_peak = Bytes();  ///< The greatest of its runs that is known. Zero: unknown.
  /// The model, loaded before, that this is a variant of. Its settings are those of that one, and
  /// it leaves with it. None: a model of its own.
  std::optional<ModelId> variant_of = std::nullopt;
  /// Thousandths of points. Zero: unknown; such a variant answers only requests that name it.
  std::int32_t accuracy = 0;
};

/// The load is done: the network is ready to run. Requests may name the model from now on. The
/// settings come here and not with `LoadWanted`, because a configuration is completed from the
/// loaded network; they are the same when a model comes back that was evicted.
struct LoadFinished {
  Instant at;
  ModelId model{};
  ModelSettings settings;
  Duration ran_for;
  Bytes anonymous;
  Bytes mapped;
  Bytes run_peak = Bytes();  ///< The greatest of its warm-up runs. Zero: unknown.
};

/// A model that was evicted stays known: its waiting requests are refused with this code, and so
/// are later ones until the next try (after 1 s, then twice as long each time, up to 60 s). Not so
/// with kCancelled, the answer to `StopLoad`: the model may be loaded again at once.
struct LoadFailed {
  Instant at;
  ModelId model{};
  Code code = Code::kInternal;
};

/// A warm-up run ended (any time between `StartLoad` and `StartUnload`): a first estimate of the
/// model's run time, without any request.
struct WarmedUp {
  Instant at;
  ModelId model{};
  std::int32_t rows = 1;
  Duration ran_for;
};

/// No new request will name the model; those already on their way are refused. Answered once by
/// `StartUnload`: when its last request has ended, right after its load, or at once if the load has
/// not begun (it then never begins). A load that fails answers by itself.
struct UnloadWanted {
  Instant at;
  ModelId model{};
};

/// The model's memory is given back; its number may be used again.
struct Unloaded {
  Instant at;
  ModelId model{};
  Bytes returned;
};

/// The network has left memory, as `StartEvict` asked; the model stays known, and its name served.
struct Evicted {
  Instant at;
  ModelId model{};
  Bytes returned;
};

/// The timer rang. Waking late or for nothing is allowed.
struct Woken {
  Instant at;
};

/// Tenants or policies changed. Waiting requests are kept. The policies' names are known
/// (`CheckPolicies`); a tenant keeps its place in the list, a dropped one keeps its last settings.
struct SettingsChanged {
  Instant at;
  NodeSettings settings;
};

/// New requests are refused from now on; what was accepted is answered.
struct DrainWanted {
  Instant at;
};

/// Other programs have taken memory, or given it back: models and their runs may take so much from
/// now on. More than the settings' `memory` counts as that; without one nothing follows.
struct MemoryChanged {
  Instant at;
  Bytes memory;
};

/// What was learnt of a model's requests before the server was started again. Any time after its
/// `LoadWanted`; counts only before its first request. Its times lie in this server's past.
struct HistoryKnown {
  Instant at;
  ModelId model{};
  std::shared_ptr<const ArrivalHistory> history;  ///< Never null.
};

using Event = std::variant<Arrived, Gone, RunFinished, RunFailed, ReplyWritten, LoadWanted,
                           LoadFinished, LoadFailed, WarmedUp, UnloadWanted, Unloaded, Woken,
                           SettingsChanged, DrainWanted, Evicted, MemoryChanged, HistoryKnown>;

}  // namespace cotenant
