"""Where log lines go: rsyslog by RFC 5424 and by /dev/log, files, pipes that nobody reads; and host keys in and out."""
import fcntl
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import paramiko
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.e2e.test_management import CTL, TIMEOUT, Dialog, Managed, Terminal, login  # noqa: E402
from tests.e2e.test_reload import BUILD, host_key, ssh  # noqa: E402
from tests.support.ssh_servers import USER, free_port  # noqa: E402

TEMPLATE = ("%pri%|%protocol-version%|%timereported:::date-rfc3339%|%hostname%|%app-name%|%procid%|%msgid%|%structured-data%|"
            "%msg:::drop-last-lf%\\n")


def await_line(path, pattern):
    deadline = time.monotonic() + TIMEOUT
    while True:
        text = path.read_text(errors="replace") if path.exists() else ""
        if found := re.search(pattern, text, re.M):
            return found
        assert time.monotonic() < deadline, text
        time.sleep(0.1)


def ssh_to(server, port, stdin=b""):
    """A client's own bytes to a port behind the server."""
    return subprocess.run(["ssh", *server.options(), "-W", f"127.0.0.1:{port}", "-p", str(server.port), f"{USER}@127.0.0.1"],
                          input=stdin, capture_output=True, timeout=TIMEOUT)


def rsyslog(folder, *lines):
    """rsyslogd with a configuration of its own, writing each message's parts into `out`."""
    config = folder / "rsyslog.conf"
    config.write_text("\n".join([f'global(workDirectory="{folder}")', f'template(name="parts" type="string" string="{TEMPLATE}")', *lines,
                                 f'*.* action(type="omfile" file="{folder}/out" template="parts")']) + "\n")
    return ["/usr/sbin/rsyslogd", "-n", "-f", str(config), "-i", str(folder / "rsyslog.pid")]


@pytest.fixture
def receiver(tmp_path):
    folder = tmp_path / "receiver"
    folder.mkdir()
    port = free_port()
    command = rsyslog(folder, 'module(load="imudp")', f'input(type="imudp" address="127.0.0.1" port="{port}")')
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=open(folder / "err", "wb"))
    deadline = time.monotonic() + TIMEOUT
    while f":{port:04X} " not in pathlib.Path("/proc/net/udp").read_text():
        assert time.monotonic() < deadline and process.poll() is None, (folder / "err").read_text()
        time.sleep(0.05)
    yield folder / "out", port
    process.terminate()
    process.wait()


def test_a_receiver_of_syslog_understands_every_part(receiver, tmp_path):
    out, port = receiver
    with Managed(tmp_path / "server", f"logging host 127.0.0.1 port {port}") as server:
        assert ssh(server).stdout == "in\n"
        found = await_line(out, rf"^(.*)\|%SECURITY-SSHD-6-INFO_SUCCESS : accepted publickey for {USER} from 127\.0\.0\.1.*$")
        priority, version, when, host, name, process, identity, data = found[1].split("|")
        # authpriv is 10, informational 6.
        assert (int(priority), version, name, identity, data) == (10 * 8 + 6, "1", "sluiced", "SECURITY-SSHD-6-INFO_SUCCESS", "-")
        assert host == socket.gethostname() and int(process) > 0
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d)", when)
        server.script("configure", "ssh server dscp 8", "commit", "end")
        found = await_line(out, r"^(.*)\|%SYS-5-CONFIG_I: Configured from console by .*$")
        assert found[1].split("|")[0] == str(10 * 8 + 5) and found[1].split("|")[6] == "SYS-5-CONFIG_I"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may have a /dev of its own")
