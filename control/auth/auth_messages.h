// The messages of RFC 4252 and RFC 4256 as values: parsed with every bound checked, and written.
//
// A parsed request is a question about somebody; who answers it (the monitor) sees the same struct on its own side of
// the process boundary and believes none of it.
#pragma once

#include <string>
#include <vector>

#include "base/plain_text.h"
#include "base/result.h"
#include "base/secret.h"

namespace sluice {

namespace auth_message {
inline constexpr uint8_t kRequest = 50;
inline constexpr uint8_t kFailure = 51;
inline constexpr uint8_t kSuccess = 52;
inline constexpr uint8_t kBanner = 53;
// PK_OK, PASSWD_CHANGEREQ or INFO_REQUEST: which one is a matter of the method that runs.
inline constexpr uint8_t kMethodReply = 60;
inline constexpr uint8_t kInfoResponse = 61;
inline constexpr uint8_t kFirst = 50;
inline constexpr uint8_t kLast = 79;
}  // namespace auth_message

inline constexpr std::string_view kConnectionService = "ssh-connection";

// Each bounds what a stranger can make us hold or hash before he is anybody.
inline constexpr size_t kMaxUserName = 255;
inline constexpr size_t kMaxPassword = 1024;
inline constexpr size_t kMaxSignature = 4096;
inline constexpr size_t kMaxAlgorithmName = 64;
inline constexpr size_t kMaxSubmethods = 256;
inline constexpr size_t kMaxPrompts = 32;
inline constexpr size_t kMaxPromptText = 1024;
inline constexpr size_t kMaxAuthMessage = 48 * 1024;
inline constexpr size_t kMaxBanner = 8 * 1024;
inline constexpr size_t kMaxMethodNames = 64;

enum class AuthMethod : uint8_t { none, publickey, password, keyboard_interactive, count_ };

std::string_view name_of(AuthMethod method);
// count_ for a name that we do not know.
AuthMethod find_auth_method(std::string_view name);

class MethodSet {
 public:
  MethodSet() = default;
  explicit MethodSet(std::initializer_list<AuthMethod> methods) {
    for (const AuthMethod method : methods) add(method);
  }
  static MethodSet from_bits(uint8_t bits) {
    MethodSet set;
    set.bits_ = static_cast<uint8_t>(bits & kAll);
    return set;
  }

  MethodSet& add(AuthMethod method) { return bits_ = static_cast<uint8_t>(bits_ | bit(method)), *this; }
  MethodSet& drop(AuthMethod method) { return bits_ = static_cast<uint8_t>(bits_ & ~bit(method)), *this; }
  bool has(AuthMethod method) const { return (bits_ & bit(method)) != 0; }
  bool empty() const { return bits_ == 0; }
  uint8_t bits() const { return bits_; }
  // "publickey,password", as it goes into USERAUTH_FAILURE.
  std::string names() const;
  bool operator==(const MethodSet&) const = default;

 private:
  static constexpr uint8_t kAll = (1u << static_cast<unsigned>(AuthMethod::count_)) - 1;
  static constexpr uint8_t bit(AuthMethod method) {
    return static_cast<uint8_t>((1u << static_cast<unsigned>(method)) & kAll);
  }
  uint8_t bits_ = 0;
};

enum class QuestionKind : uint8_t {
  probe,  // "none", and methods that we do not have
  key_query,
  key_proof,
  password,
  password_change,
  interactive,
  answers,
  count_,
};

struct AuthQuestion {
  QuestionKind kind = QuestionKind::probe;
  bool unknown_method = false;
  std::string user;
  std::string algorithm;
  std::vector<uint8_t> key;
  std::vector<uint8_t> signature;
  Secret password;
  Secret new_password;
  std::string submethods;
  std::vector<Secret> answers;
};

AuthMethod method_of(const AuthQuestion& question);

struct Prompt {
  std::string text;
  bool echo = false;
};

struct PromptSet {
  std::string name;
  std::string instruction;
  std::vector<Prompt> prompts;
};

// Payloads begin with the message number. Server's parsing:
Result<AuthQuestion> parse_auth_request(Bytes payload);
Result<std::vector<Secret>> parse_info_response(Bytes payload);

// What a user's key signs, RFC 4252 section 7. Each side builds it from what it knows itself.
std::vector<uint8_t> publickey_signed_data(Bytes session_id, std::string_view user, std::string_view algorithm,
                                           Bytes key);

std::vector<uint8_t> failure_message(MethodSet methods, bool partial);
std::vector<uint8_t> banner_message(std::string_view text);
std::vector<uint8_t> key_ok_message(std::string_view algorithm, Bytes key);
std::vector<uint8_t> change_request_message(std::string_view prompt);
std::vector<uint8_t> info_request_message(const PromptSet& set);

// Client's parsing.
struct FailureMessage {
  MethodSet methods;  // those that we know
  bool partial;
};
Result<FailureMessage> parse_failure(Bytes payload);
Result<PromptSet> parse_info_request(Bytes payload);
Result<std::string> parse_change_request(Bytes payload);
Result<std::string> parse_banner(Bytes payload);

}  // namespace sluice
