// Which slots a memif is asked for.
#include "drivers/memif_device.h"

#include <gtest/gtest.h>

namespace sluice::test {
namespace {

TEST(MemifDevice, Usual_frames_fit_the_usual_slots) {
  EXPECT_EQ(memif_for_mtu("net_memif0,role=client", 1500).value(), "net_memif0,role=client");
  EXPECT_EQ(memif_for_mtu("net_memif0", 2034).value(), "net_memif0");
}

TEST(MemifDevice, A_larger_mtu_brings_slots_that_hold_a_frame) {
  EXPECT_EQ(memif_for_mtu("net_memif0", 2035).value(), "net_memif0,bsize=2112");
  EXPECT_EQ(memif_for_mtu("net_memif0,id=3", 9000).value(), "net_memif0,id=3,bsize=9024");
  EXPECT_EQ(memif_for_mtu("net_memif0", 65521).value(), "net_memif0,bsize=65535");
}

TEST(MemifDevice, Slots_that_were_asked_for_stay_where_a_frame_fits) {
  EXPECT_EQ(memif_for_mtu("net_memif0,bsize=9014,id=0", 9000).value(), "net_memif0,bsize=9014,id=0");
  const auto small = memif_for_mtu("net_memif0,id=0,bsize=9013", 9000);
  ASSERT_FALSE(small);
  EXPECT_NE(small.error().find("needs slots of 9014 bytes"), std::string::npos) << small.error();
  EXPECT_NE(small.error().find("an MTU of 8999 fits"), std::string::npos) << small.error();
}

TEST(MemifDevice, What_no_slot_can_be_is_refused) {
  for (const char* device : {"net_memif0,bsize=", "net_memif0,bsize=many", "net_memif0,bsize=90x,id=0",
                             "net_memif0,bsize=70000", "net_memif0,bsize=14", "net_memif0,bsize=-1"}) {
    EXPECT_FALSE(memif_for_mtu(device, 1500)) << device;
  }
  EXPECT_FALSE(memif_for_mtu("net_memif0", 65522));
  EXPECT_FALSE(memif_for_mtu("net_memif0", 65535));
}

}  // namespace
}  // namespace sluice::test
