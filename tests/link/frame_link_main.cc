// sluice-frame-link: two ports of DPDK and a bad wire between them, for tests and benchmarks of the packet path. Its
// options are in kUsage.
#include <sys/prctl.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "base/clock.h"
#include "drivers/dpdk_module.h"
#include "tests/link/frame_path.h"

namespace sluice::link {
namespace {

constexpr const char* kUsage =
    R"(usage: sluice-frame-link --port DEVICE --port DEVICE [options]
Passes Ethernet frames between two ports of DPDK, both ways. Says "ready" in a line and ends on SIGTERM or SIGINT, with a
line of counts for each direction.
  --delay MS          each way
  --rate BYTES        a second, each way
  --buffer BYTES      that may wait for it; default 1 MiB
  --loss P, --duplicate P, --corrupt P, --reorder P  probabilities of each frame
  --reorder-by MS     how late a frame of --reorder is; default 1
  --mtu BYTES         default 1500
  --eal WORD          an option of DPDK's EAL; may be repeated
  --seed N            of everything random
)";

struct Settings {
  std::vector<std::string> ports;
  FramePathSettings path;
  size_t mtu = 1500;
  DpdkSettings dpdk;
};

volatile std::sig_atomic_t stopped = 0;

[[noreturn]] void usage(const std::string& why) {
  std::fprintf(stderr, "sluice-frame-link: %s\n%s", why.c_str(), kUsage);
  std::exit(2);
}

double number_from(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || *end != 0 || !(number >= 0)) usage("not a number: " + text);
  return number;
}

void take_option(Settings& s, const std::string& name, const std::string& value) {
  constexpr double kMillisecond = 1e6;
  if (name == "--port") {
    s.ports.push_back(value);
  } else if (name == "--eal") {
    s.dpdk.eal_args.push_back(value);
  } else if (name == "--delay") {
    s.path.delay_ns = static_cast<uint64_t>(number_from(value) * kMillisecond);
  } else if (name == "--rate") {
    s.path.rate = static_cast<uint64_t>(number_from(value));
  } else if (name == "--buffer") {
    s.path.buffer = static_cast<size_t>(number_from(value));
  } else if (name == "--loss") {
    s.path.loss = number_from(value);
  } else if (name == "--duplicate") {
    s.path.duplicate = number_from(value);
  } else if (name == "--corrupt") {
    s.path.corrupt = number_from(value);
  } else if (name == "--reorder") {
    s.path.reorder = number_from(value);
  } else if (name == "--reorder-by") {
    s.path.reorder_ns = static_cast<uint64_t>(number_from(value) * kMillisecond);
  } else if (name == "--mtu") {
    s.mtu = static_cast<size_t>(number_from(value));
  } else if (name == "--seed") {
    s.path.seed = static_cast<uint64_t>(number_from(value));
  } else {
    usage("no such option: " + name);
  }
}

// From one port into a path.
struct Into final : FrameReceiver {
  Into(FramePath& p, const uint64_t& n) : path(p), now(n) {}
  void on_frame(MutableBytes frame, std::span<const Bytes> more, FrameFacts) override {
    if (more.empty()) return path.put(frame, now);
    whole.assign(frame.begin(), frame.end());
    for (const Bytes& piece : more) whole.insert(whole.end(), piece.begin(), piece.end());
    path.put(whole, now);
  }
  FramePath& path;
  const uint64_t& now;
  std::vector<uint8_t> whole;
};

bool send(PortQueue& queue, Bytes frame) {
  // What stands in front is copied as a head.
  const size_t head = std::min<size_t>(frame.size(), 64);
  const Bytes rest = frame.subspan(head);
  return queue.send({.header = frame.first(head), .payload = {&rest, rest.empty() ? 0u : 1u}});
}

void say(const char* direction, const FramePathCounts& c) {
  std::fprintf(stderr, "%s: in %lu, out %lu, lost %lu, overflowed %lu, duplicated %lu, corrupted %lu, reordered %lu\n",
               direction, c.in, c.out, c.lost, c.overflowed, c.duplicated, c.corrupted, c.reordered);
}

int pass(PortQueue& a, PortQueue& b, const FramePathSettings& settings) {
  // Whoever is measured over it needs the cores himself: a look takes less than a spin.
  constexpr uint64_t kNapNs = 20'000;
  constexpr uint64_t kIdleNapNs = 50'000;
  constexpr uint64_t kIdleNs = 10'000'000;
  constexpr uint64_t kLeastNapNs = 2'000;
  FramePathSettings back = settings;
  back.seed = settings.seed * 1000003 + 1;
  FramePath up(settings), down(back);
  uint64_t now = 0;
  Into from_a(up, now), from_b(down, now);
  uint64_t moved_ns = 0;
  while (stopped == 0) {
    now = monotonic_clock().now_ns();
    const bool moved = a.receive(from_a) + b.receive(from_b) > 0;
    if (moved) moved_ns = now;
    up.take_due(now, [&](Bytes frame) { return send(b, frame); });
    down.take_due(now, [&](Bytes frame) { return send(a, frame); });
    a.flush();
    b.flush();
    if (moved) continue;
    const uint64_t due = std::min(up.next_due(), down.next_due());
    const uint64_t wait = due <= now ? 0 : std::min(due - now, now - moved_ns > kIdleNs ? kIdleNapNs : kNapNs);
    if (wait < kLeastNapNs) continue;
    const timespec nap{0, static_cast<long>(wait)};
    ::nanosleep(&nap, nullptr);
  }
  say("up", up.counts());
  say("down", down.counts());
  return 0;
}

int run(int argc, char** argv) {
  Settings s;
  s.dpdk.memory_mb = 256;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) usage(std::string(argv[i]) + " needs a value");
    take_option(s, argv[i], argv[i + 1]);
  }
  if (s.ports.size() != 2) usage("--port is needed twice");
  set_dpdk_settings(s.dpdk);
  std::vector<std::unique_ptr<NetPort>> ports;
  for (const std::string& device : s.ports) {
    auto module = dpdk_module(device);
    auto port = module ? (*module)->open_port({device, 1, s.mtu, {}}) : tl::unexpected<std::string>(module.error());
    if (!port) {
      std::fprintf(stderr, "sluice-frame-link: %s\n", port.error().c_str());
      return 1;
    }
    ports.push_back(std::move(*port));
  }
  // A nap of 50 us is not to become one of 100.
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  for (const int signal : {SIGTERM, SIGINT}) std::signal(signal, [](int) { stopped = 1; });
  std::puts("ready");
  std::fflush(stdout);
  return pass(ports[0]->queue(0), ports[1]->queue(0), s.path);
}

}  // namespace
}  // namespace sluice::link

int main(int argc, char** argv) { return sluice::link::run(argc, argv); }
