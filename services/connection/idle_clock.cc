// Looks at channels, and at the session as a whole.
#include "services/connection/idle_clock.h"

#include "services/connection/connection_notes.h"

namespace sluice {
namespace {

constexpr uint64_t kLooks = 4;

}  // namespace

IdleClock::IdleClock(ConnectionServices& connection) : connection_(connection) {
  const ServiceSettings& settings = connection.settings();
  ChannelHost& host = connection.host();
  if (settings.idle_channel_ns != 0)
    channels_.emplace(host, settings.idle_channel_ns / kLooks, [this](uint64_t now) { look_at_channels(now); });
  if (settings.idle_session_ns != 0)
    session_.emplace(host, settings.idle_session_ns / kLooks, [this](uint64_t now) { look_at_session(now); });
  if ((channels_ && !channels_->runs()) || (session_ && !session_->runs()))
    connection.log(LogLevel::warning, "No timer to be had: what is idle is not closed");
}

void IdleClock::look_at_channels(uint64_t now_ns) {
  for (auto next = watched_.begin(); next != watched_.end();) (*next++)->on_idle_look(now_ns);
}

void IdleClock::look_at_session(uint64_t now_ns) {
  const uint64_t moved = connection_.host().moved();
  if (std::exchange(moved_, moved) != moved || moved_ns_ == 0) moved_ns_ = now_ns;
  if (over_ || now_ns - moved_ns_ < connection_.settings().idle_session_ns) return;
  over_ = true;
  connection_.log(LogLevel::info, "The session of " + connection_.login().user + " was ended: nothing moved in it");
  static constexpr std::string_view kWhy = "idle for too long";
  SinkNote note;
  note.kind = static_cast<uint32_t>(ConnectionNote::hang_up);
  note.bytes.assign(kWhy.begin(), kWhy.end());
  connection_.host().tell_control(std::move(note));
}

}  // namespace sluice
