// StreamChannel: a channel's service over a plain stream, the input and output of a program say, in a thread of its
// own.
//
// What the service sends is queued, bounded, until the stream takes it; what comes is handed to it where it was read,
// and nothing more is read while too much of that is not consumed. Requests of the service are all granted.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <thread>

#include "dataplane/channel.h"

namespace sluice {

class StreamChannel final : private Channel {
 public:
  // The stream is a connected socket. Its thread begins at once.
  StreamChannel(std::unique_ptr<Service> service, UniqueFd stream);
  // The service has closed its channel, or the stream has ended: waits for the thread.
  ~StreamChannel() override;
  StreamChannel(const StreamChannel&) = delete;
  StreamChannel& operator=(const StreamChannel&) = delete;

 private:
  struct Place {
    std::vector<uint8_t> bytes;
    size_t sent = 0;
    bool finished = false;
  };

  std::optional<DataDraft> reserve(size_t most) override;
  std::optional<DataDraft> reserve_stderr(size_t) override { return std::nullopt; }
  void finish(const DataDraft& draft, size_t n) override;
  uint64_t window() const override;
  void consumed(size_t n) override { unconsumed_ -= std::min(n, unconsumed_); }
  void answer(bool) override {}
  void request(std::string_view name, bool want_reply, Bytes extra) override;
  void send_eof() override {}
  void close() override { closed_ = true; }
  void confirm(Bytes) override {}
  void refuse(OpenFailure, std::string_view) override { closed_ = true; }
  void fail(ErrorCode) override { closed_ = true; }
  bool watch(int descriptor, Watcher& watcher) override;
  void unwatch(int descriptor) override;
  void ask_turn() override { asked_turn_ = true; }

  void run();
  void take_turns();
  void listen();
  void wait();
  // False: the stream has ended.
  bool send();
  bool receive();

  std::unique_ptr<Service> service_;
  UniqueFd stream_, epoll_;
  std::map<int, Watcher*> watchers_;
  std::deque<Place> places_;
  size_t first_ = 0;   // the position of places_.front()
  size_t queued_ = 0;  // bytes of places
  size_t unconsumed_ = 0;
  size_t replies_ = 0;
  uint32_t listened_ = 0;
  bool readable_ = false, writable_ = false;
  bool asked_turn_ = false, closed_ = false, broken_ = false;
  std::vector<uint8_t> buffer_;
  std::thread thread_;
};

}  // namespace sluice
