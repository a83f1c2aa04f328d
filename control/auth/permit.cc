// Permits out of key options, narrowed by each other, and on the wire between monitor and network process.
#include "control/auth/permit.h"

#include <algorithm>

#include "base/wire.h"

namespace sluice {
namespace {

// Two lists of allowed targets allow what both do. An empty list allows everything; nothing in common is a refusal that
// an empty list could not express.
bool intersect(std::vector<ForwardTarget>& ours, const std::vector<ForwardTarget>& theirs) {
  if (theirs.empty()) return true;
  if (ours.empty()) {
    ours = theirs;
    return true;
  }
  std::erase_if(ours,
                [&](const ForwardTarget& t) { return std::find(theirs.begin(), theirs.end(), t) == theirs.end(); });
  return !ours.empty();
}

void write_targets(WireWriter& out, const std::vector<ForwardTarget>& targets) {
  out.u32(static_cast<uint32_t>(targets.size()));
  for (const ForwardTarget& target : targets) out.string(target.host).u32(target.port);
}

void read_targets(WireReader& in, std::vector<ForwardTarget>& targets) {
  const uint32_t count = in.u32();
  for (uint32_t i = 0; i < count && i < kMaxPermitItems && in.ok(); ++i) {
    std::string host(in.text());
    targets.push_back({std::move(host), static_cast<uint16_t>(in.u32())});
  }
}

}  // namespace

void Permit::apply(const KeyOptions& options) {
  pty = pty && options.pty;
  port_forwarding = port_forwarding && options.port_forwarding;
  agent_forwarding = agent_forwarding && options.agent_forwarding;
  x11_forwarding = x11_forwarding && options.x11_forwarding;
  user_rc = user_rc && options.user_rc;
  command = options.command;
  tunnel = options.tunnel;
  environment = options.environment;
  permit_open = options.permit_open;
  permit_listen = options.permit_listen;
}

bool Permit::narrow(const Permit& other) {
  if (user != other.user || uid != other.uid || system_account != other.system_account) return false;
  if (command && other.command && *command != *other.command) return false;
  if (!command) command = other.command;
  if (tunnel && other.tunnel && *tunnel != *other.tunnel) return false;
  if (!tunnel) tunnel = other.tunnel;
  pty = pty && other.pty;
  agent_forwarding = agent_forwarding && other.agent_forwarding;
  x11_forwarding = x11_forwarding && other.x11_forwarding;
  user_rc = user_rc && other.user_rc;
  const bool open_left = intersect(permit_open, other.permit_open);
  const bool listen_left = intersect(permit_listen, other.permit_listen);
  port_forwarding = port_forwarding && other.port_forwarding && open_left && listen_left;
  privilege = std::min(privilege, other.privilege);
  environment.insert(environment.end(), other.environment.begin(), other.environment.end());
  if (environment.size() > kMaxPermitItems) return false;
  if (!methods.empty() && !other.methods.empty()) methods += ',';
  methods += other.methods;
  if (!key.empty() && !other.key.empty()) key += ',';
  key += other.key;
  return true;
}

bool Permit::fits() const {
  WireWriter out;
  write(out);
  return out.size() <= kMaxPermit && environment.size() <= kMaxPermitItems && permit_open.size() <= kMaxPermitItems &&
         permit_listen.size() <= kMaxPermitItems;
}

void Permit::write(WireWriter& out) const {
  out.string(user).boolean(system_account).u32(uid).u32(gid).string(home).string(shell).u8(privilege);
  out.string(methods).string(key);
  out.boolean(pty).boolean(port_forwarding).boolean(agent_forwarding).boolean(x11_forwarding).boolean(user_rc);
  out.boolean(command.has_value()).string(command.value_or(""));
  out.boolean(tunnel.has_value()).u32(tunnel.value_or(0));
  out.u32(static_cast<uint32_t>(environment.size()));
  for (const auto& [name, value] : environment) out.string(name).string(value);
  write_targets(out, permit_open);
  write_targets(out, permit_listen);
}

Result<Permit> Permit::read(WireReader& in) {
  Permit permit;
  permit.user = in.text();
  permit.system_account = in.boolean();
  permit.uid = in.u32();
  permit.gid = in.u32();
  permit.home = in.text();
  permit.shell = in.text();
  permit.privilege = in.u8();
  permit.methods = in.text();
  permit.key = in.text();
  permit.pty = in.boolean();
  permit.port_forwarding = in.boolean();
  permit.agent_forwarding = in.boolean();
  permit.x11_forwarding = in.boolean();
  permit.user_rc = in.boolean();
  if (const bool forced = in.boolean(); forced)
    permit.command = in.text();
  else
    (void)in.text();
  const bool tunnelled = in.boolean();
  if (const uint32_t device = in.u32(); tunnelled) permit.tunnel = device;
  const uint32_t variables = in.u32();
  for (uint32_t i = 0; i < variables && i < kMaxPermitItems && in.ok(); ++i) {
    std::string name(in.text());
    permit.environment.emplace_back(std::move(name), in.text());
  }
  read_targets(in, permit.permit_open);
  read_targets(in, permit.permit_listen);
  if (!in.ok() || permit.privilege > kMaxPrivilege) return fail(ErrorCode::malformed_message);
  return permit;
}

}  // namespace sluice
