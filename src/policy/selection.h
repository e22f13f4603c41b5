#pragma once

/// Picks which variant of a model answers a request: the one selection for all requests.
///
/// Stateless and deterministic; what is learnt comes through the trial. The most accurate variant
/// in memory that meets the request's bounds wins. A request that names a variant has that one
/// alone; where none that it may use is in memory, the residency policy gets one (residency.h).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace cotenant {

/// A variant that the request may use.
struct SelectableVariant {
  /// Thousandths of points. Zero: unknown, it answers only who names it.
  std::int32_t accuracy = 0;
  bool in_memory = false;
};

/// Says whether a variant would answer within the request's latency bound.
class VariantTrial {
 public:
  virtual ~VariantTrial() = default;
  virtual bool Meets(std::size_t variant) = 0;
};

struct Selection {
  /// None: no variant in memory meets the bounds.
  std::optional<std::size_t> chosen;
  std::uint32_t passed_over = 0;  ///< In memory and more accurate, but too late.
};

/// Of equal accuracy the first. Tries each variant in memory once at most, the best first.
Selection SelectVariant(std::span<const SelectableVariant> variants, VariantTrial& trial);

/// The least accuracy that the variants are held to: what the request asks for, else what its
/// tenant and its model do; where no variant has as much, what the best one has, unless the request
/// itself asked.
struct AccuracyFloor {
  std::int32_t of_request = 0;
  std::int32_t of_tenant = 0;
  std::int32_t of_model = 0;

  /// None: the request asks for more than there is.
  std::optional<std::int32_t> For(std::span<const SelectableVariant> variants) const;
};

}  // namespace cotenant
