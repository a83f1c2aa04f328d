// Fields in their order, OpenSSH's PROTOCOL.mux sections 4 to 6.
#include "apps/sluice/mux_requests.h"

#include "base/wire.h"

namespace sluice {
namespace {

// More names than any environment has.
constexpr size_t kMostVariables = 4096;
constexpr uint32_t kMostPort = 65535;

std::optional<MuxSession> read_stream(WireReader& reader, MuxSession out) {
  StreamTarget target;
  target.name = reader.text();
  const uint32_t port = reader.u32();
  target.kind = port == kMuxPathPort ? StreamTarget::Kind::path : StreamTarget::Kind::tcp;
  if (!reader.ok() || (port != kMuxPathPort && port > kMostPort)) return std::nullopt;
  target.port = static_cast<uint16_t>(port);
  out.stream = std::move(target);
  return out;
}

std::optional<ForwardEnd> read_end(WireReader& reader) {
  ForwardEnd end;
  const std::string name(reader.text());
  const uint32_t port = reader.u32();
  if (!reader.ok() || (port != kMuxPathPort && port > kMostPort)) return std::nullopt;
  if (port == kMuxPathPort) {
    end.path = name;
    return end;
  }
  end.host = name;
  end.host_given = !name.empty();
  end.port = static_cast<uint16_t>(port);
  return end;
}

}  // namespace

std::optional<MuxSession> read_mux_session(Bytes message) {
  WireReader reader(message);
  MuxSession out;
  const auto type = static_cast<MuxMessage>(reader.u32());
  out.request = reader.u32();
  reader.string();  // reserved
  if (type == MuxMessage::new_stdio_forward) return read_stream(reader, std::move(out));
  SessionSpec& spec = out.spec;
  spec.terminal = reader.u32() != 0;
  reader.u32();  // X11
  out.wants_agent = reader.u32() != 0;
  const bool subsystem = reader.u32() != 0;
  const uint32_t escape = reader.u32();
  spec.terminal_type = reader.text();
  spec.words = reader.text();
  spec.program = subsystem            ? SessionSpec::Program::subsystem
                 : spec.words.empty() ? SessionSpec::Program::shell
                                      : SessionSpec::Program::command;
  spec.escape = escape == kMuxNoEscape ? -1 : static_cast<int>(escape & 0xff);
  while (reader.ok() && !reader.at_end() && spec.environment.size() < kMostVariables) {
    const std::string_view variable = reader.text();
    const size_t equals = variable.find('=');
    if (equals == std::string_view::npos) continue;
    spec.environment.emplace_back(variable.substr(0, equals), variable.substr(equals + 1));
  }
  if (!reader.ok()) return std::nullopt;
  return out;
}

std::optional<MuxForwarding> read_mux_forwarding(Bytes message) {
  WireReader reader(message);
  MuxForwarding out;
  reader.u32();
  out.request = reader.u32();
  const auto kind = static_cast<MuxForward>(reader.u32());
  auto listen = read_end(reader);
  auto target = listen ? read_end(reader) : std::nullopt;
  if (!target) return std::nullopt;
  out.spec.kind = kind == MuxForward::remote ? ForwardKind::remote : ForwardKind::local;
  out.spec.listen = std::move(*listen);
  if (kind != MuxForward::dynamic && (target->is_path() || (!target->host.empty() && target->host != "socks"))) {
    out.spec.target = std::move(*target);
  }
  return out;
}

}  // namespace sluice
