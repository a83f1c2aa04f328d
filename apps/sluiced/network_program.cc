// The network process as a program: started by the first process, told what it may know, and begun.
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>

#include "apps/sluiced/log_output.h"
#include "apps/sluiced/network_process.h"

namespace sluice {

int run_network_program(int descriptor) {
  ::prctl(PR_SET_NAME, "sluiced-net");
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  ProcessLink orders{UniqueFd(descriptor)};
  auto first = orders.receive_first();
  if (!first || first->order != Order::begin || first->descriptors.size() < 2) return 1;
  const Machine machine = Machine::here();
  auto text = read_text_file(first->descriptors[0].get(), kMaxNetworkText);
  ParsedConfig parsed;
  if (text) parsed = parse_config_text({"configuration", *text, ""}, machine);
  if (!text || !parsed.ok()) {
    orders.send(Order::failed, text ? parsed.errors.front().text() : text.error());
    return 1;
  }
  open_log(parsed.config, first->text == kForeground);
  open_transfer_log(parsed.config.sftp.transfer_log_file);
  std::vector<int> places;
  for (size_t i = 2; i < first->descriptors.size(); ++i) places.push_back(first->descriptors[i].get());
  std::vector<ListeningSocket> sockets = ListeningSocket::copies(places);
  UniqueFd monitor = std::move(first->descriptors[1]);
  first.reset();
  return run_network({std::move(parsed.config), std::move(sockets), std::move(monitor), std::move(orders), machine});
}

void become_network_program(const ProcessLink& orders) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Nothing else is handed down.
  ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  ::fcntl(orders.descriptor(), F_SETFD, 0);
  std::string name = "sluiced", word = kNetworkWord, number = std::to_string(orders.descriptor());
  const std::array<char*, 4> words{name.data(), word.data(), number.data(), nullptr};
  ::execv("/proc/self/exe", words.data());
}

}  // namespace sluice
