"""The login rules of the system's users, through the whole server: keys and their options, files, passwords, lists."""
import os
import pathlib
import subprocess
import sys
import threading

import paramiko
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.support.root_world import PASSWORD, RootWorld, available, eventually  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
pytestmark = pytest.mark.skipif(not available(), reason="only root serves the system's users")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with RootWorld(BUILD, tmp_path_factory.mktemp("world"), "ssh server port-forwarding local", "ssh server rate-limit 600",
                   "ssh server login-limit-source 100", "login key-environment FROM_*", rotate=True) as running:
        yield running


class KeyLine:
    """ann's only key line, for a while."""

    def __init__(self, world, options):
        self.path = world.path("/home/ann/.ssh/authorized_keys")
        self.kept = self.path.read_text()
        self.options = options

    def __enter__(self):
        self.path.write_text(f"{self.options} {self.kept}")

    def __exit__(self, *_):
        self.path.write_text(self.kept)


def password_of(world, user, password=PASSWORD):
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        try:
            client.connect("127.0.0.1", world.port, user, password, look_for_keys=False, allow_agent=False, timeout=60, sock=world.connect())
            return True
        except (paramiko.AuthenticationException, paramiko.SSHException):
            return False


def test_a_forced_command_takes_the_place_of_whatever_is_asked(world):
    with KeyLine(world, 'command="echo forced: $SSH_ORIGINAL_COMMAND"'):
        assert world.ssh("ann", "cat /etc/passwd").stdout == "forced: cat /etc/passwd\n"
        assert "root:" not in world.terminal("ann", "cat /etc/passwd\n")
        done = subprocess.run(["sftp", *world.login_options("ann"), "-P", str(world.port), "-b", "-", "ann@127.0.0.1"], input="ls\n",
                              capture_output=True, text=True, timeout=60)
        assert done.returncode != 0


def test_restrictions_of_a_key_hold(world):
    with KeyLine(world, "restrict"):
        assert world.ssh("ann", "tty || echo none", options=("-tt",)).stdout.replace("\r", "") in ("", "not a tty\nnone\n")
        assert world.ssh("ann", options=("-W", f"127.0.0.1:{world.port}")).returncode != 0
    with KeyLine(world, f'permitopen="127.0.0.1:{world.port}"'):
        assert world.ssh("ann", options=("-W", f"127.0.0.1:{world.port}")).stdout.startswith("SSH-2.0-")
        assert world.ssh("ann", options=("-W", "127.0.0.1:1")).returncode != 0


def test_a_keys_environment_is_the_programs(world):
    with KeyLine(world, 'environment="FROM_KEY=yes"'):
        assert world.ssh("ann", "echo $FROM_KEY").stdout == "yes\n"


@pytest.mark.parametrize("options,works", [('from="127.0.0.0/8"', True), ('from="10.0.0.0/8"', False), ('from="!127.0.0.0/8,*"', False),
                                           ('expiry-time="20000101"', False), ('expiry-time="29990101"', True), ("cert-authority", False),
                                           ("no-such-option", False)])
def test_conditions_of_a_key_decide(world, options, works):
    with KeyLine(world, options):
        assert (world.ssh("ann", "true").returncode == 0) == works


class Authority:
    """ann's only key line is an authority's, for a while."""

    def __init__(self, world, folder, options="cert-authority"):
        self.folder = folder
        self.generate("ca", "ed25519")
        self.path = world.path("/home/ann/.ssh/authorized_keys")
        self.kept = self.path.read_text()
        self.options = options

    def generate(self, name, kind):
        if not (self.folder / name).exists():
            subprocess.run(["ssh-keygen", "-q", "-t", *kind.split(), "-N", "", "-f", self.folder / name], check=True)

    def certify(self, *options, kind="ed25519"):
        """A key with a certificate beside it."""
        name = kind.replace(" ", "")
        self.generate(name, kind)
        subprocess.run(["ssh-keygen", "-q", "-s", self.folder / "ca", "-I", "the id", "-z", "7", *options, self.folder / f"{name}.pub"], check=True)
        return ("-i", str(self.folder / name))

    def __enter__(self):
        self.path.write_text(f"{self.options} {(self.folder / 'ca.pub').read_text()}")
        return self

    def __exit__(self, *_):
        self.path.write_text(self.kept)


