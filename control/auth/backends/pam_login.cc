// The conversation function that PAM calls back, and the stack of one login: authenticate, account, perhaps a change.
#include "control/auth/backends/pam_login.h"

#include <security/pam_appl.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "control/keys/name_patterns.h"

namespace sluice {
namespace {

// What PAM is told in place of the password of somebody who may not log in: it keeps the time and the counters alike.
constexpr std::string_view kNobodysPassword = "\b\n\r\177INCORRECT";
constexpr std::chrono::minutes kLongestWait{10};
constexpr const char* kExpired = "Your password has expired.\nEnter a new one now.";

// Of IPv6 the /64: a host is given a whole one.
std::string source_of(const std::string& address) {
  const auto parsed = Address::parse(address);
  if (!parsed || parsed->v4) return address;
  return {parsed->octets.begin(), parsed->octets.begin() + 8};
}

// Places for dialogues. Outlives all threads: they are nobody's to wait for.
class DialogueCount {
 public:
  bool enter(const std::string& source) {
    const std::lock_guard lock(mutex_);
    if (all_ >= kMaxPamDialogues) return false;
    unsigned& of_source = of_sources_[source];
    if (of_source >= kMaxPamDialoguesOfSource) return false;
    ++of_source;
    ++all_;
    return true;
  }
  void leave(const std::string& source) {
    const std::lock_guard lock(mutex_);
    --all_;
    const auto found = of_sources_.find(source);
    if (--found->second == 0) of_sources_.erase(found);
  }

 private:
  std::mutex mutex_;
  unsigned all_ = 0;
  std::map<std::string, unsigned> of_sources_;
};

DialogueCount& dialogues() {
  static auto* const count = new DialogueCount;
  return *count;
}

// Answers a round of prompts; nothing: give up.
using Answerer = std::function<std::optional<std::vector<Secret>>(PromptSet)>;

char* c_string(Bytes text) {
  auto* copy = static_cast<char*>(std::calloc(text.size() + 1, 1));
  if (copy && !text.empty()) std::memcpy(copy, text.data(), text.size());
  return copy;
}

struct Round {
  const Answerer& answer;
  std::string told;  // texts that wait for the next prompts
};

void free_replies(pam_response* replies, int count) {
  for (int i = 0; i < count; ++i) {
    if (!replies[i].resp) continue;
    wipe(replies[i].resp, std::strlen(replies[i].resp));
    std::free(replies[i].resp);
  }
  std::free(replies);
}

int converse(int count, const pam_message** messages, pam_response** replies, void* data) {
  auto& round = *static_cast<Round*>(data);
  if (count <= 0 || count > PAM_MAX_NUM_MSG) return PAM_CONV_ERR;
  PromptSet set;
  for (int i = 0; i < count; ++i) {
    const pam_message& message = *messages[i];
    const std::string text = message.msg ? message.msg : "";
    if (message.msg_style == PAM_PROMPT_ECHO_OFF || message.msg_style == PAM_PROMPT_ECHO_ON)
      set.prompts.push_back({text.substr(0, kMaxPromptText), message.msg_style == PAM_PROMPT_ECHO_ON});
    else if (round.told.size() + text.size() < kMaxBanner)
      round.told += text + "\n";
  }
  if (set.prompts.size() > kMaxPrompts) return PAM_CONV_ERR;
  std::vector<Secret> given;
  if (!set.prompts.empty()) {
    set.instruction = std::exchange(round.told, {});
    const size_t wanted = set.prompts.size();
    auto answers = round.answer(std::move(set));
    if (!answers || answers->size() != wanted) return PAM_CONV_ERR;
    given = std::move(*answers);
  }
  auto* out = static_cast<pam_response*>(std::calloc(static_cast<size_t>(count), sizeof(pam_response)));
  if (!out) return PAM_BUF_ERR;
  size_t next = 0;
  for (int i = 0; i < count; ++i) {
    const int style = messages[i]->msg_style;
    if (style != PAM_PROMPT_ECHO_OFF && style != PAM_PROMPT_ECHO_ON) continue;
    out[i].resp = c_string(given[next++].view());
    if (out[i].resp) continue;
    free_replies(out, count);
    return PAM_BUF_ERR;
  }
  *replies = out;
  return PAM_SUCCESS;
}

// The time of a refusal is the caller's to choose, and a sleeping thread serves nobody.
void no_delay(int, unsigned, void*) {}

class PamStack {
 public:
  PamStack(const PamAttempt& attempt, const Answerer& answer) : attempt_(attempt), round_{answer, {}} {
    const pam_conv conversation{converse, &round_};
    const char* folder = attempt.settings.folder.empty() ? nullptr : attempt.settings.folder.c_str();
    const char* service = attempt.settings.service.c_str();
    status_ = ::pam_start_confdir(service, attempt.user.c_str(), &conversation, folder, &handle_);
    if (status_ != PAM_SUCCESS) return;
    ::pam_set_item(handle_, PAM_RHOST,
                   attempt.source.host.empty() ? attempt.source.address.c_str() : attempt.source.host.c_str());
    ::pam_set_item(handle_, PAM_TTY, "ssh");
    ::pam_set_item(handle_, PAM_FAIL_DELAY, reinterpret_cast<const void*>(&no_delay));
  }
  ~PamStack() {
    if (handle_) ::pam_end(handle_, status_);
  }
  PamStack(const PamStack&) = delete;
  PamStack& operator=(const PamStack&) = delete;

