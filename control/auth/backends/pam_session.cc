// credentials -> session -> ... -> session closed -> credentials gone.
#include "control/auth/backends/pam_session.h"

#include <security/pam_appl.h>

#include <cstdlib>
#include <string_view>

#include "control/auth/auth_messages.h"

namespace sluice {
namespace {

// Ours to say, whatever a module put there.
constexpr std::string_view kOurs[] = {"SSH_CONNECTION=", "SSH_CLIENT=", "SSH_TTY=", "SSH_AUTH_INFO"};

// Nobody is asked anything any more: texts are kept for the shell, a question is an error.
int keep_texts(int count, const pam_message** messages, pam_response** replies, void* data) {
  auto& text = *static_cast<std::string*>(data);
  if (count <= 0 || count > PAM_MAX_NUM_MSG) return PAM_CONV_ERR;
  for (int i = 0; i < count; ++i) {
    const pam_message& message = *messages[i];
    if (message.msg_style != PAM_TEXT_INFO && message.msg_style != PAM_ERROR_MSG) return PAM_CONV_ERR;
    const std::string_view said = message.msg ? message.msg : "";
    if (text.size() + said.size() < kMaxBanner) text.append(said).append("\n");
  }
  *replies = static_cast<pam_response*>(std::calloc(static_cast<size_t>(count), sizeof(pam_response)));
  return *replies ? PAM_SUCCESS : PAM_BUF_ERR;
}

class OpenPamSession final : public PamSession {
 public:
  ~OpenPamSession() override {
    if (!handle_) return;
    if (opened_) status_ = ::pam_close_session(handle_, PAM_SILENT);
    if (granted_) ::pam_setcred(handle_, PAM_DELETE_CRED | PAM_SILENT);
    ::pam_end(handle_, status_);
  }

  ResultOrText<void> begin(const PamSessionWish& wish) {
    const pam_conv conversation{keep_texts, &text_};
    const char* folder = wish.folder.empty() ? nullptr : wish.folder.c_str();
    status_ = ::pam_start_confdir(wish.service.c_str(), wish.user.c_str(), &conversation, folder, &handle_);
    if (status_ != PAM_SUCCESS) return because("pam_start");
    ::pam_set_item(handle_, PAM_RHOST, wish.remote_host.c_str());
    ::pam_set_item(handle_, PAM_TTY, "ssh");
    if ((status_ = ::pam_setcred(handle_, PAM_ESTABLISH_CRED)) != PAM_SUCCESS) return because("pam_setcred");
    granted_ = true;
    if ((status_ = ::pam_open_session(handle_, 0)) != PAM_SUCCESS) return because("pam_open_session");
    opened_ = true;
    return {};
  }

  std::vector<std::pair<std::string, std::string>> environment() const override {
    std::vector<std::pair<std::string, std::string>> variables;
    char** list = ::pam_getenvlist(handle_);
    for (char** each = list; each && *each; std::free(*each++)) {
      const std::string_view text(*each);
      const size_t equals = text.find('=');
      bool ours = equals == std::string_view::npos || equals == 0;
      for (const std::string_view name : kOurs) ours = ours || text.starts_with(name);
      if (!ours) variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    std::free(list);
    return variables;
  }
  const std::string& text() const override { return text_; }

 private:
  tl::unexpected<std::string> because(std::string what) const {
    const char* why = handle_ ? ::pam_strerror(handle_, status_) : nullptr;
    what.append(": ").append(why ? why : "failed");
    // A module that refuses usually says why, and that is for the user.
    if (!text_.empty()) what.append(": ").append(text_.substr(0, text_.find('\n')));
    return fail(std::move(what));
  }

  pam_handle_t* handle_ = nullptr;
  int status_ = PAM_SYSTEM_ERR;
  bool granted_ = false;
  bool opened_ = false;
  std::string text_;
};

}  // namespace

ResultOrText<std::unique_ptr<PamSession>> PamSession::open(const PamSessionWish& wish) {
  auto session = std::make_unique<OpenPamSession>();
  if (const auto begun = session->begin(wish); !begun) return fail(begun.error());
  return session;
}

}  // namespace sluice
