// CHECK: an invariant of ours that is tested in every build and ends the process when it is broken.
//
// It guards boundaries between folders against our own mistakes. What a peer sends is never CHECKed: that is a value
// of Result.
#pragma once

namespace sluice {

[[noreturn]] void check_failed(const char* what, const char* file, int line);

}  // namespace sluice

#define SLUICE_CHECK(condition)                               \
  do {                                                        \
    if (!(condition)) [[unlikely]]                            \
      ::sluice::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)
