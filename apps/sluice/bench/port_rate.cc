// The asking end.
#include "apps/sluice/bench/port_rate.h"

#include <unistd.h>

#include <algorithm>
#include <deque>

#include "apps/sluice/bench/wire_serving.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/wire.h"

namespace sluice::bench {
namespace {

// Addresses that are set aside for measurements.
constexpr const char* kHere = "198.18.0.2";
constexpr const char* kThere = "198.18.0.1";
constexpr const char* kLength = "/24";
constexpr double kStartSeconds = 120;
// Before the clock starts: windows grow, and what is made once is made.
constexpr uint64_t kWarmNs = 100'000'000;
constexpr uint64_t kStillNs = 20'000'000'000;
constexpr size_t kTurn = 64;
constexpr size_t kMostSamples = size_t{1} << 20;

uint64_t now_ns() { return monotonic_clock().now_ns(); }

// Devices of both ends on this machine, the far one's first.
std::pair<std::string, std::string> pair_of(const std::string& device, const std::string& folder) {
  if (device == "memif") {
    const std::string rest = ",id=0,socket=sluice-linerate-" + std::to_string(::getpid());
    return {"net_memif0,role=server" + rest, "net_memif0,role=client" + rest};
  }
  if (device == "vhost") {
    const std::string path = folder + "/socket";
    return {"net_vhost0,iface=" + path + ",queues=1", "net_virtio_user0,path=" + path + ",queues=1"};
  }
  return {device, device};
}

}  // namespace

// A connection with its order said.
class PortRate::Asking {
 public:
  Asking(WireLink& link, std::unique_ptr<Transport> transport, const WireOrder& order)
      : link_(link), transport_(std::move(transport)) {
    const std::string line = order.line();
    (void)say(*transport_, bytes_of(line));
    if (order.direction == Direction::seal) {
      sealing_ = std::make_unique<SealingEnd>(*transport_, order.stream);
    } else {
      opening_ = std::make_unique<OpeningEnd>(*transport_, order.stream);
    }
    moved_ns_ = now_ns();
  }

  // At most so many more are sealed. Returns how many were begun.
  size_t turn(size_t most) {
    link_.take_in(transport_.get());
    const uint64_t before = opened_;
    size_t begun = 0;
    if (sealing_) {
      begun = sealing_->seal(most);
      begun_ += begun;
      take_counts();
    } else {
      opened_ += opening_->open();
    }
    link_.send_out();
    if (opened_ != before) moved_ns_ = now_ns();
    return begun;
  }
  uint64_t opened() const { return opened_; }
  // Why there is no point in going on; empty: there is.
  std::string fault() const {
    if (lied_) return "the far end tells of records that it cannot have opened";
    if ((opening_ && opening_->failed()) || (sealing_ && sealing_->failed())) return "a record was wrong";
    if (transport_->broken() || transport_->ended())
      return "the far end has gone: a record was wrong, or it cannot do what was asked";
    if (now_ns() - moved_ns_ > kStillNs) return "nothing moves";
    return {};
  }

 private:
  void take_counts() {
    while (!lied_ && transport_->available() >= sizeof(uint64_t)) {
      std::array<uint8_t, sizeof(uint64_t)> count;
      for (size_t got = 0; got < count.size();) {
        std::array<MutableBytes, 1> piece;
        if (transport_->peek(got, piece) == 0) return;
        const size_t n = std::min(piece[0].size(), count.size() - got);
        std::copy_n(piece[0].begin(), n, count.begin() + static_cast<std::ptrdiff_t>(got));
        got += n;
      }
      transport_->release(count.size());
      const uint64_t told = load_be64(count.data());
      // Nobody opens what was not sealed, or closes it again.
      if (told < opened_ || told > begun_) {
        lied_ = true;
        return;
      }
      opened_ = told;
    }
  }

