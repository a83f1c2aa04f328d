// fork, wait, tell the monitor, again.
#include "services/broker/starter_keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "services/broker/packet_socket.h"
#include "services/broker/starter_protocol.h"

namespace sluice {
namespace {

// What the dead one was sent and did not read: nobody waits for it any more.
void drop_orders(int orders) {
  while (receive_packet(orders, kMaxStarterPacket, 0).outcome == PacketOutcome::packet) {}
}

bool monitor_is_there(int orders) {
  pollfd end{orders, 0, 0};
  return ::poll(&end, 1, 0) >= 0 && (end.revents & (POLLHUP | POLLERR)) == 0;
}

}  // namespace

void keep_starter(UniqueFd orders, const StarterSettings& settings, const DigestMaker& digests) {
  ::signal(SIGCHLD, SIG_DFL);
  ::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  ::prctl(PR_SET_NAME, "sluiced-keeper");
  if (!keep_only(orders)) return;
  if (settings.silent && !silence_streams()) return;
  for (int i = 0; i < kMostStarters; ++i) {
    const pid_t starter = ::fork();
    if (starter < 0) return;
    if (starter == 0) {
      ::prctl(PR_SET_NAME, "sluiced-starter");
      // Without its keeper nobody would follow it; with it go neither brokers nor sessions.
      run_starter(std::move(orders), settings, digests);
      ::_exit(0);
    }
    int status = 0;
    while (::waitpid(starter, &status, 0) < 0 && errno == EINTR) {}
    if (!monitor_is_there(orders.get())) return;
    drop_orders(orders.get());
    if (const auto note = encode(LinkMade{0, "the process that starts sessions was started again"}))
      (void)send_packet(orders.get(), *note, {});
    ::usleep(kStarterPauseMs * 1000);
  }
}

}  // namespace sluice
