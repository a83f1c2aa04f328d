// What the channels' side of a client's connection and control say to each other (SinkNote::kind).
#pragma once

#include <cstdint>

namespace sluice {

enum class ClientNote : uint32_t {
  // To the channels: orders wait in the mailbox.
  look = 1,
  // To control.
  session_ready,   // id: the session: its program was accepted; or its stream is open
  session_failed,  // id; bytes: why, for the user
  session_ended,   // id; bytes: exit status as u32, then 1 where there is one, then the signal's name
  escape,          // id; bytes: EscapeOrder as u8, then its words
  connect,         // id: a ticket for ClientChannels::take_connection; bytes: 1, host, port; or 0 and a path
  say,             // bytes: lines for the user; id: LogLevel
  idle,            // sessions were there, and now there is no channel left
};

}  // namespace sluice
