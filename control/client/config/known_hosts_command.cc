// Words with tokens, a child process, and what it prints.
#include "control/client/config/known_hosts_command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/unique_fd.h"
#include "control/client/config/config_words.h"
#include "control/keys/base64.h"
#include "control/keys/fingerprint.h"

namespace sluice {
namespace {

using Clock = std::chrono::steady_clock;

// Whoever looks hosts up in a directory over the network is done by then.
constexpr std::chrono::seconds kMostTime{60};
constexpr std::string_view kOwnTokens = "fHIKt";

ResultOrText<std::string> word_for(std::string_view word, const TokenFacts& facts, const KnownHostsQuery& query) {
  std::string mixed;
  for (size_t i = 0; i < word.size(); ++i) {
    if (word[i] != '%' || i + 1 == word.size() || kOwnTokens.find(word[i + 1]) == std::string_view::npos) {
      mixed.push_back(word[i]);
      // Both halves of another token, so that the second % of %% begins none.
      if (word[i] == '%' && i + 1 < word.size()) mixed.push_back(word[++i]);
      continue;
    }
    std::string value = "NONE";
    switch (word[++i]) {
      case 'H': value = query.host; break;
      case 'I': value = query.reason; break;
      case 'f':
        if (query.key) value = sha256_fingerprint(*query.key);
        break;
      case 'K':
        if (query.key) value = base64_encode(query.key->blob());
        break;
      default:
        if (query.key) value = query.key->type_name();
        break;
    }
    // What is put in is no pattern of tokens again.
    for (const char c : value) mixed.append(c == '%' ? "%%" : std::string(1, c));
  }
  return expand_tokens(mixed, kAllTokens, facts);
}

struct Child {
  pid_t pid = -1;
  UniqueFd output;
};

ResultOrText<Child> start(std::vector<std::string>& words) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(std::string("pipe: ") + std::strerror(errno));
  Child child{-1, UniqueFd(ends[0])};
  const UniqueFd write_end(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
  ::posix_spawnattr_init(&attributes);
  // This thread has all signals blocked, and SIGPIPE is ignored here: not the child's affair.
  sigset_t none, pipe;
  ::sigemptyset(&none);
  ::sigemptyset(&pipe);
  ::sigaddset(&pipe, SIGPIPE);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &pipe);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const int error = ::posix_spawn(&child.pid, argv[0], &actions, &attributes, argv.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return fail(words[0] + ": " + std::strerror(error));
  return child;
}

// Empty: all of it is in `text`.
std::string read_all(int descriptor, std::string& text) {
  const auto until = Clock::now() + kMostTime;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0) return "no end of its answer after " + std::to_string(kMostTime.count()) + " s";
    pollfd waiting{descriptor, POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(left)) <= 0) continue;
    char bytes[8192];
    const ssize_t n = ::read(descriptor, bytes, sizeof bytes);
    if (n == 0) return {};
    if (n < 0 && errno != EINTR) return std::strerror(errno);
    if (n > 0) text.append(bytes, static_cast<size_t>(n));
    if (text.size() > kMaxKnownHostsFile) return "too long an answer";
  }
}

ResultOrText<std::string> run(std::vector<std::string> words) {
  auto child = start(words);
  if (!child) return fail(child.error());
  std::string text;
  std::string problem = read_all(child->output.get(), text);
  child->output.reset();
  if (!problem.empty()) ::kill(child->pid, SIGKILL);
  int status = 0;
  while (::waitpid(child->pid, &status, 0) < 0 && errno == EINTR) {}
  if (problem.empty() && WIFSIGNALED(status)) problem = "ended by signal " + std::to_string(WTERMSIG(status));
  if (problem.empty() && WEXITSTATUS(status) != 0) problem = "exit status " + std::to_string(WEXITSTATUS(status));
  if (!problem.empty()) return fail(words[0] + ": " + problem);
  return text;
}

}  // namespace

ResultOrText<KnownHostsProgram> known_hosts_program(std::string_view command, const TokenFacts& facts) {
  auto words = split_words(command);
  if (!words || words->empty()) return fail("a quote is open at its end");
  if (!words->front().starts_with('/')) return fail("'" + words->front() + "' is no absolute path");
  const PublicKey* nobody = nullptr;
  for (const std::string& word : *words) {
    if (auto fits = word_for(word, facts, {"ORDER", {}, nobody}); !fits) return fail(fits.error());
  }
  return KnownHostsProgram(
      [words = std::move(*words), facts](const KnownHostsQuery& query) -> ResultOrText<std::string> {
        std::vector<std::string> expanded;
        for (const std::string& word : words) {
          auto one = word_for(word, facts, query);
          if (!one) return fail(one.error());
          expanded.push_back(std::move(*one));
        }
        return run(std::move(expanded));
      });
}

}  // namespace sluice
