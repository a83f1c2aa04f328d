// handshake_bench: the server's CPU for a whole login, monitor included, beside the bare primitives of one.
//
// usage: handshake_bench LOGIN_SERVER [--logins N] [--at-once N] [--rounds N]
// LOGIN_SERVER is tests/e2e/login_server: network process and monitor, each a process of its own. Logins are
// curve25519-sha256, an ed25519 host key and an ed25519 user key, made by this process. Exit 1 when more than asked.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "base/check.h"
#include "bench/bare_handshake.h"
#include "bench/login_load.h"
#include "control/keys/public_key_text.h"

extern char** environ;

namespace {

using namespace sluice;

constexpr double kAsked = 3.0;

double cpu_seconds(pid_t process) {
  clockid_t clock;
  timespec time{};
  SLUICE_CHECK(::clock_getcpuclockid(process, &clock) == 0 && ::clock_gettime(clock, &time) == 0);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// The server as a process: its port from its first line, its monitor from the kernel's list of children.
class ServerProcess {
 public:
  ServerProcess(const char* program, const std::filesystem::path& folder) {
    int in[2], out[2];
    SLUICE_CHECK(::pipe(in) == 0 && ::pipe(out) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1, 0);
    for (const int fd : {in[0], in[1], out[0], out[1]}) posix_spawn_file_actions_addclose(&actions, fd);
    std::string keys = folder / "authorized_keys", state = folder / "state";
    std::string name = "bench", password = "no one types this";
    char* arguments[] = {const_cast<char*>(program), name.data(), password.data(), keys.data(), state.data(), nullptr};
    SLUICE_CHECK(::posix_spawn(&process_, program, &actions, nullptr, arguments, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]), ::close(out[1]);
    input_ = in[1];
    FILE* lines = ::fdopen(out[0], "r");
    unsigned port = 0;
    SLUICE_CHECK(lines != nullptr && std::fscanf(lines, "%u", &port) == 1);
    std::fclose(lines);
    port_ = static_cast<uint16_t>(port);
    const std::string self = std::to_string(process_);
    std::ifstream children("/proc/" + self + "/task/" + self + "/children");
    SLUICE_CHECK(static_cast<bool>(children >> monitor_));
  }
  ~ServerProcess() {
    ::close(input_);
    ::waitpid(process_, nullptr, 0);
  }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  uint16_t port() const { return port_; }
  double network_cpu() const { return cpu_seconds(process_); }
  double monitor_cpu() const { return cpu_seconds(monitor_); }

 private:
  pid_t process_ = 0;
  pid_t monitor_ = 0;
  int input_ = -1;
  uint16_t port_ = 0;
};

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  size_t logins = 500, at_once = 8;
  int rounds = 5;
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--logins") logins = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--at-once") at_once = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--rounds") rounds = std::atoi(argv[i + 1]);
  }
  char folder_name[] = "/tmp/handshake_bench.XXXXXX";
  SLUICE_CHECK(::mkdtemp(folder_name) != nullptr);
  const std::filesystem::path folder(folder_name);
  const PrivateKey key = std::move(*PrivateKey::generate(KeyType::ed25519));
  std::ofstream(folder / "authorized_keys") << to_text(key.public_key(), "bench") << "\n";
  std::vector<double> alone, together;
  {
    ServerProcess server(argv[1], folder);
    bench::run_logins(server.port(), "bench", key, 20, 1);
    for (int round = 0; round < rounds; ++round) {
      const double bare = bench::bare_handshake_seconds();
      for (const size_t lanes : {size_t{1}, at_once}) {
        const double network = server.network_cpu(), monitor = server.monitor_cpu();
        const double wall = bench::run_logins(server.port(), "bench", key, logins, lanes);
        const double scale = 1e3 / static_cast<double>(logins);
        const double net_ms = (server.network_cpu() - network) * scale;
        const double mon_ms = (server.monitor_cpu() - monitor) * scale;
        (lanes == 1 ? alone : together).push_back((net_ms + mon_ms) / (bare * 1e3));
        std::printf(
            "round %d, %zu at once: %.3f ms (network %.3f, monitor %.3f), bare %.3f ms: %.2f x; %.0f logins/s\n", round,
            lanes, net_ms + mon_ms, net_ms, mon_ms, bare * 1e3, (net_ms + mon_ms) / (bare * 1e3),
            static_cast<double>(logins) / wall);
      }
    }
  }
  std::filesystem::remove_all(folder);
  std::printf("server CPU of a login : bare primitives, medians: %.2f one at a time, %.2f at %zu at once, asked %.1f\n",
              median(alone), median(together), at_once, kAsked);
  return std::max(median(alone), median(together)) <= kAsked ? 0 : 1;
}
