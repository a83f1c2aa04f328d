// dial(), ProxyCommand and ProxyJump.
#include "apps/sluice/reach.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "apps/sluice/program_stream.h"
#include "base/log.h"
#include "control/client/dial.h"

namespace sluice {
namespace {

tl::expected<Reached, ClientFailure> through(const std::vector<std::string>& words) {
  auto started = start_program(words);
  if (!started) return tl::unexpected<ClientFailure>({FailureKind::connect_failed, started.error()});
  return Reached{std::move(started->stream), "UNKNOWN"};
}

std::string user_shell() {
  const char* shell = std::getenv("SHELL");
  return shell != nullptr && *shell != '\0' ? shell : "/bin/sh";
}

// This program again, through the nearest hops to the last, which opens the way to the host.
std::vector<std::string> jump_words(const ClientOptions& options) {
  char self[4096] = {};
  const ssize_t n = ::readlink("/proc/self/exe", self, sizeof self - 1);
  std::vector<std::string> words{n > 0 ? self : "sluice", "ssh"};
  const std::string file = options.settings_file;
  if (!file.empty()) words.insert(words.end(), {"-F", file});
  if (options.verbosity == Verbosity::debug) words.emplace_back("-v");
  if (options.batch) words.emplace_back("-oBatchMode=yes");
  std::string others;
  for (size_t i = 0; i + 1 < options.jumps.size(); ++i) others.append(i > 0 ? "," : "").append(options.jumps[i]);
  if (!others.empty()) words.insert(words.end(), {"-J", others});
  const bool six = options.host.find(':') != std::string::npos;
  words.insert(words.end(),
               {"-W", (six ? "[" + options.host + "]" : options.host) + ":" + std::to_string(options.port)});
  const auto last = parse_destination(options.jumps.back());
  if (last && !last->user.empty()) words.insert(words.end(), {"-l", last->user});
  if (last && last->port) words.insert(words.end(), {"-p", std::to_string(*last->port)});
  words.insert(words.end(), {"--", last ? last->host : options.jumps.back()});
  return words;
}

}  // namespace

void set_dscp(int descriptor, int octet) {
  if (descriptor < 0 || octet < 0) return;
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &size) != 0) return;
  // Which of the two counts where an IPv6 socket carries IPv4 (::ffff:192.0.2.1).
  const bool six = own.ss_family == AF_INET6;
  if (six || own.ss_family == AF_INET) ::setsockopt(descriptor, IPPROTO_IP, IP_TOS, &octet, sizeof octet);
  if (six) ::setsockopt(descriptor, IPPROTO_IPV6, IPV6_TCLASS, &octet, sizeof octet);
}

tl::expected<Reached, ClientFailure> reach_host(const ClientOptions& options) {
  if (!options.jumps.empty()) {
    const auto words = jump_words(options);
    log_line(LogLevel::debug, "through " + options.jumps.back());
    return through(words);
  }
  if (!options.proxy_command.empty()) {
    log_line(LogLevel::debug, "Executing proxy command: exec " + options.proxy_command);
    return through({user_shell(), "-c", "exec " + options.proxy_command});
  }
  DialTarget target{.host = options.host, .port = options.port, .family = options.family};
  target.timeout = options.connect_timeout;
  target.bind_address = options.bind_address;
  target.bind_interface = options.bind_interface;
  for (unsigned attempt = 1;; ++attempt) {
    log_line(LogLevel::debug, "Connecting to " + options.host + " port " + std::to_string(options.port) + ".");
    auto dialed = dial(target);
    if (dialed) {
      const int on = 1;
      if (options.tcp_keepalive) ::setsockopt(dialed->descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
      return Reached{UniqueFd(dialed->descriptor), dialed->address};
    }
    if (attempt >= options.connection_attempts) return tl::unexpected<ClientFailure>(std::move(dialed.error()));
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

}  // namespace sluice
