"""sluiced as administrators start it: flags, daemon, logs, supervisors, sockets, the routers' words."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile

import paramiko
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.support.root_world import RootWorld, available, eventually  # noqa: E402
from tests.support.ssh_servers import USER, Sluiced, free_port, make_key  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
PROGRAM = BUILD / "apps/sluiced/sluiced"
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def ssh(server, *words, options=()):
    return subprocess.run(["ssh", *server.options(), "-p", str(server.port), *options, f"{USER}@127.0.0.1", *words], capture_output=True, text=True,
                          timeout=120, stdin=subprocess.DEVNULL)


def test_cores_that_are_not_there_are_told_and_it_serves(tmp_path):
    with Sluiced(BUILD, tmp_path, "workers cores 1023") as server:
        assert server.log.read_text().count("workers cores 1023: there is none of them") == 1


def test_help_and_version_are_told_and_strange_flags_refused():
    done = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    for flag in ("-D", "-t", "-f", "-o", "-p", "--listen", "--state-dir", "--pid-file", "--version"):
        assert flag in done.stdout
    done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and re.fullmatch(r"sluiced \d+\.\d+\.\d+\n", done.stdout)
    for words in (["--nonsense"], ["argument"], ["-f", "/does/not/exist"], ["-o", "ssh server porridge"]):
        done = subprocess.run([PROGRAM, "-t", *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and done.stderr
    done = subprocess.run([PROGRAM, "-t", "-f", "/etc"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "/etc: Is a directory" in done.stderr
    for address in ("[::1", "[::1]x", "[::1]22", "1.2.3.4:5:6"):
        done = subprocess.run([PROGRAM, "-f", "/dev/null", "-t", "--listen", address], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and f'"{address}"' in done.stderr


def test_a_file_and_lines_make_one_configuration_and_errors_name_the_place(tmp_path):
    config = tmp_path / "conf"
    config.write_text("! ours\nssh server rekey-volume 2048\nssh server rate-limit 0\n")
    done = subprocess.run([PROGRAM, "-t", "-f", config], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert f"{config}:3" in done.stderr and "0" in done.stderr and "1-" in done.stderr


class Bare(Sluiced):
    """Nothing but what a test says."""

    def start(self, *words):
        return self.launch([PROGRAM, "-f", "/dev/null", "--state-dir", self.folder / "state", "-o", f"login authorized-keys {self.authorized}",
                            "-o", "login root yes", "-o", "no login strict-modes", "-o", "login key-environment SHLVL", *words])


def test_a_daemon_tells_that_it_serves_writes_its_number_and_removes_it(tmp_path):
    server = Bare(BUILD, tmp_path)
    number = tmp_path / "pid"
    started = subprocess.run([PROGRAM, "-f", "/dev/null", "--state-dir", tmp_path / "state", "--pid-file", number, "--listen",
                              f"127.0.0.1:{server.port}", "-o", f"login authorized-keys {server.authorized}", "-o", "login root yes", "-o",
                              "no login strict-modes", "-o", f"logging file {tmp_path}/its.log"], capture_output=True, text=True, timeout=60)
    assert started.returncode == 0, started.stderr
    pid = int(number.read_text())
    try:
        assert str(pid) in started.stdout and str(server.port) in started.stdout
        assert ssh(server, "echo on").stdout == "on\n"
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert os.readlink(f"/proc/{pid}/fd/1") == "/dev/null"
        assert os.getsid(pid) == pid
        log = (tmp_path / "its.log").read_text()
        assert "serving on" in log and "accepted publickey" in log
        # Whoever rotates logs asks for a new file.
        (tmp_path / "its.log").rename(tmp_path / "old.log")
        os.kill(pid, signal.SIGHUP)
        eventually(lambda: (tmp_path / "its.log").exists() and "configuration reloaded" in (tmp_path / "its.log").read_text(), "no new file")
        assert ssh(server, "true").returncode == 0
        eventually(lambda: "accepted publickey" in (tmp_path / "its.log").read_text(), "the network process has the old file")
    finally:
        os.kill(pid, signal.SIGTERM)
    eventually(lambda: not number.exists(), "the number is still there")


def test_a_daemon_that_cannot_serve_says_why_to_its_caller(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run([PROGRAM, "-f", "/dev/null", "--state-dir", tmp_path / "state", "--listen",
                               f"127.0.0.1:{taken.getsockname()[1]}"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "in use" in done.stderr


def test_several_addresses_of_both_families_are_served(tmp_path):
    server = Bare(BUILD, tmp_path)
    other = free_port()
    server.start("-D", "--listen", f"127.0.0.1:{server.port}", "--listen", f"[::1]:{server.port}", "-o", f"ssh server listen 127.0.0.1 port {other}")
    try:
        for host, port in (("127.0.0.1", server.port), ("::1", server.port), ("127.0.0.1", other)):
            done = subprocess.run(["ssh", *server.options(), "-p", str(port), f"{USER}@{host}", "echo on"], capture_output=True, text=True,
                                  timeout=60, stdin=subprocess.DEVNULL)
            assert done.stdout == "on\n", done.stderr
    finally:
        server.stop()


def test_readiness_reload_and_end_are_told_to_a_supervisor(tmp_path):
    server = Sluiced(BUILD, tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(60)
        launch = server.launch
        server.launch = lambda command_for: launch(lambda port: ["env", f"NOTIFY_SOCKET={tmp_path}/notify", *command_for(port)])
        with server:
            assert notify.recv(4096).decode().split("\n")[0] == "READY=1"
            server.process.send_signal(signal.SIGHUP)
            assert notify.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert notify.recv(4096) == b"READY=1"
            server.process.send_signal(signal.SIGTERM)
            assert notify.recv(4096) == b"STOPPING=1"
            assert server.process.wait(60) == 0


@pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="systemd is not there")
def test_sockets_of_a_supervisor_are_used(tmp_path):
    server = Bare(BUILD, tmp_path)
    server.launch_words = None
    launch = server.launch
    server.launch = lambda words: launch(["systemd-socket-activate", "-l", f"127.0.0.1:{server.port}", *words])
    server.start("-D", "-p", str(free_port()))
    try:
        # The one who waited for a start was the first connection.
        eventually(lambda: ssh(server, "echo on").stdout == "on\n", "not served")
    finally:
        server.stop()


@pytest.mark.skipif(not available(), reason="only root has a /dev/log of its own")
def test_lines_go_to_syslog_and_to_the_journal(tmp_path):
    listen = ("mkdir -p /run/systemd/journal; mount -t tmpfs dev /mnt; "
              "python3 -c \"import socket,os,time\n"
              "a=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); a.bind('/run/systemd/journal/socket')\n"
              "if os.fork()==0:\n"
              "  f=open('/run/journal.txt','ab',0)\n"
              "  while True: f.write(a.recv(65536)+b'--')\n"
              "\" >/dev/null 2>&1")
    with RootWorld(BUILD, tmp_path, "logging journal", extra=listen) as world:
        assert world.ssh("ann", "true").returncode == 0
        eventually(lambda: "MESSAGE=%SECURITY-SSHD-6-INFO_SUCCESS : accepted publickey for ann" in world.inside("cat", "/run/journal.txt").stdout, "the journal heard nothing")
        text = world.inside("cat", "/run/journal.txt").stdout
        assert "SYSLOG_IDENTIFIER=sluiced" in text and "PRIORITY=6" in text
        world.inside("pkill", "--ns", str(world.process.pid), "--nslist", "mnt", "python3", check=False)


JOURNALD = pathlib.Path("/lib/systemd/systemd-journald")


@pytest.mark.skipif(not available() or not JOURNALD.exists(), reason="root alone has a journal of its own, by systemd-journald")
def test_the_journal_of_systemd_gives_the_lines_back_with_their_fields(tmp_path):
    start = ("mkdir -p /etc/systemd/journald.conf.d; [ -s /etc/machine-id ] || echo 0123456789abcdef0123456789abcdef > /etc/machine-id; "
             "printf '[Journal]\\nStorage=volatile\\nReadKMsg=no\\nAudit=no\\nForwardToSyslog=no\\n' > /etc/systemd/journald.conf.d/own.conf; "
             f"{JOURNALD} >/dev/null 2>&1 & echo $! > /run/journald.pid; "
             "for i in $(seq 600); do [ -S /run/systemd/journal/socket ] && exit 0; sleep 0.1; done; exit 1")
    with RootWorld(BUILD, tmp_path, "logging journal", "no logging syslog", "platform ios-xr", extra=start) as world:
        journald = int(world.path("/run/journald.pid").read_text())
        try:
            assert world.ssh("ann", "true").returncode == 0

            def entries():
                told = world.inside("journalctl", "--file", "/run/log/journal/*/*.journal", "--no-pager", "-o", "json", "SYSLOG_IDENTIFIER=sluiced")
                return [json.loads(line) for line in told.stdout.splitlines()]

            def entry(beginning):
                return next((one for one in entries() if one["MESSAGE"].startswith(beginning)), None)
            accepted = eventually(lambda: entry("%SECURITY-SSHD-6-INFO_SUCCESS : accepted publickey for ann from 127.0.0.1"), "no login in the journal")
            # What the sender says, and what the journal itself knows of him.
            assert accepted["PRIORITY"] == "6" and accepted["SYSLOG_FACILITY"] == "10" and accepted["_COMM"].startswith("sluiced"), accepted
            assert accepted["_TRANSPORT"] == "journal"
            serving = eventually(lambda: entry("serving on "), "no start in the journal")
            assert serving["_UID"] == "0"
            # A name of a stranger's makes no field and no line of its own.
            with world.connect() as stranger, paramiko.Transport(stranger) as transport:
                transport.start_client(timeout=120)
                with pytest.raises(paramiko.SSHException):
                    transport.auth_password("x\nPRIORITY=0\nMESSAGE=forged", "wrong")
            eventually(lambda: any("forged" in one["MESSAGE"] for one in entries()), "a failed login is not in the journal")
            assert not [one for one in entries() if one["PRIORITY"] == "0" or one["MESSAGE"].startswith("forged")]
        finally:
            os.kill(journald, signal.SIGKILL)


def test_packets_bear_the_dscp_value(tmp_path):
    with Sluiced(BUILD, tmp_path, "ssh server dscp 10", "ssh server tcp-window-scale 5") as server:
        with socket.socket() as client:
            client.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
            client.connect(("127.0.0.1", server.port))
            assert client.recv(64).startswith(b"SSH-2.0-")
            info = subprocess.run(["ss", "-tinH", "sport", "=", f":{server.port}"], capture_output=True, text=True, timeout=60).stdout
            # The kernel tells both ends' scales: the peer's, ours.
            assert re.search(r"wscale:\d+,5\b", info), info
            tos = subprocess.run(["ss", "-tnH", "--tos", "sport", "=", f":{server.port}"], capture_output=True, text=True, timeout=60).stdout
            assert "tos:0x28" in tos, tos


def proxy_header(source, port):
    addresses = socket.inet_aton(source) + socket.inet_aton("127.0.0.1") + struct.pack(">HH", port, 22)
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x21, 0x11]) + struct.pack(">H", len(addresses)) + addresses


def test_a_trusted_proxy_says_who_comes_and_nobody_else_does(tmp_path):
    with Sluiced(BUILD, tmp_path, "ssh server proxy-protocol 127.0.0.1") as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as end:
            end.sendall(proxy_header("203.0.113.9", 4711))
            transport = paramiko.Transport(end)
            transport.connect(username=USER, pkey=paramiko.Ed25519Key.from_private_key_file(str(server.key)))
            channel = transport.open_session(timeout=60)
            channel.exec_command("echo $SSH_CLIENT")
            assert channel.makefile().read().split()[:2] == [b"203.0.113.9", b"4711"]
            transport.close()
    with Sluiced(BUILD, tmp_path / "other") as server, socket.create_connection(("127.0.0.1", server.port), timeout=60) as end:
        end.sendall(proxy_header("203.0.113.9", 4711) + b"SSH-2.0-x\r\n")
        data = b""
        while piece := end.recv(4096):
            data += piece
        assert b"203.0.113.9" not in server.log.read_bytes()


def test_access_lists_of_a_vrf_admit_whom_they_name(tmp_path):
    config = tmp_path / "conf"
    config.write_text("ipv4 access-list here\n 10 permit host 127.0.0.2\n!\nssh server vrf default ipv4 access-list here\n")
    server = Bare(BUILD, tmp_path)
    with open(server.log, "ab") as log:
        server.process = subprocess.Popen([PROGRAM, "-D", "-f", config, "-p", str(server.port), "--listen", "127.0.0.1", "--state-dir",
                                           tmp_path / "state", "-o", f"login authorized-keys {server.authorized}", "-o", "login root yes",
                                           "-o", "no login strict-modes"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        eventually(lambda: "serving on" in server.log.read_text(), "not served")
        assert ssh(server, "true").returncode == 255
        assert ssh(server, "echo on", options=("-b", "127.0.0.2")).stdout == "on\n"
        assert "access list" in server.log.read_text()
    finally:
        server.stop()


def test_a_reload_changes_users_rules_and_ports(tmp_path):
    config = tmp_path / "conf"
    server = Bare(BUILD, tmp_path)
    other = free_port()
    rest = f"login authorized-keys {server.authorized}\nlogin root yes\nno login strict-modes\nssh server listen 127.0.0.1 port "
    config.write_text(f"{rest}{server.port}\n")
    server.launch([PROGRAM, "-D", "-f", config, "--state-dir", tmp_path / "state"])
    try:
        assert ssh(server, "true").returncode == 0
        config.write_text(f"{rest}{other}\nlogin deny-users {USER}\n")
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: "configuration reloaded" in server.log.read_text(), "no reload")
        server.port, old = other, server.port
        assert ssh(server, "true").returncode == 255
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", old)) != 0
        config.write_text(f"{rest}{other}\nnot a command\n")
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: "stays as it was" in server.log.read_text(), "a wrong configuration was taken")
        config.write_text(f"{rest}{other}\n")
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: ssh(server, "echo on").stdout == "on\n", "still denied")
    finally:
        server.stop()


def test_a_subsystem_is_the_configured_program_and_netconf_has_its_port(tmp_path):
    netconf = free_port()
    hello = tmp_path / "hello"
    hello.write_text("#!/bin/sh\nprintf '<hello/>]]>]]>'\ncat\n")
    hello.chmod(0o755)
    with Sluiced(BUILD, tmp_path, f"subsystem netconf {hello}", f"ssh server netconf port {netconf}") as server:
        for port in (server.port, netconf):
            done = subprocess.run(["ssh", *server.options(), "-p", str(port), "-s", f"{USER}@127.0.0.1", "netconf"], input="<x/>",
                                  capture_output=True, text=True, timeout=60)
            assert done.stdout == "<hello/>]]>]]><x/>", done.stderr
        assert ssh(server, "nothing", options=("-s",)).returncode != 0


def test_scp_is_off_under_ios_until_it_is_enabled(tmp_path):
    (tmp_path / "file").write_text("x")
    for lines, works in ((["platform ios"], False), (["platform ios", "ip scp server enable"], True), (["platform ios-xr"], True)):
        with Sluiced(BUILD, tmp_path / str(works) / lines[-1].replace(" ", ""), *lines) as server:
            target = server.folder / "copied"
            done = subprocess.run(["scp", "-O", *server.options(), "-P", str(server.port), tmp_path / "file", f"{USER}@127.0.0.1:{target}"],
                                  capture_output=True, text=True, timeout=60)
            assert (done.returncode == 0) == works, done.stderr
            assert target.exists() == works


def test_the_environment_list_and_a_break_and_agent_forwarding(tmp_path):
    with Sluiced(BUILD, tmp_path, "ssh server env-accept WANTED_*", "ssh server port-forwarding agent") as server:
        done = subprocess.run(["ssh", *server.options(), "-p", str(server.port), "-o", "SendEnv=WANTED_X", "-o", "SendEnv=LANG", f"{USER}@127.0.0.1",
                               'echo "[$WANTED_X] [$LANG]"'], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                              env={**os.environ, "WANTED_X": "yes", "LANG": "xx"})
        assert done.stdout == "[yes] []\n"
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect("127.0.0.1", server.port, USER, key_filename=str(server.key), look_for_keys=False, allow_agent=False, timeout=60)
        answers = []
        for terminal in (True, False):
            channel = client.get_transport().open_session(timeout=60)
            if terminal:
                channel.get_pty()
            channel.exec_command("cat")
            message = paramiko.Message()
            message.add_byte(b"\x62")
            message.add_int(channel.remote_chanid)
            message.add_string("break")
            message.add_boolean(True)
            message.add_int(500)
            channel._event_pending()
            client.get_transport()._send_user_message(message)
            try:
                channel._wait_for_event()
                answers.append(True)
            except paramiko.SSHException:
                answers.append(False)
        client.close()
        # RFC 4335: only where there is a line that could be broken.
        assert answers == [True, False]


@pytest.mark.parametrize("name", ["INT", "TERM", "USR1", "KILL", "HUP"])
def test_a_signal_reaches_the_program_and_its_name_comes_back(tmp_path_factory, name, served):
    import asyncio

    import asyncssh

    async def talk():
        async with asyncssh.connect("127.0.0.1", served.port, username=USER, client_keys=[str(served.key)], known_hosts=None, config=None) as link:
            process = await link.create_process("echo up; exec sleep 1000")
            assert await process.stdout.readline() == "up\n"
            process.send_signal(name)
            await process.wait(timeout=60)
            return process.exit_signal
    assert asyncio.run(talk())[0] == name


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Sluiced(BUILD, tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not there")
def test_the_units_are_what_systemd_understands(tmp_path):
    unit = (ROOT / "packaging/systemd/sluiced.service.in").read_text().replace("@bindir@/sluiced", str(PROGRAM.resolve()))
    (tmp_path / "sluiced.service").write_text(unit)
    (tmp_path / "sluiced.socket").write_text((ROOT / "packaging/systemd/sluiced.socket").read_text())
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / "sluiced.service", tmp_path / "sluiced.socket"],
                          capture_output=True, text=True, timeout=60)
    assert "sluiced" not in done.stderr, done.stderr
    # As the unit starts it.
    words = re.search(r"^ExecStart=(.*)$", unit, re.M).group(1)
    options = re.findall(r'-o "([^"]*)"', words)
    checked = subprocess.run([PROGRAM, "-t", "-f", "/dev/null", *[word for line in options for word in ("-o", line)]], capture_output=True, text=True,
                             timeout=60)
    assert options and checked.returncode == 0, checked.stderr


# Its own network, in which 5522 and 22 are free, and a home that belongs to somebody who is not root.
ORDINARY = r"""
set -e
ip link set lo up
cd "$HOME"
solo="setpriv --reuid 61005 --regid 61005 --clear-groups --"
$solo "$PROGRAM" -D >out 2>log & server=$!
trap 'kill $server || true' EXIT
for i in $(seq 600); do grep -q "serving on" log && break; kill -0 $server || exit 9; sleep 0.1; done
for host in 127.0.0.1 ::1; do
  $solo ssh -F none -i key -o BatchMode=yes -o IdentityAgent=none -o StrictHostKeyChecking=no -o UserKnownHostsFile=known -o LogLevel=ERROR \
     -p 5522 -l "$1" $host 'id -u; echo $HOME'
