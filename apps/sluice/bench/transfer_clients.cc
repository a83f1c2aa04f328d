// One function a program: words, and what it reads on standard input.
#include "apps/sluice/bench/transfer_clients.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "crypto_offload/cipher_suite.h"

namespace sluice::bench {
namespace {

using Words = std::vector<std::string>;

void append(Words& to, const Words& more) { to.insert(to.end(), more.begin(), more.end()); }

// OpenSSH's flags, but for the port.
Words ssh_flags(const TransferJob& job) {
  Words words = job.server->ssh_options;
  if (!job.suite->cipher.empty()) append(words, {"-o", "Ciphers=" + job.suite->cipher});
  if (!job.suite->mac.empty()) append(words, {"-o", "MACs=" + job.suite->mac});
  return words;
}
std::string port_of(const TransferJob& job) { return std::to_string(job.server->port); }
std::string account(const TransferJob& job) {
  const bool bare = job.server->host.find(':') != std::string::npos;
  return job.server->user + "@" + (bare ? "[" + job.server->host + "]" : job.server->host);
}
std::string far(const TransferJob& job) { return account(job) + ":" + job.there; }

void add_ends(Words& words, const TransferJob& job) {
  if (job.way == Way::put) {
    append(words, {job.here, far(job)});
  } else {
    append(words, {far(job), job.here});
  }
}

std::string line_for(const TransferJob& job) {
  const std::string verb(name_of(job.way));
  const std::string& from = job.way == Way::put ? job.here : job.there;
  const std::string& to = job.way == Way::put ? job.there : job.here;
  return verb + (job.tree ? " -r \"" : " \"") + from + "\" \"" + to + "\"\n";
}

// A build of OpenSSH elsewhere brings an ssh of its own.
Words own_ssh(const std::string& program) {
  const std::string beside = std::filesystem::path(program).parent_path() / "ssh";
  if (program.find('/') == std::string::npos || ::access(beside.c_str(), X_OK) != 0) return {};
  return {"-S", beside};
}

ChildOptions cp(const std::string& program, const TransferJob& job, const Words& flags) {
  Words words{program, "cp", "-q"};
  append(words, flags);
  append(words, ssh_flags(job));
  append(words, {"-P", port_of(job)});
  if (job.tree) words.emplace_back("-r");
  add_ends(words, job);
  return {.words = words};
}
ChildOptions sluice_cp(const std::string& program, const TransferJob& job) { return cp(program, job, {"-n", "1"}); }
ChildOptions sluice_cp_auto(const std::string& program, const TransferJob& job) { return cp(program, job, {}); }

ChildOptions sftp_words(Words words, const TransferJob& job) {
  append(words, ssh_flags(job));
  append(words, {"-q", "-P", port_of(job), "-b", "-", account(job)});
  return {.words = words, .input = line_for(job)};
}
ChildOptions sluice_sftp(const std::string& program, const TransferJob& job) {
  return sftp_words({program, "sftp"}, job);
}
ChildOptions sftp(const std::string& program, const TransferJob& job) {
  Words words{program};
  append(words, own_ssh(program));
  return sftp_words(words, job);
}

ChildOptions scp_words(Words words, const TransferJob& job) {
  append(words, {"-q", "-P", port_of(job)});
  append(words, ssh_flags(job));
  if (job.tree) words.emplace_back("-r");
  add_ends(words, job);
  return {.words = words};
}
ChildOptions sluice_scp(const std::string& program, const TransferJob& job) { return scp_words({program, "scp"}, job); }
ChildOptions scp(const std::string& program, const TransferJob& job) {
  Words words{program};
  append(words, own_ssh(program));
  return scp_words(words, job);
}
ChildOptions scp_old(const std::string& program, const TransferJob& job) {
  Words words{program, "-O"};
  append(words, own_ssh(program));
  return scp_words(words, job);
}

Words putty_flags(const TransferJob& job) {
  Words words{"-batch", "-noagent", "-P", port_of(job)};
  for (const std::string& print : job.server->fingerprints) append(words, {"-hostkey", print});
  if (!job.ppk_file.empty()) append(words, {"-i", job.ppk_file});
  return words;
}
ChildOptions psftp(const std::string& program, const TransferJob& job) {
  // -b - is no standard input to it.
  Words words{program, "-b", "/dev/stdin"};
  append(words, putty_flags(job));
  words.push_back(account(job));
  return {.words = words, .input = line_for(job)};
}
ChildOptions pscp(const std::string& program, const TransferJob& job) {
  Words words{program, "-sftp", "-q"};
  append(words, putty_flags(job));
  add_ends(words, job);
  return {.words = words};
}

// ssh with its flags as one word for a shell.
std::string shell_ssh(const TransferJob& job, const std::string& program = "ssh") {
  std::string line = program + " -a -x";
  for (const std::string& word : ssh_flags(job)) line += " '" + word + "'";
  return line;
}
ChildOptions lftp(const std::string& program, const TransferJob& job) {
  std::string script = "set sftp:connect-program \"" + shell_ssh(job) +
                       "\"; set cmd:fail-exit true; set net:max-retries 1; " + "open -p " + port_of(job) + " -u " +
                       job.server->user + ", sftp://" + job.server->host + "; ";
  if (job.tree) {
    script += job.way == Way::put ? "mirror -R \"" + job.here + "\" \"" + job.there + "\""
                                  : "mirror \"" + job.there + "\" \"" + job.here + "\"";
  } else {
    script += job.way == Way::put ? "put \"" + job.here + "\" -o \"" + job.there + "\""
                                  : "get \"" + job.there + "\" -o \"" + job.here + "\"";
  }
  return {.words = {program, "--norc", "-c", script}};
}

ChildOptions rclone(const std::string& program, const TransferJob& job) {
  const std::string there = ":sftp,host=" + job.server->host + ",port=" + port_of(job) + ",user=" + job.server->user +
                            (job.server->identity.empty() ? "" : ",key_file=" + job.server->identity) + ":" + job.there;
  Words words{program,     "--config", "/dev/null",
              "--retries", "1",        "--low-level-retries",
              "1",         "-q",       job.tree ? "copy" : "copyto"};
  append(words, job.way == Way::put ? Words{job.here, there} : Words{there, job.here});
  return {.words = words};
}

ChildOptions rsync(const std::string& program, const TransferJob& job) {
  Words words{program, "-W", "-e", shell_ssh(job) + " -p " + port_of(job)};
  TransferJob inner = job;
  if (job.tree) {
    words.emplace_back("-r");
    // The contents of one folder into the other.
    inner.here += "/", inner.there += "/";
  }
  add_ends(words, inner);
  return {.words = words};
}

ChildOptions curl(const std::string& program, const TransferJob& job) {
  const std::string url = "sftp://" + job.server->host + ":" + port_of(job) + job.there;
  Words words{program, "-sS", "-u", job.server->user + ":"};
  // It knows hosts by a file of its own; a server of this run's is known by having been started.
  if (job.server->ours) words.emplace_back("-k");
  if (!job.server->identity.empty())
    append(words, {"--key", job.server->identity, "--pubkey", job.server->identity + ".pub"});
  append(words, job.way == Way::put ? Words{"-T", job.here, url} : Words{"-o", job.here, url});
  return {.words = words};
}

}  // namespace

const std::vector<ClientKind>& client_kinds() {
  static const std::vector<ClientKind> kKinds{
      {"sluice-cp", "", true, true, true, "", "", sluice_cp},
      {"sluice-cp-auto", "", true, true, true, "", "", sluice_cp_auto},
      {"sluice-sftp", "", true, true, true, "", "", sluice_sftp},
      {"sluice-scp", "", true, true, true, "", "", sluice_scp},
      {"sftp", "sftp", true, true, true, "openssh-client", "", sftp},
      {"scp", "scp", true, true, true, "openssh-client", "", scp},
      {"scp-O", "scp", true, true, true, "openssh-client", "", scp_old},
      {"psftp", "psftp", false, true, false, "putty-tools", "", psftp},
      {"pscp", "pscp", false, false, false, "putty-tools", "", pscp},
      {"lftp", "lftp", false, true, true, "lftp", "", lftp},
      {"rclone", "rclone", false, true, false, "rclone", "", rclone},
      {"rsync", "rsync", false, true, true, "rsync", "", rsync},
      {"curl", "curl", false, false, false, "curl", "gcm,chacha20", curl},
  };
  return kKinds;
}

ResultOrText<ClientSpec> parse_client(std::string_view text) {
  const size_t equals = std::min(text.find('='), text.size());
  const auto& kinds = client_kinds();
  const auto kind =
      std::find_if(kinds.begin(), kinds.end(), [&](const auto& k) { return k.name == text.substr(0, equals); });
  if (kind == kinds.end()) {
    std::string known;
    for (const ClientKind& k : kinds) known.append(known.empty() ? "" : ", ").append(k.name);
    return fail("\"" + std::string(text) + "\" is no client that is known: " + known);
  }
  ClientSpec spec{std::string(text), &*kind, {}};
  if (equals < text.size()) {
    spec.program = find_program(text.substr(equals + 1));
    if (spec.program.empty()) return fail(std::string(text) + ": no such program");
  } else {
    spec.program = kind->program.empty() ? own_program() : find_program(kind->program);
  }
  return spec;
}

ResultOrText<TransferSuite> parse_transfer_suite(std::string_view name) {
  if (name == "default") return TransferSuite{"default", "", ""};
  const CipherSuite* suite = find_suite(name);
  if (suite == nullptr || !suite->negotiable) {
    return fail("there is no suite \"" + std::string(name) +
                "\"; they are named like aes128-gcm and aes256-ctr+hmac-sha2-256-etm, or default");
  }
  return TransferSuite{std::string(name), std::string(suite->cipher->ssh_name),
                       suite->mac ? std::string(suite->mac->ssh_name) : std::string()};
}

}  // namespace sluice::bench
