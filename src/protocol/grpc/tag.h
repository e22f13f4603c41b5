#pragma once

/// What a completion queue gives back when an operation ends: whom to tell, and by which member
/// function. A member of its owner, so that no operation allocates; the owner lives until all its
/// tags came back.

namespace cotenant {

struct Tag {
  void* owner;
  void (*happened)(void* owner, bool ok);
};

/// `Tag gone_ = TagOf<Call, &Call::Gone>(this);`
template <typename Owner, void (Owner::*kMethod)(bool)>
Tag TagOf(Owner* owner) {
  return {owner, [](void* object, bool ok) { (static_cast<Owner*>(object)->*kMethod)(ok); }};
}

}  // namespace cotenant