done
$solo ssh -F none -i key -o BatchMode=yes -o IdentityAgent=none -o StrictHostKeyChecking=no -o UserKnownHostsFile=known -p 5522 -l root 127.0.0.1 id \
   && exit 8
true
"""


@pytest.mark.skipif(not available() or not shutil.which("setpriv"), reason="only root can become somebody else")
def test_an_ordinary_user_without_a_configuration_serves_himself():
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        home = pathlib.Path(name)
        home.chmod(0o755)
        # Where the build is, others may not look.
        program = shutil.copy(PROGRAM, home / "sluiced")
        make_key(home / "key")
        (home / ".ssh").mkdir(mode=0o700)
        (home / ".ssh/authorized_keys").write_text((home / "key.pub").read_text())
        for path in (home, *home.rglob("*")):
            os.chown(path, 61005, 61005)
        # He needs a name: in a copy of /etc.
        setup = (f"mount -t tmpfs scratch /mnt; mkdir /mnt/up /mnt/work; mount -t overlay private -o "
                 f"lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work /etc; "
                 f"echo 'solo:x:61005:61005::{home}:/bin/sh' >> /etc/passwd; echo 'solo:x:61005:' >> /etc/group; " + ORDINARY)
        command = ["unshare", "-m", "-n", "--propagation", "private", "sh", "-c", setup, "sh", "solo"]
        environment = {**os.environ, "HOME": str(home), "PROGRAM": str(program)}
        environment.pop("XDG_CONFIG_HOME", None), environment.pop("XDG_STATE_HOME", None)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)
        log = (home / "log").read_text()
        assert done.returncode == 0, done.stderr + log
        assert done.stdout == f"61005\n{home}\n" * 2
        assert "Permission denied" in done.stderr, "only he is served"
        state = home / ".local/state/sluice"
        assert stat.S_IMODE(state.stat().st_mode) == 0o700 and any(state.rglob("*ed25519*"))
        # A configuration that is there and cannot be read is no reason to do without.
        folder = home / ".config/sluice"
        folder.mkdir(parents=True)
        (folder / "sluiced.conf").write_text("login deny-users solo\n")
        (folder / "sluiced.conf").chmod(0)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180)
        assert done.returncode == 9
        assert "sluiced.conf: Permission denied" in (home / "log").read_text()
