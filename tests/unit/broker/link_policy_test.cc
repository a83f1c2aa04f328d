// What a link's policy allows, for every request that there is.
#include "services/broker/link_policy.h"

#include <gtest/gtest.h>

#include "services/broker/link_rights.h"

namespace sluice {
namespace {

template <size_t... I>
std::vector<BrokerRequest> one_of_each(std::index_sequence<I...>) {
  return {BrokerRequest(std::in_place_index<I>)...};
}

std::vector<size_t> allowed(const LinkPolicy& policy) {
  std::vector<size_t> out;
  for (const BrokerRequest& request : one_of_each(std::make_index_sequence<std::variant_size_v<BrokerRequest>>()))
    if (!refusal(policy, request)) out.push_back(request.index());
  return out;
}

template <class T>
bool may(const LinkPolicy& policy, const T& request) {
  return !refusal(policy, request);
}

// CloseHandle, SignalChild, ResizeTerminal: of what the link was given anyway.
const std::vector<size_t> kAlways{1, 26, 27};

TEST(LinkPolicy, with_nothing_in_it_allows_nothing) {
  LinkPolicy policy;
  policy.files = policy.programs = false;
  EXPECT_EQ(allowed(policy), kAlways);
}

TEST(LinkPolicy, read_only_leaves_what_changes_nothing) {
  LinkPolicy policy;
  policy.programs = false;
  policy.read_only = true;
  EXPECT_EQ(allowed(policy), (std::vector<size_t>{0, 1, 2, 3, 6, 7, 8, 9, 10, 16, 19, 20, 21, 23, 24, 26, 27}));
  for (const uint32_t flags : {kOpenWrite, kOpenAppend, kOpenCreate, kOpenTruncate, kOpenExclusive})
    EXPECT_FALSE(may(policy, OpenFile{"a", kOpenRead | flags, 0})) << flags;
}

TEST(LinkPolicy, with_a_forced_command_leaves_programs_only) {
  LinkPolicy policy;
  policy.forced_command = "x";
  EXPECT_EQ(allowed(policy), (std::vector<size_t>{1, 25, 26, 27}));
}

TEST(LinkPolicy, refuses_a_terminal_where_there_is_to_be_none) {
  LinkPolicy policy;
  policy.terminal = false;
  SpawnProgram spawn;
  EXPECT_TRUE(may(policy, spawn));
  spawn.terminal.emplace();
  EXPECT_FALSE(may(policy, spawn));
}

TEST(LinkPolicy, narrows_rules_by_rules_and_never_widens_them) {
  LinkPolicy policy;
  policy.connect_tcp = true;
  policy.permit_open = {{"db", 5432}, {"web", 0}, {"*", 25}};
  EXPECT_TRUE(narrow_rules(policy.permit_open, {{"web", 443}, {"other", 1}, {"DB", 0}, {"mail", 0}}));
  EXPECT_TRUE(policy.may_open("web", 443));
  EXPECT_TRUE(policy.may_open("db", 5432));
  EXPECT_TRUE(policy.may_open("mail", 25));
  EXPECT_FALSE(policy.may_open("web", 80));
  EXPECT_FALSE(policy.may_open("db", 22));
  EXPECT_FALSE(policy.may_open("other", 1));
  EXPECT_FALSE(policy.may_open("mail", 26));
  EXPECT_TRUE(narrow_rules(policy.permit_open, {}));
  EXPECT_FALSE(narrow_rules(policy.permit_open, {{"other", 1}}));
  std::vector<ForwardRule> any;
  EXPECT_TRUE(narrow_rules(any, {{"a", 1}}));
  EXPECT_EQ(any.size(), 1u);
}

TEST(LinkPolicy, knows_the_built_in_file_service_as_a_forced_command) {
  LinkPolicy policy;
  policy.forced_command = "internal-sftp -R -d /incoming -u 077";
  policy.take_internal_sftp();
  EXPECT_TRUE(policy.may_use_files() && policy.read_only && !policy.programs && !policy.forced_command);
  EXPECT_EQ(policy.start_folder, "/incoming");
  EXPECT_EQ(policy.mask, 077u);
  policy = {};
  policy.forced_command = "internal-sftp -eRd/incoming -f AUTH -lINFO -u027";
  policy.take_internal_sftp();
  EXPECT_TRUE(policy.may_use_files() && policy.read_only);
  EXPECT_EQ(policy.start_folder, "/incoming");
  EXPECT_EQ(policy.mask, 027u);
  policy = {};
  policy.forced_command = "internal-sftp-like";
  policy.take_internal_sftp();
  EXPECT_TRUE(policy.forced_command && !policy.may_use_files());
}

TEST(LinkPolicy, gives_no_files_where_an_option_of_the_file_service_asks_for_a_limit_that_it_does_not_know) {
  for (const char* command :
       {"internal-sftp -P remove,rename", "internal-sftp -p read", "internal-sftp -RPremove", "internal-sftp -u 0999",
        "internal-sftp -u", "internal-sftp -d", "internal-sftp read-only"}) {
    LinkPolicy policy;
    policy.forced_command = command;
    policy.take_internal_sftp();
    EXPECT_FALSE(policy.may_use_files() || policy.programs || policy.forced_command) << command;
  }
}

}  // namespace
}  // namespace sluice