def test_the_systems_log_gets_lines_by_dev_log_and_none_when_nobody_reads(tmp_path):
    folder = tmp_path / "receiver"
    dev = folder / "dev"
    dev.mkdir(parents=True)
    command = rsyslog(folder, f'module(load="imuxsock" SysSock.Name="{dev}/log" SysSock.Unlink="on")')
    server = Managed(tmp_path / "server", "logging syslog", "logging level debugging")
    # A /dev in a namespace of its own, with that log in it.
    nodes = " ".join(("null", "zero", "full", "random", "urandom", "tty"))
    script = tmp_path / "world"
    script.write_text(f"set -e\nfor n in {nodes}; do : > {dev}/$n; mount --bind /dev/$n {dev}/$n; done\n"
                      f"mkdir -p {dev}/pts {dev}/shm\nmount --bind /dev/pts {dev}/pts\nmount --bind /dev/shm {dev}/shm\n"
                      f"ln -s pts/ptmx {dev}/ptmx\nln -s /proc/self/fd {dev}/fd\nmount --bind {dev} /dev\nexec \"$@\"\n")
    program = server.program
    wrapper = tmp_path / "sluiced"
    wrapper.write_text(f"#!/bin/sh\nexec unshare --mount --propagation private sh {script} {program} \"$@\"\n")
    wrapper.chmod(0o755)
    receiver = subprocess.Popen(command, stderr=open(folder / "err", "wb"))
    try:
        deadline = time.monotonic() + TIMEOUT
        while not (dev / "log").exists():
            assert time.monotonic() < deadline, (folder / "err").read_text()
            time.sleep(0.05)
        server.program = wrapper
        with server:
            assert ssh(server).stdout == "in\n"
            found = await_line(folder / "out", r"^(.*)\|.*%SECURITY-SSHD-6-INFO_SUCCESS : accepted publickey.*$")
            assert found[1].split("|")[0] == str(10 * 8 + 6) and found[1].split("|")[4] == "sluiced"
            # One that stands still is not waited for.
            receiver.send_signal(signal.SIGSTOP)
            for _ in range(60):
                assert ssh(server).stdout == "in\n"
    finally:
        receiver.kill()
        receiver.wait()


class Unread(Managed):
    """Its standard error is a pipe that nobody reads, as small as a pipe can be."""

    def start(self):
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, 4096)
        return super().start()

    def launch(self, command_for):
        command = [str(word) for word in command_for(self.port)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.writer)
        assert self.listens()
        return self

    def await_log(self, text, times=1):
        pass


def test_a_pipe_that_nobody_reads_stops_nothing_and_says_later_what_it_missed(tmp_path):
    with Unread(tmp_path / "server", "logging level debugging") as server:
        deadline = time.monotonic() + TIMEOUT
        while server.ctl("show", "ip", "ssh", check=False).returncode != 0:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        for _ in range(30):
            assert ssh(server).stdout == "in\n"
        server.script("configure", "ssh server dscp 8", "commit", "end")
        os.close(server.writer)
        text = b""
        deadline = time.monotonic() + TIMEOUT
        while not re.search(rb"\d+ lines were lost: nobody read them", text):
            assert time.monotonic() < deadline, text
            # What it says next.
            assert ssh(server).stdout == "in\n"
            text += os.read(server.reader, 1 << 16)
        server.stop()
        os.close(server.reader)


def test_a_fifo_is_no_reason_to_wait(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with Managed(tmp_path / "server", f"logging file {fifo}", "logging level debugging") as server:
        # Nobody reads: there is no such file, then.
        assert "fifo" in server.log.read_text()
        assert ssh(server).stdout == "in\n"
        with open(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
            server.reload(f"logging file {fifo}", "logging level debugging")
            fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
            for _ in range(30):
                assert ssh(server).stdout == "in\n"
            assert b"Authentication successful" in reader.read(4096)
        assert ssh(server).stdout == "in\n"


# --- keys, in and out


@pytest.fixture
def server(tmp_path):
    with Managed(tmp_path / "server") as server:
        yield server


def export(server, kind, passphrase, label=""):
    done = subprocess.run([CTL, "--state-dir", server.folder / "state", "crypto", "key", "export", *kind.split(), *([label] if label else [])],
                          input=passphrase + "\n", capture_output=True, text=True, timeout=TIMEOUT)
    return done


@pytest.mark.parametrize("kind,scan", [("rsa", "rsa"), ("ed25519", "ed25519"), ("ecdsa-nistp256", None), ("ecdsa-nistp384", None),
                                       ("ecdsa-nistp521", None)])
def test_an_exported_key_is_the_one_that_serves_and_comes_back(server, kind, scan, tmp_path):
    done = export(server, kind, "long enough")
    assert done.returncode == 0, done.stderr
    file = tmp_path / "exported"
    file.write_text(done.stdout)
    file.chmod(0o600)
    # Sealed: ssh-keygen opens it with the passphrase, and with no other.
    assert subprocess.run(["ssh-keygen", "-y", "-P", "wrong", "-f", file], capture_output=True).returncode != 0
    public = subprocess.run(["ssh-keygen", "-y", "-P", "long enough", "-f", file], capture_output=True, text=True, check=True).stdout
    blob = public.split()[1]
    stored = (server.folder / f"state/host_keys/{kind}.the_default.pub").read_text()
    assert stored.split()[1] == blob
    if scan:
        assert host_key(server, scan) == blob
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "long enough", "-N", "", "-f", file], check=True, timeout=TIMEOUT)
    server.ctl("crypto", "key", "zeroize", *(kind.replace("ecdsa-", "ecdsa ").split()))
    if scan:
        assert host_key(server, scan) == ""
    server.ctl("crypto", "key", "import", str(file))
    assert (server.folder / f"state/host_keys/{kind}.the_default.pub").read_text().split()[1] == blob
    if scan:
        assert host_key(server, scan) == blob


