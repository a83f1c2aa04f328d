// Devices that err, lie, hang and disappear under load: what they held is done again, nothing is lost, they come back.
#include <gtest/gtest.h>

#include "drivers/driver_registry.h"
#include "tests/support/sim_world.h"

namespace sluice::test {
namespace {

constexpr uint64_t kMs = kMillisecond;
using State = DeviceWatch::State;

TEST(Failover, Single_errors_are_done_again_in_software_and_the_device_stays) {
  SimWorldOptions options;
  options.faults.errors = 20'000;
  SimWorld world("aes256-ctr+hmac-sha2-512-etm", options);
  world.send(200, 3000);
  ASSERT_TRUE(world.settle());
  EXPECT_GT(world.device().tally().errors, 0u);
  EXPECT_EQ(world.on_device().errors.get(), world.device().tally().errors);
  EXPECT_EQ(world.by_software(), world.device().tally().errors);
  EXPECT_TRUE(world.watch().in_service());
}

TEST(Failover, A_device_that_keeps_erring_is_taken_out_of_service_with_one_log_line) {
  LogCapture log;
  SimWorldOptions options;
  options.faults.errors = 500'000;
  SimWorld world("aes128-gcm", options);
  world.send(300, 3000);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.counters().outages.get(), 1u);
  EXPECT_EQ(log.count("out of service: too many errors"), 1u);
  EXPECT_TRUE(world.pair->drivers->is_out(0));
}

TEST(Failover, A_hanging_device_is_given_up_at_the_deadline_and_its_records_are_done_again) {
  LogCapture log;
  SimWorldOptions options;
  options.device = "qat-gen4,stop=5ms";
  SimWorld world("aes256-ctr+hmac-sha2-512", options);
  world.send(20, 3000);
  ASSERT_TRUE(world.settle());
  world.device().break_for(SimDevice::Outage::stalled, 300 * kMs);
  world.send(20, 3000);
  for (int i = 0; i < 5; ++i) world.turn();
  EXPECT_EQ(world.watch().held(), 20u);
  EXPECT_TRUE(world.watch().in_service()) << "not yet late";
  const uint64_t before = world.clock.now_ns();
  ASSERT_TRUE(world.settle(100 * kMs));
  EXPECT_LT(world.clock.now_ns() - before, 30 * kMs) << "deadline and stop";
  EXPECT_EQ(world.on_device().redone.get(), 20u);
  EXPECT_EQ(world.device().tally().late_writes, 20u);
  EXPECT_EQ(log.count("it does not answer; 20 records are done again"), 1u);
}

TEST(Failover, Nothing_is_done_again_before_the_queue_is_stopped) {
  SimWorldOptions options;
  options.device = "qat-gen4,stop=200ms";
  SimWorld world("aes128-gcm", options);
  world.device().break_for(SimDevice::Outage::stalled, 1000 * kMs);
  world.send(10, 3000);
  while (world.watch().state() != State::stopping) world.turn(100'000);
  for (int i = 0; i < 100; ++i) world.turn(kMs);
  EXPECT_EQ(world.watch().state(), State::stopping);
  EXPECT_EQ(world.watch().held(), 10u) << "quarantined";
  EXPECT_EQ(world.pair->send_path.in_flight(), 10u);
  EXPECT_EQ(world.by_software(), 0u);
  ASSERT_TRUE(world.settle());
}

TEST(Failover, A_queue_that_cannot_be_stopped_keeps_its_records_and_the_log_says_so_once) {
  LogCapture log;
  SimWorldOptions options;
  options.device = "qat-gen4,stop=30000ms";
  SimWorld world("aes128-gcm", options);
  world.device().break_for(SimDevice::Outage::stalled, 100'000 * kMs);
  world.send(10, 3000);
  for (int i = 0; i < 3000; ++i) world.turn(kMs);
  EXPECT_EQ(log.count("cannot be stopped; 10 records wait for it"), 1u);
  EXPECT_EQ(world.pair->send_path.in_flight(), 10u);
  ASSERT_TRUE(world.settle(60'000 * kMs));
}

TEST(Failover, Work_that_waits_for_a_device_under_policy_hardware_moves_on_when_it_fails) {
  SimWorldOptions options;
  options.device = "qat-gen4,depth=2";
  SimWorld world("aes128-gcm", options);
  world.device().break_for(SimDevice::Outage::lost, 1000 * kMs);
  world.send(50, 1000);
  const uint64_t before = world.clock.now_ns();
  ASSERT_TRUE(world.settle());
  EXPECT_LT(world.clock.now_ns() - before, 10 * kMs) << "a loss is seen at once";
  EXPECT_EQ(world.by_software(), 100u);
}

TEST(Failover, A_device_is_probed_and_taken_back_when_it_answers_again) {
  LogCapture log;
  SimWorld world("aes128-gcm");
  world.send(5, 1000);
  ASSERT_TRUE(world.settle());
  world.device().break_for(SimDevice::Outage::lost, 150 * kMs);
  world.send(5, 1000);
  ASSERT_TRUE(world.settle());
  EXPECT_FALSE(world.watch().in_service());
  for (int i = 0; i < 1000 && !world.watch().in_service(); ++i) world.turn(kMs);
  EXPECT_TRUE(world.watch().in_service());
  EXPECT_FALSE(world.pair->drivers->is_out(0));
  EXPECT_EQ(world.counters().returns.get(), 1u);
  EXPECT_GT(world.counters().failed_probes.get(), 0u) << "the first probe came too early";
  EXPECT_EQ(log.count("out of service: it disappeared, and one that is put in its place needs a restart"), 1u);
  EXPECT_EQ(log.count("back in service"), 1u);
  const uint64_t before = world.by_device();
  world.send(5, 1000);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.by_device(), before + 10);
}

TEST(Failover, Probes_of_a_device_that_stays_away_become_ever_fewer) {
  SimWorld world("aes128-gcm");
  world.device().break_for(SimDevice::Outage::lost, 3'600'000 * kMs);
  for (int i = 0; i < 60'000; ++i) world.turn(kMs);
  EXPECT_GE(world.counters().failed_probes.get(), 8u);
  EXPECT_LE(world.counters().failed_probes.get(), 15u);
}

TEST(Failover, New_sessions_avoid_a_device_that_is_out_of_service) {
  SimWorld world("aes128-gcm");
  world.device().break_for(SimDevice::Outage::lost, 1000 * kMs);
  world.turn();
  ASSERT_TRUE(world.pair->drivers->is_out(0));
  const ReferenceKeys keys = random_keys(*world.suite, 1);
  const auto epoch = KeyEpoch::prepare(*world.suite, Direction::seal, {keys.cipher_key, keys.iv, keys.mac_key},
                                       *world.pair->drivers, 0);
  ASSERT_TRUE(epoch.has_value());
  EXPECT_EQ((*epoch)->devices(), 0u);
  EXPECT_EQ((*epoch)->placement(), Placement::in_place);
}

TEST(Failover, A_false_bad_tag_of_a_device_ends_no_session_and_is_counted) {
  SimWorldOptions options;
  options.faults.false_bad_tags = 20'000;
  SimWorld world("aes128-gcm", options);
  world.send(200, 1000);
  ASSERT_TRUE(world.settle());
  EXPECT_FALSE(world.pair->receive_path.error());
  EXPECT_GT(world.device().tally().false_bad_tags, 0u);
  EXPECT_EQ(world.on_device().wrong.get(), world.device().tally().false_bad_tags);
}

TEST(Failover, A_forgery_is_refused_after_software_agreed_and_the_device_is_not_blamed) {
  SimWorld world("aes128-gcm");
  for (uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(world.pair->send(data_payload(100, i)));
  std::vector<uint8_t> wire;
  std::array<Bytes, kMaxPieces> pieces;
  while (world.pair->send_path.in_work() > 0) world.pair->turn_sender(), world.clock.advance(5000);
  const size_t n = world.pair->near.send_ring().pending(pieces);
  for (size_t i = 0; i < n; ++i) wire.insert(wire.end(), pieces[i].begin(), pieces[i].end());
  world.pair->near.discard_sent();
  wire[wire.size() - 1] ^= 1;
  world.pair->give_wire(wire);
  for (int i = 0; i < 100; ++i) world.turn();
  EXPECT_EQ(world.pair->receive_path.error(), ErrorCode::corrupt_record);
  EXPECT_EQ(world.pair->received().size(), 3u);
  EXPECT_EQ(world.on_device().wrong.get(), 0u);
  EXPECT_EQ(world.on_device().checked.get(), 1u);
}

TEST(Failover, A_wrong_seal_that_is_not_checked_is_refused_by_the_peer) {
  SimWorldOptions options;
  options.faults.wrong_seals = 1'000'000;
  SimWorld world("aes128-gcm", options);
  world.send(1, 100);
  EXPECT_FALSE(world.settle());
  EXPECT_EQ(world.pair->receive_path.error(), ErrorCode::corrupt_record);
  EXPECT_TRUE(world.pair->received().empty());
}

TEST(Failover, Where_every_answer_is_verified_no_lie_of_a_device_does_harm) {
  for (const char* suite : {"aes128-gcm", "aes256-ctr+hmac-sha2-256", "aes256-cbc+hmac-sha2-512-etm"}) {
    SimWorldOptions options;
    options.verify_one_in = 1;
    options.faults.wrong_seals = options.faults.wrong_opens = 10'000;
    SimWorld world(suite, options);
    world.send(400, 1000);
    ASSERT_TRUE(world.settle()) << suite;
    const SimTally& tally = world.device().tally();
    EXPECT_GT(tally.wrong_seals + tally.wrong_opens, 0u);
    EXPECT_EQ(world.on_device().wrong.get(), tally.wrong_seals + tally.wrong_opens) << suite;
  }
}

TEST(Failover, The_first_answers_after_a_start_are_verified) {
  SimWorldOptions options;
  options.verify_first = 16;
  SimWorld world("aes128-gcm", options);
  world.send(50, 1000);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.on_device().checked.get(), 16u);
  EXPECT_EQ(world.by_software(), 16u);
}

TEST(Failover, A_liar_is_taken_out_of_service_sooner_than_one_that_errs) {
  SimWorldOptions options;
  options.faults.false_bad_tags = 1'000'000;
  SimWorld world("aes128-gcm", options);
  world.send(40, 1000);
  ASSERT_TRUE(world.settle());
  EXPECT_GE(world.counters().outages.get(), 1u);
}

TEST(Failover, One_lost_op_is_found_by_its_deadline_though_others_come_back) {
  SimWorldOptions options;
  options.faults.lost_ops = 5'000;
  SimWorld world("aes256-ctr+hmac-sha1", options);
  world.send(300, 1000);
  ASSERT_TRUE(world.settle());
  EXPECT_GT(world.device().tally().lost_ops, 0u);
  EXPECT_GT(world.on_device().redone.get(), 0u);
}

TEST(Failover, A_worker_that_stood_still_does_not_blame_the_device) {
  SimWorld world("aes128-gcm");
  world.send(10, 3000);
  world.turn();
  world.clock.advance(500 * kMs);
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.counters().outages.get(), 0u);
}

TEST(Failover, Every_outstanding_record_finds_room_to_be_done_again) {
  // More records with the device than the stage holds, of many sessions, and new ones keep coming.
  ManualClock clock;
  SimOptions device = *parse_sim_options("qat-gen4,depth=4096");
  device.virtual_clock = &clock;
  auto sim = make_sim_driver(device);
  SimDevice& simulated = sim->device();
  std::vector<std::unique_ptr<CryptoDriver>> devices;
  devices.push_back(std::move(sim));
  OffloadOptions options;
  options.policy = OffloadPolicy::hardware;
  options.clock = &clock;
  auto set = std::move(*make_driver_set_with(std::move(devices), options));
  const CipherSuite& suite = *find_suite("aes128-gcm");
  const ReferenceKeys keys = random_keys(suite, 1);
  auto epoch = std::move(*KeyEpoch::prepare(suite, Direction::seal, {keys.cipher_key, keys.iv, {}}, *set, 0));
  Dispatch dispatch(*set);
  constexpr size_t kOps = 5000;
  constexpr size_t kEach = 4 + 64 + 16;
  std::vector<uint8_t> source(kOps * kEach), target(kOps * kEach);
  std::vector<CryptoOp> ops(kOps);
  size_t staged = 0;
  simulated.break_for(SimDevice::Outage::stalled, 10'000 * kMs);
  for (int turn = 0; turn < 2000 && epoch->in_flight() + (kOps - staged) > 0; ++turn) {
    for (; staged < kOps && !dispatch.full(); ++staged) {
      CryptoOp& op = ops[staged];
      op.src = source.data() + staged * kEach;
      op.dst = target.data() + staged * kEach;
      op.length = 4 + 64;
      op.tag = op.dst + op.length;
      epoch->assign(op);
      ASSERT_TRUE(dispatch.stage(op));
    }
    dispatch.submit();
    dispatch.poll();
    clock.advance(200'000);
  }
  EXPECT_EQ(dispatch.outstanding(), 0u);
  EXPECT_GT(dispatch.counters(0).suite(suite.id).redone.get(), kStageCapacity);
  for (const CryptoOp& op : ops) ASSERT_EQ(op.status, OpStatus::ok);
}

TEST(Failover, Records_sealed_again_are_byte_for_byte_what_the_device_was_to_make) {
  for (const char* name : {"aes256-gcm", "aes256-ctr+hmac-sha2-256-etm", "aes128-cbc+hmac-sha1"}) {
    SimWorldOptions options;
    options.faults.errors = 300'000;
    SimWorld world(name, options);
    const CipherSuite& suite = *world.suite;
    const ReferenceKeys keys = random_keys(suite, 9);
    auto epoch = std::move(
        *KeyEpoch::prepare(suite, Direction::seal, {keys.cipher_key, keys.iv, keys.mac_key}, *world.pair->drivers, 0));
    for (uint32_t sequence = 0; sequence < 30; ++sequence) {
      const auto before = frame_payload(suite, data_payload(2000, sequence));
      std::vector<uint8_t> source(64);
      source.insert(source.end(), before.begin(), before.end());
      std::vector<uint8_t> target(source.size() + kMaxTagBytes);
      CryptoOp op{};
      op.src = source.data() + 64;
      op.dst = target.data() + 64;
      op.length = static_cast<uint32_t>(before.size());
      op.tag = op.dst + op.length;
      op.sequence = sequence;
      epoch->assign(op);
      const std::vector<uint8_t> iv(op.iv.begin(), op.iv.begin() + suite.cipher->iv_bytes);
      Dispatch& dispatch = world.pair->dispatch;
      ASSERT_TRUE(dispatch.stage(op));
      for (; epoch->in_flight() > 0; world.clock.advance(5000)) dispatch.submit(), dispatch.poll();
      const auto expected = reference_seal(suite, keys, sequence, iv, before);
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), op.dst)) << name << " " << sequence;
      ASSERT_TRUE(std::equal(before.begin(), before.end(), op.src)) << "the source is immutable";
    }
    EXPECT_GT(world.by_software(), 0u) << name;
  }
}

}  // namespace
}  // namespace sluice::test
