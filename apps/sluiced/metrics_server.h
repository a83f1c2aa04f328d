// MetricsServer: Prometheus' text by HTTP, on control's thread: GET /metrics and nothing else.
//
// Few connections, short requests, a few seconds each: whoever wants more gets the end of the connection.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>

#include "base/unique_fd.h"
#include "control/config/management_settings.h"
#include "control/control_loop.h"

namespace sluice {

// While the process still may.
ResultOrText<UniqueFd> listen_for_metrics(const MetricsSettings& settings);

class MetricsServer {
 public:
  MetricsServer(ControlLoop& loop, UniqueFd listener, std::function<std::string()> text);

 private:
  struct Scrape {
    UniqueFd socket;
    uint64_t number;
    std::string request = {};
    std::string answer = {};
    size_t sent = 0;
  };

  void accept();
  void step(int descriptor);
  const std::string& fresh_text();
  void send(Scrape& scrape);
  void drop(int descriptor);

  ControlLoop& loop_;
  UniqueFd listener_;
  std::function<std::string()> text_;
  std::string made_;
  uint64_t made_ns_ = 0;
  uint64_t numbers_ = 0;
  std::unordered_map<int, Scrape> scrapes_;
};

}  // namespace sluice