def test_keys_of_openssl_and_of_ssh_keygen_are_taken(server, tmp_path):
    rsa, pkcs8, sealed = tmp_path / "rsa.pem", tmp_path / "ec.pem", tmp_path / "sealed"
    subprocess.run(["openssl", "genrsa", "-traditional", "-out", rsa, "2048"], check=True, capture_output=True)
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", pkcs8], check=True,
                   capture_output=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", sealed], check=True)
    for file, kind in ((rsa, "rsa"), (pkcs8, "ecdsa-nistp384"), (sealed, "ed25519")):
        file.chmod(0o600)
        server.ctl("crypto", "key", "import", str(file), "label", "other")
        public = subprocess.run(["ssh-keygen", "-y", "-f", file], capture_output=True, text=True, check=True).stdout
        assert (server.folder / f"state/host_keys/{kind}.other.pub").read_text().split()[1] == public.split()[1]
    shown = server.ctl("show", "crypto", "key", "mypubkey", "all").stdout
    assert shown.count("Key label: other") == 3
    # The bare value, as openssl has it.
    text = subprocess.run(["openssl", "rsa", "-in", rsa, "-noout", "-modulus"], capture_output=True, text=True, check=True).stdout
    modulus = text.strip().partition("=")[2]
    assert modulus in re.sub(r"\s", "", shown)


def test_a_short_passphrase_seals_nothing(server):
    done = export(server, "ed25519", "short")
    assert done.returncode != 0 and "8 characters" in done.stderr and "PRIVATE" not in done.stdout


def test_enable_is_limited_and_logged(tmp_path):
    lines = [f"login local-account {USER}", "management shell", f"management shell-program {CTL}",
             "username bob privilege 1 secret 0 s3cret-of-bob", "enable secret 0 s3cret-of-all"]
    with Managed(tmp_path / "server", *lines) as server, login(server, "bob") as client:
        dialog = Dialog(client)
        dialog.until("Device>")
        dialog.type("enable")
        for _ in range(3):
            dialog.until("Password:")
            dialog.type("wrong")
        dialog.until("Bad secrets")
        server.await_log("%SYS-5-PRIV_AUTH_FAIL: Authentication to Privilege level 15 failed from vty by bob", 3)
        # Also in another session, and with the right word.
        with login(server, "bob") as second:
            other = Dialog(second)
            other.until("Device>")
            other.type("enable")
            other.until("Password:")
            other.type("s3cret-of-all")
            other.until("again in")
        assert "s3cret" not in server.log.read_text()


def test_the_history_of_commits_outlives_a_restart(tmp_path):
    server = Managed(tmp_path / "server")
    with server:
        server.script("configure", "ssh server dscp 8", "commit", "ssh server dscp 9", "commit", "end")
    with server:
        server.await_log("serving on", 2)
        listed = server.ctl("show", "configuration", "commit", "list").stdout
        assert listed.count("console by") == 2, listed
        server.script("rollback")
        assert "ssh server dscp 8" in server.file.read_text()
        server.script("rollback configuration last 3")
        assert "dscp" not in server.file.read_text()


def test_a_change_holds_when_its_command_returns(server):
    # Few: failed logins have their price.
    for word in range(2):
        server.script("configure", f"login deny-users {USER}", "commit", "end")
        assert ssh(server).returncode == 255
        server.script("configure", f"no login deny-users {USER}", "commit", "end")
        assert ssh(server).stdout == "in\n"
        server.ctl("crypto", "key", "generate", "ed25519")
        public = (server.folder / "state/host_keys/ed25519.the_default.pub").read_text().split()[1]
        assert host_key(server, "ed25519") == public, word


