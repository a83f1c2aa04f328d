// What simulated devices can do: the capabilities of real ones, as far as SSH's suites are concerned.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/clock.h"
#include "crypto_offload/crypto_driver.h"

namespace sluice {

struct SimProfile {
  std::string_view name;
  bool gcm;
  bool aes_chains;     // AES-CTR and AES-CBC with HMAC
  bool des3;           // 3DES-CBC with HMAC
  bool legacy_option;  // MD5, and 3DES where it is not there by itself, when legacy capabilities are switched on
};

std::span<const SimProfile> sim_profiles();

// What goes wrong, in parts of a million, drawn from one seed: the same seed and the same ops, the same faults.
struct SimFaults {
  uint64_t seed = 1;
  uint32_t errors = 0;          // of ops: come back undone, dst half written
  uint32_t wrong_seals = 0;     // of seals: a byte of the record or of its tag is wrong
  uint32_t false_bad_tags = 0;  // of opens: a good record is called bad
  uint32_t wrong_opens = 0;     // of opens: called good with a wrong byte. Nobody but a check in software can tell
  uint32_t lost_ops = 0;        // of ops: never come back
  uint32_t refusals = 0;        // of submits: nothing is taken, as by a full queue
  uint32_t stalls = 0;          // of ops: the device stops to answer for an outage's time
  uint32_t losses = 0;          // of ops: it disappears for an outage's time
  uint64_t least_outage_ns = 1'000'000;
  uint64_t most_outage_ns = 100'000'000;
};

struct SimOptions {
  const SimProfile* profile = nullptr;
  bool legacy = false;
  uint64_t latency_ns = 15'000;
  uint64_t bits_per_second = 100'000'000'000;
  uint32_t depth = 1024;
  uint32_t jitter_percent = 0;  // latency varies by so much: completion out of order
  uint64_t stop_ns = 1'000'000;
  SimFaults faults{};
  // Null: real time. Else ops complete at their virtual time exactly; poll() sleeps until their results are there.
  const Clock* virtual_clock = nullptr;
};

// PROFILE[,latency=15us][,bandwidth=100g][,depth=1024][,jitter=20][,stop=1ms][,seed=7][,legacy=1] and the faults by
// name, in parts of a million: errors, wrong_seals, false_bad_tags, lost_ops, refusals, stalls, losses.
ResultOrText<SimOptions> parse_sim_options(std::string_view text);

// By capabilities alone; what it is computed with may set lower limits.
Support sim_supports(const SimProfile& profile, bool legacy, const CipherSuite& suite);

}  // namespace sluice
