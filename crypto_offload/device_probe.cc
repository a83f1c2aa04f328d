// Sealing the probe once in software, and comparing.
#include "crypto_offload/device_probe.h"

#include <algorithm>

#include "base/check.h"
#include "base/random.h"

namespace sluice {
namespace {

constexpr uint32_t kPayload = 200;
constexpr size_t kAt = 64;  // headroom before the record

const CipherSuite* common_suite(const CryptoDriver& a, const CryptoDriver& b) {
  for (const CipherSuite& suite : cipher_suites()) {
    if (suite.negotiable && a.supports(suite).yes && b.supports(suite).yes) return &suite;
  }
  return nullptr;
}

}  // namespace

std::unique_ptr<DeviceProbe> DeviceProbe::prepare(CryptoDriver& device, CryptoDriver& software) {
  const CipherSuite* suite = common_suite(device, software);
  if (suite == nullptr) return nullptr;
  std::array<uint8_t, kMaxKeyBytes> key_bytes;
  fill_random(key_bytes);
  const Bytes all(key_bytes);
  const KeyMaterial keys{all.first(suite->cipher->key_bytes), all.first(suite->cipher->iv_bytes),
                         all.first(suite->mac ? suite->mac->key_bytes : 0)};
  auto device_key = device.prepare(*suite, Direction::seal, keys);
  auto software_key = software.prepare(*suite, Direction::seal, keys);
  if (!device_key || !software_key) return nullptr;
  std::unique_ptr<DeviceProbe> probe(new DeviceProbe);
  const uint32_t length = record_length(*suite, kPayload);
  probe->source_.resize(kAt + length + kMaxTagBytes);
  probe->target_.resize(probe->source_.size());
  store_be32(probe->source_.data() + kAt, length - 4);
  uint8_t* dst = probe->target_.data() + kAt;
  CryptoOp& op = probe->op_;
  op = {(*software_key).get(),
        probe->source_.data() + kAt,
        dst,
        dst + length,
        length,
        1,
        {},
        OpStatus::pending,
        Direction::seal,
        0,
        {}};
  CryptoOp* pointer = &op;
  CryptoOp* done = nullptr;
  while (software.submit({&pointer, 1}) == 0) {}
  while (software.poll({&done, 1}) == 0) {}
  SLUICE_CHECK(done == &op);
  if (op.status != OpStatus::ok) return nullptr;
  probe->expected_.assign(dst, op.tag + suite->tag_bytes);
  probe->key_ = std::move(*device_key);
  probe->template_ = op;
  probe->template_.status = OpStatus::pending;
  probe->template_.key = probe->key_.get();
  wipe(key_bytes.data(), key_bytes.size());
  return probe;
}

CryptoOp& DeviceProbe::arm() {
  std::fill(target_.begin(), target_.end(), uint8_t{0});
  op_ = template_;
  return op_;
}

bool DeviceProbe::answered_right() const {
  return op_.status == OpStatus::ok && std::equal(expected_.begin(), expected_.end(), op_.dst);
}

}  // namespace sluice
