// The contract of a crypto driver: it takes batches of records and gives them back finished, now or later, in any
// order.
//
// Control's threads call supports() and prepare() and drop prepared keys; the one owning worker calls submit(), poll()
// and read_lengths(). A driver serves one worker; what drivers share (a device, an engine) is behind them.
// Callers never ask whether a driver is synchronous: they submit, then poll.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto_offload/cipher_suite.h"
#include "crypto_offload/crypto_op.h"

namespace sluice {

// Keys of one direction as key exchange derived them. The views die with the call they are given to.
struct KeyMaterial {
  Bytes cipher_key;  // chacha20-poly1305: 64 bytes, payload key first
  Bytes iv;
  Bytes mac_key;
};

enum class Placement : uint8_t { in_place, separate };

// Hardware works beside the worker's core, may fail apart from it, and must be Placement::separate.
enum class DriverKind : uint8_t { software, hardware };

// What a driver can do with a suite, or why it cannot.
struct Support {
  bool yes = false;
  std::string reason;          // when not
  uint32_t longest = 0;        // longest op.length it takes
  uint8_t counter_bits = 128;  // AES-CTR: a record in which this counter would wrap must go another way
  uint8_t lanes = 1;  // records that it works on side by side; more than one pays only when several are at hand

  static Support no(std::string why) { return {false, std::move(why), 0, 0, 0}; }
};

// The question of a receiver who cannot frame a record before a block of it is decrypted.
struct LengthQuestion {
  PreparedKey* key;
  const uint8_t* first;  // four bytes (own_stream) or one cipher block (first_block)
  uint32_t sequence;
  uint32_t length;  // the answer: RFC 4253 packet_length
  std::array<uint8_t, 16> iv;
};

class CryptoDriver {
 public:
  virtual ~CryptoDriver() = default;

  virtual std::string_view name() const = 0;
  // False for drivers that protect nothing: they serve tests and upper bounds.
  virtual bool negotiable() const { return true; }
  // Asynchronous drivers read an immutable source and write elsewhere, so that their work can be done again.
  virtual Placement placement() const { return Placement::in_place; }

  virtual Support supports(const CipherSuite& suite) const = 0;
  virtual ResultOrText<std::unique_ptr<PreparedKey>> prepare(const CipherSuite& suite, Direction direction,
                                                             const KeyMaterial& keys) = 0;

  virtual DriverKind kind() const { return DriverKind::software; }

  // Another instance that control may drive itself, to measure with. Null where a device is not to be disturbed.
  virtual std::unique_ptr<CryptoDriver> sibling() const { return nullptr; }

  // Tells a device of memory in which records will lie for the process's life, so that it need not copy them from
  // there. True: it was mapped. False: the driver reaches all memory anyway.
  virtual ResultOrText<bool> register_memory(MutableBytes) { return false; }

  // Takes a prefix of the ops; the rest is offered again later. Every op taken comes back through poll() once.
  virtual size_t submit(std::span<CryptoOp* const> ops) = 0;
  virtual size_t poll(std::span<CryptoOp*> done) = 0;

  // For hardware, by the owning worker; none of them waits.
  // The device is gone: nothing that it holds will come back.
  virtual bool lost() const { return false; }
  // Ends the device's work. True: it is stopped, and neither the driver nor the device will ever touch the ops that
  // were taken and not polled, nor their src, dst and tag; poll() will not return them. False: not yet, ask again.
  virtual bool stop() { return true; }
  // After stop(): true when the device takes ops again.
  virtual bool start() { return true; }

  // Synchronous on every driver that supports suites with encrypted lengths.
  virtual void read_lengths(std::span<LengthQuestion> questions) = 0;
};

}  // namespace sluice
