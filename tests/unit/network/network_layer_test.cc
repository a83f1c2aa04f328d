// NetworkLayer: frames in, frames out, in simulated time.
#include "dataplane/netstack/network_layer.h"

#include <gtest/gtest.h>

#include <deque>

#include "base/random.h"
#include "dataplane/netstack/headers.h"

namespace sluice {
namespace {

using Frame = std::vector<uint8_t>;

constexpr MacAddress kOurs{0x02, 0, 0, 0, 0, 1}, kTheirs{0x02, 0, 0, 0, 0, 2}, kOther{0x02, 0, 0, 0, 0, 3};
constexpr uint64_t kSecond = 1'000'000'000;

IpAddress ip(const std::string& text) { return *IpAddress::parse(text); }

struct World : FrameSink, SegmentReceiver {
  explicit World(bool asks = false, bool answers = true) {
    settings.answers = answers;
    settings.mac = kOurs;
    settings.addresses = {*InterfaceAddress::parse("192.0.2.1/24"), *InterfaceAddress::parse("2001:db8::1/64")};
    settings.routes = {{{ip("0.0.0.0"), 0}, ip("192.0.2.254")}, {{ip("::"), 0}, ip("2001:db8::fe")}};
    settings.ask_for_duplicates = asks;
    layer.emplace(settings, *this, *this);
    // Announcements are not what most tests are about.
    if (!asks) {
      for (int i = 0; i < 4; ++i) layer->tick(now += 2 * kSecond);
      sent.clear();
    }
  }
  bool send(const OutFrame& frame) override {
    if (full) return false;
    Frame out(frame.header.begin(), frame.header.end());
    for (const Bytes& piece : frame.payload) out.insert(out.end(), piece.begin(), piece.end());
    sent.push_back(std::move(out));
    return true;
  }
  void on_segment(const SegmentIn& segment, uint64_t) override {
    segments.emplace_back(segment.tcp.begin(), segment.tcp.end());
  }
  void on_notice(const SegmentNotice& notice, uint64_t) override { notices.push_back(notice); }

  void input(Frame frame) { layer->input(frame, {}, {}, now); }
  uint64_t dropped(NetDrop why) const { return layer->counters().dropped(why); }
  Frame take() {
    if (sent.empty()) return {};
    Frame out = std::move(sent.front());
    sent.pop_front();
    return out;
  }

