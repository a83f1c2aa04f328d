"""What two users of one root server may not do to each other, and where a chroot ends, asked by stock clients."""
import contextlib
import os
import pathlib
import socket
import stat
import subprocess
import sys

import paramiko
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from tests.support.root_world import RootWorld, available, eventually  # noqa: E402

BUILD = pathlib.Path(os.environ["SLUICE_BUILD"])
pytestmark = pytest.mark.skipif(not available(), reason="only root serves the system's users")

FILES = r"""
for user in ann bob; do
  echo "$user's secret" > /home/$user/secret
  mkdir /home/$user/inner
  chmod 600 /home/$user/secret
  chown $user:$user /home/$user/secret /home/$user/inner
done
mkdir -p /home/jail/box/inside /home/jail/ann/inside
chown ann:ann /home/jail/box/inside /home/jail/ann/inside
chmod 755 /home/jail /home/jail/box /home/jail/ann
echo outside > /home/jail/outside
chmod 644 /home/jail/outside
"""


@contextlib.contextmanager
def sftp(world, user):
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect("127.0.0.1", world.port, user, key_filename=str(world.folder / user), look_for_keys=False, allow_agent=False, timeout=60)
        with client.open_sftp() as session:
            session.get_channel().settimeout(60)
            yield session


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with RootWorld(BUILD, tmp_path_factory.mktemp("world"), "ssh server port-forwarding unix-local", "ssh server port-forwarding unix-remote",
                   extra=FILES) as running:
        yield running


REQUESTS = {
    "open": lambda s: s.open("/home/bob/secret").read(),
    "write": lambda s: s.open("/home/bob/secret", "w"),
    "create": lambda s: s.open("/home/bob/new", "x"),
    "stat": lambda s: s.stat("/home/bob/secret"),
    "lstat": lambda s: s.lstat("/home/bob/secret"),
    "list": lambda s: s.listdir("/home/bob"),
    "remove": lambda s: s.remove("/home/bob/secret"),
    "rename from": lambda s: s.rename("/home/bob/secret", "/home/ann/taken"),
    "rename to": lambda s: s.posix_rename("/home/ann/secret", "/home/bob/secret"),
    "mkdir": lambda s: s.mkdir("/home/bob/made"),
    "rmdir": lambda s: s.rmdir("/home/bob/inner"),
    "chmod": lambda s: s.chmod("/home/bob/secret", 0o777),
    "chown": lambda s: s.chown("/home/bob/secret", 61001, 61001),
    "truncate": lambda s: s.truncate("/home/bob/secret", 0),
    "utime": lambda s: s.utime("/home/bob/secret", (1, 1)),
    "readlink": lambda s: s.readlink("/home/bob/.ssh/authorized_keys"),
    "symlink in": lambda s: s.symlink("/etc/passwd", "/home/bob/link"),
    "own to him": lambda s: s.chown("/home/ann/secret", 61002, 61002),
    "own root's": lambda s: s.chown("/home/ann/secret", 0, 0),
}


def extended(name, *fields):
    # SSH_FXP_EXTENDED
    return lambda s: s._request(200, name, *fields)


def open_to_all():
    attributes = paramiko.SFTPAttributes()
    attributes.st_mode = 0o777
    return attributes


# What paramiko sends in 64 bits; newer ones call it int64.
NUMBER = getattr(paramiko.sftp, "int64", None) or paramiko.sftp_client.long
REQUESTS |= {
    "hard link": extended("hardlink@openssh.com", "/home/bob/secret", "/home/ann/taken"),
    "space": extended("statvfs@openssh.com", "/home/bob/secret"),
    "lsetstat": extended("lsetstat@openssh.com", "/home/bob/secret", open_to_all()),
    "checksum": extended("check-file-name", "/home/bob/secret", "sha256", NUMBER(0), NUMBER(0), 0),
    "list inner": lambda s: s.listdir("/home/bob/inner"),
}


def test_copying_data_between_handles_needs_both_to_be_ones_own(world):
    with sftp(world, "ann") as session:
        with session.open("/home/ann/secret", "r") as readable, session.open("/home/ann/target", "w") as writable:
            def copy(source, target):
                session._request(200, "copy-data", source, NUMBER(0), NUMBER(0), target, NUMBER(0))
            copy(readable.handle, writable.handle)
            for wrong in ((writable.handle, readable.handle), (readable.handle, readable.handle), (readable.handle, b"x" * 12),
                          (b"", writable.handle), (writable.handle, writable.handle)):
                with pytest.raises(OSError):
                    copy(*wrong)
        assert session.open("/home/ann/target").read() == b"ann's secret\n"
        # Another channel's handle is nobody's here.
        with sftp(world, "bob") as other, other.open("/home/bob/secret") as his, pytest.raises(OSError):
            session._request(5, his.handle, NUMBER(0), 10)


@pytest.mark.parametrize("request_name", REQUESTS)
def test_no_sftp_request_reaches_another_users_files(world, request_name):
    with sftp(world, "ann") as session, pytest.raises(OSError):
        REQUESTS[request_name](session)
    assert world.inside("cat", "/home/bob/secret").stdout == "bob's secret\n"
    assert stat.S_IMODE(world.path("/home/bob/secret").stat().st_mode) == 0o600


