// sluice scp: which ends a copy has, and by which protocol it is made.
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "apps/sluice/client_log.h"
#include "apps/sluice/programs.h"
#include "apps/sluice/scp/exec_channel.h"
#include "apps/sluice/scp/legacy_talk.h"
#include "apps/sluice/scp/scp_command_line.h"
#include "apps/sluice/sftp/progress_meter.h"
#include "apps/sluice/sftp/sftp_connection.h"
#include "apps/terminal/interrupt.h"
#include "services/copy/copy_run.h"
#include "services/copy/remote_side.h"

namespace sluice {
namespace {

constexpr int kFailed = 1;
constexpr int kNoConnection = 255;

bool is_local_folder(const std::string& path) { return LocalNames().is_folder(path); }

ShellWord pattern_of(const std::string& path) {
  ShellWord word{path, std::vector<bool>(path.size(), false)};
  for (size_t i = 0; i < path.size(); ++i) {
    word.special[i] = std::string_view("*?[]-!^~").find(path[i]) != std::string_view::npos;
  }
  return word;
}

// A copy of "." or ".." goes into the target itself.
std::string name_in_target(const std::string& path) {
  const std::string name = base_name(path);
  return name.empty() || name == ".." ? "." : name;
}

class ScpProgram {
 public:
  explicit ScpProgram(ScpCommandLine& line)
      : line_(line), limit_(line.flags.limit()), meter_(!line.flags.quiet && ::isatty(STDOUT_FILENO)) {
    rules_.recursive = line.flags.recursive;
    rules_.preserve = line.flags.preserve;
    rules_.follow_links = true;
    rules_.program = "scp: ";
  }

  int run() {
    const ScpPlace& target = line_.target;
    if (!target.remote && line_.sources.size() > 1 && !is_local_folder(target.path)) {
      return complain("scp: " + target.path + ": not a directory, and there is more than one source"), kFailed;
    }
    int worst = 0;
    for (const ScpPlace& source : line_.sources) {
      const int status = interrupted() ? kFailed : copy(source);
      worst = std::max(worst, status);
      // Whoever could not be reached is not asked again for the next file.
      if (status == kNoConnection) {
        tell_loss();
        break;
      }
    }
    return worst;
  }

 private:
  void tell_loss() {
    for (const Held& held : held_) {
      if (!held.connection || !held.connection->files().client().gone()) continue;
      const std::string why = held.connection->why_lost();
      if (!why.empty()) complain("scp: the connection was lost: " + why);
    }
  }

  int copy(const ScpPlace& source) {
    const ScpPlace& target = line_.target;
    if (!source.remote && !target.remote) return copy_here(source);
    if (source.remote && target.remote) {
      if (line_.at_origin) return run_at_origin(source);
      return line_.legacy ? relay_legacy(source) : relay(source);
    }
    if (line_.legacy) return source.remote ? receive_legacy(source) : send_legacy(source);
    return source.remote ? get(source) : put(source);
  }

  ClientInvocation invocation(const ScpPlace& place) const {
    ClientInvocation out = line_.flags.invocation;
    out.destination = place.remote->destination;
    if (!place.remote->port.empty()) out.lines.insert(out.lines.begin(), "Port " + place.remote->port);
    return out;
  }

  // The connection that the last place used, if it is the same host's.
  SftpConnection* connection_to(const ScpPlace& place, bool second = false) {
    Held& held = held_[second ? 1 : 0];
    const std::string key = place.remote->destination + " " + place.remote->port;
    if (held.connection && held.key == key && !held.connection->files().client().gone()) return held.connection.get();
    held.connection.reset();
    held.connection = SftpConnection::open(invocation(place), line_.flags);
    held.key = key;
    // Before, control-C ends the program, and whoever it asks something.
    catch_interrupts();
    return held.connection.get();
  }

  FileCopier copier(RemoteFiles& files) {
    return FileCopier(
        files, {.meter = &meter_, .limit = limit_, .interrupted = interrupted, .complain = [](const std::string& what) {
                  std::fprintf(stderr, "%s\n", what.c_str());
                }});
  }

  int status(RemoteFiles& files, bool good) const { return files.client().gone() ? kNoConnection : good ? 0 : kFailed; }

