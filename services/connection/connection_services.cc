// Notes from control, opens and global requests to their services.
#include "services/connection/connection_services.h"

#include <algorithm>

#include "base/wire.h"
#include "services/connection/connection_notes.h"
#include "services/connection/idle_clock.h"

namespace sluice {

ConnectionServices::ConnectionServices(const ServiceMakers& makers, std::shared_ptr<const ServiceSettings> settings,
                                       LoginFacts login, std::shared_ptr<UserBudget> budget)
    : makers_(makers), settings_(std::move(settings)), login_(std::move(login)), budget_(std::move(budget)) {
  if (!budget_) budget_ = std::make_shared<UserBudget>(settings_->sftp.user);
}

// Parts may have asked the broker something: they go before it.
ConnectionServices::~ConnectionServices() { parts_.clear(); }

void ConnectionServices::attach(ChannelHost& host) {
  host_ = &host;
  broker_ = std::make_unique<BrokerSession>(host);
  // It looks at connections without a channel too.
  if (settings_->idle_session_ns != 0) (void)part<IdleClock>();
}

OpenDecision ConnectionServices::open(std::string_view type, Bytes extra) {
  const auto maker = makers_.channels.find(type);
  if (maker == makers_.channels.end()) {
    return {nullptr, false, {OpenFailure::unknown_channel_type, "Unknown channel type"}};
  }
  return maker->second(*this, extra);
}

void ConnectionServices::on_note(SinkNote&& note) {
  switch (static_cast<ConnectionNote>(note.kind)) {
    case ConnectionNote::broker: return broker_->take_link(std::move(note.descriptor));
    case ConnectionNote::no_broker: return broker_->take_refusal(text_of(note.bytes));
    case ConnectionNote::global_request: {
      WireReader reader(note.bytes);
      const auto handler = makers_.global_requests.find(reader.text());
      if (!reader.ok() || handler == makers_.global_requests.end()) return answer_global(note.id, false);
      return handler->second(*this, note.id, reader.rest());
    }
    default: return;
  }
}

// Sessions that are asked for behind it must not be opened before control has answered it.
void ConnectionServices::hear_global_request(Bytes payload) {
  WireReader reader(payload);
  reader.u8();
  if (reader.text() == "no-more-sessions@openssh.com" && reader.ok()) no_more_sessions_ = true;
}

void ConnectionServices::on_turn() {
  broker_->on_turn();
  for (const auto& [name, part] : parts_) part->on_turn();
}

void ConnectionServices::answer_global(uint32_t id, bool success, Bytes extra) {
  SinkNote note;
  note.kind = static_cast<uint32_t>(success ? ConnectionNote::global_success : ConnectionNote::global_failure);
  note.id = id;
  note.bytes.assign(extra.begin(), extra.end());
  host_->tell_control(std::move(note));
}

void ConnectionServices::log_transfer(std::string text) {
  if (!settings_->sftp.transfer_file) return log(LogLevel::info, std::move(text));
  SinkNote note;
  note.kind = static_cast<uint32_t>(ConnectionNote::transfer);
  note.bytes.assign(text.begin(), text.end());
  host_->tell_control(std::move(note));
}

void ConnectionServices::tell_channel(uint32_t number, std::string_view type, bool terminal) {
  SinkNote note;
  note.kind = static_cast<uint32_t>(ConnectionNote::channel);
  note.id = number;
  note.bytes.resize(1 + type.size());
  note.bytes[0] = terminal ? 1 : 0;
  std::copy(type.begin(), type.end(), note.bytes.begin() + 1);
  host_->tell_control(std::move(note));
}

void ConnectionServices::tell_no_channel(uint32_t number) {
  SinkNote note;
  note.kind = static_cast<uint32_t>(ConnectionNote::channel);
  note.id = number;
  host_->tell_control(std::move(note));
}

void ConnectionServices::tell_debug(uint32_t kind, std::string_view line) {
  SinkNote note;
  note.kind = static_cast<uint32_t>(ConnectionNote::debug);
  note.id = kind;
  note.bytes.assign(line.begin(), line.end());
  note.may_be_lost = true;
  host_->tell_control(std::move(note));
}

void ConnectionServices::hang_up(ErrorCode why) {
  SinkNote note;
  note.kind = static_cast<uint32_t>(ConnectionNote::hang_up);
  note.id = static_cast<uint32_t>(why);
  host_->tell_control(std::move(note));
}

void ConnectionServices::log(LogLevel level, std::string text) {
  SinkNote note;
  note.kind = static_cast<uint32_t>(ConnectionNote::log);
  note.id = static_cast<uint32_t>(level);
  note.bytes.assign(text.begin(), text.end());
  host_->tell_control(std::move(note));
}

}  // namespace sluice
