// The turn, the sleep, and the errands.
#include "dataplane/netstack/port_stack.h"

#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/clock.h"

namespace sluice {
namespace {

// Frames of one turn, so that sessions get theirs; and bytes: what is worked on in one piece is acknowledged, and its
// room given back, in one piece. Of a window that comes in a single turn the peer sees nothing until it is all done,
// and both wait for each other.
constexpr int kBursts = 4;
constexpr size_t kTurnBytes = 256 * 1024;
constexpr size_t kLeastBurst = 4;
constexpr uint64_t kTickNs = 50'000'000;
// Looking on after the last frame costs less than a sleep. Where frames keep following each other the next one is worth
// a longer look, from a core that nobody else wants.
constexpr uint64_t kSpinNs = 20'000;
constexpr uint64_t kHotSpinNs = 200'000;
// So often in a row have they come soon after the last ones before that.
constexpr int kHot = 16;
// Without interrupts naps grow with the silence: what the ring holds meanwhile, and what an answer may be late.
constexpr uint64_t kShortNapNs = 20'000;
constexpr uint64_t kLongNapNs = 1'000'000;
// Part of the silence that a nap may be.
constexpr uint64_t kNapShare = 16;
constexpr uint64_t kLongestSleepNs = 1'000'000'000;
// Nobody has taken them: control has more than it can do.
constexpr size_t kMostArrivals = 1024;

}  // namespace

PortStack::PortStack(PortQueue& queue, const PortStackSettings& settings)
    : queue_(queue),
      settings_(settings),
      network_(settings.net, queue, tcp_),
      tcp_(settings.tcp, network_, monotonic_clock().now_ns()),
      now_ns_(monotonic_clock().now_ns()),
      watched_(::epoll_create1(EPOLL_CLOEXEC)),
      errand_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      arrived_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  SLUICE_CHECK(watched_.get() >= 0 && errand_.get() >= 0 && arrived_.get() >= 0);
  moved_ns_ = now_ns_;
  network_.set_traffic_class(settings.traffic_class);
  epoll_event event{};
  event.events = EPOLLIN;
  SLUICE_CHECK(::epoll_ctl(watched_.get(), EPOLL_CTL_ADD, errand_.get(), &event) == 0);
  // One that cannot be watched is looked at after naps.
  event.events = EPOLLIN | EPOLLET;
  if (queue.descriptor() >= 0) ::epoll_ctl(watched_.get(), EPOLL_CTL_ADD, queue.descriptor(), &event);
  for (const InterfaceAddress& address : settings.net.addresses) {
    for (const uint16_t port : settings.listen_on) tcp_.listen({address.address, port}, *this);
  }
}

// Frames that wait below are told of while there are connections to tell.
PortStack::~PortStack() { queue_.drop_unsent(); }

bool PortStack::take_in() {
  now_ns_ = monotonic_clock().now_ns();
  if (std::exchange(slept_, false)) {
    // Edges: what a device's descriptor holds is the device's, and it stays readable.
    std::array<epoll_event, 2> events;
    ::epoll_wait(watched_.get(), events.data(), static_cast<int>(events.size()), 0);
  }
  bool moved = has_errands_.load(std::memory_order_acquire) && do_errands();
  size_t frames = 0;
  turn_bytes_ = 0;
  for (int i = 0; i < kBursts && turn_bytes_ < kTurnBytes; ++i) {
    const size_t n = queue_.receive(*this, burst_);
    frames += n;
    if (n == 0) break;
    // As many as are worth what is left, if they are like these.
    burst_ = std::max(kLeastBurst, kTurnBytes * frames / std::max<size_t>(turn_bytes_, 1));
  }
  if (frames > 0) {
    if (std::exchange(armed_, false)) queue_.disarm();
    tcp_.end_burst(now_ns_);
    // Acknowledgments go before what came is worked on.
    queue_.flush();
    moved = true;
  }
  if (now_ns_ >= tcp_.next_deadline()) tcp_.advance(now_ns_);
  if (now_ns_ - ticked_ns_ >= kTickNs) {
    ticked_ns_ = now_ns_;
    network_.tick(now_ns_);
  }
  if (!openings_.empty()) look_at_openings();
  if (moved) {
    heat_ = now_ns_ <= moved_ns_ + kHotSpinNs ? std::min(heat_ + 1, kHot) : 0;
    moved_ns_ = now_ns_;
  }
  return moved;
}

