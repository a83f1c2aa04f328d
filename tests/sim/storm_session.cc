// Producing numbered records of random sizes, rekeying between them, and comparing what arrives.
#include "tests/sim/storm_session.h"

#include <algorithm>

#include "base/check.h"
#include "tests/support/record_pair.h"

namespace sluice::test {
namespace {

constexpr size_t kCapacity = size_t{512} << 10;
constexpr size_t kNoise = size_t{1} << 20;
constexpr size_t kHeader = 1 + 8 + 8;  // message number, session, index
constexpr size_t kSizesKept = 1024;    // more than records can be on their way
constexpr unsigned kRekeyOneIn = 60;

// All kinds of suites, the slow ones seldom.
constexpr std::array<std::string_view, 20> kSuites{"aes128-gcm",
                                                   "aes256-gcm",
                                                   "aes128-gcm",
                                                   "aes256-ctr+hmac-sha2-512",
                                                   "aes256-ctr+hmac-sha2-512-etm",
                                                   "aes128-ctr+hmac-sha2-256-etm",
                                                   "aes192-ctr+hmac-sha1",
                                                   "aes128-ctr+hmac-sha2-256",
                                                   "aes128-cbc+hmac-sha2-256-etm",
                                                   "aes256-cbc+hmac-sha1",
                                                   "chacha20-poly1305",
                                                   "aes256-gcm",
                                                   "aes128-gcm",
                                                   "aes256-ctr+hmac-sha2-256-etm",
                                                   "aes128-ctr+hmac-sha1-etm",
                                                   "aes256-ctr+hmac-md5-96",
                                                   "aes128-gcm",
                                                   "aes256-gcm",
                                                   "aes192-cbc+hmac-sha2-512",
                                                   "3des-cbc+hmac-sha1"};

size_t random_size(CheapRandom& random) {
  const uint64_t kind = random.below(20);
  const uint64_t most = kind < 12 ? 1500 : kind < 19 ? 9000 : kMaxPayload - kHeader;
  return kHeader + random.below(most);
}

}  // namespace

StormWorld::StormWorld(const DriverSet& driver_set, uint64_t seed)
    : drivers(driver_set), dispatch(driver_set), pool({1200, 4}), random(seed), noise(kNoise) {
  random.fill(noise);
}

StormSession::StormSession(StormWorld& world, uint64_t id)
    : world_(world),
      id_(id),
      near_(kCapacity),
      far_(kCapacity, world.random.below(2) == 0 ? 0 : 1448),
      send_(near_, world.pool),
      receive_(far_, world.pool),
      sizes_(kSizesKept) {
  MemoryTransport::connect(near_, far_);
}

std::unique_ptr<KeyEpoch> StormSession::epoch(Direction direction, const CipherSuite& suite, uint64_t seed) const {
  const ReferenceKeys keys = random_keys(suite, seed);
  auto made = KeyEpoch::prepare(suite, direction, {keys.cipher_key, keys.iv, keys.mac_key}, world_.drivers, 0);
  SLUICE_CHECK(made.has_value());
  return std::move(*made);
}

// Any piece of the noise, named by the record.
Bytes StormSession::content(uint64_t index, size_t size) const {
  const uint64_t at = (id_ * 0x9e3779b97f4a7c15u + index * 0x2545f4914f6cdd1du) % (kNoise - kMaxPayload);
  return Bytes(world_.noise).subspan(at, size);
}

void StormSession::rekey() {
  const auto draft = send_.reserve(1);
  if (!draft) return;
  std::string_view name = kSuites[world_.random.below(kSuites.size())];
  if (name.starts_with("3des") && world_.random.below(4) != 0) name = kSuites[0];  // a fiftieth of the others' speed
  const CipherSuite& suite = *find_suite(name);
  const uint64_t seed = world_.random.next();
  strict_ = world_.random.below(2) == 0;
  send_.install(epoch(Direction::seal, suite, seed));
  receive_.install(epoch(Direction::open, suite, seed));
  receive_.expect_newkeys(true);
  draft->payload[0] = kNewKeys;
  send_.finish_newkeys(*draft, 1, strict_);
  turning_ = true;
  ++world_.rekeys;
}

bool StormSession::produce() {
  CheapRandom& random = world_.random;
  if (!turning_ && (sent_ == 0 || random.below(kRekeyOneIn) == 0)) rekey();
  if (sent_ == 0 && !turning_) return false;  // nothing goes out in clear
  bool moved = false;
  for (uint64_t burst = random.below(4); burst > 0 && world_.records_left > 0; --burst) {
    if (sent_ - received_ == kSizesKept) break;
    const size_t size = random_size(random);
    const auto draft = send_.reserve(size);
    if (!draft) break;
    uint8_t* payload = draft->payload.data();
    payload[0] = kData;
    store_be64(payload + 1, id_);
    store_be64(payload + 9, sent_);
    const Bytes bytes = content(sent_, size - kHeader);
    std::memcpy(payload + kHeader, bytes.data(), bytes.size());
    sizes_[sent_++ % kSizesKept] = static_cast<uint32_t>(size);
    send_.finish(*draft, size);
    --world_.records_left;
    moved = true;
  }
  return moved;
}

void StormSession::stage(uint64_t now_ns) {
  send_.stage(world_.dispatch, now_ns, {});
  receive_.frame(world_.dispatch);
}

bool StormSession::commit() {
  const bool moved = send_.commit() > 0;
  near_.flush();
  while (send_.take_drained()) {}
  return moved;
}

bool StormSession::consume() {
  std::array<Message, 16> messages;
  const size_t n = receive_.collect(messages);
  bool turned = false;
  for (const Message& message : std::span(messages).first(n)) {
    world_.fingerprint = (world_.fingerprint ^ id_ ^ message.payload.size()) * 0x2545f4914f6cdd1du;
    if (message.number() == kNewKeys) {
      turned = true;
    } else {
      check(message);
    }
  }
  receive_.release(n);
  if (turned) {
    receive_.turn_keys(strict_);
    receive_.expect_newkeys(false);
    turning_ = false;
  }
  while (receive_.take_drained()) {}
  return n > 0;
}

void StormSession::check(const Message& message) {
  const auto wrong = [&](const char* what) {
    world_.wrongs.push_back("session " + std::to_string(id_) + " record " + std::to_string(received_) + ": " + what);
  };
  const size_t size = sizes_[received_ % kSizesKept];
  if (received_ >= sent_) wrong("delivered twice or never sent");
  if (message.payload.size() != size) return wrong("of another size: lost, repeated or out of order");
  const uint8_t* payload = message.payload.data();
  if (load_be64(payload + 1) != id_ || load_be64(payload + 9) != received_) wrong("out of order");
  const Bytes bytes = content(received_, size - kHeader);
  if (std::memcmp(payload + kHeader, bytes.data(), bytes.size()) != 0) wrong("with a wrong byte");
  ++received_;
  ++world_.delivered;
}

std::optional<ErrorCode> StormSession::error() const { return send_.error() ? send_.error() : receive_.error(); }

}  // namespace sluice::test
