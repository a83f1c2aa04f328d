// FileProgramFlags: what the command lines of sluice sftp and sluice scp have in common, as lines of configuration.
#pragma once

#include <string>

#include "control/client/config/client_options.h"
#include "services/sftp_client/sftp_engine.h"

namespace sluice {

struct FileProgramFlags {
  ClientInvocation invocation;
  SftpStart start;
  uint64_t limit_kbits = 0;  // -l; 0: none
  bool preserve = false, recursive = false, quiet = false;
  int verbosity = 0;
  std::string ssh_program;  // -S: speaks SSH instead of us
  std::string sftp_server;  // -D: a server's command line, here, and no SSH
  std::string problem;      // the first, for the user

  // getopt's letters of it, to be joined with a program's own.
  static constexpr const char* kLetters = "46Ac:CD:F:i:J:l:o:pP:qrS:vX:";
  // True: it was one of these.
  bool take(int flag, const std::string& value);
  // When all flags were taken.
  void finish();
  std::shared_ptr<RateLimit> limit() const;
  // The program to be started instead of a connection of ours to that destination; empty: none. With `command` it
  // is to run that there, else the server of SFTP.
  ResultOrText<std::vector<std::string>> program(const ClientInvocation& to, const std::string& command = {}) const;

 private:
  void say(std::string line) { invocation.lines.push_back(std::move(line)); }
  void take_extra(const std::string& value);
};

// A number between bounds; 0: none, and `problem` says so.
uint64_t number_of(const std::string& text, uint64_t least, uint64_t most, char flag, std::string& problem);

// What getopt found wrong, in words.
std::string wrong_flag(int flag, const char* letters, const char* program);

// "user@host" and "path" of [user@]host:[path] or SCHEME://[user@]host[:port][/path]; nothing: a local path.
struct RemoteName {
  std::string destination;  // fit for ClientInvocation
  std::string path;
  std::string port;  // of a URI
};
std::optional<RemoteName> parse_remote_name(const std::string& text, const std::string& scheme, std::string& problem);

}  // namespace sluice