void PortStack::send_out() {
  queue_.flush();
  // Silence begins when what came has been worked on, however long that took.
  if (moved_ns_ == now_ns_) moved_ns_ = monotonic_clock().now_ns();
  if (queue_.has_unsent()) {
    full_since_ns_ = now_ns_;
  } else if (full_since_ns_ != 0 || network_.take_refused()) {
    full_since_ns_ = 0;
    tcp_.resume(now_ns_);
    queue_.flush();
  }
}

void PortStack::finish(uint64_t most_ns) {
  const uint64_t end = monotonic_clock().now_ns() + most_ns;
  while (tcp_.connections() > tcp_.time_waits() && monotonic_clock().now_ns() < end) {
    const bool moved = take_in();
    // What timers sent, too: a peer that says nothing may be waiting for it.
    send_out();
    if (moved) continue;
    const timespec nap{0, static_cast<long>(kShortNapNs)};
    ::nanosleep(&nap, nullptr);
  }
  send_out();
}

void PortStack::on_frame(MutableBytes frame, std::span<const Bytes> more, FrameFacts facts) {
  turn_bytes_ += frame.size();
  for (const Bytes piece : more) turn_bytes_ += piece.size();
  network_.input(frame, more, facts, now_ns_);
}

uint64_t PortStack::may_sleep_ns() {
  const uint64_t now = monotonic_clock().now_ns();
  const uint64_t silence = now - moved_ns_;
  if (has_errands_.load(std::memory_order_acquire) || silence < kSpinNs) return 0;
  if (heat_ == kHot && silence < kHotSpinNs) {
    ::sched_yield();
    return 0;
  }
  uint64_t most = std::min(kLongestSleepNs, ticked_ns_ + kTickNs > now ? ticked_ns_ + kTickNs - now : 0);
  const uint64_t deadline = tcp_.next_deadline();
  most = std::min(most, deadline > now ? deadline - now : 0);
  if (queue_.has_unsent()) most = std::min(most, kShortNapNs);
  if (queue_.has_steered()) return 0;
  const uint64_t nap = std::clamp(silence / kNapShare, kShortNapNs, kLongNapNs);
  // With other queues beside it frames may come by theirs.
  if (queue_.descriptor() < 0 || settings_.shares_port) return std::min(most, nap);
  if (armed_) {
    slept_ = true;
    return most;
  }
  armed_ = queue_.arm();
  return 0;
}

