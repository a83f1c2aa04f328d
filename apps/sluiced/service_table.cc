// The table, filled once.
#include "apps/sluiced/service_table.h"

#include "services/forward/forwarding.h"
#include "services/scp/scp_service.h"
#include "services/sftp/sftp_service.h"
#include "services/shell/session_service.h"

namespace sluice {
namespace {

ServiceMakers make_table() {
  ServiceMakers makers;
  makers.channels["session"] = open_session_channel;
  makers.sftp = make_sftp_service;
  makers.scp = make_scp_service;
  add_forwarding(makers);
  return makers;
}

}  // namespace

const ServiceMakers& service_makers() {
  static const ServiceMakers makers = make_table();
  return makers;
}

ServiceSettings service_settings(const ServerConfig& config) {
  ServiceSettings settings;
  settings.sftp.read_only = config.sftp.read_only;
  settings.sftp.user.handles = config.sftp.handles;
  settings.sftp.user.bytes_per_second = uint64_t{config.sftp.bandwidth_kilobytes} * 1024;
  settings.sftp.user.memory_bytes = uint64_t{config.sftp.memory_megabytes} << 20;
  settings.sftp.transfer_log = config.sftp.transfer_log || !config.sftp.transfer_log_file.empty();
  settings.sftp.transfer_file = !config.sftp.transfer_log_file.empty();
  const auto sftp = config.subsystems.find("sftp");
  settings.sftp_enabled = sftp != config.subsystems.end() && sftp->second == "internal-sftp";
  settings.scp_enabled = config.scp;
  settings.local_forwarding = config.forwarding.local;
  settings.remote_forwarding = config.forwarding.remote;
  settings.streamlocal_forwarding = config.forwarding.unix_local || config.forwarding.unix_remote;
  settings.agent_forwarding = config.forwarding.agent;
  settings.idle_channel_ns = uint64_t{config.session.channel_idle_seconds} * 1'000'000'000;
  settings.idle_session_ns = uint64_t{config.session.idle_seconds} * 1'000'000'000;
  return settings;
}

LoginFacts login_facts(const Permit& permit, const std::string& source) {
  LoginFacts facts;
  facts.user = permit.user;
  facts.source = source;
  facts.forced_command = permit.command;
  facts.pty = permit.pty;
  facts.port_forwarding = permit.port_forwarding;
  facts.agent_forwarding = permit.agent_forwarding;
  return facts;
}

}  // namespace sluice
