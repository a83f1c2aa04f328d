// What the channels' side of a server's connection and control say to each other (SinkNote::kind).
#pragma once

#include <cstdint>

namespace sluice {

enum class ConnectionNote : uint32_t {
  // To control: a broker for this connection's user is wanted. Once; answered by `broker` or `no_broker`.
  want_broker = 1,
  broker = 2,     // descriptor: our end of the link
  no_broker = 3,  // bytes: why
  // From control: a global request, in order; bytes: the name as a string of RFC 4251, then what belongs to it.
  // id: for the answer; each is answered once.
  global_request = 4,
  global_success = 5,  // to control; bytes: what follows the message number
  global_failure = 6,
  // To control: a line for the log; bytes: the text. id: LogLevel.
  log = 7,
  // To control: the connection is to be ended by us, in good order; bytes: why.
  hang_up = 8,
  // To control: a line for the file of transfers, bytes: the text.
  transfer = 9,
  // To control: what a channel is, for who looks at the connection. id: the channel's number; bytes: whether it has a
  // terminal, then its type; nothing: it is gone.
  channel = 10,
  // To control: a line for who debugs. id: its kind; bytes: the text.
  debug = 11,
};

}  // namespace sluice
