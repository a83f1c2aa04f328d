// BenchServer: who a run talks to: a sluiced or an sshd of its own on loopback, with keys made for it in a folder that
// goes away, or somebody else's host and port.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/sluice/bench/child_process.h"
#include "apps/sluice/bench/flags.h"
#include "base/result.h"

namespace sluice::bench {

enum class ServerKind : uint8_t { sluiced, sshd, foreign };

// "sluiced", "sshd", "sluiced=PATH", "sshd=PATH", "HOST:PORT", "[ADDRESS]:PORT".
struct ServerSpec {
  std::string name;  // as it was given
  ServerKind kind = ServerKind::foreign;
  std::string program;
  std::string host = "127.0.0.1";
  uint16_t port = 0;
};
ResultOrText<ServerSpec> parse_server(std::string_view text);

// How clients get in.
struct Endpoint {
  std::string host, user;
  uint16_t port = 0;
  std::string identity;                   // a private key's file; empty: the client's own ways
  std::vector<std::string> ssh_options;   // for programs with OpenSSH's flags
  std::vector<std::string> fingerprints;  // of the host's keys; empty: the client's known hosts say
  bool ours = false;                      // it lets in nobody but us, and ends with the run
};

// The keys of a run, in its folder.
struct RunKeys {
  std::string private_file, ppk_file, authorized_file, host_file;
};
ResultOrText<RunKeys> make_run_keys(const std::string& folder);

// Beside what makes it run at all.
struct ServerWishes {
  std::vector<std::string> ciphers, macs;  // only these; empty: its own choice
  std::string rekey_volume;                // bytes; empty: its own
  std::vector<std::string> lines;          // sluiced: configuration; sshd: options
};

// How to get in at somebody else's host, where it is not as the user's configuration says.
struct ForeignAccess {
  std::string user, identity;
  std::vector<std::string> options;  // as after ssh's -o
};
// --user, --identity and --option.
std::vector<Flag> access_flags(ForeignAccess& access);

class BenchServer {
 public:
  static ResultOrText<std::unique_ptr<BenchServer>> start(const ServerSpec& spec, const RunKeys& keys,
                                                          const std::string& folder, const ServerWishes& wishes,
                                                          const ForeignAccess& access);
  ~BenchServer();

  const Endpoint& endpoint() const { return endpoint_; }
  // 0: it is not ours.
  pid_t process() const { return child_ ? child_->process() : 0; }
  double cpu_seconds() const { return child_ ? tree_cpu_seconds(child_->root()) : 0; }
  // Waits, ten seconds at most, until no session of it has a process any more: then their CPU is in the account.
  void settle() const;

 private:
  BenchServer() = default;
  ServerKind kind_ = ServerKind::foreign;
  std::unique_ptr<Child> child_;
  Endpoint endpoint_;
  size_t idle_processes_ = 0;
};

// A folder that goes with this object.
class RunFolder {
 public:
  static ResultOrText<std::unique_ptr<RunFolder>> make(const std::string& parent);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  RunFolder() = default;
  std::string path_;
};

// Of a process that is about to end by a signal: everything that it started, and the folders of its runs.
void leave_nothing();

// Of this machine: memory where there is some for everybody, else the usual place for temporary files.
std::string default_folder();
std::string own_program();
std::string user_name();
// Why a server of others is not to be had; empty: it answers, or is one that a run starts.
std::string why_absent(const ServerSpec& spec);
// Where a connection to it succeeds within the time.
bool answers(const std::string& host, uint16_t port, double patience_seconds);
// Free now, and none that the kernel gives to outgoing connections by its usual settings.
uint16_t free_port();

}  // namespace sluice::bench
