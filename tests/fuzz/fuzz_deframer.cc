// Fuzzes the deframer: a suite, lengths that were "decrypted", and a stream that arrives in pieces.
#include <cstdlib>

#include "base/check.h"
#include "dataplane/deframer.h"

// Byte 0 picks the suite, byte 1 the size of the steps in which the rest arrives.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  if (size < 2) return 0;
  const CipherSuite& suite = cipher_suites()[data[0] % cipher_suites().size()];
  const size_t step = data[1] + size_t{1};
  const Bytes stream(data + 2, size - 2);
  Deframer deframer(suite);
  size_t begin = 0;
  size_t arrived = 0;
  while (arrived < stream.size()) {
    arrived = std::min(stream.size(), arrived + step);
    for (;;) {
      // The deframer may look at a cipher block at most, and only when it is there.
      std::array<uint8_t, 16> first{};
      const size_t available = arrived - begin;
      std::memcpy(first.data(), stream.data() + begin, std::min(available, first.size()));
      const Deframer::Answer answer = deframer.next(available, first.data());
      if (answer.kind == Deframer::Kind::corrupt) return 0;
      if (answer.kind == Deframer::Kind::need) {
        SLUICE_CHECK(answer.bytes > available && answer.bytes <= kMaxRecordLength + 4 + kMaxTagBytes);
        break;
      }
      if (answer.kind == Deframer::Kind::length) {
        deframer.give_length(load_be32(first.data()));
        continue;
      }
      SLUICE_CHECK(answer.bytes <= available && answer.bytes >= 9);
      begin += answer.bytes;
    }
  }
  return 0;
}
