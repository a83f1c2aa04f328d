// Where sftp and scp are told that files are, and the flags that both have.
#include "apps/sluice/sftp/file_program_flags.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice {
namespace {

std::string place(const std::string& text) {
  std::string problem;
  const auto name = parse_remote_name(text, "scp", problem);
  if (!problem.empty()) return "problem";
  if (!name) return "local";
  return name->destination + "|" + name->port + "|" + name->path;
}

TEST(RemoteName, A_colon_in_front_of_any_slash_names_a_host) {
  EXPECT_EQ(place("host:path/to"), "host||path/to");
  EXPECT_EQ(place("ann@host:"), "ann@host||");
  EXPECT_EQ(place("host:a:b"), "host||a:b");
  for (const char* local : {"file", "./a:b", "/a:b", "dir/a:b", ":a", ""}) EXPECT_EQ(place(local), "local") << local;
}

TEST(RemoteName, Addresses_with_colons_are_in_brackets) {
  EXPECT_EQ(place("[::1]:path"), "::1||path");
  EXPECT_EQ(place("ann@[fe80::1%eth0]:x"), "ann@fe80::1%eth0||x");
  EXPECT_EQ(place("[x"), "local");
}

TEST(RemoteName, A_uri_has_a_port_and_a_path_without_percents) {
  EXPECT_EQ(place("scp://ann@host:2222/a%20b%25"), "ann@host|2222|a b%");
  EXPECT_EQ(place("scp://host//abs"), "host||/abs");
  EXPECT_EQ(place("scp://host"), "host||");
  // Neither a NUL nor half an escape.
  EXPECT_EQ(place("scp://host/a%00b%2"), "host||a%00b%2");
}

TEST(FileProgramFlags, Become_lines_and_what_the_user_says_comes_first) {
  FileProgramFlags flags;
  for (const auto& [flag, value] :
       {std::pair{'P', "2222"}, {'i', "my key"}, {'A', ""}, {'o', "Port 1"}, {'v', ""}, {'r', ""}}) {
    EXPECT_TRUE(flags.take(flag, value)) << flag;
  }
  EXPECT_FALSE(flags.take('Z', ""));
  flags.finish();
  const auto& lines = flags.invocation.lines;
  const auto at = [&](const char* line) { return std::find(lines.begin(), lines.end(), line) - lines.begin(); };
  EXPECT_LT(at("Port 2222"), at("Port 1"));
  EXPECT_LT(at("ForwardAgent yes"), at("ForwardAgent no"));
  EXPECT_EQ(flags.invocation.key_files, std::vector<std::string>{"my key"});
  EXPECT_LT(at("LogLevel debug1"), static_cast<ptrdiff_t>(lines.size()));
  EXPECT_TRUE(flags.recursive);
}

TEST(FileProgramFlags, Numbers_out_of_bounds_are_named) {
  for (const auto& [flag, value] :
       {std::pair{'l', "0"}, {'l', "fast"}, {'X', "nrequests=0"}, {'X', "buffer=999999999"}, {'X', "speed=1"}}) {
    FileProgramFlags flags;
    flags.take(flag, value);
    EXPECT_NE(flags.problem.find("-" + std::string(1, flag)), std::string::npos) << flag << value;
  }
  FileProgramFlags flags;
  flags.take('l', "8000");
  EXPECT_EQ(flags.limit()->rate(), 1024'000u);
  EXPECT_EQ(FileProgramFlags().limit(), nullptr);
}

}  // namespace
}  // namespace sluice
