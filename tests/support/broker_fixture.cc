// Forked or run in a thread; answers waited for with a deadline.
#include "tests/support/broker_fixture.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "services/broker/packet_socket.h"

namespace sluice::test {
namespace {

constexpr int kPatienceMs = 60000;

class Sum final : public FileDigest {
 public:
  void update(Bytes input) override {
    for (const uint8_t byte : input) sum_ = sum_ * 31 + byte;
  }
  std::vector<uint8_t> finish() override {
    std::vector<uint8_t> out(16);
    store_be64(out.data(), std::exchange(sum_, 7));
    return out;
  }

 private:
  uint64_t sum_ = 7;
};

class SumMaker final : public DigestMaker {
 public:
  std::unique_ptr<FileDigest> make(std::string_view algorithm) const override {
    if (algorithm != "sha256" && algorithm != "md5") return nullptr;
    return std::make_unique<Sum>();
  }
};

void serve(UserIdentity identity, UniqueFd end, LinkPolicy policy) {
  Broker broker(std::move(identity), {.linger_ms = 0}, sum_digests());
  broker.attach(std::move(end), std::move(policy));
  broker.run();
}

}  // namespace

const DigestMaker& sum_digests() {
  static const SumMaker maker;
  return maker;
}

UserIdentity own_identity(const std::string& home) {
  UserIdentity identity;
  identity.name = "tester";
  identity.uid = ::getuid();
  identity.gid = ::getgid();
  identity.home = home;
  identity.shell = "/bin/sh";
  return identity;
}

BrokerFixture::BrokerFixture(UserIdentity identity, LinkPolicy policy, In in) {
  auto [ours, theirs] = make_packet_pair();
  SLUICE_CHECK(ours);
  if (in == In::thread) {
    thread_ =
        std::thread([identity = std::move(identity), end = std::move(theirs), policy = std::move(policy)]() mutable {
          serve(std::move(identity), std::move(end), std::move(policy));
        });
  } else {
    pid_ = ::fork();
    SLUICE_CHECK(pid_ >= 0);
    if (pid_ == 0) {
      ours.reset();
      serve(std::move(identity), std::move(theirs), std::move(policy));
      ::_exit(0);
    }
  }
  client_.emplace(std::move(ours));
}

BrokerFixture::~BrokerFixture() {
  client_.reset();
  link_.reset();
  if (thread_.joinable()) thread_.join();
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

UniqueFd BrokerFixture::take_link() {
  UniqueFd link(::dup(client_->descriptor()));
  client_.reset();
  return link;
}

std::optional<BrokerReceived> BrokerFixture::wait() {
  for (;;) {
    if (auto received = client_->receive()) return received;
    const short events = client_->wants_write() ? POLLIN | POLLOUT : POLLIN;
    pollfd link{client_->descriptor(), events, 0};
    if (!client_->alive() || ::poll(&link, 1, kPatienceMs) <= 0) return std::nullopt;
    client_->flush();
  }
}

BrokerReceived BrokerFixture::ask(const BrokerRequest& request) {
  const auto number = client_->send(request);
  while (number) {
    auto received = wait();
    if (!received) break;
    if (received->request == *number) return std::move(*received);
    events_.push_back(std::move(*received));
  }
  ADD_FAILURE() << "no answer";
  return {};
}

BrokerFault BrokerFixture::fault(const BrokerRequest& request) {
  const BrokerReceived received = ask(request);
  const auto* failure = std::get_if<Failure>(&received.answer);
  return failure ? failure->fault : BrokerFault::count_;
}

BrokerReceived BrokerFixture::next_event() {
  if (events_.empty()) {
    if (auto received = wait()) return std::move(*received);
    ADD_FAILURE() << "no event";
    return {};
  }
  BrokerReceived event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void BrokerFixture::unexpected(const BrokerReceived& received) {
  const auto* failure = std::get_if<Failure>(&received.answer);
  ADD_FAILURE() << "answer " << received.answer.index() << (failure ? ": " + failure->text : "");
}

}  // namespace sluice::test