def test_links_lead_nowhere_that_their_maker_may_not_go(world):
    with sftp(world, "ann") as session:
        session.symlink("/home/bob/secret", "/home/ann/to_bob")
        with pytest.raises(OSError):
            session.open("/home/ann/to_bob").read()
    done = world.ssh("ann", "ln /home/bob/secret mine; cat to_bob; cp /home/bob/secret x; cat /proc/1/environ; rm to_bob")
    assert "secret\n" not in done.stdout


@pytest.mark.parametrize("mode", ["-O", "-s"])
def test_scp_reads_and_writes_nobody_elses_files(world, tmp_path, mode):
    scp = ["scp", mode, *world.login_options("ann"), "-P", str(world.port)]
    assert subprocess.run([*scp, "ann@127.0.0.1:/home/bob/secret", tmp_path / "got"], capture_output=True, timeout=60).returncode != 0
    assert not (tmp_path / "got").exists() or (tmp_path / "got").read_bytes() == b""
    (tmp_path / "evil").write_text("evil")
    assert subprocess.run([*scp, tmp_path / "evil", "ann@127.0.0.1:/home/bob/secret"], capture_output=True, timeout=60).returncode != 0
    assert world.inside("cat", "/home/bob/secret").stdout == "bob's secret\n"


def through(world, user, local):
    """What comes from bob's socket by way of a user's connection."""
    forward = subprocess.Popen(world.ssh_command(user, options=("-N", "-L", f"{local}:/home/bob/sock")), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(local.exists, "no socket here")
        with socket.socket(socket.AF_UNIX) as end:
            end.settimeout(60)
            end.connect(str(local))
            try:
                return end.recv(3)
            except ConnectionResetError:
                return b""
    finally:
        # Not SIGTERM: one that comes just before ssh's poll is looked at minutes later.
        forward.kill()
        forward.wait()


def test_sockets_are_reached_and_made_with_the_users_rights(world, tmp_path):
    holder = subprocess.Popen(world.ssh_command("bob", "python3 -c \"import socket; s=socket.socket(socket.AF_UNIX); s.bind('/home/bob/sock'); "
                                                       "s.listen(); print('up', flush=True); s.accept()[0].send(b'bob')\""),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "up\n"
        assert through(world, "bob", tmp_path / "his") == b"bob"
        assert through(world, "ann", tmp_path / "hers") == b""
        listener = world.ssh("ann", options=("-N", "-o", "ExitOnForwardFailure=yes", "-R", f"/home/bob/theirs:{tmp_path}/x"))
        assert listener.returncode != 0
        assert not world.path("/home/bob/theirs").exists()
    finally:
        holder.kill()
        holder.wait()


def test_one_users_process_cannot_be_touched_by_anothers(world):
    holder = subprocess.Popen(world.ssh_command("bob", "echo $PPID; cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        broker = int(holder.stdout.readline())
        done = world.ssh("ann", f"kill {broker}; ls /proc/{broker}/fd; cat /proc/{broker}/maps")
        assert done.stdout == "" and done.returncode != 0
        # Nor by a program of bob's own: it holds other connections' policies.
        own = world.ssh("bob", f"ls /proc/{broker}/fd; cat /proc/{broker}/maps; cat /proc/{broker}/environ")
        assert own.stdout == "" and own.returncode != 0
        holder.stdin.write("still\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "still\n"
    finally:
        holder.kill()
        holder.wait()


def test_a_folder_to_start_in_a_mask_and_read_only_mode(tmp_path):
    with RootWorld(BUILD, tmp_path, "sftp server start-folder /home/ann/inner", "sftp server umask 0077", extra=FILES) as world:
        with sftp(world, "ann") as session:
            assert session.normalize(".") == "/home/ann/inner"
            with session.open("new", "w") as file:
                file.write("x")
            assert stat.S_IMODE(session.stat("/home/ann/inner/new").st_mode) == 0o600
    with RootWorld(BUILD, tmp_path, "sftp server read-only-user ann", "sftp server read-only-group daemon", extra=FILES) as world:
        with sftp(world, "ann") as session:
            assert session.open("secret").read() == b"ann's secret\n"
            for change in (lambda: session.open("secret", "w"), lambda: session.remove("secret"), lambda: session.mkdir("made")):
                with pytest.raises(OSError):
                    change()
        with sftp(world, "bob") as session:
            session.mkdir("made")
    # A group that nobody knows limits everybody: who was meant by it cannot be told.
    with RootWorld(BUILD, tmp_path, "sftp server read-only-group nobodies", extra=FILES) as world:
        with sftp(world, "bob") as session, pytest.raises(OSError):
            session.mkdir("made")
    with RootWorld(BUILD, tmp_path, "sftp server read-only-group sluicers", extra=FILES) as world:
        with sftp(world, "ann") as session, pytest.raises(OSError):
            session.mkdir("made")
        with sftp(world, "bob") as session:
            session.mkdir("made")


@pytest.mark.parametrize("line", ["sftp server chroot user ann /home/jail/%u", "sftp server chroot group sluicers /home/jail/box",
                                  "sftp server chroot all /home/jail/box"])
def test_nothing_leads_out_of_a_root(tmp_path, line):
    with RootWorld(BUILD, tmp_path, line, extra=FILES) as world, sftp(world, "ann") as session:
        assert session.listdir("/") == ["inside"]
        assert session.normalize("/../../..") == "/"
        for path in ("/home/jail/outside", "../outside", "/inside/../../outside", "/etc/passwd", "/proc/self/root/etc/passwd"):
            with pytest.raises(OSError):
                session.open(path)
        for target in ("../outside", "../../../../etc/passwd", "/home/jail/outside", "/"):
            session.symlink(target, "/inside/link")
            try:
                listed = session.listdir("/inside/link") if target == "/" else None
                assert listed in (None, ["inside"])
                with pytest.raises(OSError):
                    session.open("/inside/link").read()
            finally:
                session.remove("/inside/link")
        # A folder that is moved while somebody is in it: the kernel finds the root above, wherever it lies then.
        session.mkdir("/inside/deep")
        session.mkdir("/inside/deep/deeper")
        session.chdir("/inside/deep/deeper")
        session.rename("/inside/deep/deeper", "/inside/up")
        for path in ("/inside/up/../../../outside", "/inside/deep/../../../../../home/jail/outside", "/inside/up/../../../../etc/passwd"):
            with pytest.raises(OSError):
                session.open(path)
        session.chdir(None)
        # What was opened stays what it was, and leads nowhere else.
        with session.open("/inside/up/file", "w") as file:
            file.write("inside")
        session.symlink("/inside/up", "/inside/turn")
        session.remove("/inside/turn")
        session.symlink("../../..", "/inside/turn")
        assert sorted(session.listdir("/inside/turn")) == ["inside"]
        session.remove("/inside/turn")
        for change in (lambda: session.rename("/inside", "/../out"), lambda: session.posix_rename("/inside", "/home/jail/out"),
                       lambda: session.mkdir("/../made")):
            with pytest.raises(OSError):
                change()
        assert sorted(os.listdir(world.path("/home/jail"))) == ["ann", "box", "outside"]


def test_local_users_of_one_account_have_their_own_roots_and_rights(tmp_path):
    local = [f"username {user} secret 0 {user}-s3cret" for user in ("carol", "dave", "erin")]
    lines = [*local, "username dave", " group readers", "login local-account ann", "sftp server chroot user carol /home/jail/box",
             "sftp server read-only-group readers"]

    @contextlib.contextmanager
    def enter(world, user):
        with paramiko.SSHClient() as client:
            client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
            client.connect("127.0.0.1", world.port, user, f"{user}-s3cret", look_for_keys=False, allow_agent=False, timeout=120,
                           banner_timeout=120, auth_timeout=120)
            with client.open_sftp() as session:
                session.get_channel().settimeout(60)
                yield session

    with RootWorld(BUILD, tmp_path, *lines, extra=FILES) as world:
        # All at once, so that they could share a process.
        with enter(world, "erin") as erin, enter(world, "carol") as carol, enter(world, "dave") as dave:
            assert erin.open("/home/ann/secret").read() == dave.open("/home/ann/secret").read() == b"ann's secret\n"
            assert carol.listdir("/") == ["inside"]
            with pytest.raises(OSError):
                carol.open("/home/ann/secret")
            with carol.open("/inside/hers", "w") as file:
                file.write("x")
            with erin.open("/home/ann/hers", "w") as file:
                file.write("x")
            with pytest.raises(OSError):
                dave.open("/home/ann/his", "w")
        with sftp(world, "bob") as session:
            session.mkdir("made")
        assert world.path("/home/jail/box/inside/hers").read_text() == "x"


def test_a_hard_link_to_what_is_outside_cannot_be_made(tmp_path):
    with RootWorld(BUILD, tmp_path, "sftp server chroot all /home/jail/box", extra=FILES) as world:
        done = subprocess.run(["sftp", *world.login_options("ann"), "-P", str(world.port), "-b", "-", "ann@127.0.0.1"],
                              input="-ln /home/jail/outside /inside/a\n-ln ../outside /inside/b\n-ln /../outside /inside/c\nls /inside\n",
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert os.listdir(world.path("/home/jail/box/inside")) == []
        # There is no shell in there either, and so no command.
        assert world.ssh("ann", "id").stdout == ""


def test_a_root_that_somebody_else_may_change_is_refused(tmp_path):
    with RootWorld(BUILD, tmp_path, "sftp server chroot all /home/ann", extra=FILES) as world:
        done = subprocess.run(["sftp", *world.login_options("ann"), "-P", str(world.port), "-b", "-", "ann@127.0.0.1"], input="ls\n",
                              capture_output=True, text=True, timeout=60)
        assert done.returncode != 0
        assert "can be changed by others" in world.log.read_text()
