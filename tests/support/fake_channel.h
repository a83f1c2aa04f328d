// FakeChannel: a channel without a connection, for tests of services: what they send is kept, what they watch is
// polled.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "services/connection/connection_services.h"

namespace sluice::test {

struct SentRequest {
  std::string name;
  bool want_reply;
  std::vector<uint8_t> extra;
};

// A host whose channels are opened by nobody: opens are kept for the test to look at.
class FakeHost final : public ChannelHost {
 public:
  struct Opened {
    std::string type;
    std::vector<uint8_t> extra;
    std::unique_ptr<Service> service;
  };

  FakeHost();
  ~FakeHost() override;

  bool open(std::string_view type, Bytes extra, std::unique_ptr<Service> service) override;
  void tell_control(SinkNote&& note) override { notes.push_back(std::move(note)); }
  bool watch(int descriptor, Watcher& watcher) override;
  void unwatch(int descriptor) override;
  void fail(ErrorCode error) override { failed = error; }
  size_t channels() const override { return opened.size(); }
  void ask_turn() override { asked_turn = true; }

  // Tells watchers what is ready, waiting at most so long for something. True when anything was.
  bool poll(int wait_ms);

  std::vector<Opened> opened;
  std::deque<SinkNote> notes;
  std::optional<ErrorCode> failed;
  bool asked_turn = false;

 private:
  int epoll_;
  std::map<int, Watcher*> watchers_;
};

class FakeChannel final : public Channel {
 public:
  explicit FakeChannel(FakeHost& host) : host_(host) {}

  std::optional<DataDraft> reserve(size_t most) override { return reserve_after(9, most); }
  std::optional<DataDraft> reserve_stderr(size_t most) override { return reserve_after(13, most); }
  void finish(const DataDraft& draft, size_t n) override;
  uint64_t window() const override { return window_left; }
  void consumed(size_t n) override { consumed_bytes += n; }
  void answer(bool success) override { answers.push_back(success); }
  void request(std::string_view name, bool want_reply, Bytes extra) override {
    requests.push_back({std::string(name), want_reply, {extra.begin(), extra.end()}});
  }
  void send_eof() override { eof = true; }
  void close() override { closed = true; }
  void confirm(Bytes) override { confirmed = true; }
  void refuse(OpenFailure reason, std::string_view) override { refused = reason; }
  void fail(ErrorCode error) override { host_.fail(error); }
  bool watch(int descriptor, Watcher& watcher) override { return host_.watch(descriptor, watcher); }
  void unwatch(int descriptor) override { host_.unwatch(descriptor); }
  void ask_turn() override { asked_turn = true; }

  // What was sent: data and standard error, apart.
  std::vector<uint8_t> data, errors;
  size_t packet = 32768;
  uint64_t window_left = uint64_t{1} << 31;
  // Records that may still be reserved; the test gives more.
  size_t room = 64;
  size_t consumed_bytes = 0;
  std::vector<bool> answers;
  std::vector<SentRequest> requests;
  bool eof = false, closed = false, confirmed = false, asked_turn = false;
  std::optional<OpenFailure> refused;

 private:
  struct Place {
    std::vector<uint8_t> bytes;
    bool is_error;
  };
  std::optional<DataDraft> reserve_after(size_t header, size_t most);

  FakeHost& host_;
  std::map<size_t, Place> places_;
  size_t next_ = 0;
};

}  // namespace sluice::test
