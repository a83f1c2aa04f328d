// LentDevice: a crypto device that an operator asked for by name, for the ciphers that we lend to other programs.
//
// One a process, opened when the module is configured and never by itself. Work is handed over and waited for; whoever
// finds it in use, too small, too slow or in a forked child computes by himself. Nothing of it is touched in a child:
// its memory may be the parent's.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "crypto_offload/crypto_driver.h"

namespace sluice {

// About where handing a piece over costs what AES costs here.
inline constexpr size_t kDeviceFromBytes = 4096;
inline constexpr size_t kDeviceMostBytes = 64 * 1024 - 1024;

class LentDevice {
 public:
  // False, with a line on standard error, where there is none: then the CPU does its work. A second name is refused.
  static bool open(const std::string& name);
  // Null where there is none, and in a child of the process that opened it.
  static LentDevice* usable();

  // Whether a piece is worth a question.
  static bool fits(size_t n) { return n >= kDeviceFromBytes && n <= kDeviceMostBytes; }
  // dst is src under CTR or CBC: n bytes of whole blocks. False: not done, dst is as it was.
  bool run_cipher(CipherKind kind, Bytes key, Direction direction, Bytes iv, uint8_t* dst, const uint8_t* src,
                  size_t n);
  // GCM with four bytes of AAD. An open with a wrong tag is not done.
  bool run_gcm(Bytes key, Direction direction, Bytes iv, Bytes aad, uint8_t* dst, const uint8_t* src, size_t n,
               uint8_t* tag);
  // Done so far.
  uint64_t pieces() const { return pieces_.load(std::memory_order_relaxed); }
  // Prepared now, for contexts that live.
  size_t keys() const;
  // No context has it any more. Never waits for a device that is computing: that key goes when it is done.
  static void forget(Bytes key);

 private:
  struct Inside;
  explicit LentDevice(std::unique_ptr<Inside> inside);
  ~LentDevice();
  bool run(const CipherSuite& suite, Bytes key, Direction direction, Bytes iv, Bytes head, uint8_t* dst,
           const uint8_t* src, size_t n, uint8_t* tag);
  bool run_alone(const CipherSuite& suite, Bytes key, Direction direction, Bytes iv, Bytes head, uint8_t* dst,
                 const uint8_t* src, size_t n, uint8_t* tag);

  std::unique_ptr<Inside> inside_;
  std::atomic<uint64_t> pieces_{0};
};

}  // namespace sluice
