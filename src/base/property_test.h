#pragma once

/// For tests of properties over drawn inputs (rapidcheck), with a fixed seed: a failure is the same
/// for everybody. `RC_PARAMS="seed=7 max_success=100000"` looks further.

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdlib>
#include <sstream>
#include <utility>

namespace cotenant {

/// `property` draws its inputs (`*rc::gen::…`) and asserts with RC_ASSERT; a failure prints the
/// smallest inputs found.
template <typename Property>
void ForAll(Property&& property, int times = 2'000) {
  rc::detail::TestParams params;
  params.seed = 1;
  params.maxSuccess = times;
  if (std::getenv("RC_PARAMS") != nullptr) params = rc::detail::configuration().testParams;
  const rc::detail::TestResult result = rc::detail::checkTestable(
      std::forward<Property>(property), rc::detail::TestMetadata(), params);
  if (result.template is<rc::detail::SuccessResult>()) return;
  std::ostringstream message;
  rc::detail::printResultMessage(result, message);
  FAIL() << message.str();
}

}  // namespace cotenant