def test_brokers_are_shown_while_somebody_works(server):
    with server.hold() as holder:
        holder.stdin.write(b"one\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == b"one\n"
        [row] = server.json("show", "brokers")["brokers"]
        assert row["user"] == USER and row["programs"] == "1"
        assert pathlib.Path(f"/proc/{row['process']}/comm").read_text() == "sluiced-user\n"
        holder.stdin.close()
    assert "There is no port" in server.ctl("show", "port").stdout


def test_brokers_are_bounded_and_leave_as_configured(tmp_path):
    with Managed(tmp_path / "server", "brokers programs 1", "brokers linger 0") as server:
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect("127.0.0.1", server.port, USER, key_filename=str(server.key), look_for_keys=False, allow_agent=False,
                       timeout=TIMEOUT)
        with client:
            first, second = (client.get_transport().open_session(timeout=TIMEOUT) for _ in range(2))
            first.exec_command("cat")
            with pytest.raises(paramiko.SSHException):
                second.exec_command("cat")
            # The next connection has the limit that was committed meanwhile.
            server.script("configure", "brokers programs 2", "commit", "end")
            assert ssh(server).stdout == "in\n"
        server.await_json("show brokers", lambda found: not found["brokers"])


@pytest.mark.parametrize("platform, head", [
    ("ios-xr", r"^RP/0/RP0/CPU0:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d\.\d{3} \S+: SSHD_\[\d+\]: "),
    ("ios", r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d\.\d{3}: ")])
def test_lines_of_a_file_have_the_platforms_form(tmp_path, platform, head):
    log = tmp_path / "log"
    with Managed(tmp_path / "server", f"logging file {log}") as server:
        server.script("configure", f"platform {platform}", "commit", "end")
        assert ssh(server).stdout == "in\n"
        await_line(log, head + r"%SYS-5-CONFIG_I: Configured from console by ")
        await_line(log, head + r"%SECURITY-SSHD-6-INFO_SUCCESS : accepted publickey for ")


def test_forwarding_is_logged_as_it_went(tmp_path):
    log = tmp_path / "log"
    with Managed(tmp_path / "server", f"logging file {log}", "ssh server port-forwarding local") as server:
        closed = free_port()
        through = ssh_to(server, server.port, stdin=b"SSH-2.0-test\r\n")
        assert through.stdout.startswith(b"SSH-2.0-"), through
        assert ssh_to(server, closed).returncode != 0
        target = r"Target:=127\.0\.0\.1, Port:=%d, Originator:=\S+,Port:=\d+, Vrf:=0x60000000, "
        await_line(log, r"%SECURITY-SSHD-6-PORT_FWD_INFO_GENERAL : Port Forwarding, " + target % server.port + "Connection forwarded$")
        await_line(log, r"%SECURITY-SSHD-3-PORT_FWD_ERR_GENERAL : Port Forwarding, " + target % closed)
        server.script("configure", "no ssh server port-forwarding local", "commit", "end")
        assert ssh_to(server, server.port).returncode != 0
        await_line(log, r"%SECURITY-SSHD-3-PORT_FWD_ERR_GENERAL : Port Forwarding, Port forwarding is not enabled$")
        assert len(re.findall(r"Connection forwarded$", log.read_text(), re.M)) == 1


def test_a_wrong_line_is_not_logged_with_what_may_be_a_secret_in_it(tmp_path):
    log = tmp_path / "log"
    with Managed(tmp_path / "server", f"logging file {log}") as server:
        server.write(f"logging file {log}", "usrname ann secret 0 s3cret", "username ann s3cret")
        server.process.send_signal(signal.SIGHUP)
        await_line(log, r"reload: the configuration stays as it was")
        assert "unknown word" in log.read_text() and "s3cret" not in log.read_text()


def test_the_dataplane_is_shown_with_its_cycles_from_the_first_look_on(server):
    assert ssh(server).stdout == "in\n"
    [row] = [row for row in server.json("show", "dataplane")["workers"] if row["records"] != "0"][:1]
    assert float(row["cycles_record"]) > 0 and float(row["ns_record"]) > 0
