// Which root somebody's sessions get, and that nobody gets a session when that cannot be told.
#include "apps/sluiced/broker_wiring.h"

#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

namespace sluice {
namespace {

Permit own_permit() {
  Permit permit;
  permit.user = "tester";
  permit.system_account = true;
  permit.uid = ::getuid();
  permit.gid = ::getgid();
  permit.home = "/home/tester";
  permit.shell = "/bin/sh";
  return permit;
}

std::string own_group() {
  const group* own = ::getgrgid(::getgid());
  return own ? own->gr_name : "";
}

TEST(BrokerWiring, gives_the_root_of_the_first_group_the_user_is_in) {
  ServerConfig config;
  config.sftp.chroot = "/everybody";
  ASSERT_NE(own_group(), "");
  EXPECT_EQ(identity_for(own_permit(), config, LoginSource{"192.0.2.1", ""}, 1)->root, "/everybody");
  config.sftp.group_chroots = {{own_group(), "/groups/%u"}};
  EXPECT_EQ(identity_for(own_permit(), config, LoginSource{"192.0.2.1", ""}, 1)->root, "/groups/tester");
  config.sftp.user_chroots = {{"tester", "%h"}};
  EXPECT_EQ(identity_for(own_permit(), config, LoginSource{"192.0.2.1", ""}, 1)->root, "/home/tester");
}

TEST(BrokerWiring, refuses_whoever_may_belong_to_a_group_that_cannot_be_read) {
  ServerConfig config;
  config.sftp.group_chroots = {{"no-such-group-4711", "/jail"}};
  const auto identity = identity_for(own_permit(), config, LoginSource{"192.0.2.1", ""}, 1);
  ASSERT_FALSE(identity);
  EXPECT_NE(identity.error().find("no-such-group-4711"), std::string::npos);
  // Whose root does not depend on it is served.
  config.sftp.user_chroots = {{"tester", "/own"}};
  EXPECT_EQ(identity_for(own_permit(), config, LoginSource{"192.0.2.1", ""}, 1)->root, "/own");
}

// A router's user `carol` of group `guests`, who runs as the account of whoever runs this test.
Permit local_permit() {
  Permit permit;
  permit.user = "carol";
  return permit;
}

ServerConfig with_local_users() {
  ServerConfig config;
  config.login.local_account = ::getpwuid(::getuid())->pw_name;
  config.users["carol"].groups = {"guests"};
  config.users["dave"].groups = {"staff-4711"};
  return config;
}

std::string root_of(const Permit& permit, const ServerConfig& config) {
  const auto identity = identity_for(permit, config, LoginSource{"192.0.2.1", ""}, 1);
  return identity ? identity->root : identity.error();
}

bool only_reads(const Permit& permit, const ServerConfig& config) {
  const LoginSource source{"192.0.2.1", ""};
  return link_policy_for(*identity_for(permit, config, source, 1), permit, config, source).read_only;
}

TEST(BrokerWiring, gives_a_local_user_the_root_of_his_own_name_and_not_only_his_accounts) {
  ServerConfig config = with_local_users();
  config.sftp.chroot = "/everybody";
  EXPECT_EQ(root_of(local_permit(), config), "/everybody");
  config.sftp.user_chroots = {{config.login.local_account, "/account"}};
  EXPECT_EQ(root_of(local_permit(), config), "/account");
  config.sftp.user_chroots["carol"] = "/own/%u";
  EXPECT_EQ(root_of(local_permit(), config), "/own/carol");
}

TEST(BrokerWiring, knows_the_groups_that_the_configuration_puts_a_local_user_in) {
  ServerConfig config = with_local_users();
  config.sftp.group_chroots = {{"guests", "/guests"}, {"staff-4711", "/staff"}};
  EXPECT_EQ(root_of(local_permit(), config), "/guests");
  config.sftp.group_chroots.erase("guests");
  EXPECT_EQ(root_of(local_permit(), config), "") << "a group of others that the system does not have";
  EXPECT_EQ(root_of(own_permit(), config), "") << "and users of the system are in none of these";
  Permit dave = own_permit();
  dave.user = "dave";
  EXPECT_EQ(root_of(dave, config), "") << "though one of them has a local user's name";
}

TEST(BrokerWiring, lets_a_local_user_change_nothing_by_his_name_or_his_group) {
  for (const bool by_name : {true, false}) {
    ServerConfig config = with_local_users();
    EXPECT_FALSE(only_reads(local_permit(), config));
    (by_name ? config.sftp.read_only_users : config.sftp.read_only_groups) = {by_name ? "dave" : "staff-4711"};
    EXPECT_FALSE(only_reads(local_permit(), config));
    (by_name ? config.sftp.read_only_users : config.sftp.read_only_groups).push_back(by_name ? "carol" : "guests");
    EXPECT_TRUE(only_reads(local_permit(), config));
  }
}

}  // namespace
}  // namespace sluice
