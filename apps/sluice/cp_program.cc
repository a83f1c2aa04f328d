// sluice cp: connections to the hosts that were named, and the copy between them.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <map>

#include "apps/file_digests.h"
#include "apps/sluice/client_log.h"
#include "apps/sluice/client_run.h"
#include "apps/sluice/cp_command_line.h"
#include "apps/sluice/programs.h"
#include "apps/sluice/progress.h"
#include "services/copy/copy_run.h"

namespace sluice {
namespace {

constexpr int kNotAll = 1;
constexpr int kNoConnection = 255;

// A host with its connections, the first of which is there.
class CpHost {
 public:
  static ResultOrText<std::unique_ptr<CpHost>> reach(const CpCommandLine& line, const std::string& destination) {
    ClientInvocation invocation;
    invocation.destination = destination;
    invocation.lines = line.lines;
    invocation.key_files = line.key_files;
    for (int i = 0; i < line.verbosity; ++i)
      invocation.lines.emplace_back(i == 0 ? "LogLevel verbose" : "LogLevel debug");
    invocation.config_file = line.config_file;
    auto options = read_client_options(invocation);
    if (!options) return fail(options.error());
    if (!set_client_log(options->verbosity)) return fail("cannot write to standard error");
    if (line.show != CpShow::quiet) {
      for (const std::string& warning : options->warnings) complain(warning);
    }
    const size_t cores = std::max(1u, std::thread::hardware_concurrency());
    const size_t workers = std::min(cores, line.copy.connections == 0 ? size_t{2} : line.copy.connections);
    auto host = std::unique_ptr<CpHost>(new CpHost(std::move(*options), workers));
    auto first = host->connect(true);
    if (!first) return fail(first.error());
    auto facts = (*first)->wait_ready();
    if (!facts) return fail(facts.error().text + "\n");
    facts->learn_software(host->run_.peer_software(host->links_.front().first));
    host->side_.emplace(std::move(*first), std::move(*facts), [raw = host.get()]() -> std::shared_ptr<SftpClient> {
      auto more = raw->connect(false);
      return more ? *more : nullptr;
    });
    for (size_t i = 1; i < line.copy.connections; ++i) {
      if (!host->side_->grow()) break;
      ++host->connections_;
    }
    return host;
  }

  // Says goodbye, so that the server's log need not wonder.
  ~CpHost() {
    for (const auto& [link, client] : links_) run_.close(link);
    for (const auto& [link, client] : links_) run_.wait_ended(link);
  }

  // Why the first connection that was lost ended; empty: none was, or nobody knows.
  std::string why_lost() {
    for (const auto& [link, client] : links_) {
      if (client->gone()) return run_.why_ended(link);
    }
    return {};
  }

  RemoteSide& side() { return *side_; }
  size_t connections() const { return connections_; }

 private:
  CpHost(ClientOptions options, size_t workers) : run_(std::move(options), workers) {}

  ResultOrText<std::shared_ptr<SftpClient>> connect(bool first) {
    auto client = SftpClient::create();
    LinkWishes wishes;
    wishes.opener = client->make_opener();
    wishes.channels.budget = &run_.windows();
    wishes.channels.least_window = kFileWindow;
    wishes.ask = first;
    auto link = run_.connect(std::move(wishes));
    if (!link) return fail(explain(link.error(), run_.options()));
    const std::lock_guard held(lock_);
    links_.emplace_back(*link, client);
    return client;
  }

  ClientRun run_;
  std::mutex lock_;
  std::vector<std::pair<SessionId, std::shared_ptr<SftpClient>>> links_;
  std::optional<RemoteSide> side_;
  size_t connections_ = 1;
};

ProgressManner manner_of(const CpCommandLine& line) {
  if (line.show == CpShow::quiet) return ProgressManner::quiet;
  if (line.show == CpShow::json) return ProgressManner::json;
  return ::isatty(STDERR_FILENO) != 0 ? ProgressManner::terminal : ProgressManner::lines;
}

// A signal may come at any moment; what is to be said then is made before.
char g_last_words[256];
size_t g_last_size = 0;
int g_last_descriptor = STDERR_FILENO;

void say_and_die(int number) {
  [[maybe_unused]] const ssize_t n = ::write(g_last_descriptor, g_last_words, g_last_size);
  ::signal(number, SIG_DFL);
  ::raise(number);
}

void tell_how_to_go_on(ProgressManner manner, bool resume) {
  const std::string how = resume
                              ? "what is copied of large files is kept: run the same command again to go on from there"
                              : "run the same command again, without --restart to go on from what is copied";
  const bool json = manner == ProgressManner::json;
  const std::string text = json ? "{\"event\": \"interrupted\", \"text\": " + json_text(how) + "}\n"
                                : "\nsluice cp: interrupted; " + how + "\n";
  if (manner != ProgressManner::quiet) g_last_size = text.copy(g_last_words, sizeof g_last_words);
  g_last_descriptor = json ? STDOUT_FILENO : STDERR_FILENO;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction now {};
    if (::sigaction(number, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) ::signal(number, say_and_die);
  }
}

}  // namespace

int run_cp(int argc, char** argv) {
  auto line = parse_cp_command_line(argc, argv);
  if (!line) return complain(line.error()), kNotAll;
  if (line->help) return std::fputs(kCpHelp, stdout), 0;
  take_snapshot_signal();
  line->copy.digests = &file_digests();
  std::map<std::string, std::unique_ptr<CpHost>> hosts;
  CopyCounts counts;
  const auto place_of = [&](const CpPlace& place) -> ResultOrText<CopyPlace> {
    if (!place.remote()) return CopyPlace{nullptr, place.path, ""};
    auto& host = hosts[place.destination];
    if (!host) {
      auto reached = CpHost::reach(*line, place.destination);
      if (!reached) return fail(reached.error());
      host = std::move(*reached);
      counts.connections = std::max<uint64_t>(counts.connections, host->connections());
    }
    return CopyPlace{&host->side(), place.path, place.destination + ":"};
  };
  std::vector<CopyPlace> sources;
  for (const CpPlace& source : line->sources) {
    auto place = place_of(source);
    if (!place) return std::fputs(place.error().c_str(), stderr), kNoConnection;
    sources.push_back(std::move(*place));
  }
  auto target = place_of(line->target);
  if (!target) return std::fputs(target.error().c_str(), stderr), kNoConnection;
  CopyProgress progress(counts, manner_of(*line), line->verbosity > 0, line->copy.dry_run);
  if (!line->copy.dry_run) tell_how_to_go_on(manner_of(*line), line->copy.resume);
  const bool success = CopyRun(line->copy, counts, progress).copy(sources, *target);
  for (const auto& [name, host] : hosts) {
    if (const std::string why = host->why_lost(); !why.empty())
      progress.on_notice("the connection to " + name + " was lost: " + why);
  }
  progress.finish(success);
  return success ? 0 : kNotAll;
}

}  // namespace sluice
