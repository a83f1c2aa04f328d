// Fuzz target: packets to the monitor and to its client, from a network process and a monitor that lie as they like.
#include "base/check.h"
#include "base/log.h"
#include "control/monitor/monitor.h"
#include "control/monitor/monitor_client.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace sluice {
namespace {

// Knows one user, answers at once, never lets in: whoever gets in through it has found a hole.
class NobodyBackend : public LoginBackend {
 public:
  bool knows(std::string_view user) const override { return user == "ann"; }
  LoginAnswer judge_key(std::string_view, const PublicKey&, const LoginSource&) override { return refused("no"); }
  LoginAnswer judge_certificate(std::string_view, const Certificate&, const LoginSource&) override {
    return refused("no");
  }
  LoginAnswer check_password(std::string_view, const Secret& password, const LoginSource&) override {
    return password.size() % 2 ? refused("no") : change_wanted("yes");
  }
  LoginAnswer change_password(std::string_view, const Secret&, const Secret&, const LoginSource&) override {
    return change_wanted("again");
  }
};

class InlineRunner : public JobRunner {
 public:
  bool submit(const WorkOrigin&, Job job) override {
    job();
    return true;
  }
};

const HostKeys& host_keys() {
  static const HostKeys keys = [] {
    HostKeys made = HostKeys::none();
    made.add(std::move(*PrivateKey::generate(KeyType::ed25519)));
    return made;
  }();
  return keys;
}

void drive_monitor(Bytes packets) {
  static const auto backend = std::make_shared<NobodyBackend>();
  static InlineRunner runner;
  auto completions = std::make_shared<Completions>();
  Monitor monitor({}, host_keys(), backend, runner, runner, completions);
  // A connection past its key exchange, so that questions reach the login.
  MonitorClient client;
  const uint32_t id = client.open({"192.0.2.1", ""});
  client.sign(id, {"curve25519-sha256", "ssh-ed25519", host_keys().offered()[0].blob, std::vector<uint8_t>(32)});
  SLUICE_CHECK(monitor.take_packet(client.output().front(), Instant(0)));
  while (!packets.empty()) {
    const size_t half = packets.size() > 512 ? packets.size() / 2 : packets.size();
    const bool good = monitor.take_packet(packets.first(half), Instant(1));
    for (int i = 0; i < 4; ++i) completions->run();
    packets = packets.subspan(half);
    if (!good) break;
  }
  for (uint32_t connection = 0; connection < 8; ++connection) SLUICE_CHECK(!monitor.permit_of(connection));
}

void drive_client(Bytes packet) {
  MonitorClient client;
  client.list_host_keys();
  const uint32_t id = client.open({"192.0.2.1", ""});
  client.ask(id, {});
  client.start_broker(id);
  (void)client.take_packet(packet);
}

void read_bodies(Bytes body) {
  if (auto verdict = read_verdict(body)) {
    const auto written = write_verdict(*verdict);
    SLUICE_CHECK(read_verdict(written).has_value());
  }
  (void)read_open(body);
  (void)read_sign(body);
  (void)read_prove(body);
  (void)read_host_keys(body);
  (void)read_blobs(body);
  (void)read_broker(body);
  (void)read_reason(body);
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::set_log_level(sluice::LogLevel::error);
  static const bool quiet = [] {
    sluice::set_log_sink([](sluice::LogLevel, std::string_view) {});
    return true;
  }();
  (void)quiet;
  sluice::drive_monitor({data, size});
  sluice::drive_client({data, size});
  sluice::read_bodies({data, size});
  return 0;
}