  std::vector<std::string> matches(RemoteFiles& files, const std::string& path) {
    ShellWord word = pattern_of(path.empty() ? "." : path);
    if (word.text.starts_with('~')) {
      const size_t slash = std::min(word.text.find('/'), word.text.size());
      const auto home = files.absolute(word.text.substr(0, slash));
      if (!home) return {};
      const std::string rest = word.text.substr(slash);
      word = pattern_of(*home + rest);
      for (size_t i = 0; i < home->size(); ++i) word.special[i] = false;
    }
    std::vector<std::string> found = expand_path(word, files);
    for (std::string& one : found) one = files.from_folder(one);
    return found;
  }

  int get(const ScpPlace& source) {
    SftpConnection* connection = connection_to(source);
    if (!connection) return kNoConnection;
    RemoteFiles& files = connection->files();
    const std::vector<std::string> found = matches(files, source.path);
    if (found.empty()) {
      complain("scp: " + fit_for_terminal(source.path) + ": No such file or directory");
      return status(files, false);
    }
    const std::string& target = line_.target.path;
    const bool into = is_local_folder(target.empty() ? "." : target);
    if (found.size() > 1 && !into) return complain("scp: " + target + ": not a directory"), kFailed;
    bool good = true;
    FileCopier copies = copier(files);
    for (const std::string& path : found) {
      if (interrupted()) return kFailed;
      good = copies.get(path, into ? path_in(target, name_in_target(path)) : target, rules_) && good;
    }
    return status(files, good);
  }

  int put(const ScpPlace& source) {
    SftpConnection* connection = connection_to(line_.target);
    if (!connection) return kNoConnection;
    RemoteFiles& files = connection->files();
    const auto target = files.absolute(line_.target.path.empty() ? "." : line_.target.path);
    if (!target) return complain("scp: " + target.error().text), status(files, false);
    const auto there = files.stat(*target);
    const bool into = there && there->is_directory();
    if (!into && line_.sources.size() > 1) {
      return complain("scp: " + fit_for_terminal(*target) + ": not a directory, and there is more than one source"),
             kFailed;
    }
    std::string from = source.path;
    while (from.size() > 1 && from.ends_with('/')) from.pop_back();
    return status(files, copier(files).put(from, into ? path_in(*target, name_in_target(from)) : *target, rules_));
  }

  int relay(const ScpPlace& source) {
    SftpConnection* from = connection_to(source);
    SftpConnection* to = from ? connection_to(line_.target, true) : nullptr;
    if (!to) return kNoConnection;
    const auto side = [](SftpConnection& c) {
      return RemoteSide(c.client(), c.files().facts(), [] { return std::shared_ptr<SftpClient>(); });
    };
    RemoteSide first = side(*from), second = side(*to);
    CopyOptions options;
    options.recursive = rules_.recursive;
    options.preserve = rules_.preserve;
    options.follow = true;
    options.resume = false;
    options.connections = 1;
    options.limit = limit_;
    CopyCounts counts;
    CopyProgress progress(
        counts, !line_.flags.quiet && ::isatty(STDERR_FILENO) ? ProgressManner::terminal : ProgressManner::quiet,
        false);
    const auto path_at = [](const ScpPlace& place) { return place.path.empty() ? std::string(".") : place.path; };
    const bool good = CopyRun(options, counts, progress)
                          .copy({{&first, path_at(source), source.remote->destination + ":"}},
                                {&second, path_at(line_.target), line_.target.remote->destination + ":"});
    return good ? 0 : from->files().client().gone() || to->files().client().gone() ? kNoConnection : kFailed;
  }

  // "scp -f PATH": the path is for the server's shell, as it always was.
  std::string legacy_command(char side, const std::string& path, bool folder = false) const {
    std::string command = "scp";
    if (rules_.recursive) command += " -r";
    if (rules_.preserve) command += " -p";
    if (folder) command += " -d";
    command.append(" -").append(1, side).append(path.starts_with('-') ? " -- " : " ");
    return command + (path.empty() ? "." : path);
  }

  LegacyTalk::Wishes wishes() {
    LegacyTalk::Wishes out;
    out.recursive = rules_.recursive;
    out.preserve = rules_.preserve;
    out.trust_names = line_.trust_names;
    out.meter = &meter_;
    out.limit = limit_;
    out.interrupted = interrupted;
    return out;
  }

