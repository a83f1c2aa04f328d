// A minimal session channel for loads: echoes, swallows or produces bytes of a pattern that shows what is lost.
//
// exec "cat" (or a shell) echoes; "sink" swallows; "source N" sends N bytes of a known pattern. One channel a
// connection.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "dataplane/connection_sink.h"

namespace sluice::bench {

// Byte i of what "source" sends: position-dependent, so that a lost or doubled piece shows.
void fill_pattern(MutableBytes out, uint64_t position);
bool matches_pattern(Bytes bytes, uint64_t position);

inline constexpr uint32_t kEchoWindow = 4u << 20;
inline constexpr uint32_t kEchoPacket = 32768;
// Messages that wait for room: of a peer that asks and never reads no more.
inline constexpr size_t kMostWaiting = 256;

// What both ends of the test channel share: windows, and messages that wait for room.
class PatternChannel : public ConnectionSink {
 public:
  size_t on_messages(std::span<const Message> messages, ChannelSender& sender) override;
  void on_turn(ChannelSender& sender) override;

 protected:
  explicit PatternChannel(uint32_t window = kEchoWindow) : window_(window) {}
  // One message other than data, window adjust and open confirmation.
  virtual void on_other(Bytes payload) = 0;
  virtual void on_data(Bytes data) = 0;
  // Fills data to send, at most out.size(); 0: nothing now.
  virtual size_t produce(MutableBytes out) = 0;
  virtual void on_confirmed() {}
  // Bytes that were received and are still held: more window is given only when they have left.
  virtual size_t held() const { return 0; }
  void queue(std::vector<uint8_t> payload) { waiting_.push_back(std::move(payload)); }

  uint32_t peer_channel_ = 0;
  uint64_t peer_window_ = 0;
  uint32_t peer_packet_ = 0;

 private:
  void take(const Message& message);
  void give_window();
  bool overrun() const { return overrun_ || waiting_.size() > kMostWaiting; }
  bool send_waiting(ChannelSender& sender);

  std::deque<std::vector<uint8_t>> waiting_;
  const uint32_t window_;
  uint32_t consumed_ = 0;
  // What the peer may still send. Without a limit it could fill our memory.
  uint64_t granted_ = window_;
  bool overrun_ = false;
};

class EchoChannel final : public PatternChannel {
 private:
  enum class Mode : uint8_t { none, echo, sink, source };
  void on_other(Bytes payload) override;
  void on_data(Bytes data) override;
  size_t produce(MutableBytes out) override;
  void take_open(Bytes payload);
  void take_request(Bytes payload);
  size_t held() const override { return echo_.size(); }
  void finish();

  Mode mode_ = Mode::none;
  std::deque<uint8_t> echo_;
  uint64_t produced_ = 0;
  uint64_t to_produce_ = 0;
  bool peer_eof_ = false;
  bool finished_ = false;
};

// The client's end: opens, runs a command, sends and checks.
struct PullState {
  uint64_t received = 0;
  bool wrong = false;
  bool closed = false;
};

class PullChannel final : public PatternChannel {
 public:
  // `command` as above; with "cat", `to_send` bytes of the pattern go out and are expected back, of which at most
  // `in_flight` are on their way.
  PullChannel(std::string command, uint64_t to_send, std::function<void(const PullState&)> progress,
              uint32_t window = kEchoWindow, uint64_t in_flight = ~uint64_t{0});

 private:
  void on_other(Bytes payload) override;
  void on_data(Bytes data) override;
  size_t produce(MutableBytes out) override;
  void on_confirmed() override;

  std::string command_;
  uint64_t to_send_;
  uint64_t in_flight_;
  uint64_t sent_ = 0;
  bool eof_sent_ = false;
  bool confirmed_ = false;
  std::function<void(const PullState&)> progress_;
  PullState state_;
};

}  // namespace sluice::bench
