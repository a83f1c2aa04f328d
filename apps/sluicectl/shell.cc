// The terminal's side of a shell that the server has.
#include "apps/sluicectl/shell.h"

#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "apps/sluicectl/output_filter.h"
#include "apps/terminal/interrupt.h"
#include "apps/terminal/line_editor.h"
#include "base/memory_file.h"

namespace sluice::ctl {
namespace {

constexpr int kFine = 0, kFailed = 1, kNotUnderstood = 2;

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// Beside this program, in the folder of the users' programs, where it is built, or wherever PATH leads.
std::string program_path(const std::string& name) {
  std::array<char, 4096> path{};
  const ssize_t n = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  const std::string own(path.data(), static_cast<size_t>(std::max<ssize_t>(n, 0)));
  if (name == "sluicectl") return own;
  const std::string folder = own.substr(0, own.rfind('/') + 1);
  for (const std::string& candidate : {folder + name, folder + "../bin/" + name, folder + "../" + name + "/" + name})
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  return name;
}

void replace(std::string& word, std::string_view what, const std::string& with) {
  if (const size_t at = word.find(what); at != word.npos) word.replace(at, what.size(), with);
}

// A file of the child's that has the text in it; it stays open there.
UniqueFd input_file(const std::string& text) {
  UniqueFd file = memory_file("input", text);
  // A copy gets these rights, and there are secrets in a configuration.
  if (!file || ::fchmod(file.get(), S_IRUSR | S_IWUSR) != 0 || ::fcntl(file.get(), F_SETFD, 0) != 0) return {};
  return file;
}

// There is no shell between: patterns of files here are ours to spread.
std::vector<std::string> spread(const std::vector<std::string>& words) {
  std::vector<std::string> out;
  for (const std::string& word : words) {
    glob_t found{};
    const bool pattern = out.size() > 1 && !word.starts_with('-') && word.find(':') == word.npos &&
                         word.find_first_of("*?[") != word.npos && ::glob(word.c_str(), 0, nullptr, &found) == 0;
    if (!pattern) out.push_back(word);
    // Whoever may make files here makes no options of them.
    for (size_t i = 0; pattern && i < found.gl_pathc; ++i)
      out.push_back((found.gl_pathv[i][0] == '-' ? "./" : "") + std::string(found.gl_pathv[i]));
    ::globfree(&found);
  }
  return out;
}

// In the operator's own name, and without what lets him in here.
int run_program(std::vector<std::string> words, const std::string& input, const std::string& control) {
  // Words of the child's environment stand in front.
  const auto program = std::find_if(words.begin(), words.end(), [](const auto& w) { return w.find('=') == w.npos; });
  const std::vector<std::string> environment(words.begin(), program);
  words.erase(words.begin(), program);
  if (words.empty()) return kFailed;
  const UniqueFd holder = input.empty() ? UniqueFd() : input_file(input);
  const int file = holder.get();
  for (std::string& word : words) {
    replace(word, "{sluicectl}", program_path("sluicectl"));
    if (word == "{control}") word = control;
    if (file >= 0) replace(word, "{input}", "/proc/self/fd/" + std::to_string(file));
  }
  if (words.size() > 1 && words[1] == "scp") words = spread(words);
  const pid_t child = ::fork();
  if (child < 0) return std::perror("sluicectl: fork"), kFailed;
  if (child == 0) {
    ::unsetenv("SLUICE_TICKET");
    ::unsetenv("SLUICE_CONTROL");
    ::signal(SIGINT, SIG_DFL);
    for (const std::string& word : environment) {
      const size_t sign = word.find('=');
      ::setenv(word.substr(0, sign).c_str(), word.c_str() + sign + 1, 1);
    }
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    ::execvp(program_path(words[0]).c_str(), arguments.data());
    std::fprintf(stderr, "sluicectl: %s: %s\n", words[0].c_str(), std::strerror(errno));
    ::_exit(127);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  return WIFEXITED(status) ? WEXITSTATUS(status) : kFailed;
}

std::string common_beginning(const std::vector<std::string>& words) {
  std::string common = words.front();
  for (const std::string& word : words) {
    size_t same = 0;
    while (same < common.size() && same < word.size() && common[same] == word[same]) ++same;
    common.resize(same);
  }
  return common;
}

// Behind the bar of a show the words are ours; before it, and everywhere else, the server's.
ResultOrText<std::vector<Candidate>> candidates_of(ControlLink& link, std::string_view line) {
  const size_t bar = bar_of(line);
  if (bar == line.npos) return link.complete(std::string(line));
  std::string_view begun = line.substr(bar + 1);
  begun.remove_prefix(std::min(begun.find_first_not_of(" \t"), begun.size()));
  std::vector<Candidate> found;
  if (begun.find_first_of(" \t") != begun.npos) return std::vector<Candidate>{{"LINE", "A regular expression", false}};
  for (const FilterWord& one : filter_words())
    if (one.word.starts_with(begun)) found.push_back({std::string(one.word), std::string(one.help), true});
  return found;
}

Completion completion_of(ControlLink& link, std::string_view line) {
  const auto found = candidates_of(link, line);
  if (!found) return {};
  const size_t blank = line.find_last_of(" \t|");
  const std::string_view begun = line.substr(blank == line.npos ? 0 : blank + 1);
  std::vector<std::string> words;
  for (const Candidate& candidate : *found)
    if (candidate.literal) words.push_back(candidate.word);
  Completion completion;
  if (words.empty()) return completion;
  const std::string common = common_beginning(words);
  if (common.size() > begun.size()) completion.insert = common.substr(begun.size());
  if (words.size() == 1) completion.insert.push_back(' ');
  if (words.size() > 1 && common.size() <= begun.size()) completion.choices = std::move(words);
  return completion;
}

// A question's last line is what its answer is typed behind.
std::string last_line(std::string& text) {
  const size_t end = text.rfind('\n');
  std::string last = end == text.npos ? text : text.substr(end + 1);
  text.resize(end == text.npos ? 0 : end + 1);
  return last;
}

std::optional<std::string> unseen_answer(const std::string& question) {
  char* typed = ::getpass(question.c_str());
  if (typed == nullptr) return std::nullopt;
  std::string answer(typed);
  ::explicit_bzero(typed, std::strlen(typed));
  return answer;
}

}  // namespace

std::string help_lines(const std::vector<Candidate>& candidates) {
  size_t widest = 0;
  for (const Candidate& one : candidates) widest = std::max(widest, one.word.size());
  std::string lines;
  for (const Candidate& one : candidates) {
    std::string line = "  " + one.word;
    if (!one.help.empty()) line.append(widest + 2 - one.word.size(), ' ').append(one.help);
    lines.append(line).append("\n");
  }
  return lines.empty() ? "% Unrecognized command\n" : lines;
}

int run_shell(ControlLink& link) {
  const bool typed = ::isatty(STDIN_FILENO) != 0;
  ShellReply reply;
  reply.prompt = link.prompt();
  // Lines of debugging, wherever they come.
  link.on_event([](const std::string& text) { print(text); });
  catch_interrupts();
  LineEditorOptions options;
  // By a ticket: a home that operators share.
  options.users_keys = std::getenv("SLUICE_TICKET") == nullptr;
  options.name = "sluicectl";
  options.complete = [&](std::string_view line) {
    return reply.next == ShellReply::Next::line ? completion_of(link, line) : Completion();
  };
  options.help = [&](std::string_view line) {
    if (reply.next != ShellReply::Next::line) return std::string();
    const auto found = candidates_of(link, line);
    return found ? help_lines(*found) : "% " + found.error() + "\n";
  };
  bool gone = false;
  options.events = link.descriptor();
  options.on_event = [&] { gone = gone || !link.take_events(); };
  options.stop_line = "end";
  const auto editor = make_line_editor(typed ? reply.prompt : "", options);
  int status = kFine;
  std::string question;
  while (reply.next != ShellReply::Next::closed && !gone) {
    editor->set_prompt(!typed ? "" : question.empty() ? reply.prompt : question);
    std::optional<std::string> line;
    if (reply.next == ShellReply::Next::secret && typed)
      line = unseen_answer(question);
    else
      line = editor->read();
    if (!line) break;
    if (line->empty() && interrupted()) forget_interrupt();
    const auto filter = reply.next == ShellReply::Next::line ? take_filter(*line) : ResultOrText<OutputFilter>();
    if (!filter) {
      print("% " + filter.error() + "\n");
      status = kNotUnderstood;
      continue;
    }
    auto answer = link.line(*line);
    if (reply.next == ShellReply::Next::secret) wipe(line->data(), line->size());
    if (!answer) return print("% " + answer.error() + "\n"), kFailed;
    reply = std::move(*answer);
    status = reply.failed ? kFailed : kFine;
    question.clear();
    if (reply.next == ShellReply::Next::answer || reply.next == ShellReply::Next::secret)
      question = last_line(reply.output);
    print(reply.failed ? reply.output : filtered(*filter, reply.output));
    if (!reply.run.empty()) status = run_program(reply.run, reply.input, link.path());
  }
  return typed ? kFine : status;
}

int run_line(ControlLink& link, const std::string& text, bool yes) {
  std::string line = text;
  const auto filter = take_filter(line);
  if (!filter) return std::fprintf(stderr, "sluicectl: %s\n", filter.error().c_str()), kNotUnderstood;
  for (;;) {
    auto reply = link.line(line);
    // What was typed last may have been a secret.
    wipe(line.data(), line.size());
    if (!reply) return std::fprintf(stderr, "sluicectl: %s\n", reply.error().c_str()), kFailed;
    const bool asks = reply->next == ShellReply::Next::answer || reply->next == ShellReply::Next::secret;
    if (!asks) {
      if (reply->failed)
        std::fputs(reply->output.c_str(), stderr);
      else
        print(filtered(*filter, reply->output));
      if (yes && !reply->run.empty() && reply->run[0] == "sluicectl")
        reply->run.insert(reply->run.begin() + 1, "--yes");
      if (!reply->run.empty()) return run_program(reply->run, reply->input, link.path());
      const bool understood = reply->output.find("% Invalid input") == std::string::npos;
      return !reply->failed ? kFine : understood ? kFailed : kNotUnderstood;
    }
    if (reply->next == ShellReply::Next::secret && ::isatty(STDIN_FILENO)) {
      line = unseen_answer(reply->output).value_or("");
      continue;
    }
    if (yes && reply->next == ShellReply::Next::answer) {
      line = "yes";
      continue;
    }
    std::fputs(reply->output.c_str(), stderr);
    const auto answer = make_line_reader(STDIN_FILENO, "")->read();
    if (!answer) return std::fputs("\nsluicectl: no answer came (--yes says yes)\n", stderr), kFailed;
    line = *answer;
  }
}

}  // namespace sluice::ctl
