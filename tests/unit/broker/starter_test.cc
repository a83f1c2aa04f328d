// The starter and the processes that it makes: who they are, what they share, when they end. As root also with two
// users.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "services/broker/broker_starter.h"
#include "services/broker/packet_socket.h"
#include "services/broker/starter_protocol.h"
#include "tests/support/starter_world.h"
#include "tests/support/temp_folder.h"

namespace sluice {
namespace {

using test::BrokerFixture;
using test::output_of;
using test::process_of;
using test::StarterWorld;
using test::TempFolder;
using test::user;

constexpr uint32_t kAnn = 61001, kBob = 61002, kShared = 61100;

bool ends(pid_t process) {
  for (int i = 0; i < 1000; ++i) {
    if (::kill(process, 0) != 0) return true;
    ::usleep(10000);
  }
  return false;
}

TEST(BrokerStarter, gives_links_of_one_user_to_one_process_and_keeps_them_apart) {
  TempFolder folder;
  StarterWorld world;
  auto first = world.broker(test::own_identity(folder.path()));
  LinkPolicy read_only;
  read_only.read_only = true;
  auto second = world.broker(test::own_identity(folder.path()), read_only);
  EXPECT_EQ(process_of(*first), process_of(*second));
  auto opened = first->ask(OpenFile{"a", kOpenWrite | kOpenCreate, 0600});
  const uint32_t handle = BrokerFixture::expect_in<FileOpened>(opened).handle;
  EXPECT_EQ(second->fault(StatHandle{handle}), BrokerFault::bad_handle);
  EXPECT_EQ(second->fault(RemoveFile{"a"}), BrokerFault::forbidden);
  EXPECT_EQ(second->fault(OpenFile{"a", kOpenRead | kOpenWrite, 0}), BrokerFault::forbidden);
  second->expect<FileOpened>(OpenFile{"a", kOpenRead, 0});
  UserIdentity other = test::own_identity(folder.path());
  other.umask = 077;
  auto third = world.broker(other);
  EXPECT_NE(process_of(*first), process_of(*third));
  third->expect<FileOpened>(OpenFile{"b", kOpenWrite | kOpenCreate, 0666});
  EXPECT_EQ(third->expect<Attributes>(StatPath{"b"}).attributes.mode & 0777, 0600u);
}

TEST(BrokerStarter, ends_brokers_that_nobody_uses_and_starts_new_ones) {
  TempFolder folder;
  StarterWorld world;
  auto broker = world.broker(test::own_identity(folder.path()));
  const pid_t first = process_of(*broker);
  broker = world.broker(test::own_identity(folder.path()));
  EXPECT_EQ(process_of(*broker), first);
  broker.reset();
  EXPECT_TRUE(ends(first));
  broker = world.broker(test::own_identity(folder.path()));
  EXPECT_NE(process_of(*broker), first);
}

TEST(BrokerStarter, keeps_a_broker_as_long_as_its_program_runs) {
  TempFolder folder;
  StarterWorld world;
  auto broker = world.broker(test::own_identity(folder.path()));
  const pid_t process = process_of(*broker);
  SpawnProgram spawn;
  spawn.kind = ProgramKind::shell_command;
  spawn.words = {"sleep 1"};
  broker->ask(spawn);
  broker.reset();
  ::usleep(600000);
  EXPECT_EQ(::kill(process, 0), 0);
  EXPECT_TRUE(ends(process));
}

TEST(BrokerStarter, ends_its_brokers_with_itself_but_not_under_a_link) {
  TempFolder folder;
  StarterWorld world({{.linger_ms = 1000000}, nullptr});
  auto idle = world.broker(test::own_identity(folder.path()));
  UserIdentity other = test::own_identity(folder.path());
  other.umask = 077;
  auto used = world.broker(other);
  const pid_t idle_process = process_of(*idle), used_process = process_of(*used);
  idle.reset();
  world.end();
  EXPECT_TRUE(ends(idle_process));
  used->expect<Attributes>(StatPath{"."});
  used.reset();
  EXPECT_TRUE(ends(used_process));
}

TEST(BrokerStarter, tells_when_its_process_is_gone) {
  auto [ours, theirs] = make_packet_pair();
  BrokerStarter starter(std::move(ours));
  std::vector<std::string> errors;
  const auto keep = [&](ResultOrText<UniqueFd> answer) { errors.push_back(answer ? "" : answer.error()); };
  starter.attach(test::own_identity("/"), {}, keep);
  theirs.reset();
  starter.receive();
  starter.attach(test::own_identity("/"), {}, keep);
  EXPECT_EQ(errors, std::vector<std::string>(2, "the process that starts sessions has ended"));
}

TEST(BrokerStarter, is_followed_by_another_when_it_is_killed_and_brokers_stay) {
  TempFolder folder;
  StarterWorld world;
  auto before = world.broker(test::own_identity(folder.path()));
  const auto starter = static_cast<pid_t>(std::stol(output_of(*before, "ps -o ppid= -p $PPID")));
  ASSERT_EQ(::kill(starter, SIGKILL), 0);
  UserIdentity other = test::own_identity(folder.path());
  other.umask = 077;
  // An order that the dead one took with it fails; the next one does not.
  ResultOrText<UniqueFd> link = world.link(other);
  if (!link) link = world.link(other);
  EXPECT_TRUE(link.has_value()) << link.error();
  before->expect<Attributes>(StatPath{"."});
  EXPECT_TRUE(world.starter().alive());
  EXPECT_EQ(world.starter().restarts(), 1u);
}

TEST(BrokerStarter, opens_a_session_in_a_process_that_closes_it_after_the_brokers_end) {
  TempFolder folder;
  const std::string log = folder / "log";
  StarterSettings settings{{.linger_ms = 200}, [log](UserIdentity& identity) -> ResultOrText<SessionCloser> {
                             if (identity.session == 0) return SessionCloser();
                             std::ofstream(log, std::ios::app) << "open " << identity.session << "\n";
                             return SessionCloser([log, number = identity.session] {
                               std::ofstream(log, std::ios::app) << "close " << number << "\n";
                             });
                           }};
  const auto lines = [&] {
    std::ifstream file(log);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  StarterWorld world(settings);
  UserIdentity first = test::own_identity(folder.path()), second = first;
  first.session = 1;
  second.session = 2;
  auto one = world.broker(first);
  auto again = world.broker(first);
  auto two = world.broker(second);
  EXPECT_EQ(process_of(*one), process_of(*again));
  EXPECT_NE(process_of(*one), process_of(*two));
  EXPECT_EQ(lines(), "open 1\nopen 2\n");
  one.reset();
  EXPECT_EQ(lines(), "open 1\nopen 2\n");
  const pid_t broker = process_of(*two);
  ASSERT_EQ(::kill(broker, SIGKILL), 0);
  for (int i = 0; i < 3000 && lines() != "open 1\nopen 2\nclose 2\n"; ++i) ::usleep(10000);
  EXPECT_EQ(lines(), "open 1\nopen 2\nclose 2\n");
  again.reset();
  for (int i = 0; i < 3000 && lines() != "open 1\nopen 2\nclose 2\nclose 1\n"; ++i) ::usleep(10000);
  EXPECT_EQ(lines(), "open 1\nopen 2\nclose 2\nclose 1\n");
}

TEST(BrokerStarter, refuses_what_does_not_fit_and_whom_it_cannot_become) {
  StarterWorld world;
  LinkPolicy policy;
  policy.forced_command = std::string(70000, 'x');
  EXPECT_EQ(world.link(test::own_identity("/"), policy).error(), "what the user may do is too long to say");
  UserIdentity rooted = test::own_identity("/");
  rooted.root = "/tmp";
  EXPECT_FALSE(world.link(rooted).has_value());
  if (::geteuid() != 0) {
    UserIdentity other = test::own_identity("/");
    other.uid += 1;
    EXPECT_EQ(world.link(other).error(), "only root can become another user");
  }
}

TEST(BrokerStarter, runs_the_session_hook_once_a_broker_and_heeds_it) {
  TempFolder folder;
  StarterSettings settings{{.linger_ms = 200}, [](UserIdentity& identity) -> ResultOrText<SessionCloser> {
                             if (identity.name != "tester") return fail("no session for " + identity.name);
                             identity.environment.emplace_back("FROM_HOOK", std::to_string(::geteuid()));
                             return SessionCloser();
                           }};
  StarterWorld world(settings);
  auto broker = world.broker(test::own_identity(folder.path()));
  EXPECT_EQ(output_of(*broker, "echo $FROM_HOOK"), std::to_string(::geteuid()) + "\n");
  UserIdentity other = test::own_identity(folder.path());
  other.name = "mallory";
  EXPECT_EQ(world.link(other).error(), "no session for mallory");
}

TEST(BrokerStarter, gives_brokers_no_descriptor_of_its_own) {
  TempFolder folder;
  const UniqueFd secret(::open("/etc/passwd", O_RDONLY));
  StarterWorld world;
  auto first = world.broker(test::own_identity(folder.path()));
  UserIdentity other = test::own_identity(folder.path());
  other.umask = 077;
  auto second = world.broker(other);
  const std::string folder_of_second = "/proc/" + std::to_string(process_of(*second)) + "/fd";
  size_t sockets = 0;
  // Readable by root alone, as the process is not dumpable.
  if (::geteuid() != 0) GTEST_SKIP() << "only root sees the descriptors of a broker";
  for (const auto& entry : std::filesystem::directory_iterator(folder_of_second)) {
    const std::string target = std::filesystem::read_symlink(entry).string();
    const bool expected = target == "/dev/null" || target.starts_with("socket:") || target.starts_with("anon_inode:");
    EXPECT_TRUE(expected) << target;
    sockets += target.starts_with("socket:");
  }
  // Control and its one link.
  EXPECT_EQ(sockets, 2u);
}

class BrokerUsers : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become two users";
    ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
    for (const uint32_t uid : {kAnn, kBob}) {
      const std::string home = folder / std::to_string(uid);
      ASSERT_EQ(::mkdir(home.c_str(), 0700), 0);
      ASSERT_EQ(::chown(home.c_str(), uid, uid), 0);
    }
  }
  UserIdentity ann() { return user(kAnn, "ann", folder / std::to_string(kAnn), {kShared}); }
  UserIdentity bob() { return user(kBob, "bob", folder / std::to_string(kBob)); }

