// The end of a process whose own invariant broke: one line that names it, then abort.
#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace sluice {

void check_failed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "sluice: broken invariant: %s (%s:%d)\n", what, file, line);
  std::abort();
}

}  // namespace sluice
