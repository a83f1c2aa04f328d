// SftpClientWorld: a client's engine and the real SFTP server, channels joined in memory, a broker behind; all on the
// test's thread.
#pragma once

#include <gtest/gtest.h>

#include "services/sftp_client/sftp_client.h"
#include "tests/support/broker_fixture.h"
#include "tests/support/table_pair.h"
#include "tests/support/temp_folder.h"

namespace sluice::test {

class SftpClientWorld {
 public:
  explicit SftpClientWorld(const ChannelLimits& limits = {}, SftpStart start = {});
  ~SftpClientWorld();

  bool until(const std::function<bool()>& holds);
  SftpResult<SftpAnswer> ask(SftpCall call);
  // The handle, or a failed test.
  std::vector<uint8_t> open(const std::string& path, uint32_t flags);
  TransferEnd move(TransferOrder order);

  TempFolder folder;
  std::shared_ptr<SftpClient> client = SftpClient::create();
  std::shared_ptr<Mailbox> mailbox = std::make_shared<Mailbox>();
  ServiceMakers makers;
  BrokerFixture broker;
  std::unique_ptr<TablePair> pair;
};

std::shared_ptr<UniqueFd> open_file(const std::string& path, int flags);
// So many bytes, by seed.
std::string pattern(size_t bytes, uint64_t seed);

}  // namespace sluice::test
