// sluicectl: manages sluiced. Its host keys, on the folder where they are kept.
#include <getopt.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "apps/sluicectl/key_report.h"
#include "apps/sluicectl/key_request.h"
#include "control/config/state_folder.h"

namespace {

using namespace sluice;
using ctl::KeyRequest;

constexpr int kFine = 0, kFailed = 1, kUsage = 2;

constexpr const char* kHelp =
    R"(usage: sluicectl [--state-dir DIR] [--yes] [--json] COMMAND

  crypto key generate rsa [usage-keys|general-keys] [label LABEL] [modulus BITS]
  crypto key generate {dsa|ecdsa [nistp256|nistp384|nistp521]|ed25519} [label LABEL]
  crypto key zeroize {rsa|dsa|ecdsa [CURVE]|ed25519} [LABEL]
  crypto key import FILE [label LABEL]
  show crypto key mypubkey [all|rsa|dsa|ecdsa|ed25519]

Words may be shortened. The label is 'the_default' unless given; 'ssh server host-key-label' and 'ip ssh rsa keypair-name'
choose which labels sluiced serves. It takes up a change when it is told to reload (SIGHUP, systemctl reload sluiced).

      --state-dir DIR  the folder that sluiced has its state in (default: /var/lib/sluice as root,
                       ~/.local/state/sluice else)
  -y, --yes            replace or remove pairs without asking
      --json           show as JSON
  -h, --help           this text
  -V, --version        the version
)";

struct Options {
  std::string state_directory;
  bool yes = false;
  bool json = false;
};

int complain(const std::string& what) {
  std::fprintf(stderr, "sluicectl: %s\n", what.c_str());
  return kFailed;
}

// False without a terminal: a script says --yes.
bool confirmed(const std::string& question) {
  if (!::isatty(STDIN_FILENO)) return false;
  std::printf("%s [yes/no]: ", question.c_str());
  std::fflush(stdout);
  std::string answer;
  return std::getline(std::cin, answer) && (answer == "yes" || answer == "y");
}

std::string pair_name(KeyType type, const std::string& label) {
  return std::string(row_of(type).store_name) + " pair '" + label + "'";
}

int generate(const HostKeyStore& store, const KeyRequest& request, const Options& options) {
  const KeyType type = request.types.front();
  if (store.has(type, request.label) && !options.yes &&
      !confirmed("There is a " + pair_name(type, request.label) + ". Clients that know it will warn. Replace it?"))
    return complain("the " + pair_name(type, request.label) + " stays as it is (--yes replaces it)");
  const auto made = store.generate(type, request.label, request.modulus);
  if (!made) return complain(made.error());
  std::printf("Generated the %s, %u bits.\n", pair_name(type, request.label).c_str(), made->bits());
  return kFine;
}

int zeroize(const HostKeyStore& store, const KeyRequest& request, const Options& options) {
  int removed = 0;
  for (const KeyType type : request.types) {
    if (!store.has(type, request.label)) continue;
    if (!options.yes && !confirmed("Remove the " + pair_name(type, request.label) + " for good?"))
      return complain("the " + pair_name(type, request.label) + " stays (--yes removes it)");
    const auto gone = store.zeroize(type, request.label);
    if (!gone) return complain(gone.error());
    std::printf("Zeroized the %s.\n", pair_name(type, request.label).c_str());
    ++removed;
  }
  if (removed == 0) return complain("there is no " + pair_name(request.types.front(), request.label));
  return kFine;
}

int import(const HostKeyStore& store, const KeyRequest& request) {
  const PassphraseSource ask = []() -> std::optional<Secret> {
    char* typed = ::getpass("Passphrase: ");
    if (!typed) return std::nullopt;
    Secret secret(Bytes(reinterpret_cast<const uint8_t*>(typed), std::strlen(typed)));
    ::explicit_bzero(typed, std::strlen(typed));
    return secret;
  };
  const auto key = store.import(request.file, ask, request.label);
  if (!key) return complain(key.error());
  std::printf("Imported the %s.\n", pair_name(key->type(), request.label).c_str());
  return kFine;
}

int show(const HostKeyStore& store, const KeyRequest& request, const Options& options) {
  std::vector<std::string> problems;
  auto keys = store.list(&problems);
  if (!keys) return complain(keys.error());
  std::erase_if(*keys, [&](const HostKeyInfo& info) {
    return std::find(request.types.begin(), request.types.end(), info.key.type()) == request.types.end();
  });
  if (options.json) {
    std::fputs(ctl::key_report_json(*keys).c_str(), stdout);
  } else {
    for (const HostKeyInfo& info : *keys) std::printf("%s\n", ctl::key_report(info).c_str());
  }
  for (const std::string& problem : problems) (void)complain(problem);
  return problems.empty() ? kFine : kFailed;
}

int run(const KeyRequest& request, const Options& options) {
  const std::string folder =
      options.state_directory.empty() ? default_state_directory(::geteuid() == 0) : options.state_directory;
  if (const auto made = make_state_folder(folder); !made) return complain(made.error());
  const auto store = HostKeyStore::open(folder + "/host_keys", {.min_rsa_bits = kRsaBitsFloor});
  if (!store) return complain(store.error());
  switch (request.verb) {
    case KeyRequest::Verb::generate: return generate(*store, request, options);
    case KeyRequest::Verb::zeroize: return zeroize(*store, request, options);
    case KeyRequest::Verb::import: return import(*store, request);
    case KeyRequest::Verb::show: return show(*store, request, options);
  }
  return kUsage;
}

}  // namespace

int main(int argc, char** argv) {
  static constexpr std::array<option, 6> kLong{{{"state-dir", required_argument, nullptr, 's'},
                                                {"yes", no_argument, nullptr, 'y'},
                                                {"json", no_argument, nullptr, 'j'},
                                                {"help", no_argument, nullptr, 'h'},
                                                {"version", no_argument, nullptr, 'V'},
                                                {nullptr, 0, nullptr, 0}}};
  Options options;
  for (int flag; (flag = ::getopt_long(argc, argv, "+yhV", kLong.data(), nullptr)) != -1;) {
    switch (flag) {
      case 's': options.state_directory = optarg; break;
      case 'y': options.yes = true; break;
      case 'j': options.json = true; break;
      case 'h': std::fputs(kHelp, stdout); return kFine;
      case 'V': std::puts("sluicectl 0.1.0"); return kFine;
      default: std::fputs("sluicectl: see sluicectl --help\n", stderr); return kUsage;
    }
  }
  const std::vector<std::string> words(argv + optind, argv + argc);
  const auto request = ctl::parse_key_request(words);
  if (!request) {
    std::fprintf(stderr, "sluicectl: %s; see sluicectl --help\n", request.error().c_str());
    return kUsage;
  }
  return run(*request, options);
}
