// Keys, command lines of servers, and waiting for them.
#include "apps/sluice/bench/bench_server.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <set>

#include "apps/sluice/bench/figures.h"
#include "base/random.h"
#include "control/keys/fingerprint.h"
#include "control/keys/guarded_file.h"
#include "control/keys/private_key_file.h"
#include "control/keys/public_key_text.h"

namespace sluice::bench {
namespace {

constexpr double kStartSeconds = 300;
constexpr double kSettleSeconds = 10;
// Of CPU between two looks: a server that only waits.
constexpr double kStillSeconds = 0.002;
constexpr int kPortTries = 5;

// Folders that are there, for whoever has to go without destructors.
std::mutex g_folders_mutex;
std::set<std::string> g_folders;

// Beside our own program, as built or as installed, or wherever a shell would find it.
std::string find_sluiced() {
  const std::filesystem::path folder = std::filesystem::path(own_program()).parent_path();
  for (const char* place : {"../sluiced/sluiced", "../sbin/sluiced", "sluiced"}) {
    std::error_code gone;
    const auto path = std::filesystem::weakly_canonical(folder / place, gone);
    if (!gone && ::access(path.c_str(), X_OK) == 0 && std::filesystem::is_regular_file(path)) return path;
  }
  return find_program("sluiced");
}

void add_option(std::vector<std::string>& words, std::string option) {
  words.emplace_back("-o");
  words.push_back(std::move(option));
}

std::vector<std::string> sluiced_words(const ServerSpec& spec, const RunKeys& keys, const std::string& folder,
                                       const ServerWishes& wishes, uint16_t port) {
  std::vector<std::string> words{spec.program,         "-D",       "-f",      "/dev/null",   "-p",
                                 std::to_string(port), "--listen", spec.host, "--state-dir", folder + "/state"};
  add_option(words, "login authorized-keys " + keys.authorized_file);
  add_option(words, "login root yes");
  add_option(words, "no login strict-modes");
  add_option(words, "login key-environment SHLVL");
  // A load comes from one address.
  for (const char* line : {"ssh server session-limit 60000", "ssh server rate-limit 1000000",
                           "ssh server login-limit 60000", "ssh server login-limit-source 60000"})
    add_option(words, line);
  if (!wishes.ciphers.empty()) add_option(words, "ssh server algorithms cipher " + join(wishes.ciphers, " "));
  if (!wishes.macs.empty()) add_option(words, "ssh server algorithms mac " + join(wishes.macs, " "));
  for (const std::string& line : wishes.lines) add_option(words, line);
  return words;
}

std::vector<std::string> sshd_words(const ServerSpec& spec, const RunKeys& keys, const std::string& folder,
                                    const ServerWishes& wishes, uint16_t port) {
  // OpenSSH's folder for the child before a login; it starts with none other.
  if (::geteuid() == 0) ::mkdir("/run/sshd", 0755);
  std::vector<std::string> words{spec.program,         "-D", "-e",          "-f", "/dev/null", "-p",
                                 std::to_string(port), "-h", keys.host_file};
  for (const char* option : {"StrictModes=no", "UsePAM=no", "PermitUserEnvironment=yes", "PermitRootLogin=yes",
                             "MaxStartups=10000", "MaxSessions=1000", "Subsystem=sftp internal-sftp", "LogLevel=ERROR"})
    add_option(words, option);
  add_option(words, "ListenAddress=" + spec.host);
  add_option(words, "AuthorizedKeysFile=" + keys.authorized_file);
  add_option(words, "PidFile=" + folder + "/pid");
  if (!wishes.ciphers.empty()) add_option(words, "Ciphers=" + join(wishes.ciphers, ","));
  if (!wishes.macs.empty()) add_option(words, "MACs=" + join(wishes.macs, ","));
  if (!wishes.rekey_volume.empty()) add_option(words, "RekeyLimit=" + wishes.rekey_volume);
  for (const std::string& line : wishes.lines) add_option(words, line);
  return words;
}

ResultOrText<PublicKey> write_key(const std::string& path) {
  auto key = PrivateKey::generate(KeyType::ed25519);
  if (!key) return fail("cannot make a key");
  auto text = format_private_key(*key, "sluice bench", nullptr);
  if (!text) return fail("cannot write a key");
  if (auto written = write_file_atomically(path, text->view(), 0600); !written) return fail(written.error());
  const std::string line = to_text(key->public_key(), "sluice-bench") + "\n";
  const Bytes bytes(reinterpret_cast<const uint8_t*>(line.data()), line.size());
  if (auto written = write_file_atomically(path + ".pub", bytes, 0644); !written) return fail(written.error());
  auto half = PublicKey::parse(key->public_key().blob());
  if (!half) return fail("cannot read a key");
  return std::move(*half);
}

// Of the public keys in a folder, or of that one.
std::vector<std::string> fingerprints_in(const std::string& place) {
  std::vector<std::string> out, files;
  std::error_code gone;
  if (std::filesystem::is_directory(place)) {
    for (const auto& entry : std::filesystem::directory_iterator(place, gone)) files.push_back(entry.path());
  } else {
    files.push_back(place + ".pub");
  }
  for (const std::string& file : files) {
    if (!file.ends_with(".pub")) continue;
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    if (const auto key = parse_public_key_line(line)) out.push_back(sha256_fingerprint(key->key));
  }
  return out;
}

std::string text_of(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// sluiced makes a key of each kind when it starts first, and serves meanwhile with those that it has.
std::vector<std::string> host_fingerprints(const ServerSpec& spec, const RunKeys& keys, const std::string& folder) {
  constexpr size_t kKinds = 5;
  constexpr double kPatience = 20;
  if (spec.kind == ServerKind::sshd) return fingerprints_in(keys.host_file);
  const double deadline = monotonic_seconds() + kPatience;
  for (;;) {
    auto found = fingerprints_in(folder + "/state/host_keys");
    if (found.size() >= kKinds || monotonic_seconds() > deadline) return found;
    ::usleep(20000);
  }
}

}  // namespace

std::string own_program() {
  std::error_code gone;
  return std::filesystem::read_symlink("/proc/self/exe", gone).string();
}

std::string user_name() {
  const passwd* entry = ::getpwuid(::geteuid());
  return entry == nullptr ? std::string() : entry->pw_name;
}

std::string default_folder() {
  for (const char* path : {"/dev/shm", "/tmp"}) {
    if (::access(path, W_OK | X_OK) == 0) return path;
  }
  return ".";
}

ResultOrText<std::unique_ptr<RunFolder>> RunFolder::make(const std::string& parent) {
  std::string name = std::filesystem::absolute(parent) / "sluice-bench.XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) return fail("cannot make a folder in " + parent + ": " + std::strerror(errno));
  const std::lock_guard lock(g_folders_mutex);
  g_folders.insert(name);
  std::unique_ptr<RunFolder> folder(new RunFolder);
  folder->path_ = name;
  return folder;
}

void leave_nothing() {
  const std::lock_guard lock(g_folders_mutex);
  for (const pid_t process : tree_of(::getpid())) {
    if (process != ::getpid()) ::kill(process, SIGKILL);
  }
  std::error_code gone;
  for (const std::string& folder : g_folders) std::filesystem::remove_all(folder, gone);
}

RunFolder::~RunFolder() {
  {
    const std::lock_guard lock(g_folders_mutex);
    g_folders.erase(path_);
  }
  std::error_code gone;
  std::filesystem::remove_all(path_, gone);
}

uint16_t free_port() {
  for (;;) {
    std::array<uint8_t, 2> random;
    fill_random(random);
    const auto port = static_cast<uint16_t>(10000 + (random[0] << 8 | random[1]) % 22000);
    const UniqueFd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return port;
  }
}

bool answers(const std::string& host, uint16_t port, double patience_seconds) {
  const double deadline = monotonic_seconds() + patience_seconds;
  addrinfo wishes{}, *found = nullptr;
  wishes.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wishes, &found) != 0) return false;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, ::freeaddrinfo);
  for (;;) {
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
      const UniqueFd probe(::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
      if (::connect(probe.get(), at->ai_addr, at->ai_addrlen) == 0) return true;
    }
    if (monotonic_seconds() > deadline) return false;
    ::usleep(20000);
  }
}

