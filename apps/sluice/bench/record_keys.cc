// Keys out of counters.
#include "apps/sluice/bench/record_keys.h"

#include "base/check.h"
#include "drivers/null_driver.h"

namespace sluice::bench {

std::unique_ptr<DriverSet> drivers_named(const std::string& name) {
  if (name == "null") {
    std::vector<std::unique_ptr<CryptoDriver>> one;
    one.push_back(std::make_unique<NullDriver>());
    return std::make_unique<DriverSet>(std::move(one), true);
  }
  auto set = make_driver_set(name == "auto" ? "" : name);
  SLUICE_CHECK(set.has_value());
  return std::move(*set);
}

std::unique_ptr<KeyEpoch> known_epoch(const CipherSuite& suite, Direction direction, const DriverSet& drivers,
                                      uint64_t generation) {
  // 3DES needs three different thirds.
  std::array<uint8_t, kMaxKeyBytes> key;
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<uint8_t>(i * 7 + 1 + generation);
  const Bytes all(key);
  auto epoch = KeyEpoch::prepare(suite, direction,
                                 {all.first(suite.cipher->key_bytes), all.first(suite.cipher->iv_bytes),
                                  all.first(suite.mac ? suite.mac->key_bytes : 0)},
                                 drivers, 0);
  SLUICE_CHECK(epoch.has_value());
  return std::move(*epoch);
}

}  // namespace sluice::bench
