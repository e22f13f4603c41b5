#pragma once

/// Ordered sets of small numbers (indices of a slab) with the sum of a weight over any prefix.
///
/// One forest owns the nodes; a set is only its root, so that many small sets cost nothing and no
/// call allocates once the forest knows the largest index. Balanced by chance that is a function of
/// the rank's sequence number alone (a treap): the same calls build the same trees. All calls O(log
/// n).

#include <compare>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/flat_map.h"
#include "base/slab.h"

namespace cotenant {

/// Smaller goes first. `sequence` makes ranks differ.
struct Rank {
  std::int64_t tier = 0;
  std::int64_t primary = 0;
  std::uint64_t sequence = 0;
  constexpr auto operator<=>(const Rank&) const = default;
};

class RankForest {
 public:
  using Root = std::uint32_t;
  static constexpr Root kEmpty = kNowhere;

  /// The item must be in no set of this forest.
  void Insert(Root& root, std::uint32_t item, const Rank& rank, std::int64_t weight) {
    if (item >= nodes_.size()) nodes_.resize(item + 1);
    nodes_[item] = {rank, weight, weight, kEmpty, kEmpty};
    root = InsertBelow(root, item);
  }
  /// The item must be in this set.
  void Erase(Root& root, std::uint32_t item) { root = EraseBelow(root, item); }

  const Rank& RankOf(std::uint32_t item) const { return nodes_[item].rank; }
  std::int64_t Sum(Root root) const { return root == kEmpty ? 0 : nodes_[root].sum; }
  /// The item with the smallest rank; the set must not be empty.
  std::uint32_t First(Root root) const {
    COTENANT_CHECK(root != kEmpty);
    while (nodes_[root].left != kEmpty) root = nodes_[root].left;
    return root;
  }
  /// The weights of all items with a smaller rank.
  std::int64_t SumBefore(Root root, const Rank& rank) const {
    std::int64_t sum = 0;
    while (root != kEmpty) {
      const Node& node = nodes_[root];
      if (node.rank < rank) {
        sum += Sum(node.left) + node.weight;
        root = node.right;
      } else {
        root = node.left;
      }
    }
    return sum;
  }
  /// Calls `visit(item)` in rank order while it returns true; gives back whether it always did.
  template <typename Visit>
  bool ForEach(Root root, const Visit& visit) const {
    if (root == kEmpty) return true;
    return ForEach(nodes_[root].left, visit) && visit(root) && ForEach(nodes_[root].right, visit);
  }

 private:
  struct Node {
    Rank rank;
    std::int64_t weight = 0;
    std::int64_t sum = 0;
    Root left = kEmpty;
    Root right = kEmpty;
  };

  std::uint64_t Height(Root node) const { return MixBits(nodes_[node].rank.sequence + 1); }
  void Refresh(Root root) {
    Node& node = nodes_[root];
    node.sum = Sum(node.left) + node.weight + Sum(node.right);
  }
  Root InsertBelow(Root root, std::uint32_t item) {
    if (root == kEmpty) return item;
    if (Height(item) > Height(root)) {
      Split(root, nodes_[item].rank, nodes_[item].left, nodes_[item].right);
      Refresh(item);
      return item;
    }
    if (nodes_[item].rank < nodes_[root].rank) {
      nodes_[root].left = InsertBelow(nodes_[root].left, item);
    } else {
      nodes_[root].right = InsertBelow(nodes_[root].right, item);
    }
    Refresh(root);
    return root;
  }
  void Split(Root root, const Rank& rank, Root& before, Root& after) {
    if (root == kEmpty) {
      before = after = kEmpty;
    } else if (nodes_[root].rank < rank) {
      before = root;
      Split(nodes_[root].right, rank, nodes_[root].right, after);
      Refresh(root);
    } else {
      after = root;
      Split(nodes_[root].left, rank, before, nodes_[root].left);
      Refresh(root);
    }
  }
  Root EraseBelow(Root root, std::uint32_t item) {
    COTENANT_CHECK(root != kEmpty);
    if (root == item) return Join(nodes_[item].left, nodes_[item].right);
    if (nodes_[item].rank < nodes_[root].rank) {
      nodes_[root].left = EraseBelow(nodes_[root].left, item);
    } else {
      nodes_[root].right = EraseBelow(nodes_[root].right, item);
    }
    Refresh(root);
    return root;
  }
  Root Join(Root before, Root after) {
    if (before == kEmpty) return after;
    if (after == kEmpty) return before;
    if (Height(before) > Height(after)) {
      nodes_[before].right = Join(nodes_[before].right, after);
      Refresh(before);
      return before;
    }
    nodes_[after].left = Join(before, nodes_[after].left);
    Refresh(after);
    return after;
  }

  std::vector<Node> nodes_;
};

}  // namespace cotenant
