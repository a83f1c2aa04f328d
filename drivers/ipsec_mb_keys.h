// Keys as ipsec-mb wants them: expanded once by control, read by the worker for every record.
#pragma once

#include <intel-ipsec-mb.h>

#include "crypto_offload/crypto_driver.h"
#include "drivers/chacha20_first_blocks.h"

namespace sluice {

struct IpsecMbKey : PreparedKey {
  explicit IpsecMbKey(const CipherSuite& s) : suite(&s) {}
  const CipherSuite* suite;
};

struct IpsecMbGcmKey final : IpsecMbKey {
  using IpsecMbKey::IpsecMbKey;
  ~IpsecMbGcmKey() override { wipe(&data, sizeof data); }
  alignas(64) gcm_key_data data;
  aes_gcm_enc_dec_t run = nullptr;
};

struct IpsecMbChachaKey final : IpsecMbKey {
  using IpsecMbKey::IpsecMbKey;
  ~IpsecMbChachaKey() override { wipe(bytes.data(), bytes.size()); }
  const uint8_t* payload() const { return bytes.data(); }
  const uint8_t* length() const { return bytes.data() + 32; }
  alignas(64) std::array<uint8_t, 64> bytes;
  ChachaLengthMasks length_masks;
};

// A block cipher with an HMAC: CTR, CBC, 3DES.
struct IpsecMbChainKey final : IpsecMbKey {
  using IpsecMbKey::IpsecMbKey;
  ~IpsecMbChainKey() override;

  Direction direction = Direction::seal;
  // Everything of a job that is the same for every record: copied whole, then five fields are set.
  IMB_JOB job{};
  alignas(64) std::array<uint32_t, 4 * 15> encrypt{};
  alignas(64) std::array<uint32_t, 4 * 15> decrypt{};
  // 3DES: one schedule each for the three keys, and the pointers that a job takes.
  alignas(64) std::array<std::array<uint64_t, 16>, 3> des{};
  std::array<const void*, 3> des_pointers{};
  alignas(64) std::array<uint8_t, 64> ipad{};
  alignas(64) std::array<uint8_t, 64> opad{};
};

std::unique_ptr<PreparedKey> expand_ipsec_mb_key(IMB_MGR& manager, const CipherSuite& suite, Direction direction,
                                                 const KeyMaterial& keys);

}  // namespace sluice
