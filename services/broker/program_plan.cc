// The order of the environment is who may overrule whom: the client nobody, the administrator everybody.
#include "services/broker/program_plan.h"

#include <map>

namespace sluice {
namespace {

constexpr std::string_view kPath = "/usr/local/bin:/usr/bin:/bin:/usr/games";
constexpr std::string_view kRootPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr size_t kMaxTerminalName = 64;

using Environment = std::map<std::string, std::string, std::less<>>;

void put(Environment& environment, const std::vector<std::pair<std::string, std::string>>& variables) {
  for (const auto& [name, value] : variables)
    if (!name.empty() && name.find('=') == std::string::npos) environment[name] = value;
}

Environment environment_of(const UserIdentity& identity, const LinkPolicy& policy, const SpawnProgram& request) {
  Environment environment;
  std::vector<std::pair<std::string, std::string>> accepted;
  for (const auto& variable : request.environment) {
    if (accepted.size() < kMaxClientVariables && policy.accepts(variable.first)) accepted.push_back(variable);
  }
  put(environment, accepted);
  environment["USER"] = environment["LOGNAME"] = identity.name;
  environment["HOME"] = identity.home;
  environment["SHELL"] = identity.shell.empty() ? "/bin/sh" : identity.shell;
  environment["MAIL"] = "/var/mail/" + identity.name;
  environment["PATH"] = identity.uid == 0 ? kRootPath : kPath;
  put(environment, identity.environment);
  put(environment, policy.environment);
  return environment;
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : " ").append(word);
  return out;
}

// What was asked for, as one command line; empty for a shell.
Outcome<std::string> wanted(const LinkPolicy& policy, const SpawnProgram& request) {
  switch (request.kind) {
    case ProgramKind::login_shell: return std::string();
    case ProgramKind::shell_command:
      if (request.words.size() != 1) return tl::unexpected(failed(BrokerFault::invalid, "One command, please"));
      return request.words[0];
    case ProgramKind::subsystem: {
      const std::string* command = request.words.size() == 1 ? policy.subsystem(request.words[0]) : nullptr;
      if (!command && policy.forced_command) return joined(request.words);
      if (!command) return tl::unexpected(failed(BrokerFault::not_found, "No such subsystem"));
      return *command;
    }
    case ProgramKind::count_: break;
  }
  return tl::unexpected(failed(BrokerFault::invalid, "No such kind"));
}

}  // namespace

Outcome<ProgramPlan> plan_program(const UserIdentity& identity, const LinkPolicy& policy, const SpawnProgram& request,
                                  const std::string& agent_path) {
  auto command = wanted(policy, request);
  if (!command) return tl::unexpected(command.error());
  ProgramPlan plan;
  Environment environment = environment_of(identity, policy, request);
  const std::string shell = identity.shell.empty() ? "/bin/sh" : identity.shell;
  plan.path = shell;
  if (policy.forced_command) {
    if (!command->empty()) environment["SSH_ORIGINAL_COMMAND"] = *command;
    plan.words = {base_name(shell), "-c", *policy.forced_command};
  } else if (request.kind == ProgramKind::login_shell) {
    plan.words = {base_name(shell).insert(0, 1, '-')};
  } else {
    plan.words = {base_name(shell), "-c", *command};
  }
  // As sshd: a subsystem has only the system's.
  plan.user_rc = policy.user_rc && request.kind != ProgramKind::subsystem;
  plan.rc_words = {base_name(shell), "-c", "/bin/sh .ssh/rc"};
  if (!agent_path.empty()) environment["SSH_AUTH_SOCK"] = agent_path;
  if (request.terminal) {
    plan.terminal = request.terminal;
    if (request.terminal->type.size() <= kMaxTerminalName) environment["TERM"] = request.terminal->type;
  }
  for (auto& [name, value] : environment) plan.environment.push_back(std::string(name).append("=").append(value));
  plan.folder = identity.home.starts_with('/') ? identity.home : "/";
  return plan;
}

}  // namespace sluice
