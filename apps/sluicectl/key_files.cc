// Pairs by their store; questions by the terminal.
#include "apps/sluicectl/key_files.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "control/config/state_folder.h"
#include "control/management/key_report.h"

namespace sluice::ctl {
namespace {

constexpr int kFine = 0, kFailed = 1, kUsage = 2;

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

int generate(const HostKeyStore& store, const KeyRequest& request, const KeyFileOptions& options) {
  const KeyType type = request.types.front();
  if (store.has(type, request.label) && !options.yes &&
      !confirmed("There is a " + pair_name(type, request.label) + ". Clients that know it will warn. Replace it?"))
    return complain("the " + pair_name(type, request.label) + " stays as it is (--yes replaces it)");
  const auto made = store.generate(type, request.label, request.modulus);
  if (!made) return complain(made.error());
  std::printf("Generated the %s, %u bits.\n", pair_name(type, request.label).c_str(), made->bits());
  return kFine;
}

int zeroize(const HostKeyStore& store, const KeyRequest& request, const KeyFileOptions& options) {
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

int show(const HostKeyStore& store, const KeyRequest& request, const KeyFileOptions& options) {
  std::vector<std::string> problems;
  auto keys = store.list(&problems);
  if (!keys) return complain(keys.error());
  std::erase_if(*keys, [&](const HostKeyInfo& info) {
    return std::find(request.types.begin(), request.types.end(), info.key.type()) == request.types.end();
  });
  if (options.json) {
    std::fputs(key_report_json(*keys).c_str(), stdout);
  } else {
    for (const HostKeyInfo& info : *keys) std::printf("%s\n", key_report(info).c_str());
  }
  for (const std::string& problem : problems) (void)complain(problem);
  return problems.empty() ? kFine : kFailed;
}

}  // namespace

int run_key_request(const KeyRequest& request, const KeyFileOptions& options, bool& changed) {
  changed = request.verb != KeyRequest::Verb::show;
  if (const auto made = make_state_folder(options.folder); !made) return complain(made.error());
  const auto store = HostKeyStore::open(options.folder + "/host_keys", {.min_rsa_bits = kRsaBitsFloor});
  if (!store) return complain(store.error());
  switch (request.verb) {
    case KeyRequest::Verb::generate: return generate(*store, request, options);
    case KeyRequest::Verb::zeroize: return zeroize(*store, request, options);
    case KeyRequest::Verb::import: return import(*store, request);
    case KeyRequest::Verb::show: return show(*store, request, options);
  }
  return kUsage;
}

}  // namespace sluice::ctl
