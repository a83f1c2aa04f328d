"""The shell's own client: EXEC ssh, scp, sftp and copy in both dialects' words, for sluicectl and for operators by SSH."""
import hashlib
import os
import pathlib
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.e2e.test_management import CTL, TIMEOUT, Dialog, Managed, Terminal, login  # noqa: E402
from tests.interop.foreign_servers import PASSWORD, Keys, sshd  # noqa: E402
from tests.support.ssh_servers import USER, Sluiced, Sshd, answers  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    """A host of each kind that lets the same key in, and an agent that has it."""
    folder = tmp_path_factory.mktemp("targets")
    with Sluiced(BUILD, folder / "sluiced") as ours, Sshd(folder / "sshd") as theirs:
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", folder / "agent"], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + TIMEOUT
        while not answers(folder / "agent"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for server in (ours, theirs):
            subprocess.run(["ssh-add", "-q", server.key], env={**os.environ, "SSH_AUTH_SOCK": str(folder / "agent")}, check=True)
        known = folder / "known"
        known.write_text("".join(subprocess.run(["ssh-keyscan", "-p", str(server.port), "127.0.0.1"], capture_output=True, text=True,
                                                check=True).stdout for server in (ours, theirs)))
        yield {"sluiced": ours, "sshd": theirs, "agent": folder / "agent", "known": known}
        agent.terminate()
        agent.wait()


@pytest.fixture(params=["sluiced", "sshd"])
def target(request, targets):
    return targets[request.param]


class Shell(Managed):
    """Its sluicectl is run by somebody who has an agent."""

    def __init__(self, folder, targets, *lines):
        super().__init__(folder, f"ssh client knownhost {targets['known']}", *lines)
        self.environment = {**os.environ, "SSH_AUTH_SOCK": str(targets["agent"])}

    def run(self, line, check=True, text="", json=False, cwd=None):
        done = subprocess.run([CTL, "--state-dir", self.folder / "state", *(["--json"] if json else []), "-c", line], input=text,
                              env=self.environment, cwd=cwd, capture_output=True, text=True, timeout=TIMEOUT)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done


@pytest.fixture
def shell(tmp_path, targets):
    with Shell(tmp_path / "server", targets) as server:
        yield server


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(os.urandom(300_000))
    return path


def test_ssh_runs_a_command_in_the_words_of_both_dialects(shell, target, source):
    said = f"sha256sum < {source}"
    for line in (f'ssh 127.0.0.1 port {target.port} username {USER} command "{said}"',
                 f'ssh 127.0.0.1 username {USER} port {target.port} cipher aes256-ctr command "{said}"',
                 f'ssh vrf default 127.0.0.1 port {target.port} username {USER} command "{said}"',
                 f'ssh -v 2 -c aes256-ctr -m hmac-sha1-160 -l {USER} -p {target.port} 127.0.0.1 "{said}"',
                 f'ssh -l {USER} -o numberofpasswordprompts 1 -p {target.port} 127.0.0.1 "{said}"'):
        assert shell.run(line).stdout.split()[0] == digest(source), line


def test_what_the_remote_command_ends_with_is_what_sluicectl_ends_with(shell, target):
    assert shell.run(f"ssh 127.0.0.1 port {target.port} username {USER} command exit 7", check=False).returncode == 7


def test_the_cipher_that_is_asked_for_is_used(shell, targets):
    target = targets["sluiced"]
    line = f"ssh -c aes256-gcm@openssh.com -l {USER} -p {target.port} 127.0.0.1 "
    assert shell.run(line + "echo in").stdout == "in\n"
    refused = shell.run(f"ssh -c 3des -l {USER} -p {target.port} 127.0.0.1 echo in", check=False)
    assert refused.returncode == 255 and "cipher" in refused.stderr


def test_what_cannot_be_is_refused_with_a_reason(shell):
    for line, why in (("ssh -v 1 192.0.2.1", "version 1"), ("ssh -l ann:rotary 192.0.2.1", "rotary"), ("ssh -x 1 192.0.2.1", "-x"),
                      ("ssh -l ann", "host is missing"), ("scp -S /bin/sh a b", "not taken here"), ("copy one", "two places"),
                      ("sftp -oProxyCommand=id host", "not taken here"), ("ssh 192.0.2.1 port 70000", "Invalid input")):
        done = shell.run(line, check=False)
        assert done.returncode != 0 and why in done.stdout + done.stderr, (line, done.stdout, done.stderr)


def test_scp_goes_there_and_back(shell, target, source, tmp_path):
    place = f"{USER}@127.0.0.1:"
    shell.run(f"scp -P {target.port} {source} {place}{tmp_path}/there")
    assert digest(tmp_path / "there") == digest(source)
    # As IOS XR has it: the port behind the files.
    shell.run(f"scp {place}{tmp_path}/there {tmp_path}/back port {target.port}")
    assert digest(tmp_path / "back") == digest(source)
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    (tree / "below/file").write_bytes(source.read_bytes())
    shell.run(f"scp -r {tree} {place}{tmp_path}/copy port {target.port}")
    assert digest(tmp_path / "copy/below/file") == digest(source)


def test_scp_uploads_by_pattern(shell, target, tmp_path):
    for name in ("one.log", "two.log", "three.txt"):
        (tmp_path / name).write_text(name)
    (tmp_path / "there").mkdir()
    shell.run(f"scp {tmp_path}/*.log {USER}@127.0.0.1:{tmp_path}/there port {target.port}")
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["one.log", "two.log"]


def test_sftp_copies_in_one_line_and_as_a_dialog(shell, target, source, tmp_path):
    shell.run(f"sftp {source} {USER}@127.0.0.1:{tmp_path}/there port {target.port}")
    assert digest(tmp_path / "there") == digest(source)
    shell.run(f"sftp {USER}@127.0.0.1:{tmp_path}/there {tmp_path}/back port {target.port}")
    assert digest(tmp_path / "back") == digest(source)
    shell.run(f"sftp -P {target.port} {USER}@127.0.0.1", text=f"put {source} {tmp_path}/typed\nls -l {tmp_path}/typed\nbye\n")
    assert digest(tmp_path / "typed") == digest(source)


def test_copy_goes_between_files_hosts_and_the_configuration(shell, target, source, tmp_path):
    host = f"scp://{USER}@127.0.0.1:{target.port}/"
    shell.run(f"copy {source} {host}{tmp_path}/there")
    assert digest(tmp_path / "there") == digest(source)
    # A router's device in front of a path.
    shell.run(f"copy {host}{tmp_path}/there disk0:{tmp_path}/back")
    assert digest(tmp_path / "back") == digest(source)
    shell.script("configure", "ssh server dscp 8", "commit", "end")
    shell.run(f"copy running-config {host}{tmp_path}/config")
    assert "ssh server dscp 8" in (tmp_path / "config").read_text()
    # There are secrets in it.
    assert (tmp_path / "config").stat().st_mode & 0o777 == 0o600


def test_a_server_that_is_not_known_is_refused_where_keys_are_checked(tmp_path, targets):
    target = targets["sshd"]
    line = f"ssh -l {USER} -p {target.port} 127.0.0.1 echo in"
    with Shell(tmp_path / "server", {**targets, "known": "/dev/null"}, "ip ssh stricthostkeycheck") as shell:
        refused = shell.run(line, check=False)
        assert refused.returncode == 255 and "verification failed" in refused.stderr, refused.stderr
        key = (target.folder / "host.pub").read_text().strip()
        shell.script("configure", "ip ssh pubkey-chain", "server 127.0.0.1", "key-string", key, "exit", "exit", "exit", "commit", "end")
        assert shell.run(line).stdout == "in\n"
        other = subprocess.run(["ssh-keygen", "-y", "-f", targets["sluiced"].key], capture_output=True, text=True, check=True).stdout
        shell.script("configure", "no ip ssh pubkey-chain", "ip ssh pubkey-chain", "server 127.0.0.1", "key-string", other.strip(), "exit",
                     "exit", "exit", "commit", "end")
        assert shell.run(line, check=False).returncode == 255


def test_an_rsa_key_is_known_by_its_hash(tmp_path, targets):
    target = targets["sluiced"]
    scan = subprocess.run(["ssh-keyscan", "-t", "rsa", "-p", str(target.port), "127.0.0.1"], capture_output=True, text=True, check=True)
    public = tmp_path / "rsa.pub"
    public.write_text(" ".join(scan.stdout.split()[1:3]) + "\n")
    shown = subprocess.run(["ssh-keygen", "-l", "-E", "md5", "-f", public], capture_output=True, text=True, check=True).stdout
    digits = shown.split()[1].removeprefix("MD5:").replace(":", "").upper()
    chain = ["ip ssh stricthostkeycheck", "ip ssh pubkey-chain", " server 127.0.0.1", f"  key-hash ssh-rsa {digits}"]
    with Shell(tmp_path / "server", {**targets, "known": "/dev/null"}, *chain) as shell:
        assert shell.run(f"ssh -l {USER} -p {target.port} 127.0.0.1 echo in").stdout == "in\n"


def test_a_pattern_makes_no_options_of_files(shell, target, tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "-oProxyCommand=touch marker;false").write_text("hostile")
    (folder / "file").write_text("harmless")
    (tmp_path / "there").mkdir()
    shell.run(f"scp * {USER}@127.0.0.1:{tmp_path}/there port {target.port}", cwd=folder)
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["-oProxyCommand=touch marker;false", "file"]
    assert not (folder / "marker").exists()


def test_a_configured_key_is_the_only_one_whatever_the_platform(tmp_path, targets):
    target = targets["sshd"]
    line = f"ssh -l {USER} -p {target.port} 127.0.0.1 echo in"
    other = subprocess.run(["ssh-keygen", "-y", "-f", targets["sluiced"].key], capture_output=True, text=True, check=True).stdout.strip()
    with Shell(tmp_path / "server", {**targets, "known": tmp_path / "known"}, "platform ios") as shell:
        # Learned, and of no account once another one is configured.
        assert shell.run(line).stdout == "in\n"
        shell.script("configure terminal", "ip ssh pubkey-chain", "server 127.0.0.1", "key-string", other, "exit", "exit", "exit", "end")
        refused = shell.run(line, check=False)
        assert refused.returncode == 255 and "verification failed" in refused.stderr, refused.stderr
        copy = shell.run(f"scp 127.0.0.1:{tmp_path}/known 127.0.0.2:{tmp_path}/copy", check=False)
        assert copy.returncode != 0 and "between two hosts" in copy.stdout + copy.stderr, copy


def test_ios_goes_on_without_the_flag_whatever_the_server_shows(tmp_path, targets):
    target = targets["sshd"]
    with Shell(tmp_path / "server", {**targets, "known": tmp_path / "known"}, "platform ios") as shell:
        assert shell.run(f"ssh -l {USER} -p {target.port} 127.0.0.1 echo in").stdout == "in\n"


def test_ssh_at_a_terminal_is_a_terminal_there(shell, target):
    with Terminal("/usr/bin/env", f"SSH_AUTH_SOCK={shell.environment['SSH_AUTH_SOCK']}", CTL, "--state-dir",
                  shell.folder / "state") as terminal:
        terminal.wait_for("Device#")
        terminal.type(f"ssh 127.0.0.1 port {target.port} username {USER}\r")
        # Not before it is there: what was typed ahead would be the shell's that is left.
        terminal.type("tty; echo it is $((40 + 2))\r")
        assert "/dev/pts/" in terminal.wait_for("it is 42")
        terminal.type("exit\r")
        terminal.wait_for("Device#")
        terminal.type("show privilege\r")
        terminal.wait_for("level is 15")


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stock")
    folder.chmod(0o700)
    keys = Keys(folder)
    with sshd(keys, folder, "Subsystem sftp internal-sftp") as server:
        server.user, server.password = "ann", PASSWORD
        yield server


@pytest.fixture(params=["sluiced", "sshd"])
def with_password(request, tmp_path):
    """A host that asks for a password."""
    if request.param == "sshd":
        yield request.getfixturevalue("stock")
        return
    with Managed(tmp_path / "target", "username ann privilege 15 secret 0 s3cret-of-ann", f"login local-account {USER}") as server:
        server.user, server.password = "ann", "s3cret-of-ann"
        yield server


@pytest.fixture
def operated(tmp_path):
    known = tmp_path / "known"
    lines = [f"login local-account {USER}", "management shell", f"management shell-program {CTL}", f"ssh client knownhost {known}",
             "username ann privilege 15 secret 0 s3cret-of-ann", "username bob privilege 1 secret 0 s3cret-of-bob"]
    with Managed(tmp_path / "operated", *lines) as server:
        yield server


class ClientDialog(Dialog):
    def run(self, line, password):
        """A command of the client's, with its questions, to the next prompt."""
        self.type(line)
        while True:
            seen = self.until("(yes/no", "assword:", "Device#", "Device>")
            if "(yes/no" in seen:
                self.type("yes")
            elif "assword:" in seen:
                self.type(password)
            else:
                return seen


def test_an_operator_by_ssh_has_the_same_client(operated, with_password, source, tmp_path):
    there = f"{with_password.user}@127.0.0.1"
    with login(operated, "ann") as client:
        dialog = ClientDialog(client)
        dialog.until("Device#")
        seen = dialog.run(f'ssh 127.0.0.1 port {with_password.port} username {with_password.user} command "sha256sum < {source}"',
                          with_password.password)
        assert digest(source) in seen, seen
        dialog.run(f"scp {source} {there}:{tmp_path}/there port {with_password.port}", with_password.password)
        assert digest(tmp_path / "there") == digest(source)
        dialog.run(f"copy scp://{there}:{with_password.port}/{tmp_path}/there {tmp_path}/back", with_password.password)
        assert digest(tmp_path / "back") == digest(source)
        dialog.run(f"sftp {source} {there}:{tmp_path}/third port {with_password.port}", with_password.password)
        assert digest(tmp_path / "third") == digest(source)


def test_an_operator_of_low_privilege_has_ssh_and_no_files(operated, stock, source, tmp_path):
    with login(operated, "bob") as client:
        dialog = ClientDialog(client)
        dialog.until("Device>")
        assert "it is 42" in dialog.run(f'ssh -l ann -p {stock.port} 127.0.0.1 "echo it is $((40+2))"', stock.password)
        for line in (f"scp {source} ann@127.0.0.1:{tmp_path}/no", f"copy {source} scp://ann@127.0.0.1/{tmp_path}/no", "sftp ann@127.0.0.1"):
            dialog.type(line)
            dialog.until("Not allowed")
            dialog.until("Device>")
    assert not (tmp_path / "no").exists()
