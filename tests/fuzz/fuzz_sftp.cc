// Fuzzes the SFTP service: hostile requests, cut anywhere, with a broker that answers anything and files in memory.
#include <sys/mman.h>

#include "base/check.h"
#include "base/random.h"
#include "services/broker/packet_socket.h"
#include "services/connection/connection_notes.h"
#include "services/sftp/sftp_protocol.h"
#include "services/sftp/sftp_service.h"
#include "tests/support/fake_channel.h"

namespace {

using namespace sluice;

// A broker's answers without files: of the right kind, or a failure, as the seed says.
class StubBroker {
 public:
  StubBroker(UniqueFd end, uint64_t seed) : end_(std::move(end)), random_(seed) {
    SLUICE_CHECK(set_nonblocking(end_.get()));
  }

  void serve() {
    for (;;) {
      const ReceivedPacket packet = receive_packet(end_.get(), kMaxBrokerPacket, 0);
      if (packet.outcome != PacketOutcome::packet) return;
      const auto request = read_request(packet.bytes);
      SLUICE_CHECK(request.has_value());
      std::vector<UniqueFd> given;
      const auto answer = write_answer(request->request, answer_to(request->body, given));
      SLUICE_CHECK(answer.has_value());
      (void)send_packet(end_.get(), *answer, given);
    }
  }

 private:
  BrokerAnswer answer_to(const BrokerRequest& request, std::vector<UniqueFd>& given) {
    if (random_.below(8) == 0) return Failure{static_cast<BrokerFault>(random_.below(20)), 0, "No"};
    if (std::holds_alternative<OpenFile>(request)) {
      given.emplace_back(::memfd_create("file", MFD_CLOEXEC));
      SLUICE_CHECK(given.back() && ::ftruncate(given.back().get(), 5000) == 0);
      return FileOpened{++handle_, {}};
    }
    if (std::holds_alternative<OpenDirectory>(request)) return DirectoryOpened{++handle_};
    if (std::holds_alternative<ReadDirectory>(request)) {
      Entries entries;
      entries.last = random_.below(3) == 0;
      for (uint64_t i = random_.below(5); i > 0; --i) entries.entries.push_back({"name", {}, "owner", "group"});
      return entries;
    }
    if (std::holds_alternative<StatPath>(request) || std::holds_alternative<StatHandle>(request)) return Attributes{};
    if (std::holds_alternative<NameIds>(request)) return Names{{"a"}, {"b"}};
    if (std::holds_alternative<CheckFile>(request)) return Hashes{"md5", std::vector<uint8_t>(16)};
    if (std::holds_alternative<StatFilesystem>(request) || std::holds_alternative<StatFilesystemOf>(request))
      return Filesystem{};
    if (std::holds_alternative<ResolvePath>(request) || std::holds_alternative<ReadSymlink>(request))
      return PathFound{"/x"};
    return Done{};
  }

  UniqueFd end_;
  CheapRandom random_;
  uint32_t handle_ = 0;
};

// A handle is no guess of a fuzzer's: twelve dots in its input become the one that was given last.
void put_handle(std::vector<uint8_t>& input, Bytes handle) {
  if (handle.size() != 12) return;
  for (size_t i = 0; i + 12 <= input.size(); ++i) {
    if (text_of(Bytes(input).subspan(i, 12)) == "............") std::copy(handle.begin(), handle.end(), &input[i]);
  }
}

}  // namespace

// Byte 0: the broker's seed. Byte 1: how input is cut. Byte 2: how much room each turn has. The rest: requests.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  auto [ours, theirs] = make_packet_pair();
  StubBroker broker(std::move(theirs), data[0]);
  test::FakeHost host;
  test::FakeChannel channel(host);
  const ServiceMakers makers;
  ConnectionServices connection(makers, std::make_shared<const ServiceSettings>(), LoginFacts{});
  connection.attach(host);
  const std::unique_ptr<Service> service = make_sftp_service(connection);
  service->attach(channel);
  SinkNote note;
  note.kind = static_cast<uint32_t>(ConnectionNote::broker);
  note.descriptor = std::move(ours);
  connection.on_note(std::move(note));
  const auto turn = [&] {
    broker.serve();
    host.poll(0);
    channel.room = data[2] % 5;
    connection.on_turn();
    service->on_turn();
  };
  std::vector<uint8_t> greeting{0, 0, 0, 5, 1, 0, 0, 0, 3};
  std::vector<uint8_t> opening{0, 0, 0, 18, 3, 0, 0, 0, 1, 0, 0, 0, 1, 'f', 0, 0, 0, 3, 0, 0, 0, 0};
  for (auto* bytes : {&greeting, &opening}) {
    const MutableBytes view(*bytes);
    service->on_data({&view, 1});
  }
  for (int i = 0; i < 4; ++i) turn();
  std::vector<uint8_t> input(data + 3, data + size);
  const size_t sent = channel.data.size();
  put_handle(input, sent > 25 && channel.data[sent - 21] == 102 ? Bytes(channel.data).last(12) : Bytes{});
  const size_t step = data[1] == 0 ? input.size() + 1 : data[1];
  for (size_t at = 0; at < input.size(); at += step) {
    const MutableBytes piece = MutableBytes(input).subspan(at, std::min(step, input.size() - at));
    if (!channel.closed) service->on_data({&piece, 1});
    if (at / step % 4 == 0) turn();
  }
  if (!channel.closed) service->on_eof();
  for (int i = 0; i < 8; ++i) turn();
  return 0;
}
