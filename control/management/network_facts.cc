// The facts as fields of RFC 4251, one description for both ways.
#include "control/management/network_facts.h"

#include <algorithm>
#include <type_traits>

#include "base/plain_text.h"
#include "base/wire.h"

namespace sluice {
namespace {

// What one line of a screen could hold.
constexpr size_t kMaxText = 1024;

class Writing {
 public:
  void operator()(bool value) { out_.boolean(value); }
  void operator()(uint8_t value) { out_.u8(value); }
  void operator()(uint16_t value) { out_.u32(value); }
  void operator()(uint32_t value) { out_.u32(value); }
  void operator()(uint64_t value) { out_.u64(value); }
  void operator()(const std::string& value) { out_.string(std::string_view(value).substr(0, kMaxText)); }
  template <class T>
  void operator()(const std::vector<T>& list) {
    const size_t count = std::min(list.size(), left_);
    left_ -= count;
    out_.u32(static_cast<uint32_t>(count));
    for (size_t i = 0; i < count; ++i) one(list[i]);
  }
  template <class T>
  void one(const T& item);
  std::vector<uint8_t> take() { return out_.take(); }

 private:
  WireWriter out_;
  size_t left_ = kMaxTold;
};

class Reading {
 public:
  explicit Reading(Bytes from) : in_(from) {}
  void operator()(bool& value) { value = in_.boolean(); }
  void operator()(uint8_t& value) { value = in_.u8(); }
  void operator()(uint16_t& value) { value = static_cast<uint16_t>(in_.u32()); }
  void operator()(uint32_t& value) { value = in_.u32(); }
  void operator()(uint64_t& value) { value = in_.u64(); }
  void operator()(std::string& value) {
    const std::string_view text = in_.text();
    bounded_ = bounded_ && text.size() <= kMaxText;
    // It goes to terminals.
    value = bounded_ ? log_text(text) : std::string();
  }
  template <class T>
  void operator()(std::vector<T>& list) {
    const uint32_t count = in_.u32();
    bounded_ = bounded_ && count <= left_;
    if (bounded_) left_ -= count;
    for (uint32_t i = 0; i < count && sound(); ++i) one(list.emplace_back());
  }
  template <class T>
  void one(T& item);
  bool sound() const { return in_.ok() && bounded_; }
  bool at_end() const { return in_.at_end(); }

 private:
  WireReader in_;
  size_t left_ = kMaxTold;
  bool bounded_ = true;
};

template <class F, class T>
void fields(F& f, T& item) {
  using Plain = std::remove_const_t<T>;
  if constexpr (std::is_same_v<Plain, ChannelFacts>) {
    f(item.number), f(item.type), f(item.pty), f(item.vty);
  } else if constexpr (std::is_same_v<Plain, KeyFacts>) {
    f(item.cipher), f(item.mac), f(item.bytes), f(item.bytes_left), f(item.records), f(item.seconds_left);
  } else if constexpr (std::is_same_v<Plain, SessionFacts>) {
    f(item.id), f(item.user), f(item.source), f(item.port), f(item.local), f(item.local_port), f(item.methods);
    f(item.key), f(item.software), f(item.privilege), f(item.kex), f(item.host_key), f.one(item.in), f.one(item.out);
    f(item.exchanges), f(item.began_ms), f(item.ended_ms), f(item.idle_ms), f(item.end), f(item.in_exchange);
    f(item.channels);
  } else if constexpr (std::is_same_v<Plain, WorkerFacts>) {
    f(item.sessions), f(item.turns), f(item.busy_turns), f(item.spins), f(item.sleeps), f(item.cpu_ns),
        f(item.since_ns);
    f(item.records), f(item.batches), f(item.events_waiting), f(item.commands_waiting);
  } else if constexpr (std::is_same_v<Plain, SuiteFacts>) {
    f(item.suite), f(item.records), f(item.bytes), f(item.errors), f(item.redone), f(item.median_ns), f(item.worst_ns);
  } else if constexpr (std::is_same_v<Plain, DriverFacts>) {
    f(item.name), f(item.hardware), f(item.out_of_service), f(item.held), f(item.outages), f(item.returns);
    f(item.passed_over), f(item.suites);
  } else if constexpr (std::is_same_v<Plain, EngineFacts>) {
    f(item.name), f(item.process), f(item.state), f(item.operations), f(item.failures), f(item.lacking);
  } else if constexpr (std::is_same_v<Plain, PortConnectionFacts>) {
    f(item.local), f(item.remote), f(item.state), f(item.mss), f(item.cwnd), f(item.ssthresh), f(item.rtt_us);
    f(item.rto_us), f(item.in_flight), f(item.peer_window), f(item.in), f(item.out), f(item.retransmits);
    f(item.timeouts);
  } else if constexpr (std::is_same_v<Plain, CountFacts>) {
    f(item.name), f(item.label), f(item.value);
  } else if constexpr (std::is_same_v<Plain, NetworkFacts>) {
    // What there are many of comes last.
    f(item.workers), f(item.drivers), f(item.engines), f(item.counts), f(item.rekey_pauses), f(item.listening);
    f(item.host_keys), f(item.port), f(item.cycles_per_us);
    f(item.port_connections), f(item.history), f(item.sessions);
  } else {
    f(item);
  }
}

template <class T>
void Writing::one(const T& item) {
  fields(*this, item);
}

template <class T>
void Reading::one(T& item) {
  fields(*this, item);
}

}  // namespace

std::vector<uint8_t> NetworkFacts::write() const {
  Writing out;
  out.one(*this);
  return out.take();
}

Result<NetworkFacts> NetworkFacts::read(Bytes text) {
  NetworkFacts facts;
  Reading in(text);
  in.one(facts);
  if (!in.sound() || !in.at_end()) return fail(ErrorCode::malformed_message);
  return facts;
}

const SessionFacts* session_of(const NetworkFacts& facts, uint64_t id) {
  const auto found =
      std::find_if(facts.sessions.begin(), facts.sessions.end(), [&](const SessionFacts& one) { return one.id == id; });
  return found == facts.sessions.end() ? nullptr : &*found;
}

}  // namespace sluice
