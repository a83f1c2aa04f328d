// Numbers given, replies matched.
#include "control/monitor/monitor_client.h"

#include <algorithm>

#include "base/check.h"

namespace sluice {

void MonitorClient::list_host_keys() {
  ++lists_out_;
  output_.append({MonitorType::list_host_keys, 0, 0}, {});
}

uint32_t MonitorClient::open(const LoginSource& source) {
  // Four billion connections, then the process has to begin anew; the monitor takes no number twice.
  SLUICE_CHECK(last_opened_ != UINT32_MAX && connections_.size() < kMaxOutstanding);
  connections_.emplace(++last_opened_, Connection{});
  output_.append({MonitorType::open, last_opened_, 0}, write_open(source));
  return last_opened_;
}

void MonitorClient::close(uint32_t connection) {
  if (connections_.erase(connection) != 0) output_.append({MonitorType::close, connection, 0}, {});
}

uint32_t MonitorClient::request(uint32_t connection, MonitorType type, MonitorType reply, Bytes body) {
  const auto found = connections_.find(connection);
  SLUICE_CHECK(found != connections_.end());
  const uint32_t number = ++found->second.last_request;
  found->second.out.emplace_back(number, reply);
  output_.append({type, connection, number}, body);
  return number;
}

uint32_t MonitorClient::sign(uint32_t connection, const SignRequest& wanted) {
  return request(connection, MonitorType::sign, MonitorType::signature, write_sign(wanted));
}

uint32_t MonitorClient::prove(uint32_t connection, const std::vector<ProofKey>& keys) {
  SLUICE_CHECK(keys.size() <= kMaxProofKeys);
  return request(connection, MonitorType::prove, MonitorType::proof, write_prove(keys));
}

uint32_t MonitorClient::ask(uint32_t connection, const AuthQuestion& question) {
  return request(connection, MonitorType::question, MonitorType::verdict, write_question(question).view());
}

uint32_t MonitorClient::start_broker(uint32_t connection) {
  return request(connection, MonitorType::start_broker, MonitorType::broker, {});
}

Result<std::vector<MonitorEvent>> MonitorClient::take_packet(Bytes packet, UniqueFd descriptor) {
  if (packet.empty() || packet.size() > kMaxMonitorPacket) return fail(ErrorCode::auth_monitor);
  std::vector<MonitorEvent> events;
  FrameReader frames(packet);
  while (!frames.at_end()) {
    const auto frame = frames.next();
    if (!frame) return fail(ErrorCode::auth_monitor);
    if (auto taken = take_frame(*frame, descriptor, events); !taken) return fail(ErrorCode::auth_monitor);
  }
  return events;
}

Result<void> MonitorClient::take_frame(const MonitorFrame& frame, UniqueFd& descriptor,
                                       std::vector<MonitorEvent>& events) {
  const auto [type, connection, number] = frame.header;
  if (type == MonitorType::host_keys) {
    auto facts = read_host_keys(frame.body);
    if (!facts || lists_out_ == 0) return fail(ErrorCode::auth_monitor);
    --lists_out_;
    events.emplace_back(std::move(*facts));
    return {};
  }
  if (connection == 0 || connection > last_opened_) return fail(ErrorCode::auth_monitor);
  const auto found = connections_.find(connection);
  // Answers that crossed our close().
  if (found == connections_.end()) return {};
  if (type == MonitorType::condemned) {
    auto reason = read_reason(frame.body);
    if (!reason) return fail(ErrorCode::auth_monitor);
    found->second.out.clear();
    events.emplace_back(Condemned{connection, std::move(*reason)});
    return {};
  }
  auto& out = found->second.out;
  const auto asked = std::find(out.begin(), out.end(), std::pair(number, type));
  if (asked == out.end()) return fail(ErrorCode::auth_monitor);
  out.erase(asked);
  switch (type) {
    case MonitorType::signature: {
      auto blobs = read_blobs(frame.body);
      if (!blobs || blobs->size() != 1) return fail(ErrorCode::auth_monitor);
      events.emplace_back(Signed{connection, number, std::move(blobs->front())});
      return {};
    }
    case MonitorType::proof: {
      auto blobs = read_blobs(frame.body);
      if (!blobs) return fail(ErrorCode::auth_monitor);
      events.emplace_back(Proved{connection, number, std::move(*blobs)});
      return {};
    }
    case MonitorType::verdict: {
      auto verdict = read_verdict(frame.body);
      if (!verdict) return fail(ErrorCode::auth_monitor);
      events.emplace_back(Judged{connection, number, std::move(*verdict)});
      return {};
    }
    case MonitorType::broker: {
      auto reply = read_broker(frame.body);
      if (!reply || (reply->started && !descriptor)) return fail(ErrorCode::auth_monitor);
      UniqueFd link = reply->started ? std::move(descriptor) : UniqueFd();
      events.emplace_back(BrokerAnswered{connection, number, std::move(*reply), std::move(link)});
      return {};
    }
    default: return fail(ErrorCode::auth_monitor);
  }
}

}  // namespace sluice
