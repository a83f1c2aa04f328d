"""Peers, processes and machines that fail: each ends cleanly, everything is given back, and the server serves on."""
import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import paramiko
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.support.root_world import RootWorld, available, eventually  # noqa: E402
from tests.support.ssh_servers import USER, Sluiced, family_of  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
FULL = os.environ.get("SLUICE_TEST_FULL") == "1"
SESSIONS = 10_000 if FULL else 200


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Sluiced(BUILD, tmp_path_factory.mktemp("server"), "ssh server channel-limit 20", "ssh server client-alive interval 1",
                 "ssh server client-alive count 2", "ssh timeout 5", "ssh server login-limit-source 64") as running:
        assert run(running, "true").returncode == 0
        yield running


def command(server, *words, options=()):
    return ["ssh", *server.options(), "-p", str(server.port), *options, f"{USER}@127.0.0.1", *words]


def run(server, *words, options=()):
    return subprocess.run(command(server, *words, options=options), capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)


def connect(server):
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect("127.0.0.1", server.port, USER, key_filename=str(server.key), look_for_keys=False, allow_agent=False, timeout=60)
    return client


def network(server):
    return server.processes("sluiced-net")[0]


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory(pid):
    """Kilobytes that it wrote. Clean pages are its program's, private or not by who else runs it."""
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_Dirty"))


def inode_of(path):
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return "closed meanwhile"


