#include "policy/policy_table.h"

namespace cotenant {
namespace {

class All final : public AdmissionPolicy {
 public:
  std::string_view name() const override { return "all"; }
  std::string_view description() const override { return "takes every request that finds room"; }
  PolicyProperties properties() const override { return {}; }
  AdmissionChoice Choose(const AdmissionView&) const override { return {}; }
};

}  // namespace

const AdmissionPolicy& AdmissionAll() {
  static const All policy;
  return policy;
}

}  // namespace cotenant