  WireLink& link_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<SealingEnd> sealing_;
  std::unique_ptr<OpeningEnd> opening_;
  uint64_t begun_ = 0, opened_ = 0;
  uint64_t moved_ns_ = 0;
  bool lied_ = false;
};

ResultOrText<std::unique_ptr<PortRate>> PortRate::open(const PortPlan& plan) {
  std::unique_ptr<PortRate> rate(new PortRate);
  WireWishes near{plan.device, plan.address, plan.gateway, plan.mtu};
  rate->peer_ = plan.peer;
  if (plan.has_own_far_end()) {
    const bool sockets = plan.device == "kernel";
    if (plan.device == "vhost") {
      auto folder = RunFolder::make(default_folder());
      if (!folder) return fail(folder.error());
      rate->folder_ = std::move(*folder);
    }
    const auto [there, here] = pair_of(plan.device, rate->folder_ ? rate->folder_->path() : "");
    near.device = here;
    near.address = sockets ? "127.0.0.1" : std::string(kHere) + kLength;
    rate->peer_ = sockets ? "127.0.0.1" : kThere;
    ChildOptions options;
    options.words = {own_program(),    "bench",
                     "linerate",       "--serve",
                     "--port-dev",     there,
                     "--port-address", sockets ? near.address : std::string(kThere) + kLength,
                     "--port-mtu",     std::to_string(plan.mtu)};
    auto child = Child::start(std::move(options));
    if (!child) return fail(child.error());
    rate->far_end_ = std::move(*child);
    for (std::string line; line != "ready";) {
      const auto said = rate->far_end_->read_line(kStartSeconds);
      if (!said) return fail("the far end did not start: " + line);
      line = *said;
    }
  }
  auto link = WireLink::open(near);
  if (!link) return fail(link.error());
  rate->link_ = std::move(*link);
  return rate;
}

ResultOrText<RecordRate> PortRate::measure(const RecordStream& stream, Direction direction, double seconds) {
  auto transport = link_->connect(peer_, kWirePort);
  if (!transport) return fail(transport.error());
  Asking asking(*link_, std::move(*transport), {direction, stream});
  const auto limit = static_cast<uint64_t>(seconds * 1e9);
  uint64_t begin_ns = 0, begin_cycles = 0, begin = 0;
  const uint64_t warm = now_ns() + kWarmNs;
  for (;;) {
    const uint64_t before = asking.opened();
    asking.turn(kTurn);
    if (asking.opened() == before) {
      if (const std::string fault = asking.fault(); !fault.empty()) return fail(fault);
      continue;
    }
    const uint64_t now = now_ns();
    if (begin_ns == 0 && now >= warm) {
      begin_ns = now;
      begin_cycles = time_stamp();
      begin = asking.opened();
    } else if (begin_ns != 0 && now - begin_ns >= limit) {
      const auto count = static_cast<double>(asking.opened() - begin);
      return RecordRate{count / (static_cast<double>(now - begin_ns) * 1e-9),
                        static_cast<double>(time_stamp() - begin_cycles) / count / stream.payload, ""};
    }
  }
}

ResultOrText<std::vector<double>> PortRate::seal_latencies(const RecordStream& stream, double records_per_second,
                                                           double seconds) {
  auto transport = link_->connect(peer_, kWirePort);
  if (!transport) return fail(transport.error());
  Asking asking(*link_, std::move(*transport), {Direction::seal, stream});
  // What is made once is made before the first that counts.
  uint64_t told = 0;
  for (bool sent = false; asking.opened() == 0;) {
    told += asking.turn(sent ? 0 : 1);
    sent = told > 0;
    if (const std::string fault = asking.fault(); !fault.empty()) return fail(fault);
  }
  Arrivals arrivals(stream.payload, records_per_second);
  std::deque<double> waiting, under_way;
  std::vector<double> latencies;
  const uint64_t began = now_ns();
  const double end = seconds * 1e9;
  while (latencies.size() < kMostSamples) {
    const auto now = static_cast<double>(now_ns() - began);
    while (arrivals.next() <= std::min(now, end)) waiting.push_back(arrivals.take());
    const size_t begun = asking.turn(std::min(waiting.size(), kTurn));
    for (size_t i = 0; i < begun; ++i) under_way.push_back(waiting[i]);
    waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(begun));
    const auto done = static_cast<double>(now_ns() - began);
    for (; told < asking.opened() && !under_way.empty(); ++told) {
      latencies.push_back(done - under_way.front());
      under_way.pop_front();
    }
    if (now > end && waiting.empty() && under_way.empty()) break;
    if (const std::string fault = asking.fault(); !fault.empty() && !(waiting.empty() && under_way.empty()))
      return fail(fault);
  }
  std::sort(latencies.begin(), latencies.end());
  return latencies;
}

}  // namespace sluice::bench