def settled(server):
    """Descriptors of the network process once nobody is connected."""
    pid = network(server)
    def no_connection():
        inodes = {inode_of(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        lines = pathlib.Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
        return not any(f"socket:[{line.split()[9]}]" in inodes for line in lines if line.split()[3] != "0A")
    eventually(no_connection, "a connection is still there")
    return descriptors(pid)


def counted(server):
    """What it says that it counted, by name."""
    said = server.log.read_text(errors="replace").count("starter restarted ")
    server.process.send_signal(signal.SIGUSR1)
    def told():
        log = server.log.read_text(errors="replace")
        return log.count("starter restarted ") > said and log.count("connections ended:") > said and log
    log = eventually(told, "it does not say what it counted")
    line = [line for line in log.splitlines() if "connections ended:" in line or "starter restarted" in line]
    return {name: int(count) for name, count in re.findall(r"([a-z][a-z._ ']*) (\d+)", " ".join(line[-2:]))}


def test_what_ends_is_counted_by_its_reason(tmp_path):
    with Sluiced(BUILD, tmp_path, "ssh server idle-timeout session 2", "ssh timeout 5") as server:
        # The first one's end is in the first count.
        assert run(server, "true").returncode == 0
        eventually(lambda: "disconnected by user" in server.log.read_text(errors="replace"), "it has not ended")
        before = counted(server)
        assert run(server, "true").returncode == 0
        assert run(server, "kill -9 $PPID").returncode != 0
        assert run(server, "", options=("-N",)).returncode == 255
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as quiet:
            while quiet.recv(4096):
                pass
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as wrong:
            wrong.sendall(b"SSH-2.0-x\r\n" + b"\xff" * 64)
            while wrong.recv(4096):
                pass
        starter, = server.processes("sluiced-starter")
        os.kill(starter, signal.SIGKILL)
        found = {}
        def all_there():
            found.update({name: count - before.get(name, 0) for name, count in counted(server).items()})
            wanted = {"by the client's word": 1, "session.broker_gone": 1, "session.idle": 1, "auth.timeout": 1, "timed out": 1,
                      "misbehaved": 1, "admitted": 5, "refused": 0, "starter restarted": 1}
            time.sleep(0.5)
            return all(found.get(name) == count for name, count in wanted.items())
        eventually(all_there, found)


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_a_peer_that_vanishes_or_stalls_is_ended_and_all_of_it_given_back(server, how):
    before = settled(server)
    client = subprocess.Popen(command(server, "cat /dev/zero"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert client.stdout.read(1 << 20)
        client.send_signal(signal.SIGKILL if how == "killed" else signal.SIGSTOP)
        assert settled(server) == before
    finally:
        client.kill()
        client.wait()
    eventually(lambda: not server.processes("cat"), "its program runs on")
    assert run(server, "echo on").stdout == "on\n"


def test_a_stranger_that_says_nothing_or_half_closes_is_ended(server):
    before = settled(server)
    quiet = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    half = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    half.shutdown(socket.SHUT_WR)
    for end in (half, quiet):
        while end.recv(4096):
            pass
        end.close()
    assert settled(server) == before


def test_a_peer_that_half_closes_in_a_session_is_ended(server):
    before = settled(server)
    client = connect(server)
    channel = client.get_transport().open_session(timeout=60)
    channel.exec_command("cat")
    client.get_transport().sock.shutdown(socket.SHUT_WR)
    assert settled(server) == before
    client.close()


def test_channels_without_end_are_refused_and_the_others_go_on(server):
    before = settled(server)
    client = connect(server)
    transport = client.get_transport()
    channels = []
    with pytest.raises(paramiko.ChannelException):
        for _ in range(100):
            channels.append(transport.open_session(timeout=60))
    assert len(channels) == 20
    channels[7].exec_command("echo still")
    assert channels[7].makefile().read() == b"still\n"
    client.close()
    assert settled(server) == before


def test_a_flood_of_requests_is_answered_or_ended_and_costs_no_memory(server):
    before = settled(server)
    held = memory(network(server))
    client = connect(server)
    channel = client.get_transport().open_session(timeout=60)
    for i in range(3000):
        message = paramiko.Message()
        message.add_byte(b"\x62")
        message.add_int(channel.remote_chanid)
        message.add_string("nonsense@example.com")
        message.add_boolean(False)
        client.get_transport()._send_user_message(message)
    channel.exec_command("echo served")
    assert channel.makefile().read() == b"served\n"
    client.close()
    assert settled(server) == before
    assert memory(network(server)) < held + 16 * 1024


PING, PONG = 192, 193


class DeafSocket:
    """A socket from which nothing is read any more when it has been told so."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.hearing = threading.Event()
        self.hearing.set()
        self.deadline = time.monotonic() + 300

    def recv(self, size):
        self.hearing.wait(300)
        return self.socket.recv(size)

    def send(self, data):
        assert time.monotonic() < self.deadline, "it neither reads nor ends"
        return self.socket.send(data)

    def __getattr__(self, name):
        return getattr(self.socket, name)


def test_pings_are_answered_and_who_does_not_read_the_answers_is_ended(server):
    before = settled(server)
    held = memory(network(server))
    deaf = DeafSocket(server.port)
    transport = paramiko.Transport(deaf)
    pongs = []
    transport._handler_table = {**transport._handler_table, PONG: lambda _, message: pongs.append(message.get_string())}
    transport.start_client(timeout=60)
    transport.auth_publickey(USER, paramiko.Ed25519Key(filename=str(server.key)))

    def ping(data):
        message = paramiko.Message()
        message.add_byte(bytes([PING]))
        message.add_string(data)
        transport._send_user_message(message)

    for i in range(3000):
        ping(b"%d" % i)
    eventually(lambda: len(pongs) == 3000, "answers are missing")
    assert pongs == [b"%d" % i for i in range(3000)]
    deaf.hearing.clear()
    with pytest.raises((OSError, EOFError, paramiko.SSHException)):
        for _ in range(10000):
            ping(b"x" * 32000)
    assert memory(network(server)) < held + 32 * 1024
    deaf.hearing.set()
    transport.close()
    assert settled(server) == before


def test_a_peer_that_never_reads_holds_bounded_memory(tmp_path):
    with Sluiced(BUILD, tmp_path) as server:
        assert run(server, "true").returncode == 0
        held = memory(network(server))
        clients = [subprocess.Popen(command(server, "cat /dev/zero"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(4)]
        try:
            for client in clients:
                assert client.stdout.read(65536)
            # Nobody reads their output any more: they stop reading from the server, and it from its programs.
            pid = network(server)
            seen = -1
            def still():
                nonlocal seen
                now, seen_before = sum(int(x) for x in pathlib.Path(f"/proc/{pid}/io").read_text().split()[1:4:2]), seen
                seen = now
                time.sleep(0.5)
                return now == seen_before
            eventually(still, "bytes still move")
            assert memory(pid) < held + len(clients) * 8 * 1024
        finally:
            for client in clients:
                client.kill()
                client.wait()


def test_programs_that_never_read_hold_no_more_than_the_budget(tmp_path):
    budget, least, connections = 16 << 20, 2 << 20, 4
    with Sluiced(BUILD, tmp_path, "ssh server window-budget 16", "ssh server login-limit-source 64") as server:
        assert run(server, "true").returncode == 0
        held = memory(network(server))
        clients = [connect(server) for _ in range(connections)]
        try:
            channels, sent = [], 0
            for client in clients:
                # Where the budget ends each still has one.
                with contextlib.suppress(paramiko.ChannelException):
                    for _ in range(16):
                        channels.append(client.get_transport().open_session(timeout=60))
                        channels[-1].exec_command("sleep 1000")
            assert len(channels) > connections
            assert sum(channel.out_window_size for channel in channels) <= budget + connections * least
            for channel in channels * 2:
                while channel.out_window_size > 0:
                    sent += channel.send(bytes(32768))
            # A pipe takes up to a megabyte off each one's window, which is given again.
            assert budget // 2 < sent < budget + connections * least + len(channels) * (1 << 20), sent
            # What grows by doubling has twice the memory for a moment.
            assert memory(network(server)) < held + 2 * (budget + connections * least) // 1024
            # The others are served.
            assert run(server, "echo served").stdout == "served\n"
        finally:
            for client in clients:
                client.close()


def test_no_more_sessions_means_it(server):
    client = connect(server)
    transport = client.get_transport()
    transport.open_session(timeout=60)
    # No answer is wanted: what follows comes right behind it.
    message = paramiko.Message()
    message.add_byte(b"\x50")
    message.add_string("no-more-sessions@openssh.com")
    message.add_boolean(False)
    transport._send_user_message(message)
    with pytest.raises(paramiko.ChannelException):
        transport.open_session(timeout=60)
    client.close()


def test_compression_is_answered_with_none(server):
    done = run(server, "echo plain", options=("-C", "-v", "-o", "LogLevel=DEBUG1"))
    assert done.stdout == "plain\n"
    assert "compression: none" in done.stderr and "compression: zlib" not in done.stderr


def test_who_kills_the_users_process_ends_the_connection_and_no_other(server):
    holder = subprocess.Popen(command(server, "cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        holder.stdin.write("one\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "one\n"
        before = network(server)
        done = run(server, "kill -9 $PPID")
        assert done.returncode != 0
        holder.wait(60)
        assert run(server, "echo on").stdout == "on\n"
        assert network(server) == before
    finally:
        holder.kill()
        holder.wait()


def test_a_killed_shell_is_told_by_its_signal(server):
    client = connect(server)
    channel = client.get_transport().open_session(timeout=60)
    channel.exec_command("kill -KILL $$")
    assert channel.recv_exit_status() == -1
    client.close()


def test_when_the_starter_is_killed_sessions_stay_and_new_ones_come(server):
    holder = subprocess.Popen(command(server, "cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        holder.stdin.write("one\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "one\n"
        starter, = server.processes("sluiced-starter")
        os.kill(starter, signal.SIGKILL)
        eventually(lambda: server.processes("sluiced-starter") not in ([], [starter]), "no other starter")
        holder.stdin.write("two\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "two\n"
        assert run(server, "echo on").stdout == "on\n"
        assert "started again" in server.log.read_text()
    finally:
        holder.kill()
        holder.wait()


@pytest.mark.parametrize("victim", ["monitor", "network"])
def test_when_one_half_dies_the_other_ends_and_a_new_server_takes_the_port(tmp_path, victim):
    with Sluiced(BUILD, tmp_path) as server:
        holder = subprocess.Popen(command(server, "cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            holder.stdin.write("one\n")
            holder.stdin.flush()
            assert holder.stdout.readline() == "one\n"
            family = family_of(server.process.pid)
            os.kill(server.process.pid if victim == "monitor" else network(server), signal.SIGKILL)
            status = server.process.wait(60)
            assert status == (-9 if victim == "monitor" else 1)
            holder.stdin.close()
            assert holder.wait(60) != 0
            eventually(lambda: not [pid for pid in family if alive(pid)], "a process of the server is left")
            server.start()
            assert run(server, "echo again").stdout == "again\n"
        finally:
            holder.kill()
            holder.wait()


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_client_hears_why_when_the_monitor_dies(tmp_path):
    with Sluiced(BUILD, tmp_path) as server:
        client = connect(server)
        os.kill(server.process.pid, signal.SIGKILL)
        eventually(lambda: not client.get_transport().is_active(), "the connection is still there")
        server.process.wait()
        eventually(lambda: "the monitor is gone" in server.log.read_text(), "nothing is said")


def test_without_descriptors_it_waits_and_serves_again(tmp_path):
    class Poor(Sluiced):
        def launch(self, command_for):
            return super().launch(lambda port: ["prlimit", "--nofile=64:64", *command_for(port)])

    with Poor(BUILD, tmp_path, "ssh server login-limit-source 1000", "ssh server login-limit 1000", "ssh timeout 120") as server:
        assert run(server, "true").returncode == 0
        before = settled(server)
        crowd = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(100)]
        eventually(lambda: "descriptors" in server.log.read_text() or "Too many open files" in server.log.read_text(), "it did not notice")
        for one in crowd:
            one.close()
        assert settled(server) == before
        # The crowd's address has to wait for a while.
        assert run(server, "echo again", options=("-b", "127.0.0.9")).stdout == "again\n"


@pytest.mark.parametrize("how", ["sftp", "scp -O"])
def test_a_transfer_that_is_cut_off_is_in_the_log(tmp_path, how):
    big = tmp_path / "big"
    with open(big, "wb") as sparse:
        sparse.truncate(1 << 40)
    with Sluiced(BUILD, tmp_path / "server", "sftp server transfer-log") as server:
        words = [*how.split(), *server.options(), "-P", str(server.port), f"{USER}@127.0.0.1:{big}", "/dev/null"]
        client = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            pid = network(server)
            sent = lambda: int(pathlib.Path(f"/proc/{pid}/io").read_text().split()[1])  # noqa: E731
            begun = sent()
            eventually(lambda: sent() > begun + (64 << 20), "nothing is sent")
        finally:
            for each in family_of(client.pid) | {client.pid}:
                os.kill(each, signal.SIGKILL)
            client.wait()
        eventually(lambda: [line for line in server.log.read_text(errors="replace").splitlines() if str(big) in line and "interrupted" in line],
                   "nothing in the log")


@pytest.mark.skipif(not available(), reason="only root makes a small file system")
def test_a_full_disk_is_an_error_of_that_file(tmp_path):
    small = "mkdir /home/ann/small; mount -t tmpfs -o size=1m,uid=61001 small /home/ann/small"
    with RootWorld(BUILD, tmp_path / "world", extra=small) as world:
        big = tmp_path / "big"
        big.write_bytes(os.urandom(4 << 20))
        words = ["sftp", *world.login_options("ann"), "-P", str(world.port), "-b", "-", "ann@127.0.0.1"]
        done = subprocess.run(words, input=f"-put {big} small/big\n-rm small/big\nput {tmp_path}/world/ann.pub small/little\nls small\n",
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert "small/little" in done.stdout
        assert "Failure" in done.stderr or "No space" in done.stderr
        for mode in ("-O", "-s"):
            copied = subprocess.run(["scp", mode, *world.login_options("ann"), "-P", str(world.port), big, "ann@127.0.0.1:small/big"],
                                    capture_output=True, text=True, timeout=120)
            assert copied.returncode != 0


def test_an_idle_session_is_ended_and_a_busy_one_is_not(tmp_path):
    with Sluiced(BUILD, tmp_path, "ssh server idle-timeout session 3") as server:
        busy = subprocess.Popen(command(server, "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 1; done"), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, text=True)
        idle = subprocess.run(command(server, options=("-N", "-o", "LogLevel=INFO")), capture_output=True, text=True, timeout=120,
                              stdin=subprocess.DEVNULL)
        assert idle.returncode == 255 and "idle" in idle.stderr
        assert busy.communicate(timeout=120)[0].split() == [str(i) for i in range(1, 9)]
        assert busy.returncode == 0


def test_an_idle_channel_is_closed_and_its_connection_stays(tmp_path):
    with Sluiced(BUILD, tmp_path, "ssh server idle-timeout channel 2") as server:
        client = connect(server)
        channel = client.get_transport().open_session(timeout=60)
        channel.exec_command("cat")
        channel.settimeout(60)
        assert channel.recv(1) == b""
        assert client.get_transport().is_active()
        client.close()


def test_nothing_is_left_of_many_sessions(server):
    pid, monitor = network(server), server.process.pid
    def some(count):
        for _ in range(count):
            client = connect(server)
            assert client.exec_command("echo x", timeout=60)[1].read() == b"x\n"
            client.close()
    def four_times(count):
        hands = [threading.Thread(target=some, args=(count,)) for _ in range(4)]
        for hand in hands:
            hand.start()
        for hand in hands:
            hand.join()
    # As many at one time as later: heaps grow to that.
    four_times(15)
    before = settled(server), descriptors(monitor), len(family_of(monitor))
    held = memory(pid), memory(monitor)
    four_times(SESSIONS // 4)
    eventually(lambda: (settled(server), descriptors(monitor), len(family_of(monitor))) == before, "something is left")
    grown = memory(pid) - held[0], memory(monitor) - held[1]
    assert grown[0] < 8 * 1024 and grown[1] < 4 * 1024, f"KiB of network process and monitor, which began with {held}: {grown}"
