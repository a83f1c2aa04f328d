// Preparing keys on drivers, and the arithmetic of IVs.
#include "crypto_offload/key_epoch.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

#include "base/log.h"
#include "crypto_offload/device_use.h"

namespace sluice {
namespace {

constexpr uint32_t kAesBlock = 16;

uint32_t cipher_blocks(const CryptoOp& op, const CipherSuite& suite) {
  return (op.length - suite.encrypted_from) / kAesBlock;
}

// Adds to the 128-bit big-endian counter of AES-CTR (RFC 4344 section 4).
void add_be128(uint8_t* counter, uint64_t n) {
  const uint64_t low = load_be64(counter + 8);
  store_be64(counter + 8, low + n);
  if (low + n < low) store_be64(counter, load_be64(counter) + 1);
}

// Once for each device and suite, of all workers.
void tell_lack(const std::string& device, const CipherSuite& suite, const std::string& reason) {
  static std::mutex mutex;
  static std::set<std::pair<std::string, uint8_t>> told;
  {
    const std::lock_guard lock(mutex);
    if (!told.emplace(device, suite.id).second) return;
  }
  log_line(LogLevel::notice,
           "crypto device " + device + " cannot serve " + suite.name() + ": " + reason + "; software does it");
}

}  // namespace

bool counter_wraps(const CryptoOp& op, const CipherSuite& suite, uint8_t counter_bits) {
  if (counter_bits >= 64 || suite.kind() != CipherKind::aes_ctr) return false;
  const uint64_t room = uint64_t{1} << counter_bits;
  const uint64_t start = load_be64(op.iv.data() + 8) & (room - 1);
  return start + cipher_blocks(op, suite) > room;
}

ResultOrText<std::unique_ptr<KeyEpoch>> KeyEpoch::prepare(const CipherSuite& suite, Direction direction,
                                                          const KeyMaterial& keys, const DriverSet& drivers,
                                                          uint64_t now_ns) {
  SLUICE_CHECK(keys.cipher_key.size() == suite.cipher->key_bytes && keys.iv.size() == suite.cipher->iv_bytes);
  SLUICE_CHECK(keys.mac_key.size() == (suite.mac ? suite.mac->key_bytes : 0u));
  std::unique_ptr<KeyEpoch> epoch(new KeyEpoch(suite, direction, now_ns));
  std::copy(keys.iv.begin(), keys.iv.end(), epoch->iv_.begin());
  for (size_t i = 0; i < drivers.size(); ++i) {
    const bool wanted = !drivers.only_first() || i == 0 || i + 1 == drivers.size();
    if (!wanted) continue;
    const auto added = epoch->add_candidate(drivers, i, keys);
    if (!added) return fail(added.error());
  }
  if (epoch->candidates_.size() == epoch->devices_) {
    return fail("no software can serve " + suite.name() + ": " + drivers.supports(suite).reason);
  }
  return epoch;
}

void KeyEpoch::keep(const KeyMaterial& keys) {
  kept_cipher_key_ = Secret(keys.cipher_key);
  kept_mac_key_ = Secret(keys.mac_key);
}

ResultOrText<std::unique_ptr<KeyEpoch>> KeyEpoch::prepare_again(const DriverSet& drivers) const {
  SLUICE_CHECK(in_flight_ == 0 && !kept_cipher_key_.empty());
  const KeyMaterial keys{kept_cipher_key_.view(), Bytes(iv_).first(suite_->cipher->iv_bytes), kept_mac_key_.view()};
  auto again = prepare(*suite_, direction_, keys, drivers, installed_at_ns_);
  if (!again) return again;
  (*again)->records_ = records_;
  (*again)->bytes_ = bytes_;
  return again;
}

// False: left out. An error where that is not acceptable.
ResultOrText<bool> KeyEpoch::add_candidate(const DriverSet& drivers, size_t i, const KeyMaterial& keys) {
  CryptoDriver& driver = drivers[i];
  const bool alone = drivers.only_first() && i == 0;
  const std::string name(driver.name());
  const Support support = driver.supports(*suite_);
  if (!support.yes && alone) return fail(name + " cannot serve " + suite_->name() + ": " + support.reason);
  const bool device = driver.kind() == DriverKind::hardware;
  if (!support.yes) {
    if (device) tell_lack(name, *suite_, support.reason);
    return false;
  }
  uint32_t pays_from_bytes = 0;
  if (device) {
    const DeviceUse use = device_use(drivers, i, *suite_);
    if (!use.yes || drivers.is_out(i)) return false;
    pays_from_bytes = use.from_bytes;
  }
  auto key = driver.prepare(*suite_, direction_, keys);
  if (!key && device && !alone) {
    log_line(LogLevel::warning, "crypto device " + name + " took no keys for " + suite_->name() + ": " + key.error());
    return false;
  }
  if (!key) return fail(name + ": " + key.error());
  (*key)->epoch = this;
  const bool measured = !drivers.only_first() && support.lanes > 1;
  PaysFrom pays{};
  if (measured && drivers.options().lanes_pay_from) {
    pays.fill(*drivers.options().lanes_pay_from);
  } else if (measured) {
    pays = crossover(driver, drivers[drivers.size() - 1], *suite_);
  }
  candidates_.push_back({std::move(*key), static_cast<uint8_t>(i), pays, support.longest, support.counter_bits,
                         support.lanes, pays_from_bytes});
  devices_ += device;
  length_reader_ = &driver;
  if (driver.placement() == Placement::separate) placement_ = Placement::separate;
  return true;
}

std::unique_ptr<KeyEpoch> KeyEpoch::plain(Direction direction) {
  return std::unique_ptr<KeyEpoch>(new KeyEpoch(plain_suite(), direction, 0));
}

KeyEpoch::~KeyEpoch() {
  SLUICE_CHECK(in_flight_ == 0);
  wipe(iv_.data(), iv_.size());
}

void KeyEpoch::assign(CryptoOp& op) {
  op.iv = iv_;
  op.direction = direction_;
  op.status = OpStatus::pending;
  op.attempts = 0;
  op.mark = {};
  ++records_;
  bytes_ += op.length;
  if (suite_->is_plain()) {
    op.key = nullptr;
    op.status = OpStatus::ok;
    return;
  }
  op.key = candidates_.front().key.get();
  ++in_flight_;
  advance_iv(op);
}

void KeyEpoch::advance_iv(const CryptoOp& op) {
  switch (suite_->kind()) {
    case CipherKind::aes_gcm:  // RFC 5647 section 7.1: a fixed field of four bytes, a counter of eight
      store_be64(iv_.data() + 4, load_be64(iv_.data() + 4) + 1);
      return;
    case CipherKind::aes_ctr: add_be128(iv_.data(), cipher_blocks(op, *suite_)); return;
    case CipherKind::aes_cbc:
    case CipherKind::des3_cbc:
      if (direction_ == Direction::open) {
        const size_t block = suite_->cipher->block_bytes;
        std::memcpy(iv_.data(), op.src + op.length - block, block);
      }
      return;
    case CipherKind::none:
    case CipherKind::chacha20_poly1305: return;
  }
}

void KeyEpoch::complete(const CryptoOp& op) {
  if (suite_->is_plain()) return;
  SLUICE_CHECK(in_flight_ > 0);
  --in_flight_;
  // Sealing CBC chains through the ciphertext, which exists only now; the sender keeps one such record in flight.
  if (suite_->chained && direction_ == Direction::seal) {
    const size_t block = suite_->cipher->block_bytes;
    std::memcpy(iv_.data(), op.dst + op.length - block, block);
  }
}

}  // namespace sluice
