// A server on libssh for interop tests: one connection, which is its standard input; echoes what a command is sent.
//
// usage: libssh_server AUTHORIZED_KEYS HOST_KEY...   started as inetd does
#include <libssh/libssh.h>
#include <libssh/server.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

constexpr int kMethods = SSH_AUTH_METHOD_PASSWORD | SSH_AUTH_METHOD_PUBLICKEY | SSH_AUTH_METHOD_INTERACTIVE;
constexpr const char* kPassword = "right pw";

[[noreturn]] void die(const char* what, void* handle) {
  std::fprintf(stderr, "%s: %s\n", what, ssh_get_error(handle));
  std::exit(1);
}

bool listed(const std::string& authorized, ssh_key key) {
  char* text = nullptr;
  if (ssh_pki_export_pubkey_base64(key, &text) != SSH_OK) return false;
  const bool found = authorized.find(text) != std::string::npos;
  ssh_string_free_char(text);
  return found;
}

// True: logged in. Everything else is answered here.
bool take_auth(ssh_session session, ssh_message message, const std::string& authorized) {
  switch (ssh_message_subtype(message)) {
    case SSH_AUTH_METHOD_PASSWORD:
      if (std::string(ssh_message_auth_password(message)) == kPassword) return true;
      break;
    case SSH_AUTH_METHOD_PUBLICKEY: {
      const auto state = ssh_message_auth_publickey_state(message);
      if (!listed(authorized, ssh_message_auth_pubkey(message))) break;
      if (state == SSH_PUBLICKEY_STATE_VALID) return true;
      if (state == SSH_PUBLICKEY_STATE_NONE) return ssh_message_auth_reply_pk_ok_simple(message), false;
      break;
    }
    case SSH_AUTH_METHOD_INTERACTIVE: {
      if (!ssh_message_auth_kbdint_is_response(message)) {
        const char* prompts[] = {"Password: ", "Colour: "};
        char echo[] = {0, 1};
        ssh_message_auth_interactive_request(message, "Dialogue", "Two questions.", 2, prompts, echo);
        return false;
      }
      const bool right = ssh_userauth_kbdint_getnanswers(session) == 2 &&
                         std::string(ssh_userauth_kbdint_getanswer(session, 0)) == kPassword &&
                         std::string(ssh_userauth_kbdint_getanswer(session, 1)) == "green";
      if (right) return true;
      break;
    }
    default: break;
  }
  ssh_message_auth_set_methods(message, kMethods);
  ssh_message_reply_default(message);
  return false;
}

// Runs until a command was asked for; null when the client left before.
ssh_channel serve_until_exec(ssh_session session, const std::string& authorized) {
  ssh_channel channel = nullptr;
  while (ssh_message message = ssh_message_get(session)) {
    bool asked = false;
    switch (ssh_message_type(message)) {
      case SSH_REQUEST_AUTH:
        if (take_auth(session, message, authorized)) ssh_message_auth_reply_success(message, 0);
        break;
      case SSH_REQUEST_CHANNEL_OPEN: channel = ssh_message_channel_request_open_reply_accept(message); break;
      case SSH_REQUEST_CHANNEL:
        asked = ssh_message_subtype(message) == SSH_CHANNEL_REQUEST_EXEC;
        ssh_message_channel_request_reply_success(message);
        break;
      default: ssh_message_reply_default(message);
    }
    ssh_message_free(message);
    if (asked) return channel;
  }
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  std::ifstream file(argv[1]);
  const std::string authorized{std::istreambuf_iterator<char>(file), {}};
  ssh_bind bind = ssh_bind_new();
  const bool off = false;
  ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &off);
  for (int i = 2; i < argc; ++i) {
    if (ssh_bind_options_set(bind, SSH_BIND_OPTIONS_HOSTKEY, argv[i]) != SSH_OK) die("host key", bind);
  }
  ssh_session session = ssh_new();
  if (ssh_bind_accept_fd(bind, session, 0) != SSH_OK) die("accept", bind);
  if (ssh_handle_key_exchange(session) != SSH_OK) die("key exchange", session);
  ssh_set_auth_methods(session, kMethods);
  ssh_channel channel = serve_until_exec(session, authorized);
  if (channel == nullptr) return 0;
  std::vector<char> buffer(32768);
  for (;;) {
    const int n = ssh_channel_read(channel, buffer.data(), static_cast<uint32_t>(buffer.size()), 0);
    if (n < 0) die("read", session);
    if (n == 0) break;
    if (ssh_channel_write(channel, buffer.data(), static_cast<uint32_t>(n)) != n) die("write", session);
  }
  ssh_channel_request_send_exit_status(channel, 0);
  ssh_channel_send_eof(channel);
  ssh_channel_close(channel);
  // The client's close comes back before the connection ends.
  while (ssh_message message = ssh_message_get(session)) ssh_message_free(message);
  ssh_disconnect(session);
  return 0;
}
