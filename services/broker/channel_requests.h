// What can be asked of a broker besides files: programs, and sockets that are forwarded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace sluice {

struct TerminalSize {
  uint32_t columns = 80, rows = 24, width = 0, height = 0;
  static auto fields(auto& s) { return std::tie(s.columns, s.rows, s.width, s.height); }
};
struct TerminalRequest {
  std::string type;  // TERM
  TerminalSize size;
  std::vector<uint8_t> modes;  // RFC 4254 section 8, as it came
  static auto fields(auto& s) { return std::tie(s.type, s.size, s.modes); }
};
enum class ProgramKind : uint8_t { login_shell, shell_command, subsystem, count_ };
// Spawned with three descriptors (ends of stdin, stdout, stderr) or one (the terminal). ChildExited follows, once.
struct SpawnProgram {
  ProgramKind kind = ProgramKind::login_shell;
  // One element: the command, or the subsystem's name. argv: the program and its arguments.
  std::vector<std::string> words;
  std::optional<TerminalRequest> terminal;
  std::vector<std::pair<std::string, std::string>> environment;
  // Handle of MakeAgentSocket: SSH_AUTH_SOCK.
  std::optional<uint32_t> agent;
  static auto fields(auto& s) { return std::tie(s.kind, s.words, s.terminal, s.environment, s.agent); }
};
// Done. RFC 4254 section 6.10's name, without SIG.
struct SignalChild {
  uint32_t child = 0;
  std::string signal;
  static auto fields(auto& s) { return std::tie(s.child, s.signal); }
};
// Done.
struct ResizeTerminal {
  uint32_t child = 0;
  TerminalSize size;
  static auto fields(auto& s) { return std::tie(s.child, s.size); }
};
// Connected with one descriptor. Slow.
struct ConnectTcp {
  std::string host;
  uint32_t port = 0;
  static auto fields(auto& s) { return std::tie(s.host, s.port); }
};
// Listening with one or two descriptors ("localhost" may have two families). Addresses as RFC 4254 section 7.1.
struct ListenTcp {
  std::string address;
  uint32_t port = 0;
  static auto fields(auto& s) { return std::tie(s.address, s.port); }
};
// Connected with one descriptor. Slow.
struct ConnectUnix {
  std::string path;
  static auto fields(auto& s) { return std::tie(s.path); }
};
// Listening with one descriptor. CloseHandle removes the path.
struct ListenUnix {
  std::string path;
  static auto fields(auto& s) { return std::tie(s.path); }
};
// Listening with one descriptor: a socket in a folder of its own that only the user can enter.
struct MakeAgentSocket {
  static auto fields(auto&) { return std::tie(); }
};

}  // namespace sluice
