// Threads, a listener, and the smallest layers above the transport.
#include "apps/sluice/bench/load_end.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/message_numbers.h"
#include "base/random.h"
#include "base/wire.h"
#include "control/keys/fingerprint.h"
#include "drivers/socket_transport.h"

namespace sluice::bench {
namespace {

sockaddr_in address_of(const std::string& text, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  SLUICE_CHECK(::inet_pton(AF_INET, text.c_str(), &address.sin_addr) == 1);
  return address;
}

std::unique_ptr<DriverSet> drivers_named(const std::string& name) {
  auto set = make_driver_set(name);
  SLUICE_CHECK(set.has_value());
  return std::move(*set);
}

std::vector<std::unique_ptr<DriverSet>> make_drivers(const std::string& name, size_t count) {
  std::vector<std::unique_ptr<DriverSet>> sets;
  for (size_t i = 0; i < count; ++i) sets.push_back(drivers_named(name));
  return sets;
}

std::vector<std::unique_ptr<Worker>> make_workers(const std::vector<std::unique_ptr<DriverSet>>& drivers) {
  std::vector<std::unique_ptr<Worker>> workers;
  for (const auto& set : drivers) workers.push_back(std::make_unique<Worker>(*set));
  return workers;
}

std::vector<ControlPort*> ports_of(const std::vector<std::unique_ptr<Worker>>& workers) {
  std::vector<ControlPort*> ports;
  for (const auto& worker : workers) ports.push_back(&worker->port());
  return ports;
}

class LoadConnection final : public Connection {
 public:
  LoadConnection(HostKeySigner& keys, std::atomic<uint64_t>& rekeys, std::atomic<uint64_t>& ended,
                 const LoadServerOptions& options, std::function<void()> authenticated)
      : keys_(keys),
        rekeys_(rekeys),
        ended_(ended),
        on_exchange_(options.on_exchange),
        authenticated_(std::move(authenticated)) {}

  void attach(TransportMachine& machine) override { machine_ = &machine; }
  HostKeySigner* host_keys() override { return &keys_; }
  void on_keyed(Bytes) override { tell_exchange(); }
  bool on_service(std::string_view name) override { return name == "ssh-userauth"; }
  bool on_message(Bytes payload, uint32_t) override {
    if (payload[0] == kMsgGlobalRequest) {
      WireReader reader(payload);
      reader.u8();
      reader.text();
      if (reader.boolean()) machine_->send(WireWriter().u8(kMsgRequestFailure).take());
      return true;
    }
    if (payload[0] != kMsgUserauthRequest) return false;
    machine_->set_authenticated();
    authenticated_();
    machine_->send(WireWriter().u8(kMsgUserauthSuccess).take());
    return true;
  }
  void on_ext_info(std::string_view, Bytes) override {}
  void on_rekeyed() override {
    ++rekeys_;
    tell_exchange();
  }
  void on_ended() override { ++ended_; }
  void on_disconnect(uint32_t, std::string_view) override {}

 private:
  void tell_exchange() {
    if (on_exchange_) on_exchange_(*machine_);
  }