  NetSettings settings;
  std::optional<NetworkLayer> layer;
  std::deque<Frame> sent;
  std::vector<Frame> segments;
  std::vector<SegmentNotice> notices;
  uint64_t now = kSecond;
  bool full = false;
};

Frame ethernet(uint16_t type, const Frame& content, const MacAddress& to = kOurs, const MacAddress& from = kTheirs) {
  Frame out(to.begin(), to.end());
  out.insert(out.end(), from.begin(), from.end());
  out.push_back(static_cast<uint8_t>(type >> 8));
  out.push_back(static_cast<uint8_t>(type));
  out.insert(out.end(), content.begin(), content.end());
  return out;
}

Frame ipv4(uint8_t protocol, const Frame& content, const std::string& from = "192.0.2.2",
           const std::string& to = "192.0.2.1", uint16_t fragment = 0, const Frame& options = {}) {
  Frame out(20);
  out.insert(out.end(), options.begin(), options.end());
  out[0] = static_cast<uint8_t>(0x40 | out.size() / 4);
  store_be16(out.data() + 2, static_cast<uint16_t>(out.size() + content.size()));
  store_be16(out.data() + 6, fragment);
  out[8] = 64;
  out[9] = protocol;
  std::copy_n(ip(from).bytes.begin(), 4, out.begin() + 12);
  std::copy_n(ip(to).bytes.begin(), 4, out.begin() + 16);
  store_be16(out.data() + 10, InetChecksum().add(out).value());
  out.insert(out.end(), content.begin(), content.end());
  return out;
}

Frame ipv6(uint8_t next, const Frame& content, const std::string& from = "2001:db8::2",
           const std::string& to = "2001:db8::1", uint8_t hops = 255) {
  Frame out(40);
  out[0] = 0x60;
  store_be16(out.data() + 4, static_cast<uint16_t>(content.size()));
  out[6] = next;
  out[7] = hops;
  std::copy_n(ip(from).bytes.begin(), 16, out.begin() + 8);
  std::copy_n(ip(to).bytes.begin(), 16, out.begin() + 24);
  out.insert(out.end(), content.begin(), content.end());
  return out;
}

Frame icmp(Frame message) {
  store_be16(message.data() + 2, InetChecksum().add(message).value());
  return message;
}

Frame icmp6(Frame message, const std::string& from = "2001:db8::2", const std::string& to = "2001:db8::1") {
  store_be16(message.data() + 2,
             InetChecksum().add_pseudo_header(ip(from), ip(to), 58, message.size()).add(message).value());
  return message;
}

Frame arp(uint16_t operation, const MacAddress& station, const std::string& from, const std::string& about) {
  Frame out{0, 1, 8, 0, 6, 4, 0, static_cast<uint8_t>(operation)};
  out.insert(out.end(), station.begin(), station.end());
  const auto add = [&](const std::string& text) {
    const IpAddress address = ip(text);
    out.insert(out.end(), address.bytes.begin(), address.bytes.begin() + 4);
  };
  add(from);
  out.insert(out.end(), 6, 0);
  add(about);
  return out;
}

Frame tcp_header() {
  Frame out(20);
  store_be16(out.data(), 40000);
  store_be16(out.data() + 2, 22);
  store_be32(out.data() + 4, 1000);
  out[12] = 0x50;
  return out;
}

SendAnswer send_segment(World& world, const std::string& from, const std::string& to, Frame payload = {},
                        uint16_t segment = 0) {
  Frame header = tcp_header();
  const Bytes piece(payload);
  const IpAddress a = ip(from), b = ip(to);
  return world.layer->send({.from = a,
                            .to = b,
                            .header = header,
                            .payload = {&piece, 1},
                            .payload_size = payload.size(),
                            .segment_size = segment},
                           world.now);
}

TEST(NetworkLayer, answers_who_asks_for_its_address) {
  World world;
  world.input(ethernet(kEtherArp, arp(1, kTheirs, "192.0.2.2", "192.0.2.1"), kBroadcastMac));
  const Frame answer = world.take();
  ASSERT_EQ(answer.size(), 42u);
  EXPECT_TRUE(std::equal(kTheirs.begin(), kTheirs.end(), answer.begin()));
  EXPECT_EQ(answer[21], 2);
  EXPECT_TRUE(std::equal(kOurs.begin(), kOurs.end(), answer.begin() + 22));
  EXPECT_EQ(IpAddress::of_v4(answer.data() + 28).text(), "192.0.2.1");
}

TEST(NetworkLayer, asks_for_a_neighbour_and_sends_the_header_that_waited) {
  World world;
  EXPECT_EQ(send_segment(world, "192.0.2.1", "192.0.2.9"), SendAnswer::waiting);
  const Frame question = world.take();
  EXPECT_EQ(load_be16(question.data() + 12), kEtherArp);
  EXPECT_EQ(IpAddress::of_v4(question.data() + 38).text(), "192.0.2.9");
  world.input(ethernet(kEtherArp, arp(2, kOther, "192.0.2.9", "192.0.2.1")));
  const Frame segment = world.take();
  ASSERT_EQ(segment.size(), 54u);
  EXPECT_TRUE(std::equal(kOther.begin(), kOther.end(), segment.begin()));
  // Its sum is right as it stands.
  EXPECT_EQ(InetChecksum()
                .add_pseudo_header(ip("192.0.2.1"), ip("192.0.2.9"), kProtocolTcp, 20)
                .add(Bytes(segment).subspan(34))
                .value(),
            0);
  EXPECT_EQ(send_segment(world, "192.0.2.1", "192.0.2.9"), SendAnswer::sent);
}

TEST(NetworkLayer, sends_by_the_gateway_what_is_not_on_the_link) {
  World world;
  EXPECT_EQ(send_segment(world, "192.0.2.1", "198.51.100.7"), SendAnswer::waiting);
  EXPECT_EQ(IpAddress::of_v4(world.take().data() + 38).text(), "192.0.2.254");
  EXPECT_EQ(world.layer->source_for(ip("198.51.100.7"))->text(), "192.0.2.1");
  EXPECT_EQ(world.layer->source_for(ip("2001:db8:5::7"))->text(), "2001:db8::1");
}

TEST(NetworkLayer, gives_up_a_neighbour_who_never_answers) {
  World world;
  send_segment(world, "192.0.2.1", "192.0.2.9");
  for (int i = 0; i < 10; ++i) world.layer->tick(world.now += kSecond);
  EXPECT_EQ(world.sent.size(), 4u);
  world.sent.clear();
  send_segment(world, "192.0.2.1", "192.0.2.9");
  EXPECT_EQ(world.sent.size(), 1u);
}

TEST(NetworkLayer, adds_nobody_for_an_answer_that_it_did_not_ask_for) {
  World world;
  world.input(ethernet(kEtherArp, arp(2, kTheirs, "192.0.2.2", "192.0.2.1")));
  EXPECT_EQ(send_segment(world, "192.0.2.1", "192.0.2.2"), SendAnswer::waiting);
}

TEST(NetworkLayer, keeps_its_neighbours_in_a_flood_of_strangers) {
  World world;
  send_segment(world, "192.0.2.1", "192.0.2.254");
  world.input(ethernet(kEtherArp, arp(2, kOther, "192.0.2.254", "192.0.2.1")));
  for (int round = 0; round < 3; ++round) {
    for (int i = 2; i < 254; ++i) {
      world.input(ethernet(kEtherArp, arp(1, kTheirs, "192.0.2." + std::to_string(i), "192.0.2.1"), kBroadcastMac));
    }
  }
  world.sent.clear();
  EXPECT_EQ(send_segment(world, "192.0.2.1", "192.0.2.254"), SendAnswer::sent);
}

TEST(NetworkLayer, believes_no_group_address_and_nobody_beyond_the_link) {
  World world;
  world.input(ethernet(kEtherArp, arp(1, {0x01, 0, 0, 0, 0, 9}, "192.0.2.9", "192.0.2.1"), kBroadcastMac));
  world.input(ethernet(kEtherArp, arp(1, kTheirs, "198.51.100.9", "192.0.2.1"), kBroadcastMac));
  EXPECT_EQ(world.dropped(NetDrop::arp), 2u);
  EXPECT_TRUE(world.sent.empty());
}

TEST(NetworkLayer, gives_an_address_up_that_somebody_has_already) {
  World world(true);
  world.layer->tick(world.now);
  EXPECT_FALSE(world.layer->is_own(ip("192.0.2.1")));
  world.input(ethernet(kEtherArp, arp(2, kTheirs, "192.0.2.1", "192.0.2.1")));
  for (int i = 0; i < 8; ++i) world.layer->tick(world.now += kSecond);
  EXPECT_TRUE(world.layer->settled());
  EXPECT_FALSE(world.layer->is_own(ip("192.0.2.1")));
  EXPECT_TRUE(world.layer->is_own(ip("2001:db8::1")));
  EXPECT_EQ(world.layer->counters().duplicates.get(), 1u);
}

TEST(NetworkLayer, uses_an_address_when_nobody_objected_and_announces_it) {
  World world(true);
  for (int i = 0; i < 3; ++i) world.layer->tick(world.now += kSecond / 2);
  EXPECT_TRUE(world.layer->is_own(ip("192.0.2.1")));
  bool probed = false, announced = false;
  for (const Frame& frame : world.sent) {
    if (load_be16(frame.data() + 12) != kEtherArp) continue;
    const std::string from = IpAddress::of_v4(frame.data() + 28).text();
    probed |= from == "0.0.0.0";
    announced |= from == "192.0.2.1";
  }
  EXPECT_TRUE(probed);
  EXPECT_TRUE(announced);
}

TEST(NetworkLayer, defends_its_address_but_not_forever) {
  World world;
  for (int i = 0; i < 5; ++i)
    world.input(ethernet(kEtherArp, arp(1, kTheirs, "192.0.2.1", "192.0.2.1"), kBroadcastMac));
  EXPECT_EQ(world.sent.size(), 1u);
  EXPECT_EQ(world.layer->counters().duplicates.get(), 5u);
  EXPECT_TRUE(world.layer->is_own(ip("192.0.2.1")));
}

TEST(NetworkLayer, hands_segments_of_both_families_up_without_padding) {
  World world;
  Frame padded = ethernet(kEtherIpv4, ipv4(kProtocolTcp, tcp_header()));
  padded.resize(64);
  world.input(padded);
  world.input(ethernet(kEtherIpv6, ipv6(kProtocolTcp, tcp_header())));
  ASSERT_EQ(world.segments.size(), 2u);
  EXPECT_EQ(world.segments[0], tcp_header());
  EXPECT_EQ(world.segments[1], tcp_header());
}

TEST(NetworkLayer, drops_what_is_not_for_it) {
  World world;
  world.input(ethernet(kEtherIpv4, ipv4(kProtocolTcp, tcp_header()), kOther));
  world.input(ethernet(kEtherIpv4, ipv4(kProtocolTcp, tcp_header(), "192.0.2.2", "192.0.2.77")));
  world.input(ethernet(0x8100, Frame(50)));
  EXPECT_EQ(world.dropped(NetDrop::other_station), 1u);
  EXPECT_EQ(world.dropped(NetDrop::not_ours), 1u);
  EXPECT_EQ(world.dropped(NetDrop::ether_type), 1u);
  EXPECT_TRUE(world.segments.empty());
}

TEST(NetworkLayer, drops_sources_that_can_be_nobodys) {
  World world;
  for (const char* from : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1"}) {
    world.input(ethernet(kEtherIpv4, ipv4(kProtocolTcp, tcp_header(), from)));
  }
  for (const char* from : {"::", "::1", "ff02::1", "2001:db8::1"}) {
    world.input(ethernet(kEtherIpv6, ipv6(kProtocolTcp, tcp_header(), from)));
  }
  EXPECT_EQ(world.dropped(NetDrop::ip_address), 9u);
}

TEST(NetworkLayer, refuses_fragments_source_routes_and_bad_sums) {
  World world;
  world.input(ethernet(kEtherIpv4, ipv4(kProtocolTcp, tcp_header(), "192.0.2.2", "192.0.2.1", 0x2000)));
  world.input(ethernet(kEtherIpv4, ipv4(kProtocolTcp, tcp_header(), "192.0.2.2", "192.0.2.1", 8)));
  Frame fragment{6, 0, 0, 9, 0, 0, 0, 1};
  const Frame header = tcp_header();
  fragment.insert(fragment.end(), header.begin(), header.end());
  world.input(ethernet(kEtherIpv6, ipv6(44, fragment)));
  EXPECT_EQ(world.dropped(NetDrop::fragment), 3u);
  world.input(ethernet(kEtherIpv4, ipv4(kProtocolTcp, tcp_header(), "192.0.2.2", "192.0.2.1", 0, {131, 4, 4, 0})));
  EXPECT_EQ(world.dropped(NetDrop::source_route), 1u);
  Frame bad = ethernet(kEtherIpv4, ipv4(kProtocolTcp, tcp_header()));
  bad[24] ^= 1;
  world.input(bad);
  EXPECT_EQ(world.dropped(NetDrop::ip_checksum), 1u);
  EXPECT_TRUE(world.segments.empty());
}

TEST(NetworkLayer, walks_over_a_few_extension_headers_and_no_more) {
  World world;
  const auto with = [](int n) {
    Frame content = tcp_header();
    uint8_t next = kProtocolTcp;
    for (int i = 0; i < n; ++i) {
      Frame extension{next, 0, 0, 0, 0, 0, 0, 0};
      content.insert(content.begin(), extension.begin(), extension.end());
      next = 60;
    }
    return ethernet(kEtherIpv6, ipv6(next, content));
  };
  world.input(with(3));
  EXPECT_EQ(world.segments.size(), 1u);
  world.input(with(20));
  EXPECT_EQ(world.dropped(NetDrop::extension), 1u);
}

TEST(NetworkLayer, survives_every_length_that_lies) {
  const Frame whole[] = {ethernet(kEtherIpv4, ipv4(kProtocolTcp, tcp_header())),
                         ethernet(kEtherIpv6, ipv6(kProtocolTcp, tcp_header())),
                         ethernet(kEtherIpv6, ipv6(60, Frame{6, 0, 0, 0, 0, 0, 0, 0})),
                         ethernet(kEtherIpv4, ipv4(kProtocolIcmp, icmp({8, 0, 0, 0, 0, 0, 0, 0}))),
                         ethernet(kEtherArp, arp(1, kTheirs, "192.0.2.2", "192.0.2.1"))};
  for (const Frame& frame : whole) {
    for (size_t n = 0; n <= frame.size(); ++n) {
      World world;
      world.input(Frame(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(n)));
      for (size_t at = 14; at < n; ++at) {
        for (const uint8_t value : std::array<uint8_t, 5>{0x00, 0xff, 0x45, 0x4f, 0x60}) {
          Frame changed(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(n));
          changed[at] = value;
          world.input(changed);
        }
      }
    }
  }
}

TEST(NetworkLayer, answers_echo_of_both_families) {
  World world;
  world.input(ethernet(kEtherIpv4, ipv4(kProtocolIcmp, icmp({8, 0, 0, 0, 1, 2, 3, 4, 'h', 'i'}))));
  Frame answer = world.take();
  ASSERT_EQ(answer.size(), 44u);
  EXPECT_EQ(answer[34], 0);
  EXPECT_EQ(InetChecksum().add(Bytes(answer).subspan(34)).value(), 0);
  EXPECT_EQ(answer[43], 'i');
  world.input(ethernet(kEtherIpv6, ipv6(kProtocolIcmpv6, icmp6({128, 0, 0, 0, 1, 2, 3, 4, 'h', 'i'}))));
  answer = world.take();
  ASSERT_EQ(answer.size(), 64u);
  EXPECT_EQ(answer[54], 129);
  EXPECT_EQ(InetChecksum()
                .add_pseudo_header(ip("2001:db8::1"), ip("2001:db8::2"), 58, 10)
                .add(Bytes(answer).subspan(54))
                .value(),
            0);
}

TEST(NetworkLayer, does_not_serve_a_flood_of_echoes_or_strange_protocols) {
  World world;
  for (int i = 0; i < 5000; ++i) {
    world.input(ethernet(kEtherIpv4, ipv4(kProtocolIcmp, icmp({8, 0, 0, 0, 1, 2, 3, 4}))));
    world.input(ethernet(kEtherIpv4, ipv4(kProtocolUdp, Frame(8))));
  }
  EXPECT_LE(world.sent.size(), 1100u);
  EXPECT_GE(world.sent.size(), 1000u);
  EXPECT_GT(world.dropped(NetDrop::rate), 8000u);
}

TEST(NetworkLayer, tells_who_sends_udp_that_nobody_listens) {
  World world;
  world.input(ethernet(kEtherIpv4, ipv4(kProtocolUdp, Frame(8))));
  Frame answer = world.take();
  ASSERT_GE(answer.size(), 42u);
  EXPECT_EQ(answer[34], 3);
  EXPECT_EQ(answer[35], 3);
  world.input(ethernet(kEtherIpv6, ipv6(kProtocolUdp, Frame(8))));
  answer = world.take();
  ASSERT_GE(answer.size(), 62u);
  EXPECT_EQ(answer[54], 1);
  EXPECT_EQ(answer[55], 4);
}

Frame too_big(const std::string& from, uint16_t mtu) {
  Frame message{3, 4, 0, 0, 0, 0, static_cast<uint8_t>(mtu >> 8), static_cast<uint8_t>(mtu)};
  const Frame quoted = ipv4(kProtocolTcp, tcp_header(), from, "192.0.2.2");
  message.insert(message.end(), quoted.begin(), quoted.end());
  return icmp(message);
}

TEST(NetworkLayer, passes_on_path_mtu_notices_about_its_own_segments_only) {
  World world;
  world.input(ethernet(kEtherIpv4, ipv4(kProtocolIcmp, too_big("192.0.2.1", 1200), "203.0.113.1")));
  ASSERT_EQ(world.notices.size(), 1u);
  EXPECT_EQ(world.notices[0].mtu, 1200u);
  EXPECT_EQ(world.notices[0].from_port, 40000);
  EXPECT_EQ(world.notices[0].sequence, 1000u);
  world.input(ethernet(kEtherIpv4, ipv4(kProtocolIcmp, too_big("192.0.2.7", 1200), "203.0.113.1")));
  world.input(ethernet(kEtherIpv4, ipv4(kProtocolIcmp, too_big("192.0.2.1", 9000), "203.0.113.1")));
  EXPECT_EQ(world.notices.size(), 1u);
  // Smaller than any path is.
  world.input(ethernet(kEtherIpv4, ipv4(kProtocolIcmp, too_big("192.0.2.1", 68), "203.0.113.1")));
  ASSERT_EQ(world.notices.size(), 2u);
  EXPECT_EQ(world.notices[1].mtu, 576u);
}

Frame solicitation(const std::string& about, const MacAddress& from) {
  Frame message{135, 0, 0, 0, 0, 0, 0, 0};
  const IpAddress target = ip(about);
  message.insert(message.end(), target.bytes.begin(), target.bytes.end());
  message.insert(message.end(), {1, 1});
  message.insert(message.end(), from.begin(), from.end());
  return message;
}

TEST(NetworkLayer, answers_a_solicitation_of_a_neighbour_and_of_nobody_else) {
  World world;
  world.input(ethernet(kEtherIpv6, ipv6(58, icmp6(solicitation("2001:db8::1", kTheirs)))));
  const Frame answer = world.take();
  ASSERT_EQ(answer.size(), 86u);
  EXPECT_EQ(answer[54], 136);
  EXPECT_EQ(answer[21], 255);
  EXPECT_TRUE(std::equal(kOurs.begin(), kOurs.end(), answer.begin() + 80));
  // Learned from the question.
  EXPECT_EQ(send_segment(world, "2001:db8::1", "2001:db8::2"), SendAnswer::sent);
  world.sent.clear();
  world.input(
      ethernet(kEtherIpv6, ipv6(58, icmp6(solicitation("2001:db8::1", kTheirs)), "2001:db8::2", "2001:db8::1", 64)));
  EXPECT_EQ(world.dropped(NetDrop::neighbour), 1u);
  EXPECT_TRUE(world.sent.empty());
}

TEST(NetworkLayer, leaves_answers_to_another_one_of_its_port_and_learns_all_the_same) {
  World world(false, false);
  world.input(ethernet(kEtherArp, arp(1, kTheirs, "192.0.2.2", "192.0.2.1"), kBroadcastMac));
  world.input(ethernet(kEtherIpv4, ipv4(kProtocolIcmp, icmp({8, 0, 0, 0, 1, 2, 3, 4, 'h', 'i'}))));
  world.input(ethernet(kEtherIpv6, ipv6(58, icmp6(solicitation("2001:db8::1", kTheirs)))));
  world.input(ethernet(kEtherIpv6, ipv6(kProtocolIcmpv6, icmp6({128, 0, 0, 0, 1, 2, 3, 4, 'h', 'i'}))));
  EXPECT_TRUE(world.sent.empty());
  EXPECT_EQ(send_segment(world, "192.0.2.1", "192.0.2.2"), SendAnswer::sent);
  EXPECT_EQ(send_segment(world, "2001:db8::1", "2001:db8::2"), SendAnswer::sent);
}

TEST(NetworkLayer, finds_a_neighbour_by_advertisement) {
  World world;
  EXPECT_EQ(send_segment(world, "2001:db8::1", "2001:db8::9"), SendAnswer::waiting);
  const Frame question = world.take();
  EXPECT_EQ(question[54], 135);
  EXPECT_EQ(question[0], 0x33);
  Frame message{136, 0, 0, 0, 0x60, 0, 0, 0};
  const IpAddress target = ip("2001:db8::9");
  message.insert(message.end(), target.bytes.begin(), target.bytes.end());
  message.insert(message.end(), {2, 1});
  message.insert(message.end(), kOther.begin(), kOther.end());
  world.input(ethernet(kEtherIpv6, ipv6(58, icmp6(message, "2001:db8::9"), "2001:db8::9"), kOurs, kOther));
  const Frame segment = world.take();
  ASSERT_EQ(segment.size(), 74u);
  EXPECT_TRUE(std::equal(kOther.begin(), kOther.end(), segment.begin()));
}

TEST(NetworkLayer, says_when_there_is_no_room_and_no_route) {
  World world;
  world.input(ethernet(kEtherArp, arp(1, kTheirs, "192.0.2.2", "192.0.2.1"), kBroadcastMac));
  world.full = true;
  EXPECT_EQ(send_segment(world, "192.0.2.1", "192.0.2.2", Frame(100)), SendAnswer::no_room);
  EXPECT_TRUE(world.layer->take_refused());
  NetSettings bare = world.settings;
  bare.routes.clear();
  NetworkLayer alone(bare, world, world);
  EXPECT_EQ(alone.path(ip("192.0.2.1"), ip("198.51.100.1")).mtu, 0u);
  EXPECT_FALSE(alone.source_for(ip("198.51.100.1")).has_value());
}

TEST(InetChecksum, does_not_mind_how_the_bytes_are_cut) {
  Frame bytes(1000);
  CheapRandom random(1);
  random.fill(bytes);
  // The slow way.
  uint64_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) sum += static_cast<uint64_t>(bytes[i] << 8 | bytes[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  for (int round = 0; round < 200; ++round) {
    InetChecksum pieces;
    Bytes rest(bytes);
    while (!rest.empty()) {
      const size_t n = std::min<size_t>(rest.size(), 1 + random.below(97));
      pieces.add(rest.first(n));
      rest = rest.subspan(n);
    }
    EXPECT_EQ(pieces.folded(), sum);
  }
}

}  // namespace
}  // namespace sluice
