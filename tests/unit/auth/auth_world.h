// What the authentication tests share: messages as a client writes them, keys, a monitor without threads.
#pragma once

#include <gtest/gtest.h>

#include "base/wire.h"
#include "control/auth/auth_client.h"
#include "control/auth/auth_server.h"
#include "control/auth/backends/hashed_secret.h"
#include "control/auth/backends/local_users.h"
#include "control/keys/private_key.h"
#include "control/monitor/monitor.h"
#include "control/monitor/monitor_client.h"

namespace sluice::test {

inline Secret secret(std::string_view text) { return Secret(bytes_of(text)); }

inline const PrivateKey& key_of(KeyType type) {
  static std::map<KeyType, PrivateKey> keys;
  const auto found = keys.find(type);
  if (found != keys.end()) return found->second;
  return keys.emplace(type, std::move(*PrivateKey::generate(type, type == KeyType::rsa ? 2048 : 0))).first->second;
}

inline const PrivateKey& other_key() {
  static const auto key = PrivateKey::generate(KeyType::ed25519);
  return *key;
}

inline WireWriter request_head(std::string_view user, std::string_view method,
                               std::string_view service = kConnectionService) {
  WireWriter out;
  out.u8(50).string(user).string(service).string(method);
  return out;
}

inline std::vector<uint8_t> none_request(std::string_view user = "ann") { return request_head(user, "none").take(); }

inline std::vector<uint8_t> password_request(std::string_view password, std::string_view user = "ann") {
  return request_head(user, "password").boolean(false).string(password).take();
}

inline std::vector<uint8_t> query_request(const PublicKey& key, std::string_view algorithm,
                                          std::string_view user = "ann") {
  return request_head(user, "publickey").boolean(false).string(algorithm).string(key.blob()).take();
}

inline std::vector<uint8_t> interactive_request(std::string_view user = "ann") {
  return request_head(user, "keyboard-interactive").string("").string("").take();
}

inline AuthQuestion proof_question(const PrivateKey& key, std::string_view algorithm, Bytes session_id,
                                   std::string_view user = "ann") {
  AuthQuestion question;
  question.kind = QuestionKind::key_proof;
  question.user = user;
  question.algorithm = algorithm;
  const Bytes blob = key.public_key().blob();
  question.key.assign(blob.begin(), blob.end());
  question.signature = *key.sign(algorithm, publickey_signed_data(session_id, user, algorithm, blob));
  return question;
}

// PROTOCOL.certkeys: what an authority says of a key.
struct Certified {
  std::vector<std::string> names{"ann"};
  uint32_t kind = 1;
  uint64_t after = 0, before = UINT64_MAX;
  std::string critical = {};  // the name of an option without a value
};

inline std::vector<uint8_t> certificate_of(const PublicKey& key, std::string_view format, const PrivateKey& authority,
                                           std::string_view authority_algorithm, const Certified& says = {}) {
  WireWriter out, names, critical;
  for (const std::string& name : says.names) names.string(name);
  if (!says.critical.empty()) critical.string(says.critical).string("");
  WireReader fields(key.blob());
  (void)fields.string();
  out.string(format).string("nonce").raw(fields.rest()).u64(7).u32(says.kind).string("the id").string(names.view());
  out.u64(says.after).u64(says.before).string(critical.view()).string("").string("");
  out.string(authority.public_key().blob());
  const auto signature = *authority.sign(authority_algorithm, out.view());
  return out.string(signature).take();
}

inline AuthQuestion certified_question(const PrivateKey& key, std::string_view algorithm, std::string_view plain,
                                       std::vector<uint8_t> certificate, Bytes session_id,
                                       std::string_view user = "ann") {
  AuthQuestion question;
  question.kind = QuestionKind::key_proof;
  question.user = user;
  question.algorithm = algorithm;
  question.signature = *key.sign(plain, publickey_signed_data(session_id, user, algorithm, certificate));
  question.key = std::move(certificate);
  return question;
}

inline AuthQuestion password_question(std::string_view password, std::string_view user = "ann") {
  AuthQuestion question;
  question.kind = QuestionKind::password;
  question.user = user;
  question.password = secret(password);
  return question;
}

inline LocalUser local_user(std::string name, std::string_view password, std::vector<PublicKey> keys = {}) {
  LocalUser user;
  user.name = std::move(name);
  // Cheap rounds: these tests hash often and measure nothing.
  if (!password.empty()) user.hashed_secret = hash_secret(secret(password));
  for (PublicKey& key : keys) user.keys.push_back({0, {}, std::move(key), ""});
  return user;
}

// Runs each job where it is submitted; its completion waits for pump().
class InlineRunner : public JobRunner {
 public:
  bool submit(const WorkOrigin&, Job job) override {
    if (full) return false;
    job();
    return true;
  }
  bool full = false;
};

inline std::vector<uint8_t> some_hash(size_t size, uint8_t fill = 7) { return std::vector<uint8_t>(size, fill); }

// Outlives the monitor, as its owner sees to.
inline std::shared_ptr<LoginBackend> borrowed(LoginBackend& backend) { return {std::shared_ptr<void>(), &backend}; }

// A monitor and its client in one process, packets carried by hand.
struct MonitorWorld {
  explicit MonitorWorld(MonitorConfig config = {}, LoginBackend* backend = nullptr) {
    HostKeys keys = HostKeys::none();
    keys.add(std::move(*PrivateKey::generate(KeyType::ed25519)));
    host_key = keys.offered()[0].blob;
    monitor.emplace(std::move(config), std::move(keys), borrowed(backend ? *backend : users), runner, runner,
                    completions);
  }

  std::vector<MonitorEvent> pump() {
    std::vector<MonitorEvent> events;
    for (int i = 0; i < 8; ++i) {
      while (!client.output().empty()) {
        link_alive = monitor->take_packet(client.output().front(), now) && link_alive;
        client.output().pop();
      }
      completions->run();
      while (!monitor->output().empty()) {
        UniqueFd descriptor;
        if (monitor->output().front_descriptor() >= 0)
          descriptor = UniqueFd(::dup(monitor->output().front_descriptor()));
        auto taken = client.take_packet(monitor->output().front(), std::move(descriptor));
        monitor->output().pop();
        EXPECT_TRUE(taken);
        for (auto& event : *taken) events.push_back(std::move(event));
      }
    }
    return events;
  }

  SignRequest sign_request(uint8_t fill = 7) const {
    return {"curve25519-sha256", "ssh-ed25519", host_key, some_hash(32, fill)};
  }

  // Opened and past its first key exchange.
  uint32_t connection(uint8_t fill = 7) {
    const uint32_t id = client.open({"192.0.2.1", ""});
    client.sign(id, sign_request(fill));
    pump();
    return id;
  }

  AuthVerdict judge(uint32_t connection, const AuthQuestion& question) {
    client.ask(connection, question);
    for (auto& event : pump())
      if (auto* judged = std::get_if<Judged>(&event)) return std::move(judged->verdict);
    ADD_FAILURE() << "no verdict";
    return {};
  }

  std::string condemnation(const std::vector<MonitorEvent>& events) const {
    for (const auto& event : events)
      if (const auto* condemned = std::get_if<Condemned>(&event)) return condemned->reason;
    return {};
  }

  LocalUsers users;
  InlineRunner runner;
  std::shared_ptr<Completions> completions = std::make_shared<Completions>();
  std::vector<uint8_t> host_key;
  std::optional<Monitor> monitor;
  MonitorClient client;
  Instant now{1000};
  bool link_alive = true;
};

}  // namespace sluice::test
