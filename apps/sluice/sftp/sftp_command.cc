// The table of sftp's commands, and lines read by it.
#include "apps/sluice/sftp/sftp_command.h"

#include <algorithm>
#include <charconv>

namespace sluice {
namespace {

using enum SftpVerb;
using enum SftpWordKind;

constexpr SftpVerbRow kVerbs[] = {
    {"bye", quit, none, none, 0, 0, "", "bye", "Quit sftp"},
    {"cd", cd, remote, none, 0, 1, "", "cd [path]", "Change remote directory, without a path to the first one"},
    {"chdir", cd, remote, none, 0, 1, "", "", ""},
    {"chgrp", chgrp, remote, none, 1, 1, "h", "chgrp [-h] grp path", "Change group of file 'path' to 'grp'"},
    {"chmod", chmod, remote, none, 1, 1, "h", "chmod [-h] mode path", "Change permissions of file 'path' to 'mode'"},
    {"chown", chown, remote, none, 1, 1, "h", "chown [-h] own path", "Change owner of file 'path' to 'own'"},
    {"copy", copy, remote, remote, 2, 2, "", "copy oldpath newpath", "Copy remote file on the server"},
    {"cp", copy, remote, remote, 2, 2, "", "", ""},
    {"df", df, remote, none, 0, 1, "hi", "df [-hi] [path]", "Display statistics for the filesystem of 'path'"},
    {"dir", ls, remote, none, 0, 1, "1afhlnrSt", "", ""},
    {"exit", quit, none, none, 0, 0, "", "exit", "Quit sftp"},
    {"get", get, remote, local, 1, 2, "aAfpPrR", "get [-afpR] remote [local]", "Download file, -a to resume"},
    {"mget", get, remote, local, 1, 2, "aAfpPrR", "", ""},
    {"reget", get, remote, local, 1, 2, "fpPrR", "reget [-fpR] remote [local]", "Resume download of file"},
    {"help", help, none, none, 0, 0, "", "help", "Display this help text"},
    {"?", help, none, none, 0, 0, "", "", ""},
    {"lcd", lcd, local, none, 0, 1, "", "lcd [path]", "Change local directory, without a path to home"},
    {"lchdir", lcd, local, none, 0, 1, "", "", ""},
    {"lls", lls, local, none, 0, 0, "", "lls [ls-options [path]]", "Display local directory listing"},
    {"lmkdir", lmkdir, local, none, 1, 1, "", "lmkdir path", "Create local directory"},
    {"ln", link, remote, remote, 2, 2, "s", "ln [-s] oldpath newpath", "Link remote file, -s for symlink"},
    {"symlink", link, remote, remote, 2, 2, "", "symlink oldpath newpath", "Symlink remote file"},
    {"lpwd", lpwd, none, none, 0, 0, "", "lpwd", "Print local working directory"},
    {"ls", ls, remote, none, 0, 1, "1afhlnrSt", "ls [-1afhlnrSt] [path]", "Display remote directory listing"},
    {"lumask", lumask, none, none, 0, 0, "", "lumask umask", "Set local umask to 'umask'"},
    {"mkdir", mkdir, remote, none, 1, 1, "", "mkdir path", "Create remote directory"},
    {"progress", progress, none, none, 0, 0, "", "progress", "Toggle display of progress meter"},
    {"put", put, local, remote, 1, 2, "aAfpPrR", "put [-afpR] local [remote]", "Upload file, -a to resume"},
    {"mput", put, local, remote, 1, 2, "aAfpPrR", "", ""},
    {"reput", put, local, remote, 1, 2, "fpPrR", "reput [-fpR] local [remote]", "Resume upload of file"},
    {"pwd", pwd, none, none, 0, 0, "", "pwd", "Display remote working directory"},
    {"quit", quit, none, none, 0, 0, "", "quit", "Quit sftp"},
    {"rename", rename, remote, remote, 2, 2, "l", "rename [-l] oldpath newpath", "Rename remote file"},
    {"rm", rm, remote, none, 1, 1, "", "rm path", "Delete remote file"},
    {"delete", rm, remote, none, 1, 1, "", "", ""},
    {"rmdir", rmdir, remote, none, 1, 1, "", "rmdir path", "Remove remote directory"},
    {"version", version, none, none, 0, 0, "", "version", "Show SFTP version"},
    {"!", shell, none, none, 0, 0, "", "!command", "Execute 'command' in local shell, '!' alone: a shell"},
};

std::string_view trimmed(std::string_view line) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const size_t first = line.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kSpace) - first + 1);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return out;
}

const SftpVerbRow* find_verb(std::string_view name) {
  const auto row = std::find_if(std::begin(kVerbs), std::end(kVerbs), [&](const auto& r) { return r.name == name; });
  return row == std::end(kVerbs) ? nullptr : row;
}

