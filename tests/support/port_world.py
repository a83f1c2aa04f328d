"""A sluiced over a port of DPDK, and Linux's own TCP as its peer on the other end of a tap or a veth, in a network
namespace that is made for it."""
import ctypes
import fcntl
import itertools
import os
import pathlib
import socket
import struct
import subprocess
import time

from tests.support.ssh_servers import Server

OURS, PEERS = "10.9.0.1", "10.9.0.2"
OURS6, PEERS6 = "fd00:9::1", "fd00:9::2"
_numbers = itertools.count()


def available():
    """Why it cannot be had; None: it can."""
    if os.getuid() != 0:
        return "a network namespace wants root"
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode != 0:
        return "no network namespaces here"
    if not pathlib.Path("/dev/net/tun").exists():
        return "no /dev/net/tun"
    return None


class Namespace:
    def __init__(self):
        self.name = f"sluice-{os.getpid()}-{next(_numbers)}"
        self.ip("netns", "add", self.name, outside=True)
        self.ip("link", "set", "lo", "up")

    def ip(self, *words, outside=False):
        where = [] if outside else ["-n", self.name]
        subprocess.run(["ip", *where, *words], check=True, capture_output=True, text=True)

    def words(self, *words):
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def run(self, *words, **more):
        more.setdefault("timeout", 300)
        more.setdefault("stdin", subprocess.DEVNULL)
        if "input" in more:
            del more["stdin"]
        return subprocess.run(self.words(*words), capture_output=True, text=True, **more)

    def plain_veth(self, ours, peer):
        """A pair of ends that send what a wire could carry: no unfinished checksums, no frames to be cut later."""
        self.ip("link", "add", ours, "type", "veth", "peer", "name", peer)
        script = ("import sys; sys.path.insert(0, sys.argv[1]); from tests.support.port_world import no_offloads\n"
                  "for name in sys.argv[2:]: no_offloads(name)")
        root = pathlib.Path(__file__).resolve().parent.parent.parent
        done = self.run("/usr/bin/python3", "-c", script, root, ours, peer)
        assert done.returncode == 0, done.stderr
        for name in (ours, peer):
            self.ip("link", "set", name, "up")

    def close(self):
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)


def no_offloads(interface):
    """As ethtool -K would: checksums, TSO and GSO are the sender's own work."""
    siocethtool = 0x8946
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        for command in (0x17, 0x1F, 0x24):  # STXCSUM, STSO, SGSO
            value = ctypes.create_string_buffer(struct.pack("II", command, 0))
            request = struct.pack("16sP", interface.encode(), ctypes.addressof(value)) + bytes(16)
            try:
                fcntl.ioctl(handle, siocethtool, request)
            except OSError:
                # What it does not know it does not do.
                pass


class PortWorld(Server):
    """kind: tap, or packet. `inside(WORDS)` runs a peer's program beside Linux's end of the link."""

    def __init__(self, build, folder, *lines, kind="tap", mtu=1500):
        super().__init__(folder)
        self.program = pathlib.Path(build) / "apps/sluiced/sluiced"
        self.lines = list(lines)
        self.kind = kind
        self.mtu = mtu
        self.port = 22
        self.namespace = None

    def device(self):
        return "net_tap0,iface=ssh0" if self.kind == "tap" else "net_af_packet0,iface=ours0"

    def start(self):
        self.namespace = Namespace()
        peer = "ssh0"
        if self.kind == "packet":
            self.namespace.plain_veth("ours0", "peer0")
            peer = "peer0"
        lines = [f"login authorized-keys {self.authorized}", "login root yes", "no login strict-modes", "login key-environment SHLVL",
                 f"port dpdk {self.device()}", f"port address {OURS}/24", f"port address {OURS6}/64", f"port mtu {self.mtu}",
                 *self.lines]
        options = [word for line in lines for word in ("-o", line)]
        command = self.namespace.words(self.program, "-D", "-f", "/dev/null", "-p", self.port, "--listen", "127.0.0.1", "--state-dir",
                                       self.folder / "state", *options)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait_for("serving on")
        for name in (peer,) if self.kind == "tap" else ("ours0", "peer0"):
            self.namespace.ip("link", "set", name, "mtu", str(self.mtu), "up")
        self.namespace.ip("addr", "add", f"{PEERS}/24", "dev", peer)
        self.namespace.ip("addr", "add", f"{PEERS6}/64", "dev", peer, "nodad")
        self.reach()
        return self

    def wait_for(self, text, seconds=120):
        deadline = time.monotonic() + seconds
        while text not in self.log.read_text(errors="replace"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = self.log.read_text(errors="replace")[-3000:]
                self.stop()
                raise RuntimeError(f"no '{text}' from sluiced: {said}")
            time.sleep(0.05)

    def reach(self):
        """Until its addresses are its own and Linux has found them."""
        script = (f"import socket, time\nend = time.time() + 120\n"
                  f"for a in ('{OURS}', '{OURS6}'):\n"
                  f"  while True:\n"
                  f"    try: socket.create_connection((a, {self.port}), 5).close(); break\n"
                  f"    except OSError as e:\n"
                  f"      if time.time() > end: raise\n"
                  f"      time.sleep(0.1)\n")
        done = self.inside("/usr/bin/python3", "-c", script)
        if done.returncode != 0:
            said = self.log.read_text(errors="replace")[-3000:]
            self.stop()
            raise RuntimeError(f"the port is not reached: {done.stderr} {said}")

    def inside(self, *words, **more):
        return self.namespace.run(*words, **more)

    def ssh(self, *words, address=OURS, options=(), **more):
        return self.inside("ssh", *self.options(), *options, "-p", self.port, f"root@{address}", *words, **more)

    def stop(self):
        if self.process and self.process.poll() is None:
            # `ip netns exec` becomes the program.
            self.process.send_signal(2)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.namespace:
            self.namespace.close()