  bool authenticate() {
    if (status_ != PAM_SUCCESS) return false;
    status_ = ::pam_authenticate(handle_, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
    return status_ == PAM_SUCCESS && same_user();
  }
  // PAM_NEW_AUTHTOK_REQD is a success that wants a new password.
  int account() { return status_ == PAM_SUCCESS ? status_ = ::pam_acct_mgmt(handle_, 0) : status_; }
  bool change() {
    status_ = ::pam_chauthtok(handle_, PAM_CHANGE_EXPIRED_AUTHTOK);
    return status_ == PAM_SUCCESS && same_user();
  }
  // Of whoever proved who he is: he hears what the modules say of it.
  LoginAnswer shut() { return shut_out(attempt_.success.permit.value_or(Permit{}), reason(), std::move(round_.told)); }
  std::string reason() const {
    return handle_ ? std::string("PAM: ") + ::pam_strerror(handle_, status_) : "PAM failed";
  }

 private:
  // A module may map one user to another; whoever was asked for is whom we log in.
  bool same_user() const {
    const void* name = nullptr;
    return ::pam_get_item(handle_, PAM_USER, &name) == PAM_SUCCESS && name &&
           attempt_.user == static_cast<const char*>(name);
  }

  const PamAttempt& attempt_;
  Round round_;
  pam_handle_t* handle_ = nullptr;
  int status_ = PAM_SYSTEM_ERR;
};

struct DialogueState {
  std::mutex mutex;
  std::condition_variable changed;
  LoginSink sink;
  std::optional<std::vector<Secret>> answers;
  bool dropped = false;

