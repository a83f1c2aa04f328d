// SSH message numbers (RFC 4250 section 4.1.2 and OpenSSH's PROTOCOL) and their ranges.
#pragma once

#include <cstdint>

namespace sluice {

enum MessageNumber : uint8_t {
  kMsgDisconnect = 1,
  kMsgIgnore = 2,
  kMsgUnimplemented = 3,
  kMsgDebug = 4,
  kMsgServiceRequest = 5,
  kMsgServiceAccept = 6,
  kMsgExtInfo = 7,
  kMsgNewCompress = 8,
  kMsgKexInit = 20,
  kMsgNewKeys = 21,
  kMsgKexFirst = 30,
  kMsgKexLast = 49,
  kMsgUserauthFirst = 50,
  kMsgUserauthRequest = 50,
  kMsgUserauthFailure = 51,
  kMsgUserauthSuccess = 52,
  kMsgUserauthBanner = 53,
  kMsgUserauthLast = 79,
  kMsgGlobalRequest = 80,
  kMsgRequestSuccess = 81,
  kMsgRequestFailure = 82,
  kMsgChannelOpen = 90,
  kMsgChannelOpenConfirmation = 91,
  kMsgChannelOpenFailure = 92,
  kMsgChannelWindowAdjust = 93,
  kMsgChannelData = 94,
  kMsgChannelExtendedData = 95,
  kMsgChannelEof = 96,
  kMsgChannelClose = 97,
  kMsgChannelRequest = 98,
  kMsgChannelSuccess = 99,
  kMsgChannelFailure = 100,
  kMsgPing = 192,
  kMsgPong = 193,
};

constexpr bool is_kex_method_message(uint8_t n) { return n >= kMsgKexFirst && n <= kMsgKexLast; }
constexpr bool is_userauth_message(uint8_t n) { return n >= kMsgUserauthFirst && n <= kMsgUserauthLast; }
// What goes to channels in the worker; all the rest is control's.
constexpr bool is_channel_message(uint8_t n) { return n >= kMsgChannelOpen && n <= kMsgChannelFailure; }

}  // namespace sluice
