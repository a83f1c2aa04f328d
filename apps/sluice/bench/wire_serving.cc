// Orders, and connections in turn.
#include "apps/sluice/bench/wire_serving.h"

#include <csignal>
#include <cstdio>
#include <cstring>

#include "apps/sluice/bench/bench_output.h"
#include "base/clock.h"
#include "base/wire.h"

namespace sluice::bench {
namespace {

constexpr size_t kLongestLine = 200;
constexpr size_t kMostConnections = 64;
// Of one turn, so that others get theirs.
constexpr size_t kMostRecords = 64;
// A guest that has neither sent nor taken anything for so long is gone, or keeps a place from others.
constexpr uint64_t kIdleNs = 30'000'000'000;
volatile std::sig_atomic_t ended = 0;

// What a stranger may have us use: names that load nothing.
bool may_be_asked_for(std::string_view driver) {
  return driver == "auto" || driver == "ipsec_mb" || driver == "openssl" || driver == "null";
}

class Guest {
 public:
  explicit Guest(std::unique_ptr<Transport> transport) : transport_(std::move(transport)) {}

  Transport& transport() { return *transport_; }
  // False: it is done with.
  bool turn() {
    const uint64_t now = monotonic_clock().now_ns();
    if (transport_->broken() || now - moved_ns_ > kIdleNs) return false;
    if (!sealing_ && !opening_) return begin();
    if (sealing_) {
      if (sealing_->seal(kMostRecords) > 0) moved_ns_ = now;
      return !transport_->ended() && !sealing_->failed();
    }
    const size_t opened = opening_->open();
    opened_ += opened;
    if (opened > 0) moved_ns_ = now;
    if (opening_->failed()) return false;
    if (told_ != opened_) {
      const auto count = WireWriter().u64(opened_).take();
      if (say(*transport_, count)) told_ = opened_;
    }
    return !transport_->ended() || opened > 0;
  }

 private:
  bool begin() {
    const auto line = take_line(*transport_);
    if (!line) return !transport_->ended();
    const auto order = WireOrder::parse(*line);
    if (!order) return false;
    if (order->direction == Direction::seal) {
      opening_ = std::make_unique<OpeningEnd>(*transport_, order->stream);
    } else {
      sealing_ = std::make_unique<SealingEnd>(*transport_, order->stream);
    }
    return true;
  }

  std::unique_ptr<Transport> transport_;
  std::unique_ptr<SealingEnd> sealing_;
  std::unique_ptr<OpeningEnd> opening_;
  uint64_t opened_ = 0, told_ = 0;
  uint64_t moved_ns_ = monotonic_clock().now_ns();
};

}  // namespace

std::string WireOrder::line() const {
  return std::string("SLUICE-RECORDS 1 ") + (direction == Direction::seal ? "seal " : "open ") + stream.suite->name() +
         " " + std::to_string(stream.payload) + " " + stream.driver + "\n";
}

std::optional<WireOrder> WireOrder::parse(std::string_view line) {
  char verb[8], suite[64], driver[32];
  unsigned payload = 0;
  const std::string copy(line);
  if (std::sscanf(copy.c_str(), "SLUICE-RECORDS 1 %7s %63s %u %31s", verb, suite, &payload, driver) != 4)
    return std::nullopt;
  WireOrder order;
  const std::string_view what(verb);
  order.direction = what == "seal" ? Direction::seal : Direction::open;
  order.stream = {find_suite(suite), payload, driver};
  const bool known = (what == "seal" || what == "open") && order.stream.suite && order.stream.suite->negotiable;
  if (!known || payload < 1 || payload > kMaxPayload || !may_be_asked_for(driver)) return std::nullopt;
  return order;
}

std::optional<std::string> take_line(Transport& transport) {
  std::string got;
  while (got.size() < kLongestLine) {
    std::array<MutableBytes, 1> piece;
    if (transport.peek(got.size(), piece) == 0 || piece[0].empty()) return std::nullopt;
    const std::string_view text(reinterpret_cast<const char*>(piece[0].data()), piece[0].size());
    const size_t end = text.find('\n');
    got.append(text.substr(0, std::min(end == std::string_view::npos ? text.size() : end + 1, kLongestLine)));
    if (end != std::string_view::npos) break;
  }
  transport.release(got.size());
  if (!got.ends_with('\n')) got.clear();
  return got;
}

bool say(Transport& transport, Bytes words) {
  uint8_t* const place = transport.send_ring().reserve(words.size());
  if (place == nullptr) return false;
  std::copy(words.begin(), words.end(), place);
  const bool sent = transport.send_ring().commit(words.size(), place, words.size());
  transport.flush();
  return sent;
}

int serve_records(const WireWishes& wishes) {
  auto link = WireLink::open(wishes);
  if (!link) return complain("linerate", link.error(), kNotAvailable);
  if (auto listening = (*link)->listen(kWirePort); !listening)
    return complain("linerate", listening.error(), kNotAvailable);
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, [](int) { ended = 1; });
  std::puts("ready");
  std::fflush(stdout);
  std::vector<std::unique_ptr<Guest>> guests;
  while (ended == 0) {
    (*link)->take_in(nullptr);
    for (auto& come : (*link)->arrivals()) {
      if (guests.size() < kMostConnections) guests.push_back(std::make_unique<Guest>(std::move(come)));
    }
    for (size_t i = 0; i < guests.size();) {
      (*link)->take_in(&guests[i]->transport());
      if (guests[i]->turn()) {
        ++i;
      } else {
        guests.erase(guests.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    (*link)->send_out();
    if (guests.empty()) (*link)->rest();
  }
  guests.clear();
  return kPassed;
}

}  // namespace sluice::bench