  int receive_legacy(const ScpPlace& source) {
    const auto channel = ExecChannel::open(invocation(source), line_.flags, legacy_command('f', source.path));
    if (!channel) return kFailed;
    catch_interrupts();
    const bool good = LegacyTalk(channel->socket(), wishes()).receive(source.path, line_.target.path);
    return good && channel->finish() == 0 ? 0 : kFailed;
  }

  int send_legacy(const ScpPlace& source) {
    const bool folder = line_.sources.size() > 1;
    const auto channel =
        ExecChannel::open(invocation(line_.target), line_.flags, legacy_command('t', line_.target.path, folder));
    if (!channel) return kFailed;
    catch_interrupts();
    LegacyTalk talk(channel->socket(), wishes());
    const bool good = talk.begin_sending() && talk.send(source.path);
    return good && channel->finish() == 0 ? 0 : kFailed;
  }

  // Each side's words are the other's: nothing of it is looked at.
  int relay_legacy(const ScpPlace& source) {
    const bool folder = line_.sources.size() > 1;
    const auto from = ExecChannel::open(invocation(source), line_.flags, legacy_command('f', source.path));
    const auto to =
        from ? ExecChannel::open(invocation(line_.target), line_.flags, legacy_command('t', line_.target.path, folder))
             : nullptr;
    if (!to) return kFailed;
    catch_interrupts();
    pollfd ends[2] = {{from->socket(), POLLIN, 0}, {to->socket(), POLLIN, 0}};
    std::vector<char> piece(128 * 1024);
    while ((ends[0].fd >= 0 || ends[1].fd >= 0) && !interrupted()) {
      if (::poll(ends, 2, -1) < 0 && errno != EINTR) break;
      for (int i = 0; i < 2; ++i) {
        if (ends[i].fd < 0 || ends[i].revents == 0) continue;
        const int other = i == 0 ? to->socket() : from->socket();
        const ssize_t got = ::read(ends[i].fd, piece.data(), piece.size());
        if (got > 0 && send_all(other, {piece.data(), static_cast<size_t>(got)})) continue;
        ::shutdown(other, SHUT_WR);
        ends[i].fd = -1;
      }
    }
    return from->finish() == 0 && to->finish() == 0 && !interrupted() ? 0 : kFailed;
  }

  static bool send_all(int to, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR && !interrupted()) continue;
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }

  int run_at_origin(const ScpPlace& source) {
    std::string command = "scp";
    if (rules_.recursive) command += " -r";
    if (rules_.preserve) command += " -p";
    if (line_.flags.quiet) command += " -q";
    const RemoteName& to = *line_.target.remote;
    if (!to.port.empty()) command += " -P " + to.port;
    command += " -- " + (source.path.empty() ? std::string(".") : source.path) + " " + to.destination + ":" + to.path;
    const auto channel = ExecChannel::open(invocation(source), line_.flags, command);
    return channel && channel->finish() == 0 ? 0 : kFailed;
  }

  // As OpenSSH: no connection is needed for it.
  int copy_here(const ScpPlace& source) {
    const pid_t child = ::fork();
    if (child == 0) {
      std::vector<const char*> words{"cp"};
      if (rules_.recursive) words.push_back("-r");
      if (rules_.preserve) words.push_back("-p");
      for (const char* word : {"--", source.path.c_str(), line_.target.path.c_str()}) words.push_back(word);
      words.push_back(nullptr);
      ::execvp("cp", const_cast<char* const*>(words.data()));
      ::_exit(127);
    }
    int result = 0;
    while (child > 0 && ::waitpid(child, &result, 0) < 0 && errno == EINTR) {}
    return child > 0 && WIFEXITED(result) && WEXITSTATUS(result) == 0 ? 0 : kFailed;
  }

  struct Held {
    std::string key;
    std::unique_ptr<SftpConnection> connection;
  };

  ScpCommandLine& line_;
  std::shared_ptr<RateLimit> limit_;
  ProgressMeter meter_;
  CopyRules rules_;
  Held held_[2];
};

}  // namespace

int run_scp(int argc, char** argv) {
  auto line = parse_scp_command_line(argc, argv);
  if (!line) return complain(line.error()), kFailed;
  if (line->help) return std::fputs(kScpHelp, stdout), 0;
  return ScpProgram(*line).run();
}

}  // namespace sluice