void set_flag(const SftpVerbRow& row, SftpFlags& flags, char letter) {
  switch (letter) {
    case 'a': (row.verb == ls ? flags.all : flags.resume) = true; break;
    case 'A': flags.resume = true; break;
    case 'f': (row.verb == ls ? flags.in_order : flags.sync) = true; break;
    case 'p':
    case 'P': flags.preserve = true; break;
    case 'R': flags.recursive = true; break;
    case 'r': (row.verb == ls ? flags.reversed : flags.recursive) = true; break;
    case 'h': (row.verb == df ? flags.human : row.verb == ls ? flags.readable : flags.of_links) = true; break;
    case 'i': flags.inodes = true; break;
    case 's': flags.symbolic = true; break;
    case 'l': (row.verb == ls ? flags.lengthy : flags.plain) = true; break;
    case 'n': flags.numeric = flags.lengthy = true; break;
    case '1': flags.one_column = true; break;
    case 'S': flags.by_size = true; break;
    case 't': flags.by_time = true; break;
    default: break;
  }
}

// The rest after flags; they may be in several words and end with `--`.
ResultOrText<std::vector<ShellWord>> take_flags(const SftpVerbRow& row, std::vector<ShellWord> words,
                                                SftpFlags& flags) {
  size_t at = 1;
  for (; at < words.size(); ++at) {
    const ShellWord& word = words[at];
    // A dash that is quoted begins a name.
    if (word.text.size() < 2 || word.text[0] != '-' || !word.special[0]) break;
    if (word.text == "--") {
      ++at;
      break;
    }
    for (const char letter : word.text.substr(1)) {
      if (row.flags.find(letter) == std::string_view::npos) {
        return fail(std::string(row.name) + ": Invalid flag -" + letter);
      }
      set_flag(row, flags, letter);
    }
  }
  words.erase(words.begin(), words.begin() + static_cast<ptrdiff_t>(at));
  return words;
}

ResultOrText<uint32_t> take_number(const SftpVerbRow& row, std::vector<ShellWord>& words) {
  const bool octal = row.verb == chmod || row.verb == lumask;
  if (words.empty()) return fail("You must supply a numeric argument to the " + std::string(row.name) + " command.");
  const std::string text = words.front().text;
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, octal ? 8 : 10);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  if (!whole || (octal && number > 07777)) {
    return fail("You must supply a numeric argument to the " + std::string(row.name) + " command." +
                (row.verb == lumask || row.verb == chmod ? " It is octal: 0644." : " It is an id, not a name."));
  }
  words.erase(words.begin());
  return number;
}

std::string wrong_count(const SftpVerbRow& row, size_t count) {
  if (count > row.most) {
    // Other names of a verb are described by its first one.
    const auto described = std::find_if(std::begin(kVerbs), std::end(kVerbs),
                                        [&](const auto& r) { return r.verb == row.verb && !r.usage.empty(); });
    return std::string(row.name) + ": too many arguments, it is: " + std::string(described->usage);
  }
  if (row.least == 2) return "You must specify two paths after a " + std::string(row.name) + " command.";
  if (row.verb == put || row.verb == get) {
    return "You must specify at least one path after a " + std::string(row.name) + " command.";
  }
  return "You must specify a path after a " + std::string(row.name) + " command.";
}

}  // namespace

std::span<const SftpVerbRow> sftp_verbs() { return kVerbs; }

SftpPrefix take_sftp_prefix(std::string_view& line) {
  SftpPrefix prefix;
  line = trimmed(line);
  for (; !line.empty(); line.remove_prefix(1)) {
    if (line.front() == '-')
      prefix.ignore_errors = true;
    else if (line.front() == '@')
      prefix.silent = true;
    else
      break;
  }
  line = trimmed(line);
  return prefix;
}

ResultOrText<SftpCommand> parse_sftp_command(std::string_view line) {
  SftpCommand command;
  if (line.size() > kMaxSftpLine) return fail("Line too long.");
  const SftpPrefix prefix = take_sftp_prefix(line);
  command.ignore_errors = prefix.ignore_errors;
  command.silent = prefix.silent;
  if (line.empty() || line.front() == '#') return command;
  if (line.front() == '!') {
    command.verb = shell;
    command.shell = trimmed(line.substr(1));
    return command;
  }
  SftpWords split = split_sftp_words(line);
  if (split.open_quote != 0) return fail("Unterminated quoted argument");
  const std::string name = lower(split.words.front().text);
  const SftpVerbRow* row = find_verb(name);
  if (!row) return fail("Invalid command. Type help to see which there are.");
  command.verb = row->verb;
  if (row->verb == lls) {
    command.shell = "ls " + std::string(trimmed(line.substr(std::min(line.size(), name.size()))));
    return command;
  }
  command.flags.symbolic = name == "symlink";
  command.flags.resume = name == "reget" || name == "reput";
  auto rest = take_flags(*row, std::move(split.words), command.flags);
  if (!rest) return fail(rest.error());
  if (row->verb == chmod || row->verb == chown || row->verb == chgrp || row->verb == lumask) {
    const auto number = take_number(*row, *rest);
    if (!number) return fail(number.error());
    command.number = *number;
  }
  if (row->verb == help) rest->clear();
  if (rest->size() < row->least || rest->size() > row->most) return fail(wrong_count(*row, rest->size()));
  command.paths = std::move(*rest);
  return command;
}

std::string sftp_help() {
  std::string out = "Available commands:\n";
  for (const SftpVerbRow& row : kVerbs) {
    if (row.usage.empty()) continue;
    std::string line(row.usage);
    line.resize(std::max<size_t>(line.size() + 1, 35), ' ');
    out += line;
    out += row.help;
    out += '\n';
  }
  return out;
}

}  // namespace sluice
