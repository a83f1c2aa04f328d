// Messages to a table and a readable form of what it answers.
#include "tests/support/channel_bench.h"

#include <algorithm>

#include "base/check.h"
#include "base/message_numbers.h"

namespace sluice::test {

std::optional<Draft> MemorySender::reserve(size_t payload_bytes) {
  SLUICE_CHECK(payload_bytes > 0 && payload_bytes <= kMaxPayload);
  if (room == 0 || failed) return std::nullopt;
  --room;
  places_.push_back({std::vector<uint8_t>(payload_bytes), true});
  return Draft{places_.back().bytes, taken_ + places_.size() - 1};
}

void MemorySender::finish(const Draft& draft, size_t payload_bytes) {
  Place& place = places_.at(draft.position - taken_);
  SLUICE_CHECK(place.open && payload_bytes <= place.bytes.size());
  place.open = false;
  place.bytes.resize(payload_bytes);
}

void MemorySender::fail(ErrorCode error) {
  if (!failed) failed = error;
}

std::vector<std::vector<uint8_t>> MemorySender::take() {
  std::vector<std::vector<uint8_t>> out;
  while (!places_.empty() && !places_.front().open) {
    if (!places_.front().bytes.empty()) out.push_back(std::move(places_.front().bytes));
    places_.pop_front();
    ++taken_;
  }
  return out;
}

std::string ServiceDiary::text() const {
  std::string out;
  for (const auto& event : events) out.append(out.empty() ? "" : ", ").append(event);
  return out;
}

size_t ServiceDiary::count(std::string_view event) const {
  return static_cast<size_t>(std::count(events.begin(), events.end(), event));
}

DiaryService::~DiaryService() {
  // As services do that own something of the channel's.
  if (diary_->channel) diary_->channel->close();
  diary_->channel = nullptr;
  diary_->events.emplace_back("gone");
}

void DiaryService::attach(Channel& channel) {
  diary_->channel = &channel;
  if (diary_->then) diary_->then(channel, "attach");
}

void DiaryService::note(std::string_view event, std::string_view detail) {
  std::string line(event);
  if (!detail.empty()) line.append(" ").append(detail);
  diary_->events.push_back(std::move(line));
  if (diary_->then) diary_->then(*diary_->channel, event);
}

void DiaryService::on_refused(OpenFailure reason, std::string_view) {
  note("refused", std::to_string(static_cast<int>(reason)));
}

void DiaryService::on_data(std::span<const MutableBytes> pieces) {
  std::string all;
  for (const MutableBytes piece : pieces) all += text_of(piece);
  diary_->received += all.size();
  note("data", all.size() <= 64 ? all : std::to_string(all.size()));
}

RequestAnswer DiaryService::on_request(const ChannelRequest& request) {
  note("request", request.name);
  return diary_->answer;
}

void DiaryService::on_turn() {
  if (diary_->then) diary_->then(*diary_->channel, "turn");
}

class ChannelBench::Opener final : public ChannelOpener {
 public:
  explicit Opener(ChannelBench& bench) : bench_(bench) {}
  void attach(ChannelHost& host) override { bench_.host = &host; }
  OpenDecision open(std::string_view type, Bytes) override {
    if (type == "no") return {nullptr, false, {OpenFailure::administratively_prohibited, "no"}};
    bench_.diaries.push_back(std::make_shared<ServiceDiary>(bench_.pattern));
    return {std::make_unique<DiaryService>(bench_.diaries.back()), type == "pending", {}};
  }

