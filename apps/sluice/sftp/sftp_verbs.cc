// The commands of SftpConsole that change something in one step, here or at the server.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "apps/sluice/sftp/sftp_console.h"
#include "apps/terminal/interrupt.h"

namespace sluice {
namespace {

std::string shown(const std::string& path) { return fit_for_terminal(path, 4096); }
std::string quoted(const std::string& path) { return "\"" + shown(path) + "\""; }

}  // namespace

bool SftpConsole::carry_out(const SftpCommand& command) {
  switch (command.verb) {
    case SftpVerb::nothing:
    case SftpVerb::quit: return true;
    case SftpVerb::cd: return change_folder(command);
    case SftpVerb::chmod: return change_mode(command);
    case SftpVerb::chgrp:
    case SftpVerb::chown: return change_owner(command);
    case SftpVerb::df: return show_filesystem_of(command);
    case SftpVerb::get: return get(command);
    case SftpVerb::put: return put(command);
    case SftpVerb::ls: return list(command);
    case SftpVerb::rm: return remove(command);
    case SftpVerb::copy:
    case SftpVerb::link:
    case SftpVerb::rename:
    case SftpVerb::mkdir:
    case SftpVerb::rmdir: return link(command);
    case SftpVerb::pwd: std::printf("Remote working directory: %s\n", shown(remote_.folder()).c_str()); return true;
    case SftpVerb::help: std::fputs(sftp_help().c_str(), stdout); return true;
    case SftpVerb::version: std::printf("SFTP protocol version %u\n", kSftpVersion); return true;
    case SftpVerb::progress: settings_.toggle_progress(); return true;
    default: return local_step(command);
  }
}

bool SftpConsole::local_step(const SftpCommand& command) {
  switch (command.verb) {
    case SftpVerb::lcd: return change_local_folder(command);
    case SftpVerb::lls:
    case SftpVerb::shell: return run_shell(command.shell);
    case SftpVerb::lumask:
      ::umask(command.number);
      std::printf("Local umask: %03o\n", command.number);
      return true;
    case SftpVerb::lmkdir: {
      const std::string& path = command.paths[0].text;
      if (::mkdir(path.c_str(), 0777) == 0) return true;
      return complain("Couldn't create local directory " + quoted(path) + ": " + std::strerror(errno));
    }
    case SftpVerb::lpwd: {
      char* const path = ::getcwd(nullptr, 0);
      if (!path) return complain(std::string("Couldn't get local cwd: ") + std::strerror(errno));
      std::printf("Local working directory: %s\n", path);
      std::free(path);
      return true;
    }
    default: return false;
  }
}

bool SftpConsole::change_folder(const SftpCommand& command) {
  const auto path = command.paths.empty() ? SftpResult<std::string>(start_) : remote_path(command.paths[0]);
  if (!path) return complain("Can't change directory", path.error());
  const auto real = remote_.realpath(*path);
  if (!real) return complain("Can't change directory to " + quoted(*path), real.error());
  const auto attributes = remote_.stat(*real);
  if (!attributes) return complain("Can't change directory to " + quoted(*real), attributes.error());
  if (attributes->mode && !attributes->is_directory()) {
    return complain("Can't change directory: " + quoted(*real) + " is not a directory");
  }
  remote_.enter(*real);
  return true;
}

bool SftpConsole::change_local_folder(const SftpCommand& command) {
  std::string path = command.paths.empty() ? "~" : command.paths[0].text;
  if (path == "~" || path.starts_with("~/")) {
    const char* home = std::getenv("HOME");
    if (home) path = home + path.substr(1);
  }
  if (::chdir(path.c_str()) == 0) return true;
  return complain("Couldn't change local directory to " + quoted(path) + ": " + std::strerror(errno));
}

bool SftpConsole::change_mode(const SftpCommand& command) {
  bool good = true;
  if (command.flags.of_links && !remote_.facts().has("lsetstat@openssh.com")) {
    return complain("Server does not support lsetstat@openssh.com extension");
  }
  for (const std::string& path : remote_matches(command.paths[0], "Can't chmod: ")) {
    if (!settings_.quiet) std::printf("Changing mode on %s\n", shown(path).c_str());
    SftpAttributes wanted;
    wanted.mode = command.number;
    const auto call = command.flags.of_links ? sftp_call::lsetstat(path, wanted) : sftp_call::setstat(path, wanted);
    good = judge("remote setstat " + quoted(path), remote_.change(call)) && good;
  }
  return good;
}

bool SftpConsole::change_owner(const SftpCommand& command) {
  if (command.flags.of_links && !remote_.facts().has("lsetstat@openssh.com")) {
    return complain("Server does not support lsetstat@openssh.com extension");
  }
  const bool owner = command.verb == SftpVerb::chown;
  const std::vector<std::string> paths = remote_matches(command.paths[0], owner ? "Can't chown: " : "Can't chgrp: ");
  bool good = !paths.empty();
  for (const std::string& path : paths) {
    // The protocol sets both or none.
    const auto now = command.flags.of_links ? remote_.lstat(path) : remote_.stat(path);
    if (!now || !now->owner) {
      good =
          complain("Can't get current ownership of remote file " + quoted(path) + (now ? "" : ": " + now.error().text));
      continue;
    }
    SftpAttributes wanted;
    wanted.owner = now->owner;
    (owner ? wanted.owner->uid : wanted.owner->gid) = command.number;
    if (!settings_.quiet) std::printf("Changing %s on %s\n", owner ? "owner" : "group", shown(path).c_str());
    const auto call = command.flags.of_links ? sftp_call::lsetstat(path, wanted) : sftp_call::setstat(path, wanted);
    good = judge("remote setstat " + quoted(path), remote_.change(call)) && good;
  }
  return good;
}

bool SftpConsole::remove(const SftpCommand& command) {
  const std::vector<std::string> paths = remote_matches(command.paths[0], "Can't rm: ");
  bool good = !paths.empty();
  for (const std::string& path : paths) {
    if (!settings_.quiet) std::printf("Removing %s\n", shown(path).c_str());
    good = judge("remote delete " + quoted(path), remote_.change(sftp_call::remove(path))) && good;
  }
  return good;
}

bool SftpConsole::link(const SftpCommand& command) {
  const ShellWord& first = command.paths[0];
  const auto from = remote_path(first);
  const auto to = command.paths.size() > 1 ? remote_path(command.paths[1]) : from;
  if (!from) return complain(quoted(first.text), from.error());
  if (!to) return complain(quoted(command.paths[1].text), to.error());
  const std::string both = quoted(*from) + " to " + quoted(*to);
  switch (command.verb) {
    case SftpVerb::copy: return judge("remote copy " + both, remote_.copy(*from, *to));
    case SftpVerb::rename: return judge("remote rename " + both, remote_.rename(*from, *to, command.flags.plain));
    case SftpVerb::mkdir: {
      SftpAttributes wanted;
      wanted.mode = 0777;
      return judge("remote mkdir " + quoted(*from), remote_.change(sftp_call::mkdir(*from, wanted)));
    }
    case SftpVerb::rmdir: return judge("remote rmdir " + quoted(*from), remote_.change(sftp_call::rmdir(*from)));
    default: break;
  }
  // What a symbolic link says is kept as it was typed.
  if (command.flags.symbolic) {
    return judge("remote symlink " + quoted(first.text) + " to " + quoted(*to),
                 remote_.change(remote_.facts().link_first ? sftp_call::symlink(*to, first.text)
                                                           : sftp_call::symlink(first.text, *to)));
  }
  if (!remote_.facts().has("hardlink@openssh.com")) {
    return complain("Server does not support hardlink@openssh.com extension: ln -s makes a symbolic link");
  }
  return judge("remote link " + both, remote_.change(sftp_call::hardlink(*from, *to)));
}

bool SftpConsole::run_shell(const std::string& command) {
  std::fflush(stdout);
  const char* shell = std::getenv("SHELL");
  if (!shell || !*shell) shell = "/bin/sh";
  struct sigaction ignore {
  }, before{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGINT, &ignore, &before);
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGINT, SIG_DFL);
    if (command.empty())
      ::execl(shell, shell, static_cast<char*>(nullptr));
    else
      ::execl(shell, shell, "-c", command.c_str(), static_cast<char*>(nullptr));
    std::fprintf(stderr, "Couldn't execute \"%s\": %s\n", shell, std::strerror(errno));
    ::_exit(1);
  }
  int status = 0;
  if (child > 0) {
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  }
  ::sigaction(SIGINT, &before, nullptr);
  if (child < 0) return complain(std::string("Couldn't fork: ") + std::strerror(errno));
  if (!WIFEXITED(status)) return complain("Shell exited abnormally");
  // A fault of the user's own command is no fault of a batch.
  if (WEXITSTATUS(status) != 0) complain("Shell exited with status " + std::to_string(WEXITSTATUS(status)));
  return true;
}

}  // namespace sluice
