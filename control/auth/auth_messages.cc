// Fields of the userauth messages in their order, each bounded before it is copied.
#include "control/auth/auth_messages.h"

#include <array>

#include "base/wire.h"
#include "control/keys/public_key.h"

namespace sluice {
namespace {

constexpr std::array<std::string_view, static_cast<size_t>(AuthMethod::count_)> kMethodNames{
    "none", "publickey", "password", "keyboard-interactive"};

std::vector<uint8_t> copy_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

bool plain(std::string_view text) { return text.find('\0') == std::string_view::npos; }

// RFC 4252 section 7.
Result<void> parse_publickey(WireReader& in, AuthQuestion& question) {
  const bool proof = in.boolean();
  const std::string_view algorithm = in.text();
  const Bytes key = in.string();
  const Bytes signature = proof ? in.string() : Bytes{};
  if (!in.ok() || algorithm.size() > kMaxAlgorithmName || key.size() > kMaxPublicBlob ||
      signature.size() > kMaxSignature)
    return fail(ErrorCode::malformed_message);
  question.kind = proof ? QuestionKind::key_proof : QuestionKind::key_query;
  question.algorithm = algorithm;
  question.key = copy_of(key);
  question.signature = copy_of(signature);
  return {};
}

// RFC 4252 section 8.
Result<void> parse_password(WireReader& in, AuthQuestion& question) {
  const bool change = in.boolean();
  const Bytes password = in.string();
  const Bytes new_password = change ? in.string() : Bytes{};
  if (!in.ok() || password.size() > kMaxPassword || new_password.size() > kMaxPassword)
    return fail(ErrorCode::malformed_message);
  question.kind = change ? QuestionKind::password_change : QuestionKind::password;
  question.password = Secret(password);
  question.new_password = Secret(new_password);
  return {};
}

// RFC 4256 section 3.1. The language is deprecated and not kept.
Result<void> parse_interactive(WireReader& in, AuthQuestion& question) {
  const std::string_view language = in.text();
  const std::string_view submethods = in.text();
  if (!in.ok() || language.size() > kMaxAlgorithmName || submethods.size() > kMaxSubmethods)
    return fail(ErrorCode::malformed_message);
  question.kind = QuestionKind::interactive;
  question.submethods = submethods;
  return {};
}

WireReader body_of(Bytes payload) { return WireReader(payload.subspan(payload.empty() ? 0 : 1)); }

}  // namespace

std::string_view name_of(AuthMethod method) { return kMethodNames[static_cast<size_t>(method)]; }

AuthMethod find_auth_method(std::string_view name) {
  size_t i = 0;
  while (i < kMethodNames.size() && kMethodNames[i] != name) ++i;
  return static_cast<AuthMethod>(i);
}

std::string MethodSet::names() const {
  std::string list;
  // "none" is a probe and never one of those that can continue.
  for (size_t i = 1; i < kMethodNames.size(); ++i) {
    if (!has(static_cast<AuthMethod>(i))) continue;
    if (!list.empty()) list += ',';
    list += kMethodNames[i];
  }
  return list;
}

AuthMethod method_of(const AuthQuestion& question) {
  switch (question.kind) {
    case QuestionKind::key_query:
    case QuestionKind::key_proof: return AuthMethod::publickey;
    case QuestionKind::password:
    case QuestionKind::password_change: return AuthMethod::password;
    case QuestionKind::interactive:
    case QuestionKind::answers: return AuthMethod::keyboard_interactive;
    default: return AuthMethod::none;
  }
}

// RFC 4252 section 5.
Result<AuthQuestion> parse_auth_request(Bytes payload) {
  if (payload.size() > kMaxAuthMessage) return fail(ErrorCode::malformed_message);
  WireReader in = body_of(payload);
  const std::string_view user = in.text();
  const std::string_view service = in.text();
  const std::string_view method_name = in.text();
  if (!in.ok()) return fail(ErrorCode::malformed_message);
  if (user.size() > kMaxUserName || !plain(user)) return fail(ErrorCode::auth_user_name);
  if (service != kConnectionService) return fail(ErrorCode::auth_service);
  if (method_name.size() > kMaxAlgorithmName) return fail(ErrorCode::malformed_message);

  AuthQuestion question;
  question.user = user;
  Result<void> parsed;
  switch (find_auth_method(method_name)) {
    case AuthMethod::none: break;
    case AuthMethod::publickey: parsed = parse_publickey(in, question); break;
    case AuthMethod::password: parsed = parse_password(in, question); break;
    case AuthMethod::keyboard_interactive: parsed = parse_interactive(in, question); break;
    default:
      // Its fields are not ours to judge.
      question.unknown_method = true;
      return question;
  }
  if (!parsed) return fail(parsed.error());
  if (!in.at_end()) return fail(ErrorCode::malformed_message);
  return question;
}

// RFC 4256 section 3.4.
Result<std::vector<Secret>> parse_info_response(Bytes payload) {
  WireReader in = body_of(payload);
  const uint32_t count = in.u32();
  if (!in.ok() || count > kMaxPrompts) return fail(ErrorCode::malformed_message);
  std::vector<Secret> answers;
  for (uint32_t i = 0; i < count; ++i) {
    const Bytes answer = in.string();
    if (!in.ok() || answer.size() > kMaxPassword) return fail(ErrorCode::malformed_message);
    answers.emplace_back(answer);
  }
  if (!in.at_end()) return fail(ErrorCode::malformed_message);
  return answers;
}

std::vector<uint8_t> publickey_signed_data(Bytes session_id, std::string_view user, std::string_view algorithm,
                                           Bytes key) {
  WireWriter out;
  out.string(session_id).u8(auth_message::kRequest).string(user).string(kConnectionService);
  return out.string(name_of(AuthMethod::publickey)).boolean(true).string(algorithm).string(key).take();
}

std::vector<uint8_t> failure_message(MethodSet methods, bool partial) {
  return WireWriter().u8(auth_message::kFailure).string(methods.names()).boolean(partial).take();
}

std::vector<uint8_t> banner_message(std::string_view text) {
  return WireWriter().u8(auth_message::kBanner).string(text.substr(0, kMaxBanner)).string("").take();
}

std::vector<uint8_t> key_ok_message(std::string_view algorithm, Bytes key) {
  return WireWriter().u8(auth_message::kMethodReply).string(algorithm).string(key).take();
}

std::vector<uint8_t> change_request_message(std::string_view prompt) {
  return WireWriter().u8(auth_message::kMethodReply).string(prompt).string("").take();
}

// RFC 4256 section 3.2.
std::vector<uint8_t> info_request_message(const PromptSet& set) {
  WireWriter out;
  out.u8(auth_message::kMethodReply).string(set.name).string(set.instruction).string("");
  out.u32(static_cast<uint32_t>(set.prompts.size()));
  for (const Prompt& prompt : set.prompts) out.string(prompt.text).boolean(prompt.echo);
  return out.take();
}

Result<FailureMessage> parse_failure(Bytes payload) {
  WireReader in = body_of(payload);
  std::string_view names = in.text();
  FailureMessage failure{};
  failure.partial = in.boolean();
  if (!in.ok() || !in.at_end()) return fail(ErrorCode::malformed_message);
  for (size_t n = 0; !names.empty(); ++n) {
    if (n == kMaxMethodNames) return fail(ErrorCode::malformed_message);
    const size_t comma = names.find(',');
    const AuthMethod method = find_auth_method(names.substr(0, comma));
    if (method != AuthMethod::count_) failure.methods.add(method);
    names = comma == std::string_view::npos ? std::string_view() : names.substr(comma + 1);
  }
  return failure;
}

Result<PromptSet> parse_info_request(Bytes payload) {
  WireReader in = body_of(payload);
  PromptSet set;
  const std::string_view name = in.text();
  const std::string_view instruction = in.text();
  (void)in.text();
  const uint32_t count = in.u32();
  if (!in.ok() || name.size() > kMaxPromptText || instruction.size() > kMaxBanner || count > kMaxPrompts)
    return fail(ErrorCode::malformed_message);
  set.name = terminal_text(name);
  set.instruction = terminal_text(instruction);
  for (uint32_t i = 0; i < count; ++i) {
    const std::string_view text = in.text();
    const bool echo = in.boolean();
    // RFC 4256 section 3.2 forbids an empty prompt, but servers send them; there is nothing to fear in one.
    if (!in.ok() || text.size() > kMaxPromptText) return fail(ErrorCode::malformed_message);
    set.prompts.push_back({terminal_text(text), echo});
  }
  if (!in.at_end()) return fail(ErrorCode::malformed_message);
  return set;
}

namespace {

Result<std::string> parse_text_and_language(Bytes payload) {
  WireReader in = body_of(payload);
  const std::string_view text = in.text();
  (void)in.text();
  if (!in.ok() || !in.at_end() || payload.size() > kMaxAuthMessage) return fail(ErrorCode::malformed_message);
  return terminal_text(text.substr(0, kMaxBanner));
}

}  // namespace

Result<std::string> parse_change_request(Bytes payload) { return parse_text_and_language(payload); }
Result<std::string> parse_banner(Bytes payload) { return parse_text_and_language(payload); }

}  // namespace sluice
