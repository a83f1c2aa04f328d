// What stands in front of a line of the log, on each platform.
#include "apps/sluiced/log_stream.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <fstream>

#include "tests/support/temp_folder.h"

namespace sluice::test {
namespace {

class LogStreamTest : public testing::Test {
 protected:
  LogStreamTest() {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
  }
  ~LogStreamTest() override { set_line_form(LineForm::plain); }
};

TEST_F(LogStreamTest, a_line_has_the_head_that_the_platform_gives_it) {
  // 24 August 2020, 13:10:15.933 UTC.
  const std::chrono::system_clock::time_point when{std::chrono::milliseconds(1598274615933)};
  EXPECT_EQ(line_head(LineForm::plain, when), "Aug 24 13:10:15 ");
  EXPECT_EQ(line_head(LineForm::ios, when), "Aug 24 13:10:15.933: ");
  EXPECT_EQ(line_head(LineForm::ios_xr, when),
            "RP/0/RP0/CPU0:Aug 24 13:10:15.933 UTC: SSHD_[" + std::to_string(::getpid()) + "]: ");
}

TEST_F(LogStreamTest, the_file_of_transfers_has_the_time_alone) {
  TempFolder folder;
  const std::string log = folder.path() + "/log", transfers = folder.path() + "/transfers";
  LogStream one, other(LogStream::Around::time);
  one.take(open_log_file(log.c_str()));
  other.take(open_log_file(transfers.c_str()));
  set_line_form(LineForm::ios_xr);
  one.write_line("%SYS-5-CONFIG_I: Configured from console by lab");
  other.write_line("put /x 1 octet");
  const auto text_of = [](const std::string& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  EXPECT_TRUE(text_of(log).starts_with("RP/0/RP0/CPU0:")) << text_of(log);
  EXPECT_TRUE(text_of(log).ends_with("]: %SYS-5-CONFIG_I: Configured from console by lab\n")) << text_of(log);
  EXPECT_FALSE(text_of(transfers).starts_with("RP/")) << text_of(transfers);
}

}  // namespace
}  // namespace sluice::test
