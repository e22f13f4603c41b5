#pragma once

/// What is served under which name: an immutable picture that lanes hold and replace as a whole.
///
/// The controller makes a new picture for every change and publishes it; a lane notices by a
/// counter and takes it at its next turn. So a request resolves its model without a lock, and a
/// reload never changes a table under a reader.

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/tenant.h"
#include "server/node.h"
#include "server/served_model.h"

namespace cotenant {

struct ModelTable {
  struct VersionState {
    std::int64_t version = 0;
    ModelState state = ModelState::kLoading;
    std::string reason;
    std::shared_ptr<ServedModel> served;  ///< Set exactly when kReady.
    bool too_large = false;  ///< Not loaded because it takes more memory than there is for all.
  };
  struct Name {
    std::vector<VersionState> versions;  ///< Ascending.
    /// A failure of the folder as a whole (its configuration, say), when no version is known.
    std::string reason;
    bool failed = false;
  };

  /// The version to serve: the highest ready one for an empty text. Error texts are Triton's, but
  /// that a model which is loading for the first time is Unavailable, not unknown.
  Result<std::shared_ptr<ServedModel>> Find(std::string_view model, std::string_view version) const;
  std::optional<TenantId> FindTenant(std::string_view name) const;

  std::map<std::string, Name, std::less<>> names;
  /// Until the models to load at start are all listed above.
  bool starting = true;
  /// By TenantId. A tenant that a newer server file dropped keeps its number, and no longer
  /// resolves.
  std::vector<Tenant> tenants;
  std::vector<bool> tenant_declared;
};

/// Publishes tables. Any thread.
class ModelTables {
 public:
  explicit ModelTables(std::vector<Tenant> tenants);

  std::shared_ptr<const ModelTable> Get() const;
  /// Rises with every change; a cheap way to see whether a held picture is still the newest.
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

  /// Copies the table, lets `change` edit the copy, publishes it.
  template <typename Change>
  void Update(Change change) {
    std::lock_guard writing(write_mutex_);
    auto next = std::make_shared<ModelTable>(*Get());
    change(*next);
    std::lock_guard lock(mutex_);
    table_ = std::move(next);
    generation_.fetch_add(1, std::memory_order_release);
  }

 private:
  std::mutex write_mutex_;
  mutable std::mutex mutex_;
  std::shared_ptr<const ModelTable> table_;
  std::atomic<std::uint64_t> generation_ = 1;
};

}  // namespace cotenant
