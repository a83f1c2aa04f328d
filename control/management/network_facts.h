// NetworkFacts: what the network process tells of itself when an operator asks: sessions, those that ended, workers,
// drivers, counts.
//
// The network process is believed about nothing but this: read() bounds everything, and what comes of it is shown to
// people and programs, never acted on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace sluice {

inline constexpr size_t kMaxFacts = size_t{64} << 20;
inline constexpr size_t kMaxHistory = 100;
// Entries of all lists together: what the monitor holds of an answer, whatever is in it. Beyond them nothing is told.
inline constexpr size_t kMaxTold = 1 << 18;

struct ChannelFacts {
  uint32_t number = 0;
  std::string type;  // as show ssh has it
  bool pty = false;
  uint32_t vty = 0;  // with pty: its number among the terminals

  bool operator==(const ChannelFacts&) const = default;
};

// One direction's keys.
struct KeyFacts {
  std::string cipher, mac;
  uint64_t bytes = 0;       // since the connection began
  uint64_t bytes_left = 0;  // until new keys
  uint64_t records = 0;     // under these keys
  uint32_t seconds_left = 0;

  bool operator==(const KeyFacts&) const = default;
};

struct SessionFacts {
  uint64_t id = 0;
  std::string user;  // empty before the login
  std::string source;
  uint16_t port = 0;
  std::string local;
  uint16_t local_port = 0;
  std::string methods, key, software;
  uint8_t privilege = 1;
  std::string kex, host_key;
  KeyFacts in, out;
  uint64_t exchanges = 0;
  uint64_t began_ms = 0;  // of the clock on the wall
  uint64_t ended_ms = 0;  // zero: it is there
  uint64_t idle_ms = 0;
  std::string end;
  bool in_exchange = false;
  std::vector<ChannelFacts> channels;

  bool operator==(const SessionFacts&) const = default;
};

struct WorkerFacts {
  uint64_t sessions = 0;
  uint64_t turns = 0, busy_turns = 0, spins = 0, sleeps = 0;
  uint64_t cpu_ns = 0, since_ns = 0;
  uint64_t records = 0, batches = 0;
  uint64_t events_waiting = 0, commands_waiting = 0;

  bool operator==(const WorkerFacts&) const = default;
};

struct SuiteFacts {
  std::string suite;
  uint64_t records = 0, bytes = 0, errors = 0, redone = 0;
  uint64_t median_ns = 0, worst_ns = 0;

  bool operator==(const SuiteFacts&) const = default;
};

// A driver, of all workers together.
struct DriverFacts {
  std::string name;
  bool hardware = false;
  bool out_of_service = false;
  uint64_t held = 0, outages = 0, returns = 0, passed_over = 0;
  std::vector<SuiteFacts> suites;

  bool operator==(const DriverFacts&) const = default;
};

// An OpenSSL engine of a process, for key agreements, signatures and random bytes.
struct EngineFacts {
  std::string name;
  std::string process;  // "network" or "monitor"
  std::string state;    // "in-service", "given-up" or "not-loaded"
  uint64_t operations = 0;
  uint64_t failures = 0;  // which software then did
  uint64_t lacking = 0;   // asked for what it has no methods for

  bool operator==(const EngineFacts&) const = default;
};

// A TCP connection over the Ethernet port.
struct PortConnectionFacts {
  std::string local, remote;  // "ADDRESS:PORT"
  std::string state;
  uint64_t mss = 0, cwnd = 0, ssthresh = 0;  // ssthresh zero: none yet
  uint64_t rtt_us = 0, rto_us = 0;
  uint64_t in_flight = 0, peer_window = 0;
  uint64_t in = 0, out = 0, retransmits = 0, timeouts = 0;

  bool operator==(const PortConnectionFacts&) const = default;
};

struct CountFacts {
  std::string name;   // of Prometheus
  std::string label;  // "reason=\"...\"" or empty
  uint64_t value = 0;

  bool operator==(const CountFacts&) const = default;
};

struct NetworkFacts {
  std::vector<SessionFacts> sessions;
  std::vector<SessionFacts> history;  // the last one first
  std::vector<WorkerFacts> workers;
  std::vector<DriverFacts> drivers;
  std::vector<EngineFacts> engines;
  std::vector<CountFacts> counts;
  std::vector<uint64_t> rekey_pauses;  // counts of LatencyHistogram's buckets
  std::vector<std::string> listening;  // "ADDRESS,PORT"
  uint64_t host_keys = 0;              // that serve
  std::vector<std::string> port;       // what the Ethernet port counts, a line each; nothing where there is none
  uint64_t cycles_per_us = 0;          // of the processor's own clock; 0: it has none
  std::vector<PortConnectionFacts> port_connections;  // only where they are asked for

  std::vector<uint8_t> write() const;
  static Result<NetworkFacts> read(Bytes text);
  bool operator==(const NetworkFacts&) const = default;
};

// "user@host" by the session's id; null where there is none.
const SessionFacts* session_of(const NetworkFacts& facts, uint64_t id);

}  // namespace sluice
