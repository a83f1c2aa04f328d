// Turns until something is so.
#include "tests/unit/sftp_client/sftp_client_world.h"

#include <fcntl.h>

#include "base/random.h"
#include "services/connection/connection_notes.h"
#include "services/sftp/sftp_service.h"
#include "services/shell/session_service.h"

namespace sluice::test {

SftpClientWorld::SftpClientWorld(const ChannelLimits& limits, SftpStart start) : broker(own_identity(folder.path())) {
  makers.channels["session"] = open_session_channel;
  makers.sftp = make_sftp_service;
  LoginFacts login;
  login.user = "tester";
  auto services = std::make_unique<ConnectionServices>(makers, std::make_shared<ServiceSettings>(), std::move(login));
  ConnectionServices* server = services.get();
  pair = std::make_unique<TablePair>(std::move(services), client->make_opener(std::move(start)), limits);
  SinkNote note;
  note.kind = static_cast<uint32_t>(ConnectionNote::broker);
  note.descriptor = broker.take_link();
  server->on_note(std::move(note));
}

SftpClientWorld::~SftpClientWorld() { pair.reset(); }

bool SftpClientWorld::until(const std::function<bool()>& holds) {
  return pair->until([&] {
    mailbox->run(0);
    return holds();
  });
}

SftpResult<SftpAnswer> SftpClientWorld::ask(SftpCall call) {
  std::optional<SftpResult<SftpAnswer>> got;
  client->ask(std::move(call), mailbox, [&got](SftpResult<SftpAnswer> answer) { got = std::move(answer); });
  EXPECT_TRUE(until([&] { return got.has_value(); }));
  return got ? std::move(*got) : SftpResult<SftpAnswer>(sftp_fault(SftpFault::Kind::lost, "no answer"));
}

std::vector<uint8_t> SftpClientWorld::open(const std::string& path, uint32_t flags) {
  const auto answer = ask(sftp_call::open(path, flags));
  if (!answer) return ADD_FAILURE() << answer.error().text, std::vector<uint8_t>();
  auto handle = sftp_answer::handle(*answer);
  if (!handle) return ADD_FAILURE() << handle.error().text, std::vector<uint8_t>();
  return *handle;
}

TransferEnd SftpClientWorld::move(TransferOrder order) {
  std::optional<TransferEnd> got;
  client->start(std::move(order), mailbox, [&got](TransferEnd end) { got = std::move(end); });
  EXPECT_TRUE(until([&] { return got.has_value(); }));
  return got.value_or(TransferEnd{});
}

std::shared_ptr<UniqueFd> open_file(const std::string& path, int flags) {
  return std::make_shared<UniqueFd>(::open(path.c_str(), flags | O_CLOEXEC, 0600));
}

std::string pattern(size_t bytes, uint64_t seed) {
  CheapRandom random(seed);
  std::string out(bytes, 0);
  for (char& c : out) c = static_cast<char>(random.below(256));
  return out;
}

}  // namespace sluice::test
