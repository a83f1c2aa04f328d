// Fuzz target: Ethernet frames to a network layer and the TCP above it, with a listener and with connections that are
// being opened.
#include <algorithm>

#include "base/check.h"
#include "dataplane/netstack/network_layer.h"
#include "dataplane/netstack/tcp_stack.h"
#include "dataplane/netstack/tcp_transport.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using namespace sluice;

constexpr size_t kMostFrames = 64;

// What goes out must be a frame, and little: nobody makes us shout.
struct Wire final : FrameSink {
  bool send(const OutFrame& frame) override {
    SLUICE_CHECK(frame.header.size() >= 42 && frame.header.size() <= 14 + 40 + 64);
    size_t size = frame.header.size();
    for (const Bytes& piece : frame.payload) size += piece.size();
    SLUICE_CHECK(size <= 66000);
    ++sent;
    return true;
  }
  size_t sent = 0;
};

struct Keeper final : TcpAcceptor {
  void accept(std::unique_ptr<TcpTransport> connection) override { kept.push_back(std::move(connection)); }
  std::vector<std::unique_ptr<TcpTransport>> kept;
};

void use(Keeper& keeper) {
  for (auto& each : keeper.kept) {
    std::array<MutableBytes, 4> pieces;
    each->peek(0, pieces);
    each->release(each->available());
  }
}

}  // namespace

// Each frame is two bytes of its length, one of how long it comes after the one before, and itself.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint64_t kTick = 20'000'000;
  uint64_t now = 1'000'000'000;
  Wire wire;
  Keeper keeper;
  NetSettings net;
  net.mac = {2, 0, 0, 0, 0, 1};
  net.addresses = {*InterfaceAddress::parse("192.0.2.1/24"), *InterfaceAddress::parse("2001:db8::1/64")};
  net.ask_for_duplicates = false;
  struct Up final : SegmentReceiver {
    void on_segment(const SegmentIn& segment, uint64_t at) override { stack->on_segment(segment, at); }
    void on_notice(const SegmentNotice& notice, uint64_t at) override { stack->on_notice(notice, at); }
    TcpStack* stack = nullptr;
  } up;
  NetworkLayer network(net, wire, up);
  TcpSettings settings;
  // Few of each, so that they are full soon and made quickly.
  settings.most_connections = 16;
  settings.syn_backlog = 8;
  settings.most_time_waits = 8;
  settings.send_bytes = settings.receive_bytes = 1 << 16;
  TcpStack tcp(settings, network, now);
  up.stack = &tcp;
  for (const InterfaceAddress& address : net.addresses) tcp.listen({address.address, 22}, keeper);
  Bytes rest(data, size);
  size_t frames = 0;
  for (; rest.size() > 3 && frames < kMostFrames; ++frames) {
    const size_t n = std::min(size_t{rest[0]} | size_t{rest[1]} << 8, rest.size() - 3);
    now += rest[2] * kTick;
    // Memory of its own, so that a byte too far is seen.
    std::vector<uint8_t> frame(rest.begin() + 3, rest.begin() + 3 + static_cast<std::ptrdiff_t>(n));
    rest = rest.subspan(3 + n);
    network.input(frame, {}, {rest.size() % 2 == 0}, now);
    tcp.end_burst(now);
    use(keeper);
    network.tick(now);
    tcp.advance(now);
  }
  SLUICE_CHECK(wire.sent < 40 * (kMostFrames + frames));
  keeper.kept.clear();
  return 0;
}
