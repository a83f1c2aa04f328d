// The server's state machine with verdicts made up by the test.
#include "control/auth/auth_server.h"

#include "tests/unit/auth/auth_world.h"

namespace sluice {
namespace {

using test::interactive_request;
using test::none_request;
using test::password_request;
using test::query_request;

constexpr Instant kNow{1000};

const MethodSet kAll{AuthMethod::publickey, AuthMethod::password, AuthMethod::keyboard_interactive};

template <class T>
const T* find_action(const AuthActions& actions) {
  for (const auto& action : actions)
    if (const T* found = std::get_if<T>(&action)) return found;
  return nullptr;
}

AuthVerdict verdict_of(VerdictKind kind) {
  AuthVerdict verdict;
  verdict.kind = kind;
  verdict.methods = kAll;
  if (kind == VerdictKind::accepted) verdict.permit = Permit{};
  if (kind == VerdictKind::prompts) verdict.prompts.prompts = {{"Password: ", false}};
  return verdict;
}

uint32_t ask(AuthServer& server, const std::vector<uint8_t>& message) {
  const auto actions = server.take(message, kNow);
  EXPECT_TRUE(actions);
  const auto* asked = actions ? find_action<AskMonitor>(*actions) : nullptr;
  EXPECT_TRUE(asked);
  return asked ? asked->id : 0;
}

AuthServer server_in(AuthPhase phase) {
  AuthServer server({});
  if (phase == AuthPhase::idle) return server;
  const uint32_t id = ask(server, interactive_request());
  const VerdictKind kind = phase == AuthPhase::done ? VerdictKind::accepted : VerdictKind::prompts;
  if (phase != AuthPhase::asking) {
    EXPECT_TRUE(server.take_verdict(id, verdict_of(kind), kNow));
  }
  EXPECT_EQ(server.phase(), phase);
  return server;
}

TEST(AuthServer, meets_every_message_number_in_every_phase_as_its_table_says) {
  for (unsigned p = 0; p < static_cast<unsigned>(AuthPhase::count_); ++p) {
    const auto phase = static_cast<AuthPhase>(p);
    for (unsigned number = 0; number < 256; ++number) {
      AuthServer server = server_in(phase);
      std::vector<uint8_t> message = none_request();
      if (number == 61) message = WireWriter().u8(61).u32(1).string("x").take();
      message[0] = static_cast<uint8_t>(number);
      const auto actions = server.take(message, kNow);
      const bool unknown = (number >= 54 && number <= 59) || (number >= 62 && number <= 79);
      if (number == 50) {
        ASSERT_TRUE(actions);
        EXPECT_EQ(find_action<AskMonitor>(*actions) != nullptr,
                  phase == AuthPhase::idle || phase == AuthPhase::prompting);
      } else if (number == 61 && phase == AuthPhase::prompting) {
        ASSERT_TRUE(actions);
        EXPECT_TRUE(find_action<AskMonitor>(*actions));
      } else if (unknown) {
        ASSERT_TRUE(actions);
        EXPECT_TRUE(find_action<SendUnimplemented>(*actions)) << number;
      } else {
        ASSERT_FALSE(actions) << number << " in phase " << p;
        EXPECT_EQ(actions.error(), ErrorCode::unexpected_message);
      }
    }
  }
  EXPECT_FALSE(AuthServer({}).take({}, kNow));
}

TEST(AuthServer, answers_a_probe_with_the_methods_and_does_not_count_it) {
  AuthServer server({});
  const auto actions = server.take_verdict(ask(server, none_request()), verdict_of(VerdictKind::refused), kNow);
  ASSERT_TRUE(actions);
  const auto* sent = find_action<SendMessage>(*actions);
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->message, failure_message(kAll, false));
  EXPECT_EQ(sent->not_before, kNow);
  EXPECT_EQ(server.failures(), 0u);
  ASSERT_TRUE(server.take_verdict(ask(server, none_request()), verdict_of(VerdictKind::refused), kNow));
  EXPECT_EQ(server.failures(), 1u);
}

TEST(AuthServer, sends_its_banner_once_before_the_first_answer) {
  AuthServer server({.banner = "hello\n"});
  const auto first = server.take(none_request(), kNow);
  ASSERT_TRUE(first);
  EXPECT_EQ(std::get<SendMessage>((*first)[0]).message, banner_message("hello\n"));
  ASSERT_TRUE(server.take_verdict(1, verdict_of(VerdictKind::refused), kNow));
  const auto second = server.take(none_request(), kNow);
  EXPECT_EQ(find_action<SendMessage>(*second), nullptr);
}

TEST(AuthServer, holds_refusals_back_to_whole_steps_whatever_the_work_took) {
  for (const int work : {0, 1, 50, 199}) {
    AuthServer server({});
    const uint32_t id = ask(server, password_request("x"));
    const auto actions = server.take_verdict(id, verdict_of(VerdictKind::refused), kNow + Instant(work));
    EXPECT_EQ(find_action<SendMessage>(*actions)->not_before, kNow + Instant(200)) << work;
  }
  AuthServer slow({});
  const uint32_t id = ask(slow, password_request("x"));
  const auto actions = slow.take_verdict(id, verdict_of(VerdictKind::refused), kNow + Instant(201));
  EXPECT_EQ(find_action<SendMessage>(*actions)->not_before, kNow + Instant(400));
}

TEST(AuthServer, answers_requests_sent_ahead_in_order_and_bounds_them) {
  AuthServer server({});
  const uint32_t first = ask(server, password_request("1"));
  for (size_t i = 0; i < kMaxQueuedRequests; ++i)
    ASSERT_TRUE(server.take(password_request(std::to_string(i + 2)), kNow));
  const auto flood = server.take(password_request("x"), kNow);
  ASSERT_FALSE(flood);
  EXPECT_EQ(flood.error(), ErrorCode::auth_flood);
  uint32_t id = first;
  for (size_t i = 0; i < kMaxQueuedRequests; ++i) {
    const auto actions = server.take_verdict(id, verdict_of(VerdictKind::refused), kNow);
    ASSERT_TRUE(actions);
    const auto* next = find_action<AskMonitor>(*actions);
    ASSERT_TRUE(next);
    EXPECT_EQ(text_of(next->question.password.view()), std::to_string(i + 2));
    id = next->id;
  }
}

TEST(AuthServer, never_sends_a_later_answer_before_an_earlier_one) {
  AuthServer server({});
  uint32_t id = ask(server, password_request("1"));
  ASSERT_TRUE(server.take(none_request(), kNow));
  const auto first = server.take_verdict(id, verdict_of(VerdictKind::refused), kNow);
  const Instant left = find_action<SendMessage>(*first)->not_before;
  id = find_action<AskMonitor>(*first)->id;
  const auto second = server.take_verdict(id, verdict_of(VerdictKind::refused), kNow);
  EXPECT_GE(find_action<SendMessage>(*second)->not_before, left);
}

TEST(AuthServer, ends_the_connection_after_the_last_try) {
  AuthServer server({.max_tries = 3});
  for (int i = 0; i < 2; ++i)
    ASSERT_TRUE(server.take_verdict(ask(server, password_request("x")), verdict_of(VerdictKind::refused), kNow));
  const auto last = server.take_verdict(ask(server, password_request("x")), verdict_of(VerdictKind::refused), kNow);
  ASSERT_FALSE(last);
  EXPECT_EQ(describe(last.error()).disconnect, Disconnect::no_more_auth_methods);
}

TEST(AuthServer, ends_the_connection_when_the_monitor_says_exhausted_or_nothing_can_continue) {
  AuthServer server({});
  EXPECT_EQ(server.take_verdict(ask(server, password_request("x")), verdict_of(VerdictKind::exhausted), kNow).error(),
            ErrorCode::auth_tries);
  AuthServer empty({});
  EXPECT_EQ(empty.take_verdict(ask(empty, password_request("x")), AuthVerdict{}, kNow).error(),
            ErrorCode::auth_no_methods);
}

TEST(AuthServer, tells_success_then_ignores_requests_that_were_on_their_way) {
  AuthServer server({});
  const auto actions = server.take_verdict(ask(server, password_request("x")), verdict_of(VerdictKind::accepted), kNow);
  ASSERT_TRUE(actions);
  ASSERT_EQ(actions->size(), 2u);
  EXPECT_EQ(std::get<SendMessage>((*actions)[0]).message, std::vector<uint8_t>{52});
  EXPECT_TRUE(std::holds_alternative<Authenticated>((*actions)[1]));
  const auto late = server.take(none_request(), kNow);
  ASSERT_TRUE(late);
  EXPECT_TRUE(late->empty());
}

TEST(AuthServer, does_not_take_success_without_a_permit_nor_verdicts_that_were_not_asked_for) {
  AuthServer server({});
  AuthVerdict bare = verdict_of(VerdictKind::accepted);
  bare.permit.reset();
  EXPECT_EQ(server.take_verdict(ask(server, password_request("x")), bare, kNow).error(), ErrorCode::auth_monitor);
  AuthServer idle({});
  EXPECT_FALSE(idle.take_verdict(0, verdict_of(VerdictKind::accepted), kNow));
  AuthServer asking({});
  const uint32_t id = ask(asking, password_request("x"));
  EXPECT_FALSE(asking.take_verdict(id + 1, verdict_of(VerdictKind::accepted), kNow));
  EXPECT_FALSE(asking.take_verdict(id, verdict_of(VerdictKind::key_ok), kNow));
}

TEST(AuthServer, echoes_algorithm_and_key_of_the_query_in_pk_ok) {
  AuthServer server({});
  const PublicKey& key = test::key_of(KeyType::ed25519).public_key();
  const auto actions =
      server.take_verdict(ask(server, query_request(key, "ssh-ed25519")), verdict_of(VerdictKind::key_ok), kNow);
  EXPECT_EQ(find_action<SendMessage>(*actions)->message, key_ok_message("ssh-ed25519", key.blob()));
}

TEST(AuthServer, runs_any_number_of_rounds_and_lets_a_request_abandon_them) {
  AuthServer server({});
  uint32_t id = ask(server, interactive_request());
  for (int round = 0; round < 5; ++round) {
    const auto actions = server.take_verdict(id, verdict_of(VerdictKind::prompts), kNow);
    EXPECT_EQ(find_action<SendMessage>(*actions)->message[0], 60);
    id = ask(server, WireWriter().u8(61).u32(1).string("answer").take());
  }
  ASSERT_TRUE(server.take_verdict(id, verdict_of(VerdictKind::prompts), kNow));
  const auto other = server.take(password_request("x"), kNow);
  EXPECT_EQ(find_action<AskMonitor>(*other)->question.kind, QuestionKind::password);
}

TEST(AuthServer, refuses_requests_that_are_too_long_or_not_whole) {
  const auto error_of = [](std::vector<uint8_t> message) {
    const auto actions = AuthServer({}).take(message, kNow);
    return actions ? std::optional<ErrorCode>() : actions.error();
  };
  EXPECT_FALSE(error_of(none_request(std::string(kMaxUserName, 'u'))));
  EXPECT_EQ(error_of(none_request(std::string(kMaxUserName + 1, 'u'))), ErrorCode::auth_user_name);
  EXPECT_EQ(error_of(none_request(std::string_view("root\0x", 6))), ErrorCode::auth_user_name);
  EXPECT_EQ(error_of(test::request_head("ann", "none", "ssh-userauth").take()), ErrorCode::auth_service);
  EXPECT_EQ(error_of(test::request_head("ann", "none").u8(0).take()), ErrorCode::malformed_message);
  EXPECT_EQ(error_of(password_request(std::string(kMaxPassword + 1, 'p'))), ErrorCode::malformed_message);
  EXPECT_FALSE(error_of(test::request_head("ann", "hostbased").string("whatever").take()));
  const auto whole = query_request(test::key_of(KeyType::ed25519).public_key(), "ssh-ed25519");
  for (size_t n = 1; n < whole.size(); ++n)
    EXPECT_TRUE(error_of({whole.begin(), whole.begin() + static_cast<ptrdiff_t>(n)})) << n;
}

TEST(AuthServer, refuses_huge_counts_of_answers) {
  for (const uint32_t count : {uint32_t{33}, uint32_t{1} << 24, UINT32_MAX}) {
    AuthServer server = server_in(AuthPhase::prompting);
    EXPECT_FALSE(server.take(WireWriter().u8(61).u32(count).string("a").take(), kNow)) << count;
  }
  AuthServer server = server_in(AuthPhase::prompting);
  EXPECT_FALSE(server.take(WireWriter().u8(61).u32(1).string("a").string("b").take(), kNow));
}

// The first request of every stock client.
TEST(AuthServer, answers_a_first_probe_itself_where_it_knows_the_methods) {
  AuthServer server({.max_tries = 2, .first_methods = kAll});
  auto actions = server.take(none_request("whoever"), kNow);
  ASSERT_TRUE(actions);
  EXPECT_FALSE(find_action<AskMonitor>(*actions));
  const auto* sent = find_action<SendMessage>(*actions);
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->message, failure_message(kAll, false));
  EXPECT_EQ(sent->not_before, kNow);
  EXPECT_EQ(server.phase(), AuthPhase::idle);
  EXPECT_EQ(server.failures(), 0u);
  // A second one is a try, and the monitor's to count as well.
  const uint32_t id = ask(server, none_request("whoever"));
  EXPECT_TRUE(server.take_verdict(id, verdict_of(VerdictKind::refused), kNow));
  EXPECT_EQ(server.failures(), 1u);
}

TEST(AuthServer, asks_the_monitor_about_a_probe_behind_anything_else) {
  const auto asks = [](const std::vector<uint8_t>& first, AuthServerConfig config) {
    AuthServer server(std::move(config));
    const uint32_t id = ask(server, first);
    EXPECT_TRUE(server.take_verdict(id, verdict_of(VerdictKind::prompts), kNow));
    const auto actions = server.take(none_request(), kNow);
    return actions && find_action<AskMonitor>(*actions) != nullptr;
  };
  EXPECT_TRUE(asks(interactive_request(), {.first_methods = kAll})) << "prompts that it abandons are the monitor's";
  AuthServer unknown({.first_methods = kAll});
  EXPECT_TRUE(find_action<AskMonitor>(*unknown.take(test::request_head("ann", "strange").take(), kNow)));
}

// What was sent ahead of its answer is asked about at once.
TEST(AuthServer, goes_on_with_what_was_sent_behind_a_probe_that_it_answers) {
  AuthServer server({.first_methods = kAll});
  EXPECT_FALSE(find_action<AskMonitor>(*server.take(none_request(), kNow)));
  EXPECT_TRUE(find_action<AskMonitor>(*server.take(password_request("pw"), kNow)));
}

}  // namespace
}  // namespace sluice
