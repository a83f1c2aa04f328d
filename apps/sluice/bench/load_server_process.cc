// This program again, with the subcommand that serves.
#include "apps/sluice/bench/load_server_process.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "apps/sluice/bench/bench_output.h"
#include "apps/sluice/bench/load_crowd.h"
#include "apps/sluice/bench/load_end.h"
#include "base/unique_fd.h"

namespace sluice::bench {
namespace {

constexpr double kStartSeconds = 300;

Endpoint endpoint_at(uint16_t port) {
  Endpoint end;
  end.host = "127.0.0.1";
  end.user = "bench";
  end.port = port;
  end.ours = true;
  end.ssh_options = {"-F", "none",
                     "-o", "IdentityAgent=none",
                     "-o", "BatchMode=yes",
                     "-o", "StrictHostKeyChecking=no",
                     "-o", "UserKnownHostsFile=/dev/null",
                     "-o", "LogLevel=ERROR"};
  return end;
}

LoadServerOptions options_of(const LoadServing& serving, bool rekeys) {
  LoadServerOptions options;
  options.limits.volume_bytes = uint64_t{1} << 50;
  options.limits.time_ns = ~uint64_t{0} >> 1;
  options.address = serving.address;
  if (!rekeys) return options;
  options.rekey_mean_ms = serving.rekey_mean_ms;
  if (serving.rekey_ms > 0) options.limits.time_ns = serving.rekey_ms * 1000000;
  if (serving.rekey_bytes > 0) options.limits.volume_bytes = serving.rekey_bytes;
  return options;
}

// Tried before anything is made: of LoadServer an address is a fact.
std::string why_no_listener(const LoadServing& serving) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(serving.port);
  if (::inet_pton(AF_INET, serving.address.c_str(), &at.sin_addr) != 1)
    return serving.address + " is no address of IPv4";
  const UniqueFd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(probe.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(probe.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0 && ::listen(probe.get(), 1) == 0)
    return {};
  return "port " + std::to_string(serving.port) + " of " + serving.address + ": " + std::strerror(errno);
}

}  // namespace

int serve_load(const LoadServing& serving, double seconds) {
  // As many as there may be: whoever is beyond is not accepted.
  if (!allow_descriptors(65536)) (void)allow_descriptors(20000);
  sigset_t ending;
  ::sigemptyset(&ending);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) ::sigaddset(&ending, number);
  ::pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  if (const std::string why = why_no_listener(serving); !why.empty()) return complain("rekey", why, kNotAvailable);
  LoadEnd end("", serving.workers, pool_of_load());
  LoadServer server(end, options_of(serving, true), serving.port);
  LoadServer quiet(end, options_of(serving, false));
  end.start();
  std::printf("%u %u\n", server.port(), quiet.port());
  std::fflush(stdout);
  const double until = monotonic_seconds() + seconds;
  for (int number = SIGUSR1; number == SIGUSR1 || number == SIGALRM;) {
    // The time is looked at every second: signals may come between.
    const timespec second{1, 0};
    number = ::sigtimedwait(&ending, nullptr, &second);
    if (number < 0) number = seconds > 0 && monotonic_seconds() >= until ? SIGTERM : SIGALRM;
    if (number == SIGALRM) continue;
    std::printf("rekeys %llu\n", static_cast<unsigned long long>(server.rekeys().load()));
    std::fflush(stdout);
  }
  end.stop();
  return 0;
}

ResultOrText<std::unique_ptr<LoadServerProcess>> LoadServerProcess::start(const LoadServing& serving) {
  ChildOptions options;
  options.words = {own_program(), "bench", "rekey", "--serve", "--serve-workers", std::to_string(serving.workers)};
  const auto add = [&](const char* flag, uint64_t value) {
    if (value > 0) options.words.insert(options.words.end(), {flag, std::to_string(value)});
  };
  add("--serve-mean-ms", serving.rekey_mean_ms);
  add("--serve-ms", serving.rekey_ms);
  add("--serve-bytes", serving.rekey_bytes);
  auto child = Child::start(std::move(options));
  if (!child) return fail(child.error());
  const auto line = (*child)->read_line(kStartSeconds);
  unsigned port = 0, quiet = 0;
  if (!line || std::sscanf(line->c_str(), "%u %u", &port, &quiet) != 2)
    return fail("the server of the load did not start: " + line.value_or(""));
  std::unique_ptr<LoadServerProcess> process(new LoadServerProcess);
  process->child_ = std::move(*child);
  process->endpoint_ = endpoint_at(static_cast<uint16_t>(port));
  process->quiet_ = endpoint_at(static_cast<uint16_t>(quiet));
  return process;
}

LoadServerProcess::~LoadServerProcess() {
  if (child_) child_->stop(SIGTERM);
}

std::optional<uint64_t> LoadServerProcess::rekeys() const {
  constexpr double kAnswerSeconds = 10;
  ::kill(child_->process(), SIGUSR1);
  const auto line = child_->read_line(kAnswerSeconds);
  unsigned long long rekeys = 0;
  if (!line || std::sscanf(line->c_str(), "rekeys %llu", &rekeys) != 1) return std::nullopt;
  return rekeys;
}

}  // namespace sluice::bench
