// KnownHostsUpdater: UpdateHostKeys. Writes a server's proven news into the user's known_hosts.
#pragma once

#include <memory>

#include "control/client/client_dialog.h"
#include "control/client/host_key_news.h"
#include "control/client/host_key_policy.h"
#include "control/work_pool.h"

namespace sluice {

enum class UpdateConsent : uint8_t { given, ask };

class KnownHostsUpdater final : public HostKeyUpdater {
 public:
  KnownHostsUpdater(std::shared_ptr<const HostKeyPolicy> policy, WorkPool& pool, ClientDialog& dialog,
                    UpdateConsent consent);
  ~KnownHostsUpdater() override { *alive_ = false; }

 private:
  void on_host_keys(const HostKeyNews& news) override;
  void on_host_keys_refused(std::string_view why) override;
  void write(std::vector<PublicKey> keys);

  std::shared_ptr<const HostKeyPolicy> policy_;
  WorkPool& pool_;
  ClientDialog& dialog_;
  UpdateConsent consent_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sluice
