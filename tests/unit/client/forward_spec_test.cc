// -L, -R and -D as people write them.
#include "control/client/config/forward_spec.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(ForwardSpec, A_port_leads_to_a_hosts_port) {
  const auto spec = parse_local_forward("8080:web.example:80");
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->listen.port, 8080);
  EXPECT_FALSE(spec->listen.host_given);
  EXPECT_EQ(spec->target->host, "web.example");
  EXPECT_EQ(spec->target->port, 80);
}

TEST(ForwardSpec, An_address_may_stand_before_the_port_in_brackets_where_it_has_colons) {
  const auto spec = parse_local_forward("[::1]:8080:[2001:db8::1]:80");
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->listen.host, "::1");
  EXPECT_EQ(spec->target->host, "2001:db8::1");
  EXPECT_EQ(spec->text(), "[::1]:8080:[2001:db8::1]:80");
  EXPECT_TRUE(parse_local_forward(":8080:h:80")->listen.host_given);
  EXPECT_EQ(parse_local_forward("*:8080:h:80")->listen.host, "*");
}

TEST(ForwardSpec, Either_end_may_be_a_path) {
  EXPECT_EQ(parse_local_forward("/a:/b")->target->path, "/b");
  EXPECT_EQ(parse_local_forward("/a:h:80")->listen.path, "/a");
  EXPECT_EQ(parse_local_forward("8080:/b")->target->path, "/b");
  EXPECT_EQ(parse_local_forward("localhost:8080:/b")->listen.host, "localhost");
}

TEST(ForwardSpec, A_remote_one_without_a_target_speaks_socks) {
  EXPECT_FALSE(parse_remote_forward("1080")->target);
  EXPECT_FALSE(parse_remote_forward("localhost:1080")->target);
  EXPECT_TRUE(parse_remote_forward("1080:h:80")->target);
  EXPECT_EQ(parse_remote_forward("0:h:80")->listen.port, 0);
}

TEST(ForwardSpec, Nonsense_is_refused) {
  for (const char* text : {"", "8080", "8080:h", "x:h:80", "8080:h:0", "0:h:80", "8080:h:80:9:1", "[::1:8080:h:80",
                           "70000:h:80", "8080::80", "8080:h:"}) {
    EXPECT_FALSE(parse_local_forward(text)) << text;
  }
  EXPECT_FALSE(parse_dynamic_forward("1:2:3"));
  EXPECT_FALSE(parse_host_port("host"));
  EXPECT_EQ(parse_host_port("[::1]:22")->host, "::1");
}

}  // namespace
}  // namespace sluice
