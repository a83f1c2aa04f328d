// Fuzz target: the PROXY header, arriving in pieces.
#include <algorithm>

#include "base/check.h"
#include "control/proxy_header.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

// Byte 0 is the size of the steps in which the rest arrives.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  if (size == 0) return 0;
  const size_t step = data[0] % 64 + size_t{1};
  Bytes rest(data + 1, size - 1);
  const Bytes all = rest;
  ProxyHeaderReader reader;
  while (!reader.complete()) {
    const MutableBytes place = reader.wanted();
    SLUICE_CHECK(!place.empty() && place.size() <= kMaxProxyHeader);
    const size_t n = std::min({place.size(), rest.size(), step});
    if (n == 0) return 0;
    std::copy_n(rest.begin(), n, place.begin());
    rest = rest.subspan(n);
    if (!reader.take(n)) return 0;
  }
  // It took the header and nothing of what the client said.
  const size_t taken = all.size() - rest.size();
  SLUICE_CHECK(reader.wanted().empty() && taken == size_t{16} + (size_t{all[14]} << 8 | size_t{all[15]}));
  if (reader.ends()) {
    SLUICE_CHECK(!reader.ends()->from.text().empty() && !reader.ends()->to.text().empty());
  }
  return 0;
}
