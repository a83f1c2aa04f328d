// Ranges, and the journal that tells them.
#include <gtest/gtest.h>

#include "base/random.h"
#include "services/copy/part_journal.h"

namespace sluice {
namespace {

TEST(RangeSet, is_what_a_row_of_flags_would_be) {
  for (uint64_t seed = 1; seed < 200; ++seed) {
    CheapRandom random(seed);
    RangeSet set;
    std::vector<bool> flags(200);
    for (int i = 0; i < 12; ++i) {
      const uint64_t begin = random.below(200);
      const uint64_t end = begin + random.below(201 - begin);
      set.add(begin, end);
      for (uint64_t at = begin; at < end; ++at) flags[at] = true;
    }
    uint64_t last = 0, bytes = 0;
    for (const auto& [begin, end] : set.ranges()) {
      EXPECT_TRUE(begin < end && (bytes == 0 || begin > last)) << "seed " << seed;
      last = end;
      for (uint64_t at = begin; at < end; ++at) EXPECT_TRUE(flags[at]) << "seed " << seed;
      bytes += end - begin;
    }
    EXPECT_EQ(bytes, static_cast<uint64_t>(std::count(flags.begin(), flags.end(), true))) << "seed " << seed;
    EXPECT_EQ(set.bytes() + set.missing(200).bytes(), 200u);
    RangeSet missing = set.missing(200);
    while (!missing.empty()) {
      const auto [begin, end] = missing.take(7);
      EXPECT_TRUE(end - begin <= 7 && begin < end);
      set.add(begin, end);
    }
    EXPECT_EQ(set.count(), 1u);
    EXPECT_EQ(set.bytes(), 200u);
  }
}

TEST(PartJournal, is_believed_whole_and_for_its_source_only) {
  const SourceFacts source{1000, 77, "host:/file"};
  RangeSet parts;
  parts.add(0, 100);
  parts.add(300, 1000);
  const auto journal = write_journal(source, parts);
  const auto read = read_journal(journal, source);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->ranges(), parts.ranges());
  for (size_t n = 0; n < journal.size(); ++n) EXPECT_FALSE(read_journal(Bytes(journal).first(n), source)) << n;
  for (size_t i = 0; i < journal.size(); ++i) {
    auto other = journal;
    other[i] ^= 1;
    EXPECT_FALSE(read_journal(other, source)) << i;
  }
  EXPECT_FALSE(read_journal(journal, {1001, 77, "host:/file"}));
  EXPECT_FALSE(read_journal(journal, {1000, 78, "host:/file"}));
  EXPECT_FALSE(read_journal(journal, {1000, 77, "host:/other"}));
}

TEST(PartJournal, stays_small_whatever_there_is_to_tell) {
  const SourceFacts source{1 << 30, 77, "f"};
  RangeSet parts;
  for (uint64_t at = 0; at < 100000; at += 2) parts.add(at, at + 1);
  const auto journal = write_journal(source, parts);
  EXPECT_LE(journal.size(), kMostJournal);
  const auto read = read_journal(journal, source);
  ASSERT_TRUE(read);
  EXPECT_GT(read->count(), 100u);
  EXPECT_EQ(read->missing(source.size).bytes() + read->bytes(), source.size);
}

}  // namespace
}  // namespace sluice
