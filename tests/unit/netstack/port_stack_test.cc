// A port's stack between its worker and other threads.
#include "dataplane/netstack/port_stack.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

namespace sluice {
namespace {

// Nothing comes, and what goes is lost.
class SilentQueue final : public PortQueue {
 public:
  bool send(const OutFrame& frame) override {
    if (frame.owner != nullptr) frame.owner->frame_left();
    return true;
  }
  size_t receive(FrameReceiver&, size_t) override { return 0; }
  void flush() override {}
  bool has_unsent() const override { return false; }
};

// Nothing comes, and what goes waits for a flush.
class PatientQueue final : public PortQueue {
 public:
  bool send(const OutFrame&) override {
    ++sent;
    ++waiting;
    return true;
  }
  size_t receive(FrameReceiver&, size_t) override {
    // A turn has passed since.
    forgotten += waiting;
    return 0;
  }
  void flush() override { waiting = 0; }
  bool has_unsent() const override { return false; }

  size_t sent = 0;
  size_t waiting = 0;
  size_t forgotten = 0;
};

bool is_readable(int descriptor) {
  pollfd watched{descriptor, POLLIN, 0};
  return ::poll(&watched, 1, 0) == 1;
}

TEST(PortStack, keeps_no_wake_up_of_an_errand_that_is_done) {
  SilentQueue queue;
  PortStackSettings settings;
  settings.net.addresses = {*InterfaceAddress::parse("192.0.2.1/24")};
  PortStack stack(queue, settings);
  constexpr int kRounds = 20000;
  std::atomic<int> said{0}, looked{0};
  int shown = 0;
  std::thread other([&] {
    for (int i = 0; i < kRounds; ++i) {
      stack.show([&](const std::string&) { ++shown; });
      said = i + 1;
      while (looked <= i) std::this_thread::yield();
    }
  });
  int left = 0;
  for (int i = 0; i < kRounds; ++i) {
    while (shown <= i) {
      stack.take_in();
      stack.send_out();
    }
    while (said <= i) std::this_thread::yield();
    // A worker that sleeps on it now would be woken by nothing, again and again.
    left += is_readable(stack.descriptor()) ? 1 : 0;
    looked = i + 1;
  }
  other.join();
  EXPECT_EQ(left, 0);
}

TEST(PortStack, what_timers_send_at_the_end_does_not_wait_for_somebody_to_speak) {
  PatientQueue queue;
  PortStackSettings settings;
  settings.net.addresses = {*InterfaceAddress::parse("192.0.2.1/24")};
  settings.net.ask_for_duplicates = false;
  PortStack stack(queue, settings);
  stack.connect({*IpAddress::parse("192.0.2.2"), 22}, 60'000'000'000, [](auto&&...) {});
  while (queue.sent == 0) {
    stack.take_in();
    stack.send_out();
  }
  const size_t before = queue.sent;
  // Longer than a lost question waits.
  stack.finish(1'500'000'000);
  EXPECT_GT(queue.sent, before);
  EXPECT_EQ(queue.forgotten, 0u);
}

}  // namespace
}  // namespace sluice
