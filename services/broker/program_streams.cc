// Pipes for bulk, terminals by /dev/ptmx, each made with the user's own rights.
#include "services/broker/program_streams.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "services/broker/packet_socket.h"
#include "services/shell/terminal_modes.h"

namespace sluice {
namespace {

// A record's worth a system call, and no program waits for the other for each 64 KiB.
constexpr int kAmplePipe = 1 << 20;

struct Pipe {
  UniqueFd read, write;
};

Outcome<Pipe> open_pipe(bool ample) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return system_failure();
  Pipe pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
  // Refused beyond the user's share: then it is a small one.
  if (ample) (void)::fcntl(pipe.read.get(), F_SETPIPE_SZ, kAmplePipe);
  return pipe;
}

winsize system_size(const TerminalSize& size) {
  const auto cut = [](uint32_t n) { return static_cast<unsigned short>(std::min<uint32_t>(n, 0xffff)); };
  winsize out{};
  out.ws_row = cut(size.rows);
  out.ws_col = cut(size.columns);
  out.ws_xpixel = cut(size.width);
  out.ws_ypixel = cut(size.height);
  return out;
}

UniqueFd second(const UniqueFd& first) { return UniqueFd(::fcntl(first.get(), F_DUPFD_CLOEXEC, 3)); }

}  // namespace

Outcome<ProgramStreams> open_pipes(bool ample) {
  auto in = open_pipe(ample), out = open_pipe(ample), error = open_pipe(false);
  for (const auto* pipe : {&in, &out, &error})
    if (!*pipe) return tl::unexpected(pipe->error());
  for (const int end : {in->write.get(), out->read.get(), error->read.get()})
    if (!set_nonblocking(end)) return system_failure();
  ProgramStreams streams;
  streams.ends.push_back(std::move(in->write));
  streams.ends.push_back(std::move(out->read));
  streams.ends.push_back(std::move(error->read));
  streams.inner = {std::move(in->read), std::move(out->write), std::move(error->write)};
  return streams;
}

Outcome<ProgramStreams> open_terminal(const TerminalRequest& request) {
  UniqueFd ours(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  if (!ours) return system_failure();
  const int unlocked = 0;
  unsigned number = 0;
  if (::ioctl(ours.get(), TIOCSPTLCK, &unlocked) != 0 || ::ioctl(ours.get(), TIOCGPTN, &number) != 0)
    return system_failure();
  // Not by its name, which somebody else might have put there.
  UniqueFd theirs(::ioctl(ours.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!theirs) return system_failure();
  termios modes;
  if (::tcgetattr(theirs.get(), &modes) != 0) return system_failure();
  apply_terminal_modes(parse_terminal_modes(request.modes), modes);
  if (::tcsetattr(theirs.get(), TCSANOW, &modes) != 0) return system_failure();
  if (auto sized = resize_terminal(ours.get(), request.size); !sized) return tl::unexpected(sized.error());
  ProgramStreams streams;
  streams.inner = {second(theirs), second(theirs), second(theirs)};
  streams.terminal = second(ours);
  if (!streams.inner[0] || !streams.inner[1] || !streams.inner[2] || !streams.terminal) return system_failure();
  streams.ends.push_back(std::move(ours));
  streams.terminal_number = number;
  return streams;
}

Outcome<void> resize_terminal(int terminal, const TerminalSize& size) {
  const winsize wanted = system_size(size);
  if (::ioctl(terminal, TIOCSWINSZ, &wanted) != 0) return system_failure();
  return {};
}

}  // namespace sluice
