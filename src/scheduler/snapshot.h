#pragma once

/// The complete state of a brain as bytes, and back. Private to scheduler/.
///
/// A restored brain decides as the saved one would have, and saves to the same bytes. What follows
/// from other fields (hash tables, trees of ranks, sums and counts) is not stored but built anew;
/// what depends on the past (free places, heaps, windows of samples) is stored as it lies. Bytes
/// are checked before they are used: indices, lists, who owns what.

#include <string>

#include "scheduler/body.h"
#include "scheduler/field_archive.h"

namespace cotenant {

class Snapshot {
 public:
  static void Save(const Scheduler::Body& body, std::string& bytes);
  /// What `Save` stored first; the body is made with it.
  static SchedulerSettings ReadSettings(FieldReader& reader);
  /// Fills a body that was just made. Not sound: the reader has failed, the body is of no use.
  static void Load(FieldReader& reader, Scheduler::Body& body);

 private:
  // snapshot.cc: the fields.
  static void VisitWindow(auto& archive, auto& window);
  static void VisitEstimates(auto& archive, auto& estimates);
  static void VisitMemory(auto& archive, auto& memory);
  static void VisitModel(auto& archive, auto& model);
  static void VisitAccounts(auto& archive, auto& accounts);
  static void VisitSlots(auto& archive, auto& slots);
  static void VisitQueues(auto& archive, auto& queues);
  static void VisitBody(auto& archive, auto& body);
  static void ReadRanks(FieldReader& reader, RequestQueues& queues);
  static void WriteRanks(FieldWriter& writer, const RequestQueues& queues);

  // snapshot_check.cc: what holds between them; also sets what is not stored. Null: sound.
  static const char* Complete(Scheduler::Body& body);
  static const char* CheckMemory(const Scheduler::Body& body, const ModelRecord& model);
  static const char* CheckVariants(const Scheduler::Body& body);
  static const char* CompleteModels(Scheduler::Body& body);
  static const char* CompleteRequests(Scheduler::Body& body);
  static const char* CompleteQueues(Scheduler::Body& body);
  static const char* CheckHeaps(const RequestQueues& queues);
  static const char* CompleteRuns(Scheduler::Body& body);
  static const char* CheckMembers(const Scheduler::Body& body, std::uint32_t run);
  static const char* CompleteSlots(Scheduler::Body& body);
};

/// For each place of a slab: is it in use?
template <typename T>
std::vector<bool> PlacesInUse(const Slab<T>& slab) {
  std::vector<bool> used(slab.places(), true);
  for (std::uint32_t index : slab.free_places()) used[index] = false;
  return used;
}

}  // namespace cotenant
