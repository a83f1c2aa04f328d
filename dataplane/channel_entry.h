// One channel's state, and its face towards its service.
#pragma once

#include "dataplane/channel_table.h"

namespace sluice {

class ChannelTable::Entry final : public Channel {
 public:
  enum class State : uint8_t { asked, deciding, open };

  Entry(ChannelTable& table, uint32_t number, State state, FirstWindow&& window)
      : table_(table),
        state_(state),
        number_(number),
        window_in_(window.bytes),
        target_(window.bytes),
        loan_(std::move(window.loan)) {}
  ~Entry() override;

  std::optional<DataDraft> reserve(size_t most) override { return reserve_after(kDataHeader, most); }
  std::optional<DataDraft> reserve_stderr(size_t most) override { return reserve_after(kStderrHeader, most); }
  void finish(const DataDraft& draft, size_t n) override;
  uint64_t window() const override { return window_out_; }
  void consumed(size_t n) override;
  void widen() override;
  void answer(bool success) override;
  void request(std::string_view name, bool want_reply, Bytes extra) override;
  void send_eof() override;
  void close() override;
  void confirm(Bytes extra) override;
  void refuse(OpenFailure reason, std::string_view text) override;
  void fail(ErrorCode error) override { table_.fail(error); }
  bool watch(int descriptor, Watcher& watcher) override { return table_.watch(descriptor, watcher); }
  void unwatch(int descriptor) override { table_.unwatch(descriptor); }
  void ask_turn() override { table_.sender_->ask_turn(); }

  static constexpr size_t kDataHeader = 9;     // number, channel, length
  static constexpr size_t kStderrHeader = 13;  // number, channel, type, length

 private:
  friend class ChannelTable;
  enum class Answer : uint8_t { open, success, failure };
  struct OpenRequest {
    bool want_reply;
    Answer answer;
  };

  std::optional<DataDraft> reserve_after(size_t header, size_t most);
  void send_answers();
  void take_confirmation(uint32_t peer, uint32_t window, uint32_t packet);
  // Received, before anybody looked at it. False: more than the window.
  bool charge(size_t n);
  void grow(uint64_t now_ns);

  ChannelTable& table_;
  std::unique_ptr<Service> service_;
  std::deque<OpenRequest> requests_;
  State state_;
  bool eof_sent_ = false;
  bool close_sent_ = false;
  bool eof_received_ = false;
  bool close_received_ = false;  // and the service lingers
  bool over_ = false;            // to be dropped: refused, or closed by both
  bool hungry_ = false;          // had something to send and no room for it
  uint32_t number_;
  uint32_t peer_ = 0;
  size_t drafts_ = 0;       // of this turn
  size_t replies_due_ = 0;  // to requests of ours
  uint32_t peer_packet_ = 0;
  uint64_t window_out_ = 0;
  uint32_t window_in_;         // window_in_ + owed_ + what the service keeps = target_
  uint32_t owed_ = 0;          // consumed and not given again
  uint32_t target_;            // what the peer may have outstanding
  uint64_t period_bytes_ = 0;  // given since the last look at the clock
  uint64_t period_ns_ = 0;
  WindowLoan loan_;
};

}  // namespace sluice