std::string why_absent(const ServerSpec& spec) {
  constexpr double kPatience = 10;
  if (spec.kind != ServerKind::foreign || answers(spec.host, spec.port, kPatience)) return {};
  return spec.name + " does not answer";
}

ResultOrText<ServerSpec> parse_server(std::string_view text) {
  ServerSpec spec;
  spec.name = text;
  const size_t equals = std::min(text.find('='), text.size());
  const std::string_view word = text.substr(0, equals);
  if (word == "sluiced" || word == "sshd") {
    spec.kind = word == "sshd" ? ServerKind::sshd : ServerKind::sluiced;
    const std::string asked(text.substr(std::min(equals + 1, text.size())));
    spec.program = !asked.empty() ? find_program(asked) : word == "sshd" ? find_program("sshd") : find_sluiced();
    // sshd starts itself anew for each connection and wants to know where it is.
    if (!spec.program.empty()) spec.program = std::filesystem::absolute(spec.program);
    if (spec.program.empty())
      return fail(std::string(text) + ": no such program" + (word == "sshd" ? " (Debian package openssh-server)" : ""));
    return spec;
  }
  const size_t colon = text.rfind(':');
  if (colon == text.npos) return fail(std::string(text) + " is none of sluiced, sshd, sshd=PATH and HOST:PORT");
  const auto port = parse_count(text.substr(colon + 1), 1, 65535);
  if (!port) return fail(std::string(text) + ": " + port.error());
  spec.port = static_cast<uint16_t>(*port);
  spec.host = text.substr(0, colon);
  if (spec.host.starts_with('[') && spec.host.ends_with(']')) spec.host = spec.host.substr(1, spec.host.size() - 2);
  if (spec.host.empty()) return fail(std::string(text) + ": no host is named");
  return spec;
}

