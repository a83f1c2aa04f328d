// A cipher suite as transforms of a crypto device: which device can do it, and in what form for each direction.
//
// Only the device's own capabilities decide, and then a session made on trial; never its name.
#pragma once

#include <rte_cryptodev.h>

#include <array>

#include "crypto_offload/crypto_driver.h"

namespace sluice {

// Who finds out whether an opened record is genuine. We compare wherever we can, because our comparison takes the same
// time for every tag; a device must where its session cannot open and generate at once.
enum class Verdict : uint8_t { ours, device };

// The transforms of one session. `first` points into the object: it is made where it is used and not copied.
struct SuiteTransforms {
  SuiteTransforms(const CipherSuite& suite, Direction direction, const KeyMaterial& keys, Verdict verdict,
                  uint16_t iv_offset);
  SuiteTransforms(const SuiteTransforms&) = delete;
  SuiteTransforms& operator=(const SuiteTransforms&) = delete;

  std::array<rte_crypto_sym_xform, 2> pair{};
  rte_crypto_sym_xform* first = nullptr;
};

// The forms in which a direction of a suite may be asked for, best first.
std::span<const Verdict> verdicts(const CipherSuite& suite, Direction direction);

// By the capabilities alone.
Support capable(uint8_t device, const rte_cryptodev_info& info, const CipherSuite& suite);

}  // namespace sluice
