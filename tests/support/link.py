"""sluice-link in tests and benchmarks: a relay in front of a server, ended for sure."""
import pathlib
import subprocess


class Link:
    """Link(BUILD, PORT, delay=50, cut_after="1M", ...): options of sluice-link by their names; .port is where to connect."""

    def __init__(self, build, to, host="127.0.0.1", verbose=False, **options):
        self.command = [str(pathlib.Path(build) / "tests/link/sluice-link"), "--to", f"{host}:{to}"]
        for name, value in options.items():
            values = value if isinstance(value, (tuple, list)) else (value,)
            self.command += ["--" + name.replace("_", "-"), *map(str, values)]
        if verbose:
            self.command.append("-v")

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"sluice-link did not start: {self.process.stderr.read()}")
        self.port = int(line)
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends it; what it said on standard error."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.communicate(timeout=30)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.communicate()[1]
