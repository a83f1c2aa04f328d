// Asking where the user wants to be asked, writing on another thread.
#include "control/client/known_hosts_updater.h"

#include "base/log.h"
#include "control/keys/fingerprint.h"
#include "control/keys/name_patterns.h"

namespace sluice {
namespace {

std::string named(const PublicKey& key) {
  return std::string(row_of(key.type()).family) + " " + sha256_fingerprint(key);
}

}  // namespace

KnownHostsUpdater::KnownHostsUpdater(std::shared_ptr<const HostKeyPolicy> policy, WorkPool& pool, ClientDialog& dialog,
                                     UpdateConsent consent)
    : policy_(std::move(policy)), pool_(pool), dialog_(dialog), consent_(consent) {}

void KnownHostsUpdater::on_host_keys(const HostKeyNews& news) {
  std::string text;
  for (const PublicKey& key : news.fresh) text.append("Learned new host key: " + named(key) + "\n");
  for (const PublicKey& key : news.gone) text.append("Deprecated host key: " + named(key) + "\n");
  if (consent_ == UpdateConsent::given) {
    log_line(LogLevel::info, text.substr(0, text.size() - 1));
    return write(news.announced);
  }
  dialog_.show("The server has updated its host keys.\nThe changes are proven by the key that is known.\n" + text);
  dialog_.ask_words("Accept updated host keys (yes/no)? ",
                    [this, alive = alive_, keys = news.announced](std::optional<std::string> typed) {
                      if (*alive && typed && to_lower(*typed) == "yes") write(keys);
                    });
}

void KnownHostsUpdater::on_host_keys_refused(std::string_view why) {
  log_line(LogLevel::warning, std::string("host keys stay as they are: ").append(why));
}

void KnownHostsUpdater::write(std::vector<PublicKey> keys) {
  auto problem = std::make_shared<std::string>();
  const bool taken = pool_.run(
      {.source = policy_->config().host, .logged_in = true},
      [policy = policy_, keys = std::move(keys), problem] {
        if (const auto done = policy->replace(keys); !done) *problem = done.error();
      },
      [problem] {
        if (!problem->empty()) log_line(LogLevel::warning, "known_hosts is not updated: " + *problem);
      });
  if (!taken) log_line(LogLevel::warning, "known_hosts is not updated: too much work waits");
}

}  // namespace sluice
