// getrandom, and the byte-wise use of the cheap generator.
#include "base/random.h"

#include <sys/random.h>

#include <cerrno>

#include "base/check.h"

namespace sluice {

void fill_random(MutableBytes out) {
  while (!out.empty()) {
    const ssize_t n = ::getrandom(out.data(), out.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    SLUICE_CHECK(n > 0);
    out = out.subspan(static_cast<size_t>(n));
  }
}

void CheapRandom::fill(MutableBytes out) {
  while (!out.empty()) {
    const uint64_t word = next();
    const size_t n = out.size() < sizeof word ? out.size() : sizeof word;
    std::memcpy(out.data(), &word, n);
    out = out.subspan(n);
  }
}

}  // namespace sluice
