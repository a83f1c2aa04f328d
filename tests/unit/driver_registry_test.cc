// Names, overrides and their errors.
#include "drivers/driver_registry.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace sluice {
namespace {

TEST(DriverRegistry, An_unknown_driver_is_an_error_that_names_it_and_the_choices) {
  const auto set = make_driver_set("quantum");
  ASSERT_FALSE(set.has_value());
  EXPECT_NE(set.error().find("quantum"), std::string::npos);
  EXPECT_NE(set.error().find("ipsec_mb"), std::string::npos);
}

TEST(DriverRegistry, An_override_that_cannot_be_met_fails_loudly) {
  ::setenv("SLUICE_CRYPTO_DRIVER", "openssl:no_such_engine", 1);
  const auto set = make_driver_set_from_environment();
  ::unsetenv("SLUICE_CRYPTO_DRIVER");
  ASSERT_FALSE(set.has_value());
  EXPECT_NE(set.error().find("SLUICE_CRYPTO_DRIVER"), std::string::npos);
  EXPECT_NE(set.error().find("no_such_engine"), std::string::npos);
}

TEST(DriverRegistry, Drivers_that_protect_nothing_cannot_be_asked_for) {
  EXPECT_FALSE(make_driver_set("null").has_value());
  EXPECT_FALSE(make_driver_set("delay").has_value());
}

TEST(DriverRegistry, An_override_serves_every_suite_by_that_driver) {
  for (const std::string name : {"openssl", "ipsec_mb"}) {
    auto set = make_driver_set(name);
    if (!set) continue;  // the registry's own notes say why
    EXPECT_EQ((**set)[0].name(), name);
    for (const CipherSuite& suite : cipher_suites()) {
      if (!suite.negotiable) continue;
      EXPECT_TRUE((**set)[0].supports(suite).yes) << suite.name();
    }
  }
}

TEST(DriverRegistry, No_driver_claims_the_plain_suite) {
  auto set = make_driver_set("");
  ASSERT_TRUE(set.has_value());
  const Support support = (*set)->supports(plain_suite());
  EXPECT_FALSE(support.yes);
  EXPECT_FALSE(support.reason.empty());
}

}  // namespace
}  // namespace sluice
