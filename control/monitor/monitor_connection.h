// What the monitor knows of one connection.
#pragma once

#include "control/monitor/monitor.h"

namespace sluice {

struct Monitor::Connection {
  explicit Connection(std::shared_ptr<const Rules> by) : rules(std::move(by)), login(rules->config.login) {}

  std::shared_ptr<const Rules> rules;
  uint32_t id = 0;
  LoginSource source;
  Instant opened{0};
  uint32_t last_request = 0;
  std::vector<uint8_t> session_id;
  unsigned signs = 0;
  unsigned open_requests = 0;
  bool asking = false;
  uint32_t question_request = 0;  // the open question's number
  bool condemned = false;
  LoginState login;
  std::shared_ptr<Conversation> conversation;
  size_t prompts_out = 0;
  bool broker_asked = false;
  unsigned broker_links = 0;
};

}  // namespace sluice
