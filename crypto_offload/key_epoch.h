// One direction's keys from one key exchange: prepared on every driver that may serve them, counted, drained, retired.
//
// Life: control prepares it; a worker installs it and assigns it to records; a rekey retires it; when the last record
// in flight is done it is drained, and control drops it. Invariant: every assigned record gets an IV that no other
// record under this key ever had, so assign() is called once a record and in the order of the wire.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "base/check.h"
#include "base/secret.h"
#include "crypto_offload/crossover.h"
#include "crypto_offload/driver_set.h"

namespace sluice {

class KeyEpoch {
 public:
  // A driver that can serve this epoch, with its limits at hand so that choosing it costs no call.
  struct Candidate {
    std::unique_ptr<PreparedKey> key;
    uint8_t driver;  // index in the worker's DriverSet
    PaysFrom pays_from;
    uint32_t longest;
    uint8_t counter_bits;
    uint8_t lanes;
    uint32_t pays_from_bytes;  // a device: shorter records stay in software
  };

  static ResultOrText<std::unique_ptr<KeyEpoch>> prepare(const CipherSuite& suite, Direction direction,
                                                         const KeyMaterial& keys, const DriverSet& drivers,
                                                         uint64_t now_ns);
  // For prepare_again(), which makes the same epoch, where it stands, on another worker's drivers. Nothing is in
  // flight.
  void keep(const KeyMaterial& keys);
  ResultOrText<std::unique_ptr<KeyEpoch>> prepare_again(const DriverSet& drivers) const;
  // Before the first key exchange: no protection.
  static std::unique_ptr<KeyEpoch> plain(Direction direction);
  ~KeyEpoch();
  KeyEpoch(const KeyEpoch&) = delete;
  KeyEpoch& operator=(const KeyEpoch&) = delete;

  const CipherSuite& suite() const { return *suite_; }
  Direction direction() const { return direction_; }
  // Devices first, software behind them.
  const std::vector<Candidate>& candidates() const { return candidates_; }
  size_t devices() const { return devices_; }
  Placement placement() const { return placement_; }
  // Reads encrypted lengths with the last candidate's key: software that serves everything.
  CryptoDriver& length_reader() const { return *length_reader_; }

  // Gives a record its IV and counts it. The op's src, dst, tag, length and sequence are set; for a chained suite that
  // opens, src still holds the ciphertext.
  void assign(CryptoOp& op);
  // One assigned record is finished, whatever became of it.
  void complete(const CryptoOp& op);

  // What a receiver needs to learn the next record's length: the IV that assign() will give.
  std::array<uint8_t, 16> next_iv() const { return iv_; }

  uint64_t records() const { return records_; }
  uint64_t bytes() const { return bytes_; }
  uint64_t installed_at_ns() const { return installed_at_ns_; }
  size_t in_flight() const { return in_flight_; }
  void retire() { retired_ = true; }
  bool drained() const { return retired_ && in_flight_ == 0; }

 private:
  KeyEpoch(const CipherSuite& suite, Direction direction, uint64_t now_ns)
      : suite_(&suite), direction_(direction), installed_at_ns_(now_ns) {}
  void advance_iv(const CryptoOp& op);
  ResultOrText<bool> add_candidate(const DriverSet& drivers, size_t i, const KeyMaterial& keys);

  const CipherSuite* suite_;
  Direction direction_;
  CryptoDriver* length_reader_ = nullptr;
  bool retired_ = false;
  Placement placement_ = Placement::in_place;
  std::array<uint8_t, 16> iv_{};
  size_t in_flight_ = 0;
  uint64_t records_ = 0;
  uint64_t bytes_ = 0;
  uint64_t installed_at_ns_;
  std::vector<Candidate> candidates_;
  size_t devices_ = 0;
  Secret kept_cipher_key_;
  Secret kept_mac_key_;
};

// Whether a counter of so many low bits would wrap inside the record.
bool counter_wraps(const CryptoOp& op, const CipherSuite& suite, uint8_t counter_bits);

}  // namespace sluice
