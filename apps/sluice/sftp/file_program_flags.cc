// Flags of sftp and scp, and where files are named to be.
#include "apps/sluice/sftp/file_program_flags.h"

#include <charconv>
#include <cstring>

#include "control/client/config/config_words.h"

namespace sluice {
namespace {

// RFC 3986 section 2.1. What is no escape stays.
std::string without_percents(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    const char* digits = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size()) {
      const auto [end, error] = std::from_chars(digits, digits + 2, byte, 16);
      if (error != std::errc{} || end != digits + 2) byte = 0;
    }
    out.push_back(byte != 0 ? static_cast<char>(byte) : text[i]);
    if (byte != 0) i += 2;
  }
  return out;
}

}  // namespace

uint64_t number_of(const std::string& text, uint64_t least, uint64_t most, char flag, std::string& problem) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size() && number >= least && number <= most) return number;
  if (problem.empty()) {
    problem = "-" + std::string(1, flag) + " takes a number from " + std::to_string(least) + " to " +
              std::to_string(most) + ", not \"" + text + "\"";
  }
  return 0;
}

std::string wrong_flag(int flag, const char* letters, const char* program) {
  const std::string name(1, static_cast<char>(flag));
  const char* known = std::strchr(letters, flag);
  if (flag != ':' && known && known[1] == ':') return "-" + name + " wants a value";
  return "unknown flag -" + name + "\nsluice " + program + " --help lists them";
}

bool FileProgramFlags::take(int flag, const std::string& value) {
  switch (flag) {
    case '4': say("AddressFamily inet"); break;
    case '6': say("AddressFamily inet6"); break;
    case 'A': say("ForwardAgent yes"); break;
    case 'c': say("Ciphers " + value); break;
    case 'C': say("Compression yes"); break;
    case 'D': sftp_server = value; break;
    case 'F': invocation.config_file = value; break;
    case 'i': invocation.key_files.push_back(value); break;
    case 'J': say("ProxyJump " + value); break;
    case 'l': limit_kbits = number_of(value, 1, 100'000'000'000, 'l', problem); break;
    case 'o': say(value); break;
    case 'p': preserve = true; break;
    case 'P': say("Port " + value); break;
    case 'q': quiet = true; break;
    case 'r': recursive = true; break;
    case 'S': ssh_program = value; break;
    case 'v': ++verbosity; break;
    case 'X': take_extra(value); break;
    default: return false;
  }
  return true;
}

void FileProgramFlags::take_extra(const std::string& value) {
  const size_t equals = value.find('=');
  const std::string name = value.substr(0, equals),
                    number = equals == std::string::npos ? "" : value.substr(equals + 1);
  if (name == "nrequests")
    start.most_requests = number_of(number, 1, 65536, 'X', problem);
  else if (name == "buffer")
    start.most_request = static_cast<uint32_t>(number_of(number, 1, kMaxSftpData, 'X', problem));
  else if (problem.empty())
    problem = "-X takes nrequests=N or buffer=BYTES, not \"" + value + "\"";
}

void FileProgramFlags::finish() {
  if (quiet) say("LogLevel quiet");
  if (verbosity > 0) say("LogLevel debug" + std::to_string(std::min(verbosity, 3)));
  // What the user says comes first, and the first holds.
  for (const char* line : {"ForwardX11 no", "ForwardAgent no", "PermitLocalCommand no", "ClearAllForwardings yes",
                           "RequestTTY no", "RemoteCommand none"}) {
    say(line);
  }
}

ResultOrText<std::vector<std::string>> FileProgramFlags::program(const ClientInvocation& to,
                                                                 const std::string& command) const {
  if (!sftp_server.empty() && command.empty()) {
    auto words = split_words(sftp_server);
    if (!words || words->empty()) return fail("-D wants a server's command line, not \"" + sftp_server + "\"");
    return *words;
  }
  if (ssh_program.empty()) return std::vector<std::string>{};
  const auto destination = parse_destination(to.destination);
  if (!destination) return fail(destination.error());
  std::vector<std::string> words{ssh_program};
  if (!to.config_file.empty()) words.insert(words.end(), {"-F", to.config_file});
  for (const std::string& file : to.key_files) words.push_back("-i" + file);
  for (const std::string& line : to.lines) words.push_back("-o" + line);
  if (destination->port) words.push_back("-oPort " + std::to_string(*destination->port));
  if (!destination->user.empty()) words.insert(words.end(), {"-l", destination->user});
  if (command.empty() && !start.command) words.emplace_back("-s");
  words.insert(words.end(), {"--", destination->host, command.empty() ? start.name : command});
  return words;
}

std::shared_ptr<RateLimit> FileProgramFlags::limit() const {
  if (limit_kbits == 0) return nullptr;
  return std::make_shared<RateLimit>(limit_kbits * 1024 / 8);
}

std::optional<RemoteName> parse_remote_name(const std::string& text, const std::string& scheme, std::string& problem) {
  const std::string prefix = scheme + "://";
  if (text.starts_with(prefix)) {
    const size_t slash = std::min(text.find('/', prefix.size()), text.size());
    const auto destination = parse_destination(text.substr(0, slash), scheme);
    if (!destination) {
      problem = destination.error();
      return std::nullopt;
    }
    RemoteName out;
    out.destination = (destination->user.empty() ? "" : destination->user + "@") + destination->host;
    if (destination->port) out.port = std::to_string(*destination->port);
    // Relative to the folder after the login; a second slash makes it absolute.
    out.path = without_percents(text.substr(std::min(slash + 1, text.size())));
    return out;
  }
  // A colon behind a slash belongs to a local name; one inside of brackets to an address.
  size_t at = 0;
  const size_t bracket = text.starts_with('[')                  ? 0
                         : text.find("@[") == std::string::npos ? std::string::npos
                                                                : text.find("@[") + 1;
  if (bracket != std::string::npos && text.find('/') > bracket) {
    const size_t close = text.find("]:", bracket);
    if (close == std::string::npos) return std::nullopt;
    at = close + 1;
  } else {
    at = text.find_first_of(":/");
    if (at == std::string::npos || at == 0 || text[at] == '/') return std::nullopt;
  }
  std::string destination = text.substr(0, at);
  if (bracket != std::string::npos && text.find('/') > bracket) {
    destination.erase(destination.size() - 1);
    destination.erase(bracket, 1);
  }
  return RemoteName{destination, text.substr(at + 1), ""};
}

}  // namespace sluice
