#pragma once

/// Assertions for our own mistakes. Bad input is never an assertion: it is a `Status`.

#include <cstdio>
#include <cstdlib>

/// Ends the process, naming the condition and the place, when an invariant of ours does not hold.
#define COTENANT_CHECK(condition)                                                            \
  do {                                                                                       \
    if (!(condition)) [[unlikely]] {                                                         \
      std::fprintf(stderr, "%s:%d: invariant broken: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                          \
    }                                                                                        \
  } while (false)
