// AuthClient: the client's side of RFC 4252 and 4256. Bytes in, actions out; asking people and signing are actions too.
//
// 1. start() once "ssh-userauth" was asked for: the probe that learns which methods there are, or a key at once.
// 2. take() is given each payload of messages 50..79; actions come back. At most one Ask... or SignWith is open; its
//    answer goes to the take_...() of the same name, and until then the server has nothing to say but banners.
// 3. ClientAuthenticated or an error ends it.
#pragma once

#include <optional>
#include <variant>

#include "control/auth/auth_server.h"
#include "control/keys/certificate.h"

namespace sluice {

struct ClientIdentity {
  PublicKey key;
  std::string name;  // a path or an agent's comment, for messages to the user
  std::optional<Certificate> certificate = {};
  // The only one, and it signs without asking anybody: it is shown with its signature.
  bool ready = false;

  // What the server is shown.
  Bytes blob() const { return certificate ? Bytes(certificate->blob) : key.blob(); }
};

struct AuthClientConfig {
  std::string user;
  std::string host;  // in the prompt for a password, where it is known
  std::vector<uint8_t> session_id;
  std::vector<AuthMethod> order{AuthMethod::publickey, AuthMethod::keyboard_interactive, AuthMethod::password};
  // Of the password and, each for itself, of keyboard-interactive.
  unsigned password_prompts = 3;
  // From the server's EXT_INFO; nothing when it sent none.
  std::optional<std::vector<std::string>> server_sig_algs;
  bool allow_ssh_rsa = false;
  // That keys may sign with; empty: all.
  std::vector<std::string> signature_algorithms = {};
  std::vector<ClientIdentity> identities;
  // The first request offers a key where there is one. The probe comes when keys were refused, before the user is asked
  // for anything, or where that is not wished when nothing else is left.
  bool keys_first = false;
  bool probe_before_asking = true;
};

// What a server may make us do before it lets us in or refuses.
inline constexpr unsigned kMaxClientRounds = 64;
inline constexpr unsigned kMaxBanners = 16;
inline constexpr unsigned kMaxPartialSteps = 16;
// Servers count a probe that is not the first request. Of six tries, as most servers give, three passwords are to
// remain: after more refusals than this the user is asked without it.
inline constexpr unsigned kRefusedBeforeProbe = 2;

struct SendSecret {  // a message to send; wiped with the Secret
  Secret message;
};
struct ShowText {  // a banner or a line for the user, fit for a terminal
  std::string text;
};
struct SignWith {
  size_t identity;
  std::string algorithm;  // a plain one, for a certificate's key too
  std::vector<uint8_t> data;
};
struct AskPassword {
  std::string prompt;
};
struct AskNewPassword {  // ask twice; a mismatch is the asker's to repeat
  std::string prompt;
};
struct AskPrompts {
  PromptSet prompts;
};
struct ClientAuthenticated {
  AuthMethod method;
};
using ClientAction = std::variant<SendSecret, ShowText, SendUnimplemented, SignWith, AskPassword, AskNewPassword,
                                  AskPrompts, ClientAuthenticated>;
using ClientActions = std::vector<ClientAction>;

enum class ClientPhase : uint8_t {
  before,          // no request is out: nothing but banners may come
  probing,         // "none"
  querying,        // is this key welcome?
  signing,         // the key's holder works
  proving,         // signature sent
  password_asked,  // the user types
  password_sent,
  new_asked,
  change_sent,
  interactive_sent,
  prompts_asked,
  done,
  count_,
};

AuthReaction client_reaction(ClientPhase phase, uint8_t message);

class AuthClient {
 public:
  explicit AuthClient(AuthClientConfig config);

  ClientActions start();
  // What came after start(): for keys that are offered from now on.
  void learn_sig_algs(std::vector<std::string> names) { config_.server_sig_algs = std::move(names); }
  Result<ClientActions> take(Bytes payload);
  // Nothing: the holder could not or would not sign; the next key is tried.
  Result<ClientActions> take_signature(std::optional<std::vector<uint8_t>> signature);
  // Nothing: the user gave up on this method.
  Result<ClientActions> take_password(std::optional<Secret> password);
  Result<ClientActions> take_new_password(std::optional<Secret> password);
  Result<ClientActions> take_answers(std::optional<std::vector<Secret>> answers);

  ClientPhase phase() const { return phase_; }
  // Everything else was refused.
  bool last_try() const { return last_try_; }
  // The probe is out, and the user would be asked next: a server that ends it here might have taken a password.
  bool probing_before_asking() const { return phase_ == ClientPhase::probing && early_probe_; }
  // What the server would still take, for "Permission denied (publickey,password)."
  MethodSet methods() const { return can_continue_; }
  // Certificates that were offered and not taken.
  const std::vector<size_t>& refused_certificates() const { return refused_certificates_; }

 private:
  Result<ClientActions> take_failure(Bytes payload);
  Result<ClientActions> take_method_reply(Bytes payload);
  Result<ClientActions> take_key_ok(Bytes payload);
  Result<ClientActions> next();
  void probe(ClientActions& actions);
  bool probes_before(AuthMethod method) const;
  bool try_method(AuthMethod method, ClientActions& actions);
  bool offer_key(ClientActions& actions);
  SignWith to_be_signed(Bytes blob) const;
  bool ask_password(ClientActions& actions);
  bool start_interactive(ClientActions& actions);
  // Plain; empty: there is none that both may use.
  std::string algorithm_for(const ClientIdentity& identity) const;
  // As the server knows it.
  std::string shown_algorithm() const;
  Secret request(AuthMethod method, size_t room) const;
  void send(ClientActions& actions, Secret message, ClientPhase next_phase);

  AuthClientConfig config_;
  ClientPhase phase_ = ClientPhase::before;
  AuthMethod method_ = AuthMethod::none;
  MethodSet can_continue_;
  // Given up on by us or the user.
  MethodSet spent_;
  size_t next_identity_ = 0;
  std::vector<bool> used_;  // identities that earned a partial success and cannot do so again
  size_t identity_ = 0;
  std::string algorithm_;
  std::vector<size_t> refused_certificates_;
  unsigned passwords_asked_ = 0;
  unsigned interactive_tries_ = 0;
  bool probed_ = false;
  bool last_try_ = false;
  bool early_probe_ = false;
  unsigned refused_ = 0;
  bool prompted_ = false;
  size_t prompt_count_ = 0;
  unsigned rounds_ = 0;
  unsigned banners_ = 0;
  unsigned partial_steps_ = 0;
  Secret old_password_;
};

}  // namespace sluice