 private:
  ChannelBench& bench_;
};

ChannelBench::ChannelBench(const ChannelLimits& limits)
    : table(std::make_unique<ChannelTable>(std::make_unique<Opener>(*this), limits)) {
  table->attach(sender);
}

bool ChannelBench::give_all(const std::vector<std::vector<uint8_t>>& messages) {
  untaken.insert(untaken.end(), messages.begin(), messages.end());
  while (!untaken.empty() && !sender.failed) {
    std::vector<Message> shown;
    for (size_t i = 0; i < std::min<size_t>(untaken.size(), 32); ++i) shown.push_back({untaken[i], 0});
    const size_t taken = table->on_messages(shown, sender);
    SLUICE_CHECK(taken <= shown.size());
    if (taken == 0) break;
    untaken.erase(untaken.begin(), untaken.begin() + static_cast<ptrdiff_t>(taken));
  }
  return !sender.failed;
}

std::vector<std::string> ChannelBench::turn_lines() {
  turn();
  std::vector<std::string> lines;
  for (const auto& message : sender.take()) lines.push_back(line_of(message));
  return lines;
}

uint32_t ChannelBench::open(uint32_t peer, uint32_t window, uint32_t packet, std::string_view type) {
  give(open_message(type, peer, window, packet));
  turn();
  uint32_t ours = ~uint32_t{0};
  for (const auto& message : sender.take()) {
    if (message[0] == kMsgChannelOpenConfirmation && load_be32(&message[1]) == peer) ours = load_be32(&message[5]);
  }
  return ours;
}

std::shared_ptr<ServiceDiary> ChannelBench::open_ourselves() {
  diaries.push_back(std::make_shared<ServiceDiary>(pattern));
  const auto diary = diaries.back();
  if (!host->open("ours", {}, std::make_unique<DiaryService>(diary))) diaries.pop_back();
  return diary;
}

std::vector<uint8_t> open_message(std::string_view type, uint32_t peer, uint32_t window, uint32_t packet) {
  return WireWriter().u8(kMsgChannelOpen).string(type).u32(peer).u32(window).u32(packet).take();
}

std::vector<uint8_t> confirmation(uint32_t ours, uint32_t peer, uint32_t window, uint32_t packet) {
  return WireWriter().u8(kMsgChannelOpenConfirmation).u32(ours).u32(peer).u32(window).u32(packet).take();
}

std::vector<uint8_t> data_message(uint32_t ours, std::string_view data) {
  return WireWriter().u8(kMsgChannelData).u32(ours).string(data).take();
}

std::vector<uint8_t> stderr_message(uint32_t ours, uint32_t type, std::string_view data) {
  return WireWriter().u8(kMsgChannelExtendedData).u32(ours).u32(type).string(data).take();
}

std::vector<uint8_t> request_message(uint32_t ours, std::string_view name, bool want_reply) {
  return WireWriter().u8(kMsgChannelRequest).u32(ours).string(name).boolean(want_reply).take();
}

std::vector<uint8_t> plain_message(uint8_t number, uint32_t ours) { return WireWriter().u8(number).u32(ours).take(); }

std::vector<uint8_t> adjust_message(uint32_t ours, uint32_t more) {
  return WireWriter().u8(kMsgChannelWindowAdjust).u32(ours).u32(more).take();
}

std::string line_of(Bytes message) {
  static const std::map<uint8_t, std::string> names{{kMsgChannelOpen, "open"},
                                                    {kMsgChannelOpenConfirmation, "confirm"},
                                                    {kMsgChannelOpenFailure, "refuse"},
                                                    {kMsgChannelWindowAdjust, "adjust"},
                                                    {kMsgChannelData, "data"},
                                                    {kMsgChannelExtendedData, "stderr"},
                                                    {kMsgChannelEof, "eof"},
                                                    {kMsgChannelClose, "close"},
                                                    {kMsgChannelRequest, "request"},
                                                    {kMsgChannelSuccess, "success"},
                                                    {kMsgChannelFailure, "failure"}};
  WireReader reader(message);
  const uint8_t number = reader.u8();
  std::string line = names.at(number) + " ";
  if (number == kMsgChannelOpen) return line + std::string(reader.text());
  line += std::to_string(reader.u32());
  if (number == kMsgChannelExtendedData) reader.u32();
  if (number == kMsgChannelOpenFailure || number == kMsgChannelWindowAdjust) {
    line.append(" ").append(std::to_string(reader.u32()));
  } else if (number == kMsgChannelData || number == kMsgChannelExtendedData || number == kMsgChannelRequest) {
    const std::string_view text = reader.text();
    line.append(" ").append(text.size() <= 64 ? std::string(text) : std::to_string(text.size()));
  }
  SLUICE_CHECK(reader.ok());
  return line;
}

}  // namespace sluice::test
