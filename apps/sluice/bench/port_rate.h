// The record layer with a port in its loop: records sealed here, carried by TCP over the port, opened at the far end;
// or the other way round.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/sluice/bench/bench_server.h"
#include "apps/sluice/bench/child_process.h"
#include "apps/sluice/bench/line_rate.h"
#include "apps/sluice/bench/record_ends.h"
#include "apps/sluice/bench/wire_link.h"

namespace sluice::bench {

struct PortPlan {
  // "memif", "vhost", "kernel": the far end is a process that is started beside this one. Else a device of DPDK, and
  // `peer` has the far end.
  std::string device;
  std::string address, gateway;
  std::string peer;
  uint64_t mtu = 1500;

  bool has_own_far_end() const { return device == "memif" || device == "vhost" || device == "kernel"; }
};

class PortRate {
 public:
  static ResultOrText<std::unique_ptr<PortRate>> open(const PortPlan& plan);

  std::string about() const { return link_->about(); }
  // For that long, counted by the end that opens.
  ResultOrText<RecordRate> measure(const RecordStream& stream, Direction direction, double seconds);
  // Nanoseconds from a record's arrival here to the far end's word that it is open, sorted.
  ResultOrText<std::vector<double>> seal_latencies(const RecordStream& stream, double records_per_second,
                                                   double seconds);

 private:
  class Asking;
  PortRate() = default;

  // Of a vhost's socket.
  std::unique_ptr<RunFolder> folder_;
  // Outlives the link: what was said last is still acknowledged by it.
  std::unique_ptr<Child> far_end_;
  std::unique_ptr<WireLink> link_;
  std::string peer_;
};

}  // namespace sluice::bench
