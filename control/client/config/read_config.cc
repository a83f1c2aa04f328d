// Once, and again where a canonical name or `Match final` asks for it.
#include "control/client/config/read_config.h"

#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "control/client/config/config_reader.h"
#include "control/keys/name_patterns.h"

namespace sluice {
namespace {

constexpr const char* kSystemFile = "/etc/ssh/ssh_config";
constexpr const char* kSystemFolder = "/etc/ssh";

// By the user's shell, with nothing to read and nowhere to write: its exit says all.
bool run_quietly(const std::string& command) {
  const char* shell = std::getenv("SHELL");
  if (shell == nullptr || *shell == '\0') shell = "/bin/sh";
  const pid_t child = ::fork();
  if (child < 0) return false;
  if (child == 0) {
    const int null = ::open("/dev/null", O_RDWR);
    ::dup2(null, 0);
    ::dup2(null, 1);
    ::execl(shell, shell, "-c", command.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

class Reading {
 public:
  Reading(const ClientInvocation& invocation, ClientOptions& out) : invocation_(invocation), out_(out) {}

  ResultOrText<void> run(const Destination& to) {
    out_.settings_file = invocation_.config_file;
    out_.tokens = TokenFacts::of_this_machine();
    out_.original_host = out_.tokens.original_host = to.host;
    bool final = false;
    if (auto read = read_once(to, to.host, false, false, final); !read) return read;
    std::string host = host_;
    const bool canonical = canonicalize(host);
    if (!problem_.empty()) return fail(problem_);
    if (canonical || final) {
      bool ignored = false;
      if (canonical) out_.settings.replace("Hostname", {host});
      if (auto read = read_once(to, canonical ? host : to.host, canonical, true, ignored); !read) return read;
    }
    settle();
    return {};
  }

 private:
  void said_first(std::string_view name, const std::string& word) { out_.settings.set(*find_option(name), {word}); }

  ResultOrText<void> read_once(const Destination& to, const std::string& host, bool canonical, bool second,
                               bool& wants_final) {
    ConfigReader reader(out_.settings, {out_.tokens, host, canonical, second}, run_quietly);
    if (!second) {
      for (const std::string& file : invocation_.key_files) take_key_file(reader, file);
      for (const std::string& line : invocation_.lines) reader.take_line(line, "command line");
      // A flag is stronger than what stands beside the host.
      if (!to.user.empty()) said_first("User", to.user);
      if (to.port) said_first("Port", std::to_string(*to.port));
    }
    const std::string folder = out_.tokens.home + "/.ssh";
    if (invocation_.config_file.empty()) {
      reader.read_file(folder + "/config", folder, true);
      reader.read_file(kSystemFile, kSystemFolder, false);
    } else if (to_lower(invocation_.config_file) != "none") {
      if (!reader.read_file(invocation_.config_file, folder, false)) {
        return fail("Can't open user config file " + invocation_.config_file + ": " + std::strerror(errno));
      }
    }
    if (!reader.errors().empty()) {
      std::string text;
      for (const std::string& error : reader.errors()) text.append(error).append("\n");
      const size_t count = reader.errors().size();
      return fail(text + "terminating, " + std::to_string(count) + " bad configuration option" +
                  (count > 1 ? "s" : ""));
    }
    if (!second) {
      out_.warnings = reader.warnings();
      out_.warnings.insert(out_.warnings.begin(), missing_keys_.begin(), missing_keys_.end());
    }
    wants_final = reader.wants_final();
    host_ = reader.host_name();
    return {};
  }

  // With only its public half there the key may be an agent's.
  void take_key_file(ConfigReader& reader, const std::string& file) {
    const std::string path = expand_home(file, out_.tokens.home);
    if (::access(path.c_str(), F_OK) == 0 || ::access((path + ".pub").c_str(), F_OK) == 0) {
      reader.take_line("IdentityFile \"" + file + "\"", "command line");
    } else {
      missing_keys_.push_back("Warning: Identity file " + file + " not accessible: " + std::strerror(errno) + ".");
    }
  }

  bool resolves(const std::string& name) const {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    if (::getaddrinfo(name.c_str(), nullptr, &hints, &list) != 0) return false;
    ::freeaddrinfo(list);
    return true;
  }

  // CanonicalizeHostname: true where the host has another name now.
  bool canonicalize(std::string& host) {
    const std::string wish = to_lower(out_.settings.one("CanonicalizeHostname"));
    if (wish == "no" || wish == "false") return false;
    const bool proxied = out_.settings.has("ProxyCommand") || out_.settings.has("ProxyJump");
    if (proxied && wish != "always") return false;
    if (Address::parse(host)) return false;
    const auto dots = std::count(host.begin(), host.end(), '.');
    if (host.ends_with('.')) {
      host.pop_back();
      return true;
    }
    if (dots > out_.settings.number("CanonicalizeMaxDots")) return true;
    for (const std::string& domain : out_.settings.all("CanonicalDomains")) {
      if (to_lower(domain) == "none") continue;
      const std::string full = host + "." + domain;
      if (!resolves(full)) continue;
      host = full;
      return true;
    }
    if (!out_.settings.flag("CanonicalizeFallbackLocal")) problem_ = "Could not resolve host \"" + host + "\"";
    return false;
  }

  void settle() {
    out_.host = to_lower(host_);
    out_.user = out_.settings.has("User") ? out_.settings.one("User") : out_.tokens.local_user;
    out_.port = static_cast<uint16_t>(out_.settings.number("Port"));
    TokenFacts& tokens = out_.tokens;
    tokens.host = out_.host;
    tokens.port = std::to_string(out_.port);
    tokens.remote_user = out_.user;
    const std::string alias = out_.settings.one("HostKeyAlias");
    tokens.host_key_alias = alias.empty() ? out_.original_host : alias;
    const std::string jump = out_.settings.one("ProxyJump");
    tokens.jump = to_lower(jump) == "none" ? "" : jump;
    // Stock ssh prints these first, and as they came out.
    out_.settings.replace("Hostname", {out_.host});
    out_.settings.replace("User", {out_.user});
    out_.settings.replace("Port", {tokens.port});
  }

  const ClientInvocation& invocation_;
  std::vector<std::string> missing_keys_;
  ClientOptions& out_;
  std::string host_;
  std::string problem_;
};

}  // namespace

ResultOrText<void> read_config(const ClientInvocation& invocation, ClientOptions& out) {
  const auto destination = parse_destination(invocation.destination);
  if (!destination) return fail(destination.error());
  return Reading(invocation, out).run(*destination);
}

}  // namespace sluice
