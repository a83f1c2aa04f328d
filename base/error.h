// What can be wrong with a peer's bytes: one table from error to disconnect code, counter name and text.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sluice {

// RFC 4253 section 11.1.
enum class Disconnect : uint8_t {
  protocol_error = 2,
  key_exchange_failed = 3,
  mac_error = 5,
  service_not_available = 7,
  version_not_supported = 8,
  host_key_not_verifiable = 9,
  connection_lost = 10,
  by_application = 11,
  too_many_connections = 12,
  auth_cancelled = 13,
  no_more_auth_methods = 14,
  illegal_user_name = 15,
};

enum class ErrorCode : uint8_t {
  corrupt_record,
  record_too_long,
  record_misaligned,
  record_unencrypted_too_long,
  key_exhausted,
  crypto_device,
  truncated_stream,
  malformed_message,
  unexpected_message,
  key_exchange_value,
  peer_does_not_read,
  request_flood,
  peer_silent,
  auth_service,
  auth_user_name,
  auth_tries,
  auth_no_methods,
  auth_shut_out,
  auth_flood,
  auth_timeout,
  auth_cancelled,
  auth_monitor,
  channel_unknown,
  channel_window,
  channel_state,
  channel_flood,
  session_idle,
  broker_gone,
  count_,
};

struct ErrorRow {
  ErrorCode code;
  Disconnect disconnect;
  std::string_view counter;
  std::string_view text;
};

// corrupt_record is one answer for a bad tag, bad padding and a bad encrypted length: a peer that could tell them
// apart would have a decryption oracle.
inline constexpr std::array<ErrorRow, static_cast<size_t>(ErrorCode::count_)> kErrors{{
    {ErrorCode::corrupt_record, Disconnect::mac_error, "record.corrupt", "Corrupted MAC on input"},
    {ErrorCode::record_too_long, Disconnect::protocol_error, "record.too_long", "Bad packet length"},
    {ErrorCode::record_misaligned, Disconnect::protocol_error, "record.misaligned",
     "Bad packet length: not a multiple of the block"},
    {ErrorCode::record_unencrypted_too_long, Disconnect::protocol_error, "record.unencrypted_too_long",
     "Packet too long before keys were exchanged"},
    {ErrorCode::key_exhausted, Disconnect::key_exchange_failed, "record.key_exhausted",
     "Key used up to its limit and no new one agreed"},
    {ErrorCode::crypto_device, Disconnect::by_application, "crypto.device_error", "Crypto device failed"},
    {ErrorCode::truncated_stream, Disconnect::connection_lost, "record.truncated", "Connection ended inside a packet"},
    {ErrorCode::malformed_message, Disconnect::protocol_error, "message.malformed", "Malformed message"},
    {ErrorCode::unexpected_message, Disconnect::protocol_error, "message.unexpected", "Message not allowed here"},
    {ErrorCode::key_exchange_value, Disconnect::key_exchange_failed, "kex.bad_value", "Key exchange value refused"},
    {ErrorCode::peer_does_not_read, Disconnect::by_application, "session.peer_does_not_read",
     "Too many answers wait for a peer that does not read"},
    {ErrorCode::request_flood, Disconnect::by_application, "session.request_flood",
     "Too many global requests wait for answers"},
    {ErrorCode::peer_silent, Disconnect::by_application, "session.peer_silent", "Timeout, client not responding"},
    {ErrorCode::auth_service, Disconnect::service_not_available, "auth.service", "Service not available"},
    {ErrorCode::auth_user_name, Disconnect::illegal_user_name, "auth.user_name", "User name not possible"},
    {ErrorCode::auth_tries, Disconnect::no_more_auth_methods, "auth.tries", "Too many authentication failures"},
    {ErrorCode::auth_no_methods, Disconnect::no_more_auth_methods, "auth.no_methods",
     "No more authentication methods to try"},
    {ErrorCode::auth_shut_out, Disconnect::by_application, "auth.shut_out", "Not allowed to log in at present"},
    {ErrorCode::auth_flood, Disconnect::by_application, "auth.flood", "Too many authentication requests at once"},
    {ErrorCode::auth_timeout, Disconnect::by_application, "auth.timeout", "Login timeout"},
    {ErrorCode::auth_cancelled, Disconnect::auth_cancelled, "auth.cancelled", "Authentication cancelled by the user"},
    {ErrorCode::auth_monitor, Disconnect::by_application, "auth.monitor", "Authentication is not available"},
    {ErrorCode::channel_unknown, Disconnect::protocol_error, "channel.unknown", "No such channel"},
    {ErrorCode::channel_window, Disconnect::protocol_error, "channel.window", "Channel window exceeded"},
    {ErrorCode::channel_state, Disconnect::protocol_error, "channel.state", "Channel message not allowed here"},
    {ErrorCode::channel_flood, Disconnect::by_application, "channel.flood", "Too many channel requests at once"},
    {ErrorCode::session_idle, Disconnect::by_application, "session.idle", "The session was idle for too long"},
    {ErrorCode::broker_gone, Disconnect::by_application, "session.broker_gone",
     "The process that served this user has ended"},
}};

constexpr const ErrorRow& describe(ErrorCode code) { return kErrors[static_cast<size_t>(code)]; }

}  // namespace sluice
