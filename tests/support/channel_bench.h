// ChannelBench: a table of channels without a session: messages in, what it sends out, services that tell what happened
// to them.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/channel_table.h"

namespace sluice::test {

// Places that are plain memory.
class MemorySender : public ChannelSender {
 public:
  std::optional<Draft> reserve(size_t payload_bytes) override;
  void finish(const Draft& draft, size_t payload_bytes) override;
  void fail(ErrorCode error) override;
  void tell_control(SinkNote&&) override {}
  bool watch(int, Watcher&) override { return true; }
  void unwatch(int) override {}
  void ask_turn() override { asked_turn = true; }

  // What was finished, in the order of the reservations, up to the first open one.
  std::vector<std::vector<uint8_t>> take();

  size_t room = 1000;  // records that may still be reserved
  std::optional<ErrorCode> failed;
  bool asked_turn = false;

 private:
  struct Place {
    std::vector<uint8_t> bytes;
    bool open;
  };
  std::deque<Place> places_;
  size_t taken_ = 0;
};

// What happened to a service; outlives it.
struct ServiceDiary {
  std::vector<std::string> events;
  Channel* channel = nullptr;  // null once the service is destroyed
  size_t received = 0;
  // After each event, with its name.
  std::function<void(Channel&, std::string_view)> then;
  RequestAnswer answer = RequestAnswer::success;
  bool lingers = false;
  std::string text() const;
  size_t count(std::string_view event) const;
};

class DiaryService final : public Service {
 public:
  explicit DiaryService(std::shared_ptr<ServiceDiary> diary) : diary_(std::move(diary)) {}
  ~DiaryService() override;
  void attach(Channel& channel) override;
  void on_confirmed(Bytes extra) override { note("confirmed", text_of(extra)); }
  void on_refused(OpenFailure reason, std::string_view text) override;
  void on_data(std::span<const MutableBytes> pieces) override;
  void on_stderr(Bytes data) override { note("stderr", text_of(data)); }
  RequestAnswer on_request(const ChannelRequest& request) override;
  void on_reply(bool success) override { note(success ? "yes" : "no"); }
  void on_eof() override { note("eof"); }
  void on_close() override { note("close"); }
  bool lingers() const override { return diary_->lingers; }
  void on_turn() override;

 private:
  void note(std::string_view event, std::string_view detail = {});
  std::shared_ptr<ServiceDiary> diary_;
};

// Opens of type "pending" are left to be confirmed, "no" is refused, all others are services.
class ChannelBench {
 public:
  explicit ChannelBench(const ChannelLimits& limits = {});

  // False: the connection has failed.
  bool give_all(const std::vector<std::vector<uint8_t>>& messages);
  bool give(std::vector<uint8_t> message) { return give_all({std::move(message)}); }
  void turn() { table->on_turn(sender); }
  // A turn, and what was sent since the last one, as lines ("data 0 hello").
  std::vector<std::string> turn_lines();

  // The peer opens; our number for it. The diary is the newest in `diaries`.
  uint32_t open(uint32_t peer = 7, uint32_t window = 1u << 20, uint32_t packet = 32768, std::string_view type = "any");
  ServiceDiary& diary() { return *diaries.back(); }
  Channel& channel() { return *diary().channel; }
  // We open.
  std::shared_ptr<ServiceDiary> open_ourselves();

  MemorySender sender;
  std::vector<std::shared_ptr<ServiceDiary>> diaries;
  // What the next diary begins with.
  ServiceDiary pattern;
  ChannelHost* host = nullptr;
  // Messages that were given and not taken: shown again at the next give().
  std::deque<std::vector<uint8_t>> untaken;
  std::unique_ptr<ChannelTable> table;

 private:
  class Opener;
};

std::vector<uint8_t> open_message(std::string_view type, uint32_t peer, uint32_t window, uint32_t packet);
std::vector<uint8_t> confirmation(uint32_t ours, uint32_t peer, uint32_t window = 1u << 20, uint32_t packet = 32768);
std::vector<uint8_t> data_message(uint32_t ours, std::string_view data);
std::vector<uint8_t> stderr_message(uint32_t ours, uint32_t type, std::string_view data);
std::vector<uint8_t> request_message(uint32_t ours, std::string_view name, bool want_reply);
// EOF, CLOSE, SUCCESS, FAILURE; ADJUST with `more`.
std::vector<uint8_t> plain_message(uint8_t number, uint32_t ours);
std::vector<uint8_t> adjust_message(uint32_t ours, uint32_t more);
std::string line_of(Bytes message);

}  // namespace sluice::test