  HostKeySigner& keys_;
  std::atomic<uint64_t>& rekeys_;
  std::atomic<uint64_t>& ended_;
  const std::function<void(const TransportMachine&)> on_exchange_;
  std::function<void()> authenticated_;
  TransportMachine* machine_ = nullptr;
};

}  // namespace

void rekey_at_random(ControlLoop& loop, const std::shared_ptr<SessionId>& session, uint64_t mean_ms) {
  if (mean_ms == 0) return;
  uint64_t random;
  fill_random({reinterpret_cast<uint8_t*>(&random), sizeof random});
  loop.after(static_cast<int64_t>(1 + random % (2 * mean_ms)), [&loop, session, mean_ms] {
    TransportMachine* machine = loop.machine(*session);
    if (machine == nullptr) return;
    machine->rekey();
    rekey_at_random(loop, session, mean_ms);
  });
}

const PrivateKey* LocalHostKeys::key_for(std::string_view algorithm) const {
  const SignatureAlgorithm* row = find_signature_algorithm(algorithm);
  for (const PrivateKey& key : keys_) {
    if (row != nullptr && key.type() == row->key_type) return &key;
  }
  return nullptr;
}

NameList LocalHostKeys::algorithms() const {
  NameList names;
  for (const SignatureAlgorithm& row : all_signature_algorithms()) {
    if (row.on_by_default && key_for(row.name) != nullptr) names.emplace_back(row.name);
  }
  return names;
}

std::vector<std::string> LocalHostKeys::fingerprints() const {
  std::vector<std::string> out;
  for (const PrivateKey& key : keys_) out.push_back(sha256_fingerprint(key.public_key()));
  return out;
}

std::vector<uint8_t> LocalHostKeys::public_blob(std::string_view algorithm) const {
  const Bytes blob = key_for(algorithm)->public_key().blob();
  return {blob.begin(), blob.end()};
}

void LocalHostKeys::sign(std::string_view, std::string_view algorithm, Bytes exchange_hash, Signed then) {
  auto signature = key_for(algorithm)->sign(algorithm, exchange_hash);
  SLUICE_CHECK(signature.has_value());
  then(std::move(*signature));
}

std::vector<PrivateKey> all_host_keys() {
  std::vector<PrivateKey> keys;
  for (const KeyType type :
       {KeyType::ed25519, KeyType::ecdsa_nistp256, KeyType::ecdsa_nistp384, KeyType::ecdsa_nistp521}) {
    keys.push_back(std::move(*PrivateKey::generate(type)));
  }
  keys.push_back(std::move(*PrivateKey::generate(KeyType::rsa, 2048)));
  return keys;
}

LoadEnd::LoadEnd(const std::string& driver, size_t workers, const WorkPoolLimits& pool)
    : drivers_(make_drivers(driver, workers)),
      pool_(pool),
      workers_(make_workers(drivers_)),
      loop_(ports_of(workers_), pool_) {
  if (driver != "" && driver != "ipsec_mb" && driver != "openssl") return;
  porch_drivers_ = drivers_named("openssl");
  porch_ = std::make_unique<Worker>(*porch_drivers_);
  loop_.set_porch(*porch_);
}

LoadEnd::~LoadEnd() { stop(); }

void LoadEnd::start() {
  for (const auto& worker : workers_) threads_.emplace_back([&worker = *worker] { worker.run(); });
  threads_.emplace_back([this] { loop_.run(); });
}

void LoadEnd::stop() {
  loop_.stop();
  for (const auto& worker : workers_) worker->stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

LoadServer::LoadServer(LoadEnd& end, LoadServerOptions options, uint16_t port)
    : end_(end), options_(std::move(options)), host_keys_(all_host_keys()) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = address_of(options_.address, port);
  socklen_t size = sizeof address;
  SLUICE_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 && ::listen(listener_, 1024) == 0);
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  end_.loop().watch(listener_, [this] { accept_all(); });
}

LoadServer::~LoadServer() {
  end_.stop();
  ::close(listener_);
}

void LoadServer::set_offer(const TransportConfig& config, const RekeyLimits& limits) {
  options_.config = config;
  options_.limits = limits;
}

void LoadServer::accept_all() {
  for (;;) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    ++accepted_;
    auto session = std::make_shared<SessionId>(0);
    ControlLoop& loop = end_.loop();
    auto connection = std::make_unique<LoadConnection>(host_keys_, rekeys_, ended_, options_, [&loop, session] {
      loop.open_channels(*session, std::make_unique<EchoChannel>());
    });
    *session = loop.add(std::make_unique<SocketTransport>(fd), options_.config, options_.limits, "127.0.0.1",
                        std::move(connection));
    rekey_at_random(loop, session, options_.rekey_mean_ms);
  }
}

}  // namespace sluice::bench
