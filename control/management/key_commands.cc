// Host keys: shown, made, removed, taken over, given out.
#include <algorithm>
#include <cstdlib>

#include "base/log.h"
#include "control/keys/fingerprint.h"
#include "control/management/config_ledger.h"
#include "control/management/exec_handlers.h"
#include "control/management/key_report.h"
#include "control/management/shell_session.h"

namespace sluice::exec {
namespace {

std::string pair_name(KeyType type, const std::string& label) {
  return std::string(row_of(type).store_name) + " pair '" + label + "'";
}

KeyType ecdsa_of(const std::string& curve) {
  return curve == "nistp384"   ? KeyType::ecdsa_nistp384
         : curve == "nistp521" ? KeyType::ecdsa_nistp521
                               : KeyType::ecdsa_nistp256;
}

KeyType type_of(const std::string& word) {
  return word == "rsa" ? KeyType::rsa : word == "dsa" ? KeyType::dsa : KeyType::ed25519;
}

std::string label_of(const std::string& word) { return word.empty() ? std::string(kDefaultKeyLabel) : word; }

// Serves what there is now, then ends the command.
void take_up(Command exec) {
  exec->host.host_keys_changed([exec] {
    if (*exec->shell_lives) exec->finish();
  });
}

void make(Command exec, KeyType type, const std::string& label, unsigned bits) {
  // RSA of many bits takes its time.
  const auto told = std::make_shared<ResultOrText<std::string>>();
  exec->later = true;
  const bool taken = exec->host.run_slowly(
      [told, type, label, bits, store = exec->host.host_keys()] {
        if (!store) {
          *told = fail(store.error());
          return;
        }
        const auto key = store->generate(type, label, bits);
        *told = key ? ResultOrText<std::string>("Generated the " + pair_name(type, label) + ", " +
                                                std::to_string(key->bits()) + " bits.\n")
                    : ResultOrText<std::string>(fail(key.error()));
      },
      [exec, told] {
        if (!*exec->shell_lives) return;
        if (*told) {
          exec->report.text("done", **told);
          log_line(LogLevel::notice, "host keys: " + (*told)->substr(0, (*told)->size() - 1));
          return take_up(exec);
        }
        exec->refuse(told->error());
        exec->finish();
      });
  if (taken) return;
  exec->later = false;
  exec->refuse("too much is being done; try again");
}

void generate(Command exec, KeyType type, std::string label, unsigned bits) {
  const auto store = exec->host.host_keys();
  if (!store) return exec->refuse(store.error());
  if (!valid_key_label(label)) return exec->refuse("'" + label + "' is no label");
  if (!store->has(type, label)) return make(exec, type, label, bits);
  exec->ask("% You already have a " + pair_name(type, label) +
                ". Clients that know it will warn.\nDo you want to replace it? [yes/no]: ",
            false, [type, label, bits](Command answered, const std::string& word) {
              if (std::string_view typed = word; !typed.empty() && std::string_view("yes").starts_with(typed))
                return make(answered, type, label, bits);
              answered->report.text("done", "The pair stays as it is.\n");
            });
}

void remove(Command exec, const std::vector<KeyType>& types, const std::string& label) {
  const auto store = exec->host.host_keys();
  if (!store) return exec->refuse(store.error());
  std::vector<KeyType> there;
  std::string names;
  for (const KeyType type : types) {
    if (!store->has(type, label)) continue;
    there.push_back(type);
    names.append(names.empty() ? "" : ", ").append(pair_name(type, label));
  }
  if (there.empty()) return exec->refuse("there is no " + pair_name(types.front(), label));
  exec->ask("% This removes for good: " + names + "\nDo you really want to remove it? [yes/no]: ", false,
            [there, label](Command answered, const std::string& word) {
              std::string_view typed = word;
              if (typed.empty() || !std::string_view("yes").starts_with(typed))
                return answered->report.text("done", "Nothing was removed.\n");
              const auto again = answered->host.host_keys();
              if (!again) return answered->refuse(again.error());
              std::string told;
              for (const KeyType type : there) {
                const auto gone = again->zeroize(type, label);
                if (!gone) answered->refuse(gone.error());
                if (gone && *gone) told.append("Zeroized the ").append(pair_name(type, label)).append(".\n");
              }
              log_line(LogLevel::notice, "host keys: " + told.substr(0, told.empty() ? 0 : told.size() - 1));
              answered->report.text("done", told);
              answered->later = true;
              take_up(answered);
            });
}

}  // namespace

void show_keys(Command exec) {
  const auto store = exec->host.host_keys();
  if (!store) return exec->refuse(store.error());
  std::vector<std::string> problems;
  auto keys = store->list(&problems);
  if (!keys) return exec->refuse(keys.error());
  const std::string& kind = exec->word(0);
  std::erase_if(*keys, [&](const HostKeyInfo& info) {
    return !kind.empty() && kind != "all" && !row_of(info.key.type()).store_name.starts_with(kind);
  });
  exec->report.eyes(date_line(*exec));
  if (exec->shell.json()) {
    Report::Table table{"keys", {{"label"}, {"type"}, {"bits"}, {"created"}, {"fingerprint"}}};
    for (const HostKeyInfo& info : *keys)
      table.rows.push_back({info.label, std::string(row_of(info.key.type()).store_name),
                            std::to_string(info.key.bits()), std::to_string(info.created),
                            sha256_fingerprint(info.key)});
    return exec->report.table(std::move(table));
  }
  std::string text;
  for (const HostKeyInfo& info : *keys) text.append(ctl::key_report(info)).append("\n");
  for (const std::string& problem : problems) text.append("% ").append(problem).append("\n");
  exec->report.text("keys", std::move(text));
}

// Values: usage, label, modulus. Also as the guides write it: `usage keys`.
void generate_rsa(Command exec) {
  const std::string& named = exec->word(2);
  const bool spelt = exec->word(0) == "usage-keys" && named == "keys" && !exec->has(1);
  generate(exec, KeyType::rsa, spelt ? std::string(kDefaultKeyLabel) : label_of(named),
           static_cast<unsigned>(std::strtoul(exec->word(3).c_str(), nullptr, 10)));
}

void generate_ecdsa(Command exec) { generate(exec, ecdsa_of(exec->word(0)), label_of(exec->word(2)), 0); }
void generate_other(Command exec) { generate(exec, type_of(exec->word(0)), label_of(exec->word(2)), 0); }
void zeroize(Command exec) { remove(exec, {type_of(exec->word(0))}, label_of(exec->word(1))); }

void zeroize_ecdsa(Command exec) {
  std::vector<KeyType> types{KeyType::ecdsa_nistp256, KeyType::ecdsa_nistp384, KeyType::ecdsa_nistp521};
  if (exec->has(0)) types = {ecdsa_of(exec->word(0))};
  remove(exec, types, label_of(exec->word(1)));
}

// The operator's file, read with his rights: the client hands over what is in it.
void import_key(Command exec) {
  if (exec->shell.who().from != "console") return exec->refuse("keys are imported on the host itself: sluicectl");
  const auto store = exec->host.host_keys();
  if (!store) return exec->refuse(store.error());
  // Ours, wherever that is, and told to us when it is done.
  exec->run = {
      "sluicectl", "--socket", "{control}", "--state-dir", store->folder().substr(0, store->folder().rfind('/')),
      "crypto",    "key",      "import",    exec->word(0)};
  if (exec->has(2)) exec->run.insert(exec->run.end(), {"label", exec->word(2)});
}

ResultOrText<std::string> sealed_key(const ResultOrText<HostKeyStore>& store, KeyType type, const std::string& label,
                                     const KeySealing& sealing) {
  if (!store) return fail(store.error());
  const auto key = store->load(type, label);
  if (!key) return fail(key.error());
  const auto file = format_private_key(*key, label, &sealing);
  if (!file) return fail(std::string(describe(file.error())));
  return std::string(text_of(file->view()));
}

// Sealing takes its time, on purpose.
void give_out(Command exec, KeyType type, const std::string& label, const std::string& passphrase) {
  const auto sealing = std::make_shared<KeySealing>();
  sealing->passphrase = Secret(bytes_of(passphrase));
  const auto file = std::make_shared<ResultOrText<std::string>>();
  exec->later = true;
  const bool taken =
      exec->host.run_slowly([file, sealing, type, label,
                             store = exec->host.host_keys()] { *file = sealed_key(store, type, label, *sealing); },
                            [exec, file, type, label] {
                              if (!*exec->shell_lives) return;
                              if (*file) {
                                log_line(LogLevel::notice, "host keys: the " + pair_name(type, label) +
                                                               " was exported by " + exec->shell.name_for_log());
                                exec->report.text("key", **file);
                              } else {
                                exec->refuse(file->error());
                              }
                              exec->finish();
                            });
  if (taken) return;
  exec->later = false;
  exec->refuse("too much is being done; try again");
}

// Encrypted, as a file of OpenSSH's, to the terminal.
void export_key(Command exec) {
  const auto store = exec->host.host_keys();
  if (!store) return exec->refuse(store.error());
  const std::string& kind = exec->word(0);
  const KeyType type = kind.starts_with("ecdsa-") ? ecdsa_of(kind.substr(6)) : type_of(kind);
  const std::string label = label_of(exec->word(1));
  if (!store->has(type, label)) return exec->refuse("there is no " + pair_name(type, label));
  exec->ask("Passphrase for the exported file: ", true, [type, label](Command answered, const std::string& typed) {
    constexpr size_t kLeast = 8;
    if (typed.size() < kLeast) return answered->refuse("a passphrase has at least 8 characters");
    give_out(answered, type, label, typed);
  });
}

void reload_keys(Command exec) {
  exec->later = true;
  take_up(exec);
}

}  // namespace sluice::exec
