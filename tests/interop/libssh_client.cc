// A client on libssh for interop tests: connects, runs "cat", sends a file and writes what comes back.
//
// usage: libssh_client PORT < input > output
#include <libssh/libssh.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

[[noreturn]] void die(ssh_session session, const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, ssh_get_error(session));
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  ssh_session session = ssh_new();
  const unsigned port = static_cast<unsigned>(std::atoi(argv[1]));
  const int off = 0;
  ssh_options_set(session, SSH_OPTIONS_HOST, "127.0.0.1");
  ssh_options_set(session, SSH_OPTIONS_PORT, &port);
  ssh_options_set(session, SSH_OPTIONS_USER, "test");
  ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &off);
  if (ssh_connect(session) != SSH_OK) die(session, "connect");
  if (ssh_userauth_none(session, nullptr) != SSH_AUTH_SUCCESS) die(session, "userauth");
  ssh_channel channel = ssh_channel_new(session);
  if (ssh_channel_open_session(channel) != SSH_OK) die(session, "channel");
  if (ssh_channel_request_exec(channel, "cat") != SSH_OK) die(session, "exec");
  std::vector<char> buffer(32768);
  size_t unread = 0;
  const auto drain = [&](bool all) {
    while (unread > 0) {
      const int n = all ? ssh_channel_read_timeout(channel, buffer.data(), 32768, 0, 10000)
                        : ssh_channel_read_nonblocking(channel, buffer.data(), 32768, 0);
      if (n < 0) die(session, "read");
      if (n == 0) return;
      unread -= static_cast<size_t>(n);
      if (std::fwrite(buffer.data(), 1, static_cast<size_t>(n), stdout) != static_cast<size_t>(n)) std::exit(1);
    }
  };
  for (;;) {
    const ssize_t n = ::read(0, buffer.data(), buffer.size());
    if (n <= 0) break;
    if (ssh_channel_write(channel, buffer.data(), static_cast<uint32_t>(n)) != n) die(session, "write");
    unread += static_cast<size_t>(n);
    drain(false);
  }
  ssh_channel_send_eof(channel);
  drain(true);
  ssh_channel_free(channel);
  ssh_disconnect(session);
  ssh_free(session);
  return unread == 0 ? 0 : 1;
}