@pytest.mark.parametrize("kind", ("ed25519", "ecdsa -b 256", "ecdsa -b 384", "ecdsa -b 521", "rsa -b 2048"))
def test_a_certificate_of_a_listed_authority_lets_in(world, tmp_path, kind):
    with Authority(world, tmp_path) as authority:
        assert world.ssh("ann", "true").returncode != 0, "her plain key is not listed"
        key = authority.certify("-n", "bob,ann", kind=kind)
        done = world.ssh("ann", "echo in", options=key)
        assert done.stdout == "in\n", done.stderr
        eventually(lambda: 'certificate ID "the id" (serial 7)' in world.log.read_text(), "the log does not say by which certificate")
        assert world.ssh("bob", "true", options=(*key, "-o", "IdentitiesOnly=yes")).returncode == 0, "by his own key"


@pytest.mark.parametrize("options,line,works", [
    (("-n", "bob"), "cert-authority", False), ((), "cert-authority", False), (("-h", "-n", "ann"), "cert-authority", False),
    (("-n", "ann", "-V", "20200101:20210101"), "cert-authority", False), (("-n", "ann", "-V", "-1d:+1d"), "cert-authority", True),
    (("-n", "ann"), "restrict", False), (("-n", "ops"), 'cert-authority,principals="admins,ops"', True),
    (("-n", "ann"), 'cert-authority,principals="admins,ops"', False),
    (("-n", "ann", "-O", "source-address=127.0.0.0/8"), "cert-authority", True),
    (("-n", "ann", "-O", "source-address=10.0.0.0/8"), "cert-authority", False),
    (("-n", "ann", "-O", "critical:drink@example.com=tea"), "cert-authority", False),
    (("-n", "ann", "-O", "force-command=true"), 'cert-authority,command="true"', True),
    (("-n", "ann", "-O", "force-command=true"), 'cert-authority,command="id"', False)])
def test_conditions_of_a_certificate_decide(world, tmp_path, options, line, works):
    with Authority(world, tmp_path, line) as authority:
        assert (world.ssh("ann", "true", options=authority.certify(*options)).returncode == 0) == works


def test_a_certificates_options_hold(world, tmp_path):
    with Authority(world, tmp_path) as authority:
        key = authority.certify("-n", "ann", "-O", "force-command=echo forced: $SSH_ORIGINAL_COMMAND")
        assert world.ssh("ann", "id", options=key).stdout == "forced: id\n"
        key = authority.certify("-n", "ann", "-O", "clear", "-O", "permit-pty")
        assert world.ssh("ann", options=(*key, "-W", f"127.0.0.1:{world.port}")).returncode != 0
        key = authority.certify("-n", "ann")
        assert world.ssh("ann", options=(*key, "-W", f"127.0.0.1:{world.port}")).stdout.startswith("SSH-2.0-")


def test_a_line_that_is_not_understood_is_told(world):
    with KeyLine(world, "no-such-option"):
        assert world.ssh("ann", "true").returncode != 0
        eventually(lambda: "no-such-option" in world.log.read_text(), "the log does not name it")


@pytest.mark.parametrize("path,mode", [("/home/ann", 0o777), ("/home/ann/.ssh", 0o775), ("/home/ann/.ssh/authorized_keys", 0o666)])
def test_key_files_that_others_may_change_are_not_believed(world, path, mode):
    place = world.path(path)
    kept = place.stat().st_mode & 0o7777
    place.chmod(mode)
    try:
        assert world.ssh("ann", "true").returncode != 0
    finally:
        place.chmod(kept)
    assert world.ssh("ann", "true").returncode == 0


def test_a_key_file_is_read_with_its_users_rights(world):
    """A link to a file that only root may read is no way in, nor one to read it."""
    world.inside("sh", "-c", "mv /home/ann/.ssh/authorized_keys /root/keys.test; chmod 600 /root/keys.test; chown root /root/keys.test; "
                 "ln -s /root/keys.test /home/ann/.ssh/authorized_keys")
    try:
        assert world.ssh("ann", "true").returncode != 0
    finally:
        world.inside("sh", "-c", "rm /home/ann/.ssh/authorized_keys; mv /root/keys.test /home/ann/.ssh/authorized_keys; "
                     "chown ann:ann /home/ann/.ssh/authorized_keys")
    assert world.ssh("ann", "true").returncode == 0


def test_the_password_of_the_shadow_file_gets_in(world):
    assert password_of(world, "bob")
    assert not password_of(world, "bob", "wrong")
    assert not password_of(world, "nobody-here")


