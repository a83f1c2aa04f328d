// What the record layer does with one core, what that is on a wire, and how many cores a link would need.
#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "crypto_offload/cipher_suite.h"
#include "crypto_offload/crypto_op.h"

namespace sluice::bench {

// The time stamp counter; 0 where there is none.
uint64_t time_stamp();

// Moments at random (Poisson), so many a second on average, in nanoseconds from a beginning.
class Arrivals {
 public:
  Arrivals(uint64_t seed, double per_second) : random_(seed), mean_ns_(1e9 / per_second) { take(); }
  double next() const { return next_; }
  double take();

 private:
  CheapRandom random_;
  double mean_ns_;
  double next_ = 0;
};

struct RecordRate {
  double records_per_second = 0;
  double cycles_per_byte = 0;  // of the time stamp counter and of payload; 0 where there is none
  std::string ran;             // drivers that took the records
};
// For that long, on this thread, `batch` records at hand.
RecordRate measure_records(const CipherSuite& suite, Direction direction, uint32_t payload, const std::string& driver,
                           size_t batch, double seconds);

// Nanoseconds from a record's arrival to its sealed bytes, sorted, where records come at random moments so many a
// second on average, and those that wait are sealed together.
std::vector<double> seal_latencies(const CipherSuite& suite, uint32_t payload, const std::string& driver, size_t batch,
                                   double records_per_second, double seconds);

// Records as a TCP stream over Ethernet: full segments with timestamps, frame headers, FCS, preamble and gap.
struct Wire {
  double mtu = 1500;
  // Of the bits on the wire how many are the stream's.
  double stream_share() const { return (mtu - 52) / (mtu + 38); }
};
// Bits a second on the wire that so many records a second are.
double wire_bits(const CipherSuite& suite, uint32_t payload, double records_per_second, const Wire& wire);
// Cores that fill a link of that many bits a second in one direction, by what one core does.
double cores_for(double link_bits, double wire_bits_of_a_core);

}  // namespace sluice::bench
