// Fuzz target: what an operator's end of the socket may say, frame by frame, with the shell behind it; and the facts of
// a network process that may be anybody's by now.
#include "base/check.h"
#include "control/management/management_protocol.h"
#include "control/management/prometheus_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using namespace sluice;

constexpr Machine kMachine{4, uint64_t{8} << 30, true};

class Host final : public ManagementHost {
 public:
  const ServerConfig& running() const override { return config_; }
  const Machine& machine() const override { return kMachine; }
  void ask(const std::string&, Answered answered) override { answered(facts); }
  void put_into_effect(const ServerConfig& config, std::function<void(ResultOrText<std::string>)> done) override {
    config_ = config;
    done(std::string());
  }
  std::string saved() const override { return {}; }
  ResultOrText<std::string> save(const ServerConfig&) override { return std::string("/"); }
  ResultOrText<HostKeyStore> host_keys() const override { return fail(std::string("none")); }
  void host_keys_changed(std::function<void()> done) override { done(); }
  bool run_slowly(std::function<void()>, std::function<void()>) override { return false; }
  uint64_t started_ms() const override { return 0; }
  std::function<std::vector<BrokerFacts>()> broker_census() const override {
    return [] { return std::vector<BrokerFacts>(); };
  }

  std::vector<uint8_t> facts = NetworkFacts().write();

 private:
  ServerConfig config_ = default_config(Platform::sluice, kMachine);
};

void answer(ShellSession& shell, const ManagementRequest& request) {
  if (const auto* complete = std::get_if<CompleteRequest>(&request)) {
    for (const Candidate& one : shell.complete(complete->line)) SLUICE_CHECK(!one.word.empty());
  } else if (const auto* line = std::get_if<LineRequest>(&request)) {
    bool answered = false;
    shell.execute(line->line, [&](const ShellReply& reply) {
      answered = true;
      const auto frame = write_management_reply(reply);
      SLUICE_CHECK(read_management_reply(Bytes(frame).subspan(4)).has_value());
    });
    SLUICE_CHECK(answered && !shell.busy());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes input(data, size);
  if (const auto facts = NetworkFacts::read(input)) {
    const auto again = facts->write();
    SLUICE_CHECK(NetworkFacts::read(again).has_value());
    SLUICE_CHECK(!prometheus_text(*facts).empty());
  }
  const auto wishes = read_wishes(text_of(input));
  SLUICE_CHECK(wishes.size() <= kMostWishesTold && read_wishes(wishes_text(wishes)) == wishes);
  Host host;
  host.facts.assign(input.begin(), input.end());
  ConfigLedger ledger(host);
  ShellSession shell(host, ledger, {"fuzz", 15, "console"}, size % 2 == 0);
  FrameBuffer frames(kMaxManagementRequest);
  frames.add(input);
  for (int i = 0; i < 64; ++i) {
    const auto frame = frames.next();
    if (!frame || !*frame) break;
    if (const auto request = read_management_request(**frame)) answer(shell, *request);
    SLUICE_CHECK(shell.debug_wishes().size() <= kMostWishes);
  }
  return 0;
}
