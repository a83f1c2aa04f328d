// Fuzzes the receive path: hostile bytes behind a valid record, in pieces, for any suite, before and after keys.
#include "base/check.h"
#include "dataplane/receive_path.h"
#include "drivers/driver_registry.h"
#include "drivers/memory_transport.h"
#include "tests/support/reference_crypto.h"

namespace {

using namespace sluice;

DriverSet& drivers() {
  static const std::unique_ptr<DriverSet> set = std::move(*make_driver_set("openssl"));
  return *set;
}

// Runs the path until it stands still; whatever it shows must be well-formed.
size_t drain(ReceivePath& path, Dispatch& dispatch) {
  size_t shown = 0;
  for (;;) {
    path.frame(dispatch);
    dispatch.submit();
    while (dispatch.in_flight() > 0) dispatch.poll();
    std::array<Message, 8> messages;
    const size_t n = path.collect(messages);
    for (size_t i = 0; i < n; ++i)
      SLUICE_CHECK(!messages[i].payload.empty() && messages[i].payload.size() < kMaxRecordLength);
    path.release(n);
    shown += n;
    if (n == 0) return shown;
  }
}

}  // namespace

// Byte 0: suite. Byte 1: piece size. Byte 2: whether a genuine record comes first. The rest: the stream.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const CipherSuite& suite = cipher_suites()[data[0] % cipher_suites().size()];
  Dispatch dispatch(drivers());
  static RecordPool pool;
  MemoryTransport transport(size_t{1} << 19, data[1]);
  ReceivePath path(transport, pool);
  const test::ReferenceKeys keys = test::random_keys(suite, 1);
  const Bytes hostile(data + 3, size - 3);
  if (suite.negotiable) {
    auto epoch = KeyEpoch::prepare(suite, Direction::open, {keys.cipher_key, keys.iv, keys.mac_key}, drivers(), 0);
    SLUICE_CHECK(epoch.has_value());
    path.install(std::move(*epoch));
    path.turn_keys(true);
    if (data[2] & 1) {
      const std::vector<uint8_t> payload{94, 1, 2, 3};
      transport.receive(test::reference_seal(suite, keys, 0, keys.iv, test::frame_payload(suite, payload)));
      SLUICE_CHECK(drain(path, dispatch) == 1);
    }
  }
  transport.receive(hostile);
  const size_t shown = drain(path, dispatch);
  // Nobody without the keys gets a message through.
  if (suite.negotiable) SLUICE_CHECK(shown == 0);
  return 0;
}
