// The sets themselves.
#include "control/transport/message_sets.h"

#include <initializer_list>

namespace sluice {
namespace {

using Set = std::bitset<256>;

struct Span {
  uint8_t first;
  uint8_t last;
};

Set set_of(std::initializer_list<Span> spans) {
  Set set;
  for (const Span& span : spans) {
    for (unsigned n = span.first; n <= span.last; ++n) set.set(n);
  }
  return set;
}

// Assigned by an RFC or by OpenSSH's PROTOCOL. The rest is unknown and answered so.
const Set& known() {
  static const Set set = set_of({{1, 8}, {20, 21}, {30, 34}, {50, 53}, {60, 61}, {80, 82}, {90, 100}, {192, 193}});
  return set;
}

// Disconnect, ignore, unimplemented, debug: RFC 4253 section 11.
constexpr Span kAlways{kMsgDisconnect, kMsgDebug};
constexpr Span kMethod{kMsgKexFirst, kMsgKexLast};
constexpr Span kPing{kMsgPing, kMsgPong};

Set allowed(TransportPhase phase, Role peer) {
  const bool client = peer == Role::client;
  // A client asks for services and logs in, a server accepts and answers.
  const Span service =
      client ? Span{kMsgServiceRequest, kMsgServiceRequest} : Span{kMsgServiceAccept, kMsgServiceAccept};
  const Span ext_info{kMsgExtInfo, kMsgExtInfo};
  const Span init{kMsgKexInit, kMsgKexInit};
  switch (phase) {
    case TransportPhase::first_init: return set_of({kAlways, init});
    case TransportPhase::first_kex: return set_of({kAlways, kMethod});
    case TransportPhase::first_kex_strict: return set_of({{kMsgDisconnect, kMsgDisconnect}, kMethod});
    case TransportPhase::keyed: return set_of({kAlways, service, ext_info, init, kMethod, kPing});
    case TransportPhase::authenticating:
      return set_of({kAlways, ext_info, init, kMethod, kPing, {kMsgUserauthFirst, kMsgUserauthLast}});
    case TransportPhase::connected: {
      Set set = set_of({kAlways,
                        init,
                        kMethod,
                        kPing,
                        {kMsgGlobalRequest, kMsgRequestFailure},
                        {kMsgChannelOpen, kMsgChannelFailure}});
      // RFC 4252 section 5.1: late requests are ignored, not refused.
      if (client) set |= set_of({{kMsgUserauthFirst, kMsgUserauthFirst}});
      return set;
    }
  }
  return {};
}

}  // namespace

Verdict judge_message(TransportPhase phase, Role peer, bool in_kex, uint8_t number) {
  static const Set rekeying = set_of({kAlways, kMethod});
  const bool first_strict = phase == TransportPhase::first_kex_strict;
  const bool is_allowed = allowed(phase, peer).test(number) && (!in_kex || rekeying.test(number));
  if (is_allowed) return Verdict::take;
  // Strict key exchange leaves no room for anything that could shift sequence numbers unseen.
  const bool in_auth_range = phase == TransportPhase::authenticating && is_userauth_message(number);
  return known().test(number) || first_strict || in_auth_range ? Verdict::unexpected : Verdict::unimplemented;
}

}  // namespace sluice