  LoginSink take_sink() {
    const std::lock_guard lock(mutex);
    return dropped ? LoginSink() : std::exchange(sink, {});
  }
};

std::vector<Secret> nobodys_answers(size_t count) {
  std::vector<Secret> answers;
  for (size_t i = 0; i < count; ++i) answers.emplace_back(bytes_of(kNobodysPassword));
  return answers;
}

std::optional<std::vector<Secret>> ask_through(DialogueState& state, PromptSet set, bool allowed) {
  const size_t count = set.prompts.size();
  LoginSink sink = state.take_sink();
  if (!sink) return std::nullopt;
  sink(ask(std::move(set)));
  std::unique_lock lock(state.mutex);
  state.changed.wait_for(lock, kLongestWait, [&] { return state.dropped || state.answers; });
  if (state.dropped || !state.answers) return std::nullopt;
  auto given = std::exchange(state.answers, std::nullopt);
  return allowed ? std::move(given) : nobodys_answers(count);
}

LoginAnswer run_dialogue(const PamAttempt& attempt, DialogueState& state) {
  const Answerer answer = [&](PromptSet set) { return ask_through(state, std::move(set), attempt.allowed); };
  PamStack stack(attempt, answer);
  if (!stack.authenticate() || !attempt.allowed) return refused(stack.reason());
  const int account = stack.account();
  if (account == PAM_NEW_AUTHTOK_REQD) return stack.change() ? attempt.success : refused(stack.reason());
  return account == PAM_SUCCESS ? attempt.success : stack.shut();
}

class PamConversation : public Conversation {
 public:
  explicit PamConversation(PamAttempt attempt) : attempt_(std::move(attempt)) {}
  ~PamConversation() override {
    const std::lock_guard lock(state_->mutex);
    state_->dropped = true;
    state_->changed.notify_all();
  }

  void begin(LoginSink done) override {
    const std::string source = source_of(attempt_.source.address);
    if (!dialogues().enter(source)) return done(refused("too many PAM dialogues"));
    state_->sink = std::move(done);
    // Alone with its state: a module that never returns holds up nobody's end.
    std::thread([state = state_, attempt = attempt_, source] {
      LoginAnswer answer = run_dialogue(attempt, *state);
      // Free before it is told: who was told may come again at once.
      dialogues().leave(source);
      if (LoginSink sink = state->take_sink()) sink(std::move(answer));
    }).detach();
  }

  void answer(std::vector<Secret> answers, LoginSink done) override {
    const std::lock_guard lock(state_->mutex);
    state_->sink = std::move(done);
    state_->answers = std::move(answers);
    state_->changed.notify_all();
  }

 private:
  PamAttempt attempt_;
  std::shared_ptr<DialogueState> state_ = std::make_shared<DialogueState>();
};

// Which of the two passwords a prompt wants, by its words; modules have no other way to say it.
bool wants_old(const std::string& prompt) {
  const std::string text = to_lower(prompt);
  return text.find("current") != std::string::npos || text.find("old") != std::string::npos;
}

}  // namespace

bool pam_available() { return true; }

LoginAnswer pam_check_password(const PamAttempt& attempt, const Secret& password, const Secret* new_password) {
  bool changing = false;
  const Answerer answer = [&](const PromptSet& set) -> std::optional<std::vector<Secret>> {
    if (!attempt.allowed) return nobodys_answers(set.prompts.size());
    std::vector<Secret> answers;
    for (const Prompt& prompt : set.prompts) {
      const Secret& given = changing && !wants_old(prompt.text) ? *new_password : password;
      answers.emplace_back(given.view());
    }
    return answers;
  };
  PamStack stack(attempt, answer);
  if (!stack.authenticate() || !attempt.allowed) return refused(stack.reason());
  const int account = stack.account();
  if (account == PAM_SUCCESS) return attempt.success;
  if (account != PAM_NEW_AUTHTOK_REQD) return stack.shut();
  if (!new_password) return change_wanted(kExpired);
  changing = true;
  return stack.change() ? attempt.success : change_wanted("The new password was not accepted.");
}

LoginAnswer pam_check_account(const PamAttempt& attempt) {
  const Answerer answer = [](const PromptSet&) { return std::optional<std::vector<Secret>>(); };
  PamStack stack(attempt, answer);
  // Nobody was authenticated by PAM, so pam_start's success is what the account phase stands on.
  return stack.account() == PAM_SUCCESS ? attempt.success : stack.shut();
}

std::shared_ptr<Conversation> pam_converse(PamAttempt attempt) {
  return std::make_shared<PamConversation>(std::move(attempt));
}

}  // namespace sluice