@pytest.mark.parametrize("spoil,mend", [("usermod -L bob", "usermod -U bob"), ("usermod -e 1 bob", "usermod -e '' bob"),
                                        ("chage -E 0 bob", "chage -E -1 bob"),
                                        ("usermod -s /no/shell bob", "usermod -s /bin/sh bob"),
                                        ("touch /etc/nologin", "rm /etc/nologin"), ("touch /run/nologin", "rm /run/nologin"),
                                        ("echo shut > /etc/nologin", "rm /etc/nologin")])
def test_accounts_that_are_shut_stay_out(world, spoil, mend):
    world.inside("sh", "-c", spoil)
    try:
        assert world.ssh("bob", "true").returncode != 0
        assert not password_of(world, "bob")
    finally:
        world.inside("sh", "-c", mend)
    assert world.ssh("bob", "true").returncode == 0


@pytest.mark.parametrize("path", ("/etc/nologin", "/run/nologin"))
def test_who_proved_who_he_is_reads_why_logins_are_off(world, path):
    world.inside("sh", "-c", f"printf 'Back at noon.\\nAsk ann.' > {path}")
    try:
        # A stock client keeps banners to itself where it is told to speak of errors only.
        words = [word.replace("ERROR", "INFO") for word in world.ssh_command("bob", "echo in")]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        assert done.returncode == 255 and done.stdout == ""
        assert "Back at noon.\nAsk ann." in done.stderr.replace("\r", "")
        # Whoever knows no key of his learns nothing.
        key = ["-i", str(world.folder / "ann")]
        done = subprocess.run([*words[:3], *key, *words[5:]], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        assert done.returncode == 255 and "denied" in done.stderr and "noon" not in done.stderr
        with paramiko.Transport(world.connect()) as transport:
            transport.start_client(timeout=60)
            with pytest.raises(paramiko.SSHException):
                transport.auth_password("bob", "wrong")
            assert not transport.get_banner()
        with paramiko.Transport(world.connect()) as transport:
            transport.start_client(timeout=60)
            over = threading.Event()
            transport.auth_password("bob", PASSWORD, over)
            # The transport forgets it at its end.
            handler = transport.auth_handler
            assert over.wait(60) and not handler.is_authenticated()
            assert b"Back at noon." in handler.banner
    finally:
        world.inside("rm", path)
    assert world.ssh("bob", "echo in").stdout == "in\n"


def test_root_enters_where_logins_are_off(tmp_path):
    key = "mkdir -p -m 700 /mnt/keys; cp \"$FOLDER/ann.pub\" /mnt/keys/root; echo shut > /etc/nologin"
    with RootWorld(BUILD, tmp_path, "login authorized-keys /mnt/keys/%u", "no login strict-modes", extra=key) as world:
        done = subprocess.run(["ssh", *world.login_options("ann"), "-p", str(world.port), "root@127.0.0.1", "id -u"], capture_output=True,
                              text=True, timeout=60, stdin=subprocess.DEVNULL)
        assert done.stdout == "0\n" and "shut" not in done.stderr


def test_wrong_passwords_are_recorded_and_keys_that_do_not_fit_are_not(tmp_path):
    with RootWorld(BUILD, tmp_path) as world:
        recorded = lambda: [line.split()[:3] for line in world.inside("lastb", "-i").stdout.splitlines() if "ssh:notty" in line]
        assert not password_of(world, "bob", "wrong")
        assert not password_of(world, "nobody-here")
        assert password_of(world, "bob")
        done = subprocess.run(["ssh", *world.login_options("ann"), "-p", str(world.port), "bob@127.0.0.1", "true"], capture_output=True,
                              text=True, timeout=60, stdin=subprocess.DEVNULL)
        assert done.returncode == 255
        assert recorded() == [["nobody-h", "ssh:notty", "127.0.0.1"], ["bob", "ssh:notty", "127.0.0.1"]]
        # Names that were typed may be passwords.
        world.inside("chmod", "664", "/var/log/btmp")
        assert not password_of(world, "bob", "wrong")
        assert len(recorded()) == 2


def test_root_enters_by_the_policys_ways_only(tmp_path):
    key = "mkdir -p -m 700 /mnt/keys; cp \"$FOLDER/ann.pub\" /mnt/keys/root"
    for policy, by_key in (("no", False), ("prohibit-password", True), ("forced-commands-only", False), ("yes", True)):
        with RootWorld(BUILD, tmp_path, f"login root {policy}", "login authorized-keys /mnt/keys/%u", "no login strict-modes",
                       extra=f"{key}; usermod -p \"$HASH\" root") as world:
            done = subprocess.run(["ssh", *world.login_options("ann"), "-p", str(world.port), "root@127.0.0.1", "id -u"], capture_output=True,
                                  text=True, timeout=60, stdin=subprocess.DEVNULL)
            assert (done.stdout == "0\n") == by_key, policy
            assert password_of(world, "root") == (policy == "yes"), policy


@pytest.mark.parametrize("line,ann,bob", [("login allow-users ann", True, False), ("login deny-users ann", False, True),
                                          ("login allow-groups sluicers", True, False), ("login deny-groups sluicers", False, True),
                                          ("login allow-users *@127.0.0.1", True, True), ("login allow-users ann@10.*", False, False)])
def test_lists_of_users_and_groups_decide(tmp_path, line, ann, bob):
    with RootWorld(BUILD, tmp_path, line) as world:
        assert (world.ssh("ann", "true").returncode == 0) == ann
        assert (world.ssh("bob", "true").returncode == 0) == bob


def test_a_group_of_thousands_is_denied_like_any_other(tmp_path):
    crowd = 'echo "crowd:x:61200:$(seq -f a-member-with-a-long-name-%.0f -s, 6000),ann" >> /etc/group'
    with RootWorld(BUILD, tmp_path, "login deny-groups crowd", extra=crowd) as world:
        assert len(world.path("/etc/group").read_bytes()) > 100000 and "crowd" in world.inside("id", "-Gn", "ann").stdout
        assert world.ssh("ann", "true").returncode != 0
        assert world.ssh("bob", "true").returncode == 0


def test_several_methods_are_demanded_in_order(tmp_path):
    with RootWorld(BUILD, tmp_path, "login methods publickey,password") as world:
        assert world.ssh("ann", "true").returncode != 0
        assert not password_of(world, "ann")
        ask = tmp_path / "ask"
        ask.write_text(f"#!/bin/sh\necho '{PASSWORD}'\n")
        ask.chmod(0o755)
        words = ["ssh", *world.login_options("ann"), "-o", "BatchMode=no", "-b", "127.0.0.9", "-p", str(world.port), "ann@127.0.0.1", "echo in"]
        words.remove("BatchMode=yes")
        words.pop(words.index("-o", words.index("IdentityAgent=none")))
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, start_new_session=True,
                              env={**os.environ, "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": "x"})
        assert done.stdout == "in\n", done.stderr


