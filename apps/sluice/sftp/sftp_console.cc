// The loop of SftpConsole, its copies and listings.
#include "apps/sluice/sftp/sftp_console.h"

#include <cstdio>
#include <ctime>
#include <set>

#include "apps/sluice/sftp/completion.h"
#include "apps/terminal/interrupt.h"

namespace sluice {
namespace {

// Of users and groups whose names are asked for in one call.
constexpr size_t kMostIds = 512;

std::string shown(const std::string& path) { return fit_for_terminal(path, 4096); }

std::string without_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

}  // namespace

bool SftpConsole::run(LineEditor& lines) {
  while (true) {
    if (remote_.client().gone()) {
      const std::string why = settings_.why_lost ? settings_.why_lost() : "";
      return complain(remote_.client().why_gone().text + (why.empty() ? "" : ": " + why));
    }
    forget_interrupt();
    const auto line = lines.read();
    if (!line) return true;
    forget_interrupt();
    switch (execute(*line)) {
      case Outcome::quit: return true;
      case Outcome::failed:
        if (settings_.batch) return false;
        break;
      case Outcome::done: break;
    }
    if (settings_.batch && interrupted()) return false;
  }
}

SftpConsole::Outcome SftpConsole::execute(const std::string& line) {
  std::string_view rest = line;
  const SftpPrefix prefix = take_sftp_prefix(rest);
  const auto command = parse_sftp_command(line);
  if (settings_.echo && !prefix.silent) std::printf("sftp> %s\n", line.c_str());
  if (!command) return complain(command.error()), prefix.ignore_errors ? Outcome::done : Outcome::failed;
  if (command->verb == SftpVerb::quit) return Outcome::quit;
  const bool good = carry_out(*command);
  std::fflush(stdout);
  if (interrupted()) std::fputs("\nInterrupted\n", stderr);
  return good || command->ignore_errors ? Outcome::done : Outcome::failed;
}

bool SftpConsole::begin_at(const std::string& path, const std::string& target, bool& fetched) {
  ShellWord word{path, std::vector<bool>(path.size(), false)};
  // As for `get`: the path may be a pattern, and begin with a tilde.
  for (size_t i = 0; i < path.size(); ++i)
    word.special[i] = std::string_view("*?[]-!^~").find(path[i]) != std::string_view::npos;
  SftpCommand command;
  const auto complete = remote_path(word);
  fetched = !target.empty() || !complete || !remote_.is_folder(*complete);
  if (!fetched) {
    if (!settings_.quiet) std::printf("Changing to: %s\n", shown(*complete).c_str());
    command.paths = {word};
    return change_folder(command);
  }
  command.verb = SftpVerb::get;
  command.paths = {word};
  if (!target.empty()) command.paths.push_back({target, std::vector<bool>(target.size(), false)});
  return get(command);
}

Completion SftpConsole::complete(std::string_view line) { return complete_sftp_line(line, remote_, local_); }

bool SftpConsole::complain(const std::string& what) {
  std::fflush(stdout);
  std::fprintf(stderr, "%s\n", what.c_str());
  return false;
}

SftpResult<std::string> SftpConsole::remote_path(const ShellWord& word) {
  if (word.text.starts_with('~') && word.special[0]) return remote_.absolute(word.text);
  return remote_.from_folder(word.text);
}

std::vector<std::string> SftpConsole::remote_matches(const ShellWord& word) {
  ShellWord whole = word;
  if (word.text.starts_with('~') && word.special[0]) {
    // What the server says of a home is no pattern.
    const size_t slash = std::min(word.text.find('/'), word.text.size());
    const auto home = remote_.absolute(word.text.substr(0, slash));
    if (!home) return {};
    whole.text = *home + word.text.substr(slash);
    whole.special.assign(home->size(), false);
    whole.special.insert(whole.special.end(), word.special.begin() + static_cast<ptrdiff_t>(slash), word.special.end());
  }
  std::vector<std::string> paths = expand_path(whole, remote_);
  for (std::string& path : paths) path = remote_.from_folder(path);
  return paths;
}

std::vector<std::string> SftpConsole::remote_matches(const ShellWord& word, const std::string& verb) {
  std::vector<std::string> paths = remote_matches(word);
  if (paths.empty() && !interrupted()) complain(verb + "\"" + shown(remote_.from_folder(word.text)) + "\" not found.");
  return paths;
}

CopyRules SftpConsole::rules_for(const SftpFlags& flags) const {
  CopyRules rules = settings_.copies;
  rules.recursive |= flags.recursive;
  rules.preserve |= flags.preserve;
  rules.resume |= flags.resume;
  rules.sync |= flags.sync;
  rules.tell = !settings_.quiet;
  return rules;
}

bool SftpConsole::get(const SftpCommand& command) {
  // What is no pattern is there, or getting it says that it is not.
  const bool plain = !has_pattern(command.paths[0]) && !command.paths[0].text.starts_with('~');
  const std::vector<std::string> sources =
      plain ? std::vector{remote_.from_folder(command.paths[0].text)} : remote_matches(command.paths[0], "File ");
  if (sources.empty()) return false;
  const std::string target = command.paths.size() > 1 ? command.paths[1].text : "";
  const bool into = target.empty() || local_.is_folder(target);
  if (sources.size() > 1 && !into) {
    return complain("Multiple source paths, but destination \"" + shown(target) + "\" is not a directory");
  }
  bool good = true;
  for (const std::string& source : sources) {
    if (interrupted()) return false;
    const std::string from = without_slashes(source);
    good = copier_.get(from, into ? path_in(target, name_in_folder(from)) : target, rules_for(command.flags)) && good;
  }
  return good;
}

bool SftpConsole::put(const SftpCommand& command) {
  const std::vector<std::string> sources = expand_path(command.paths[0], local_);
  if (sources.empty()) return complain("stat " + shown(command.paths[0].text) + ": No such file or directory");
  std::string target = remote_.folder();
  if (command.paths.size() > 1) {
    const auto complete = remote_path(command.paths[1]);
    if (!complete) return complain("\"" + shown(command.paths[1].text) + "\"", complete.error());
    target = *complete;
  }
  if (command.paths.size() == 2 && sources.size() == 1)
    return copier_.put_at(without_slashes(sources[0]), target, rules_for(command.flags));
  const bool into = command.paths.size() < 2 || remote_.is_folder(target);
  if (sources.size() > 1 && !into) {
    return complain("Multiple paths match, but destination \"" + shown(target) + "\" is not a directory");
  }
  bool good = true;
  for (const std::string& source : sources) {
    if (interrupted()) return false;
    const std::string from = without_slashes(source);
    good = copier_.put(from, into ? path_in(target, name_in_folder(from)) : target, rules_for(command.flags)) && good;
  }
  return good;
}

bool SftpConsole::list(const SftpCommand& command) {
  if (command.paths.empty()) return list_folder(remote_.folder(), "", command.flags);
  const ShellWord& word = command.paths[0];
  const std::vector<std::string> paths = remote_matches(word, "Can't ls: ");
  if (paths.empty()) return false;
  // Names are shown as they were asked for.
  const bool absolute = word.text.starts_with('/') || word.text.starts_with('~');
  const auto name_of = [&](const std::string& path) {
    const std::string base = remote_.from_folder("");
    return !absolute && path.starts_with(base) && path.size() > base.size() ? path.substr(base.size()) : path;
  };
  if (paths.size() == 1) {
    const auto attributes = remote_.stat(paths[0]);
    if (attributes && attributes->is_directory()) return list_folder(paths[0], name_of(paths[0]), command.flags);
  }
  std::vector<ListedFile> files;
  for (const std::string& path : paths) {
    const auto attributes = remote_.lstat(path);
    files.push_back({name_of(path), "", attributes.value_or(SftpAttributes{})});
    if (interrupted()) return false;
  }
  return show(std::move(files), command.flags);
}

bool SftpConsole::list_folder(const std::string& path, const std::string& name, const SftpFlags& flags) {
  std::vector<ListedFile> files;
  const auto listed = remote_.list(path, [&](SftpName&& entry) {
    if (entry.name.starts_with('.') && !flags.all) return true;
    files.push_back({path_in(name, entry.name), std::move(entry.long_name), entry.attributes});
    return true;
  });
  if (!listed && listed.error().kind == SftpFault::Kind::cancelled) return false;
  const bool good = judge("remote readdir(\"" + shown(path) + "\")", listed);
  return show(std::move(files), flags) && good;
}

bool SftpConsole::show(std::vector<ListedFile> files, const SftpFlags& flags) {
  sort_listing(files, flags);
  const OwnerNames owners = owners_of(files, flags);
  std::fputs(show_listing(files, flags, owners, terminal_width(), std::time(nullptr)).c_str(), stdout);
  return true;
}

OwnerNames SftpConsole::owners_of(const std::vector<ListedFile>& files, const SftpFlags& flags) {
  OwnerNames out;
  if (!flags.lengthy || flags.numeric || !remote_.facts().has("users-groups-by-id@openssh.com")) return out;
  std::set<uint32_t> users, groups;
  for (const ListedFile& file : files) {
    if (!file.attributes.owner) continue;
    if (users.size() < kMostIds) users.insert(file.attributes.owner->uid);
    if (groups.size() < kMostIds) groups.insert(file.attributes.owner->gid);
  }
  const std::vector<uint32_t> user_ids(users.begin(), users.end()), group_ids(groups.begin(), groups.end());
  const auto names = remote_.owner_names(user_ids, group_ids);
  if (!names) return out;
  out.known = true;
  for (size_t i = 0; i < user_ids.size() && i < names->users.size(); ++i) out.users[user_ids[i]] = names->users[i];
  for (size_t i = 0; i < group_ids.size() && i < names->groups.size(); ++i) out.groups[group_ids[i]] = names->groups[i];
  return out;
}

bool SftpConsole::show_filesystem_of(const SftpCommand& command) {
  const auto path = command.paths.empty() ? SftpResult<std::string>(remote_.folder()) : remote_path(command.paths[0]);
  if (!path) return complain("df", path.error());
  const auto filesystem = remote_.filesystem(*path);
  if (!filesystem) return complain("remote statvfs(\"" + shown(*path) + "\")", filesystem.error());
  std::fputs(show_filesystem(*filesystem, command.flags).c_str(), stdout);
  return true;
}

}  // namespace sluice