  TempFolder folder;
};

TEST_F(BrokerUsers, have_their_own_ids_and_groups_and_no_way_back) {
  StarterWorld world;
  auto broker = world.broker(ann());
  EXPECT_EQ(output_of(*broker, "id -u; id -g; id -G; grep -E '^(Uid|Gid|CapEff|CapPrm):' /proc/self/status"),
            "61001\n61001\n61001 61100\nUid:\t61001\t61001\t61001\t61001\nGid:\t61001\t61001\t61001\t61001\n"
            "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n");
  broker->expect<FileOpened>(OpenFile{"mine", kOpenWrite | kOpenCreate, 0600});
  const FileAttributes mine = broker->expect<Attributes>(StatPath{"mine"}).attributes;
  EXPECT_EQ(mine.uid, kAnn);
  EXPECT_EQ(mine.gid, kAnn);
  // Nor do a user's programs look into the broker.
  EXPECT_EQ(output_of(*broker, "cat /proc/$PPID/environ >/dev/null 2>&1 || echo refused"), "refused\n");
}

TEST_F(BrokerUsers, cannot_reach_each_others_files_by_any_request) {
  StarterWorld world;
  auto ann_broker = world.broker(ann()), bob_broker = world.broker(bob());
  auto opened = ann_broker->ask(OpenFile{"secret", kOpenWrite | kOpenCreate, 0600});
  BrokerFixture::expect_in<FileOpened>(opened);
  const std::string home = folder / std::to_string(kAnn), secret = home + "/secret";
  AttributeChange change;
  change.mode = 0777;
  const BrokerRequest requests[] = {OpenFile{secret, kOpenRead, 0},
                                    OpenFile{home + "/x", kOpenWrite | kOpenCreate, 0600},
                                    StatPath{secret},
                                    StatPath{secret, false},
                                    ChangePath{secret, true, change},
                                    ChangePath{home, true, change},
                                    OpenDirectory{home},
                                    ResolvePath{home + "/x/y"},
                                    RemoveFile{secret},
                                    MakeDirectory{home + "/d", 0777},
                                    RemoveDirectory{home},
                                    RenameFile{secret, "mine"},
                                    ReplaceFile{secret, "mine"},
                                    ReadSymlink{secret},
                                    MakeSymlink{"x", home + "/l"},
                                    MakeHardlink{secret, "mine"},
                                    StatFilesystem{secret},
                                    RenameFile{home, folder / "elsewhere"}};
  for (const BrokerRequest& request : requests)
    EXPECT_EQ(bob_broker->fault(request), BrokerFault::refused) << request.index();
  // Not by a link of his own either.
  bob_broker->expect<Done>(MakeSymlink{secret, "trick"});
  EXPECT_EQ(bob_broker->fault(OpenFile{"trick", kOpenRead, 0}), BrokerFault::refused);
  change = {};
  change.owner = FileOwner{kAnn, kAnn};
  bob_broker->expect<FileOpened>(OpenFile{"gift", kOpenWrite | kOpenCreate, 0600});
  EXPECT_EQ(bob_broker->fault(ChangePath{"gift", true, change}), BrokerFault::refused);
}

TEST_F(BrokerUsers, stay_inside_their_root) {
  const std::string root = folder / "root";
  ASSERT_EQ(::mkdir(root.c_str(), 0755), 0);
  ASSERT_EQ(::mkdir((root + "/in").c_str(), 0755), 0);
  ASSERT_EQ(::chown((root + "/in").c_str(), kAnn, kAnn), 0);
  // /tmp above it is everybody's.
  UserIdentity rooted = user(kAnn, "ann", "/in");
  rooted.root = root;
  StarterWorld world;
  EXPECT_NE(world.link(rooted).error().find("can be changed by others than root"), std::string::npos);
}

// A root that nobody but root can change, all the way up.
class SafeRoot {
 public:
  SafeRoot() : path_("/var/lib/sluice-test-" + std::to_string(::getpid())) {
    std::filesystem::create_directories(path_ + "/in");
    ::chmod(path_.c_str(), 0755);
    EXPECT_EQ(::chown((path_ + "/in").c_str(), kAnn, kAnn), 0);
    std::ofstream(path_ + "/outside-of-in") << "x";
  }
  ~SafeRoot() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST_F(BrokerUsers, find_no_way_out_of_their_root) {
  const SafeRoot root;
  UserIdentity rooted = user(kAnn, "ann", "/in");
  rooted.root = root.path();
  StarterWorld world;
  auto broker = world.broker(rooted);
  ASSERT_TRUE(broker);
  EXPECT_EQ(broker->expect<PathFound>(ResolvePath{"."}).path, "/in");
  EXPECT_EQ(broker->expect<PathFound>(ResolvePath{"../../../.."}).path, "/");
  const std::string up = "/../../../../../../../../..";
  EXPECT_EQ(broker->fault(OpenFile{up + "/etc/passwd", kOpenRead, 0}), BrokerFault::not_found);
  EXPECT_EQ(broker->fault(StatPath{up + root.path()}), BrokerFault::not_found);
  EXPECT_EQ(broker->fault(OpenFile{"/proc/self/root/etc/passwd", kOpenRead, 0}), BrokerFault::not_found);
  for (const char* target : {"/etc/passwd", "../../../../../../etc/passwd", "/proc/1/root/etc/passwd"}) {
    broker->expect<Done>(MakeSymlink{target, "link"});
    EXPECT_EQ(broker->fault(OpenFile{"link", kOpenRead, 0}), BrokerFault::not_found) << target;
    EXPECT_EQ(broker->fault(StatPath{"link"}), BrokerFault::not_found) << target;
    EXPECT_EQ(broker->fault(MakeHardlink{"link/x", "hard"}), BrokerFault::not_found) << target;
    EXPECT_EQ(broker->fault(OpenDirectory{"link/.."}), BrokerFault::not_found) << target;
    broker->expect<Done>(RemoveFile{"link"});
  }
  EXPECT_EQ(broker->fault(MakeHardlink{up + "/etc/passwd", "hard"}), BrokerFault::not_found);
  // A folder moved about while it is open is still inside.
  broker->expect<Done>(MakeDirectory{"a", 0755});
  broker->expect<Done>(MakeDirectory{"a/b", 0755});
  const uint32_t listing = broker->expect<DirectoryOpened>(OpenDirectory{"a/b"}).handle;
  broker->expect<Done>(ReplaceFile{"a/b", "b"});
  broker->expect<Entries>(ReadDirectory{listing, 100});
  EXPECT_EQ(broker->fault(ReplaceFile{"b", "/b"}), BrokerFault::refused);
  EXPECT_EQ(broker->expect<PathFound>(ResolvePath{"b/../../.."}).path, "/");
  // There is no shell in there.
  SpawnProgram spawn;
  auto received = broker->ask(spawn);
  BrokerFixture::expect_in<Spawned>(received);
  EXPECT_EQ(BrokerFixture::expect_in<ChildExited>(broker->next_event()).status, 127u);
}

TEST(StarterProtocol, takes_nothing_that_is_not_exactly_a_packet) {
  LinkPolicy policy;
  policy.forced_command = "x";
  policy.permit_open = {{"a", 1}};
  const auto encoded = *encode(policy);
  EXPECT_EQ(decode_policy(encoded)->permit_open.at(0).host, "a");
  const auto order = *encode(LinkOrder{3, user(1, "u", "/", {2, 3}), "192.0.2.1", encoded});
  EXPECT_EQ(decode_order(order)->identity, user(1, "u", "/", {2, 3}));
  for (const auto& packet : {encoded, order}) {
    for (size_t cut = 0; cut < packet.size(); ++cut) {
      EXPECT_FALSE(decode_policy(Bytes(packet).first(cut)));
      EXPECT_FALSE(decode_order(Bytes(packet).first(cut)));
    }
  }
  EXPECT_FALSE(encode(LinkMade{1, std::string("a\0b", 3)}));
  EXPECT_FALSE(decode_news(*encode(BrokerNews{BrokerNewsKind::failed, 0, std::string(600, 'x'), 0, 0})));
}

}  // namespace
}  // namespace sluice
