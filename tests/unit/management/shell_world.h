// For tests of the shell: a server that is none, with sessions as a network process would tell of them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "control/management/management_server.h"
#include "tests/support/temp_folder.h"
#include "tests/unit/config/config_world.h"

namespace sluice::test {

class FakeHost : public ManagementHost {
 public:
  const ServerConfig& running() const override { return config; }
  const Machine& machine() const override { return kMachine; }
  void ask(const std::string& question, Answered answered) override {
    asked.push_back(question);
    if (question == "facts") return answered(facts.write());
    const std::string text = "did " + question + "\n";
    answered(std::vector<uint8_t>(text.begin(), text.end()));
  }
  void put_into_effect(const ServerConfig& wanted, std::function<void(ResultOrText<std::string>)> done) override {
    if (!refusal.empty()) return done(fail(refusal));
    config = wanted;
    if (hold_changes) return held_changes.push_back(std::move(done));
    done(std::string());
  }
  std::vector<EngineFacts> engines() const override { return monitor_engines; }
  std::string saved() const override { return file; }
  ResultOrText<std::string> save(const ServerConfig& saved_config) override {
    file = running_config(saved_config, kMachine);
    return std::string("/conf");
  }
  ResultOrText<HostKeyStore> host_keys() const override { return HostKeyStore::open(folder.path() + "/keys"); }
  void host_keys_changed(std::function<void()> done) override {
    ++key_changes;
    done();
  }
  bool run_slowly(std::function<void()> work, std::function<void()> then) override {
    work();
    then();
    return true;
  }
  uint64_t started_ms() const override { return 0; }
  std::function<std::vector<BrokerFacts>()> broker_census() const override {
    return [] { return std::vector<BrokerFacts>{{4711, "ann", 3600, 2, 2048}}; };
  }

  ServerConfig config = config_of("");
  std::vector<EngineFacts> monitor_engines;
  NetworkFacts facts;
  std::string file;
  std::string refusal;
  bool hold_changes = false;
  std::vector<std::function<void(ResultOrText<std::string>)>> held_changes;
  int key_changes = 0;
  std::vector<std::string> asked;
  TempFolder folder;
};

class ShellTest : public testing::Test {
 protected:
  ShellReply run(const std::string& line) {
    ShellReply got;
    shell.execute(line, [&](ShellReply reply) { got = std::move(reply); });
    return got;
  }
  std::string output(const std::string& line) { return run(line).output; }
  void be(const char* platform) { host.config = config_of(text("platform ", platform, "\nhostname router\n")); }
  std::vector<std::string> words(std::string_view line) {
    std::vector<std::string> found;
    for (const Candidate& one : shell.complete(line)) found.push_back(one.word);
    return found;
  }

  FakeHost host;
  ConfigLedger ledger{host};
  ShellSession shell{host, ledger, {"lab", 15, "console"}, false};
};

// What scripts that were made for routers see of a line.
inline std::vector<std::string> tokens(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

inline bool has_line(const std::string& text, const std::string& wanted) {
  const auto lines = lines_of(text);
  return std::any_of(lines.begin(), lines.end(), [&](const auto& line) { return tokens(line) == tokens(wanted); });
}

inline SessionFacts a_session() {
  SessionFacts session;
  session.id = 15;
  session.user = "admin";
  session.source = "192.168.122.1";
  session.port = 37764;
  session.local = "192.0.2.1";
  session.local_port = 5520;
  session.methods = "password";
  session.kex = "ecdh-sha2-nistp256";
  session.host_key = "ecdsa-sha2-nistp256";
  session.in = {"aes128-ctr", "hmac-sha2-256", 1000, 900 << 20, 10, 3000};
  session.out = {"aes128-ctr", "hmac-sha2-256", 2000, 800 << 20, 20, 2400};
  session.exchanges = 9;
  session.idle_ms = 157000;
  session.channels = {{1, "port-forwarded-local", false, 0}, {2, "Command-Line-Interface", true, 0}};
  return session;
}

}  // namespace sluice::test