ResultOrText<RunKeys> make_run_keys(const std::string& folder) {
  RunKeys keys{folder + "/user", folder + "/user.ppk", folder + "/authorized", folder + "/host"};
  auto user = write_key(keys.private_file), host = write_key(keys.host_file);
  if (!user) return fail(user.error());
  if (!host) return fail(host.error());
  // A shell that a server starts reads its user's start files, with whatever takes its time there, unless it is no
  // first one.
  const std::string line = "environment=\"SHLVL=1\" " + to_text(*user, "sluice-bench") + "\n";
  const Bytes bytes(reinterpret_cast<const uint8_t*>(line.data()), line.size());
  if (auto written = write_file_atomically(keys.authorized_file, bytes, 0644); !written) return fail(written.error());
  return keys;
}

std::vector<Flag> access_flags(ForeignAccess& access) {
  return {flag_text("--user", access.user),
          flag_text("--identity", access.identity),
          {"--option", true, [&access](const std::string& v) { return access.options.push_back(v), std::string(); }}};
}

ResultOrText<std::unique_ptr<BenchServer>> BenchServer::start(const ServerSpec& spec, const RunKeys& keys,
                                                              const std::string& folder, const ServerWishes& wishes,
                                                              const ForeignAccess& access) {
  std::unique_ptr<BenchServer> server(new BenchServer);
  server->kind_ = spec.kind;
  Endpoint& end = server->endpoint_;
  end.host = spec.host;
  end.port = spec.port;
  end.user = access.user.empty() ? user_name() : access.user;
  end.identity = access.identity;
  end.ssh_options = {"-o", "BatchMode=yes"};
  if (spec.kind == ServerKind::foreign) {
    if (!access.identity.empty()) end.ssh_options.insert(end.ssh_options.end(), {"-i", access.identity});
    for (const std::string& option : access.options) add_option(end.ssh_options, option);
    if (!answers(spec.host, spec.port, 10)) return fail(spec.name + " does not answer");
    return server;
  }
  end.ours = true;
  end.user = user_name();
  end.identity = keys.private_file;
  end.ssh_options = {"-F", "none",
                     "-i", keys.private_file,
                     "-o", "IdentitiesOnly=yes",
                     "-o", "IdentityAgent=none",
                     "-o", "BatchMode=yes",
                     "-o", "StrictHostKeyChecking=no",
                     "-o", "UserKnownHostsFile=/dev/null",
                     "-o", "LogLevel=ERROR"};
  std::string why;
  // Somebody else may be quicker to take the port: then another one is tried.
  for (int i = 0; i < kPortTries; ++i) {
    end.port = free_port();
    ChildOptions options;
    options.words = spec.kind == ServerKind::sshd ? sshd_words(spec, keys, folder, wishes, end.port)
                                                  : sluiced_words(spec, keys, folder, wishes, end.port);
    // A server whose words nobody takes would stop at its next one.
    options.output_file = folder + "/log";
    options.with_keeper = true;
    auto child = Child::start(std::move(options));
    if (!child) return fail(child.error());
    const double deadline = monotonic_seconds() + kStartSeconds;
    while ((*child)->running() && monotonic_seconds() < deadline) {
      if (!answers(spec.host, end.port, 0)) {
        ::usleep(20000);
        continue;
      }
      server->child_ = std::move(*child);
      server->idle_processes_ = tree_of(server->child_->root()).size();
      end.fingerprints = host_fingerprints(spec, keys, folder);
      return server;
    }
    (*child)->stop(SIGTERM);
    why = text_of(folder + "/log");
    if (why.find("in use") == why.npos) break;
  }
  return fail(spec.name + " did not start: " + why);
}

BenchServer::~BenchServer() {
  if (child_) child_->stop(kind_ == ServerKind::sluiced ? SIGINT : SIGTERM);
}

void BenchServer::settle() const {
  if (!child_) return;
  const double deadline = monotonic_seconds() + kSettleSeconds;
  for (double before = -1, now; monotonic_seconds() < deadline; before = now) {
    now = cpu_seconds();
    // Of sluiced a user's broker stays; of sshd a session's process is waited for when it has ended.
    if (now - before < kStillSeconds &&
        (kind_ == ServerKind::sluiced || tree_of(child_->root()).size() <= idle_processes_))
      return;
    ::usleep(30000);
  }
}

}  // namespace sluice::bench
