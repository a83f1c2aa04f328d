// Which root somebody's sessions get, and that nobody gets a session when that cannot be told.
#include "apps/sluiced/broker_wiring.h"

#include <grp.h>
#include <gtest/gtest.h>
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

}  // namespace
}  // namespace sluice