void PortStack::accept(std::unique_ptr<TcpTransport> connection) {
  if (!accepts_.load(std::memory_order_relaxed)) return connection->abort();
  const IpEndpoints ends = connection->endpoints();
  {
    const std::lock_guard lock(mutex_);
    if (arrivals_.size() >= kMostArrivals) return connection->abort();
    arrivals_.push_back({std::move(connection), ends});
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(arrived_.get(), &one, sizeof one);
}

std::vector<PortArrival> PortStack::arrivals() {
  uint64_t count;
  [[maybe_unused]] const ssize_t n = ::read(arrived_.get(), &count, sizeof count);
  const std::lock_guard lock(mutex_);
  return std::exchange(arrivals_, {});
}

// Said and woken in one: a wake-up that came behind its errand would be nobody's, and let the worker sleep no more.
void PortStack::do_errand(std::function<void()> errand) {
  const std::lock_guard lock(mutex_);
  errands_.push_back(std::move(errand));
  has_errands_.store(true, std::memory_order_release);
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(errand_.get(), &one, sizeof one);
}

bool PortStack::do_errands() {
  std::deque<std::function<void()>> errands;
  {
    const std::lock_guard lock(mutex_);
    uint64_t count;
    [[maybe_unused]] const ssize_t n = ::read(errand_.get(), &count, sizeof count);
    has_errands_.store(false, std::memory_order_relaxed);
    errands.swap(errands_);
  }
  for (const auto& errand : errands) errand();
  return !errands.empty();
}

void PortStack::turn_away(std::unique_ptr<Transport> transport, std::string line) {
  // A function that is copied must be copyable.
  const std::shared_ptr<Transport> shared = std::move(transport);
  do_errand([shared, line = std::move(line)] {
    SendRing& ring = shared->send_ring();
    uint8_t* const place = line.empty() ? nullptr : ring.reserve(line.size());
    if (place != nullptr) {
      std::copy(line.begin(), line.end(), place);
      ring.commit(line.size(), place, line.size());
      shared->flush();
    }
  });
}

void PortStack::connect(const IpEndpoint& to, uint64_t patience_ns, Opened opened) {
  do_errand([this, to, patience_ns, opened = std::move(opened)]() mutable {
    openings_.push_back({nullptr, to, now_ns_ + patience_ns, std::move(opened)});
  });
}

void PortStack::look_at_openings() {
  // An address of ours that is still being tried is no source.
  for (size_t i = 0; i < openings_.size();) {
    Opening& opening = openings_[i];
    if (!opening.transport && network_.settled()) {
      IpEndpoints ends;
      ends.remote = opening.to;
      ends.local.address.v6 = opening.to.address.v6;
      opening.transport = tcp_.connect(ends, now_ns_);
      if (!opening.transport) opening.give_up_ns = 0;
    }
    const bool waits = !opening.transport || opening.transport->connecting();
    if (waits && now_ns_ < opening.give_up_ns) {
      ++i;
      continue;
    }
    Opening done = std::move(opening);
    openings_.erase(openings_.begin() + static_cast<std::ptrdiff_t>(i));
    if (!done.transport) {
      done.opened(nullptr, {}, TcpEnd::unreachable);
    } else if (waits) {
      done.transport->abort();
      done.opened(nullptr, {}, TcpEnd::timed_out);
    } else if (const TcpEnd why = done.transport->failure(); why != TcpEnd::none) {
      done.opened(nullptr, {}, why);
    } else {
      const IpEndpoints ends = done.transport->endpoints();
      done.opened(std::move(done.transport), ends, TcpEnd::none);
    }
  }
}

void PortStack::show(std::function<void(std::string)> shown) {
  do_errand([this, shown = std::move(shown)] { shown(describe()); });
}

void PortStack::list(std::function<void(std::vector<TcpConnectionFacts>)> listed) {
  do_errand([this, listed = std::move(listed)] {
    std::vector<TcpConnectionFacts> found;
    tcp_.show([&](const TcpConnectionFacts& facts) { found.push_back(facts); });
    listed(std::move(found));
  });
}

std::string PortStack::describe() const {
  std::string out = "network: " + network_.counters().text() + "\ntcp: connections " +
                    std::to_string(tcp_.connections()) + ", half open " + std::to_string(tcp_.half_open()) +
                    ", time wait " + std::to_string(tcp_.time_waits());
  for (size_t i = 0; i < kTcpCountNames.size(); ++i) {
    const uint64_t value = tcp_.counters().counts[i].get();
    if (value > 0) out.append(", ").append(kTcpCountNames[i]).append(" ").append(std::to_string(value));
  }
  tcp_.show([&](const TcpConnectionFacts& facts) {
    const IpEndpoints& ends = facts.endpoints;
    out.append("\n").append(ends.local.address.text()).append(" ").append(std::to_string(ends.local.port));
    out.append(" - ").append(ends.remote.address.text()).append(" ").append(std::to_string(ends.remote.port));
    out.append(" ").append(kTcpStateNames[static_cast<size_t>(facts.state)]);
    const auto tell = [&](const char* name, uint64_t value) {
      out.append(", ").append(name).append(" ").append(std::to_string(value));
    };
    tell("mss", facts.mss);
    tell("cwnd", facts.cwnd);
    tell("rtt us", facts.srtt_us);
    tell("rto us", facts.rto_us);
    tell("in flight", facts.in_flight);
    tell("in", facts.bytes_in);
    tell("out", facts.bytes_out);
    tell("retransmits", facts.retransmits);
    tell("timeouts", facts.timeouts);
  });
  return out;
}

}  // namespace sluice
