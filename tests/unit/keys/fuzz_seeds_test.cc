// The seeds of the fuzz targets, whole and damaged, so that they stay good without a fuzzer at hand.
#include <gtest/gtest.h>

#include "tests/fuzz/exercise_keys.h"
#include "tests/unit/keys/outside.h"

namespace sluice {
namespace {

void for_each_seed(const std::string& target, void (*exercise)(Bytes)) {
  size_t seeds = 0;
  for (const auto& file : std::filesystem::directory_iterator(std::string(SLUICE_FUZZ_SEEDS) + "/" + target)) {
    SCOPED_TRACE(file.path());
    const std::string content = test::read_text(file.path());
    exercise(bytes_of(content));
    test::for_each_damage(bytes_of(content), 5, exercise);
    ++seeds;
  }
  EXPECT_GT(seeds, 0u);
}

TEST(FuzzSeeds, of_key_blob_do_no_harm) { for_each_seed("fuzz_key_blob", fuzz::exercise_key_blob); }
TEST(FuzzSeeds, of_key_file_do_no_harm) { for_each_seed("fuzz_key_file", fuzz::exercise_key_file); }
// Otherwise they would lead a fuzzer no further than noise does.
TEST(FuzzSeeds, of_key_file_are_whole_key_files) {
  for (const auto& file : std::filesystem::directory_iterator(std::string(SLUICE_FUZZ_SEEDS) + "/fuzz_key_file")) {
    if (file.path().filename().string().starts_with("container_")) continue;
    const std::string content = test::read_text(file.path());
    const auto key = parse_private_key(bytes_of(content), test::phrase("s"));
    EXPECT_TRUE(key) << file.path() << ": " << describe(key.error());
  }
}
TEST(FuzzSeeds, of_authorized_keys_do_no_harm) {
  for_each_seed("fuzz_authorized_keys", fuzz::exercise_authorized_keys);
}
TEST(FuzzSeeds, of_known_hosts_do_no_harm) { for_each_seed("fuzz_known_hosts", fuzz::exercise_known_hosts); }

}  // namespace
}  // namespace sluice