def test_unknown_and_known_users_get_the_same_answers(world):
    """Times are steps that a refusal waits for; what is compared here are the words and the methods."""
    said = []
    for user in ("bob", "nobody-here"):
        done = subprocess.run(["ssh", "-F", "none", "-v", "-o", "BatchMode=yes", "-o", "PubkeyAuthentication=no", "-o", "StrictHostKeyChecking=no",
                               "-o", "UserKnownHostsFile=/dev/null", "-p", str(world.port), f"{user}@127.0.0.1"], capture_output=True, text=True,
                              timeout=60, stdin=subprocess.DEVNULL)
        said.append([line.replace(user, "X") for line in done.stderr.splitlines() if "continue" in line or "denied" in line])
    assert said[0] == said[1] and said[0]



def test_a_password_that_must_be_changed_is_changed_through_pam(tmp_path):
    pam = r"""
cat > /etc/pam.d/test <<'X'
auth required pam_unix.so
account required pam_unix.so
password required pam_unix.so
session required pam_permit.so
X
chage -d 0 bob
"""
    with RootWorld(BUILD, tmp_path, "login pam", "login pam-service test", extra=pam) as world:
        asked = []

        def answer(title, instructions, prompts):
            asked.append([prompt for prompt, _ in prompts])
            return [PASSWORD if "new" not in prompt.lower() and "retype" not in prompt.lower() else "staple battery 7" for prompt, _ in prompts]

        transport = paramiko.Transport(("127.0.0.1", world.port))
        try:
            transport.start_client(timeout=60)
            transport.auth_interactive("bob", answer)
            assert transport.is_authenticated()
            assert len(asked) > 1
        finally:
            transport.close()
        assert password_of(world, "bob", "staple battery 7")
        assert not password_of(world, "bob")
