#pragma once

/// Numbers that name things between the brain and its drivers. The driver gives them out; the brain
/// only compares and looks them up. They are values in events, actions and logs.

#include <cstdint>

namespace cotenant {

/// One request of one client. Unique while any part of the node still knows the request.
enum class RequestId : std::uint64_t {};
/// One version of one model as loaded once: a reload makes a new one. Dense from 0; a number is
/// used again only after the brain was told that the model is unloaded.
/// Each variant of a model has one of its own; that of the network which the model's folder calls
/// its own stands for all of them.
enum class ModelId : std::uint32_t {};
inline constexpr ModelId kNoModelId{0xffffffffU};
/// A tenant. Dense from 0; 0 is the tenant `default`.
enum class TenantId : std::uint32_t {};
/// One execution of a batch. Given out by the brain, rising.
enum class RunId : std::uint64_t {};

template <typename Id>
constexpr auto ToIndex(Id id) {
  return static_cast<std::size_t>(id);
}

}  // namespace cotenant
