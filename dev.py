#!/usr/bin/env python3
"""Everything a desk needs, from a bare machine with nothing but Python.

    python3 dev.py demo [--port N] [--reset] [--stripe]   the portal with demo orders, in your browser
    python3 dev.py test [PYTEST ARGUMENTS]                every test, on SQLite and PostgreSQL, with a real browser
    python3 dev.py flask ARGUMENTS                        the project's command line, in the demo's settings

Standard library only. Each command first sets up what it needs, and is quiet when nothing is left to do.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import hashlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent
DEMO = ROOT / ".demo"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE = 15 * 60
"""Seconds that an installation may take."""


class Stop(Exception):
    """Something only the person at the desk can mend; its text says what to do."""


def say(text: str) -> None:
    print(text, flush=True)


# ----------------------------------------------------------------------------------------------------- set-up


def home() -> Path:
    """The folder for the environment: in the checkout, or outside where others could not read it.

    PostgreSQL refuses to run as root, so the tests start it as another user, who must reach its files.
    """
    if os.geteuid() != 0 or all(parent.stat().st_mode & stat.S_IXOTH for parent in (ROOT, *ROOT.parents)):
        return ROOT
    name = "returns-portal-" + hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]
    lasting = Path("/var/tmp")  # noqa: S108
    base = lasting if lasting.is_dir() else Path(tempfile.gettempdir())
    folder = base / name
    folder.mkdir(mode=0o755, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise Stop(f"{folder} belongs to somebody else. Remove it, then run this again.")
    return folder


def environment(lock: str, name: str = ".venv") -> Path:
    """The Python of environment ``name`` that has what ``lock`` lists, set up now where it is not."""
    folder = home()
    with (folder / ".dev.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # two commands at once: one sets up, the other waits
        return _environment(folder / name, lock)


def _environment(venv: Path, lock: str) -> Path:
    python = venv / "bin" / "python"
    wanted = f"{sys.version_info[:3]} {hashlib.sha256((ROOT / lock).read_bytes()).hexdigest()}"
    stamp = venv / f".{lock}.done"
    if stamp.is_file() and stamp.read_text() == wanted and python.exists():
        return python
    began = time.monotonic()
    os.umask(0o022)
    made_for = venv / ".python"
    if not python.exists() or not made_for.is_file() or made_for.read_text() != str(sys.version_info[:3]):
        _make(venv)
    say(f"Installing what {lock} lists (the first time takes a minute or two) ...")
    for old in venv.glob(".requirements*.done"):
        old.unlink()
    pip = [
        str(python),
        "-m",
        "pip",
        "install",
        "-qq",
        "--no-input",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    pip += ["--require-hashes", "-r", str(ROOT / lock)]
    try:
        run(pip, timeout=PATIENCE)
    except (
        Stop
    ) as reason:  # half made by somebody who was stopped, or a package index that was away for a moment
        say(f"{reason}\nOnce more, from nothing ...")
        _make(venv)
        run(pip, timeout=PATIENCE)
    stamp.write_text(wanted)
    if lock == "requirements-test.txt":  # it has everything the other has
        base = hashlib.sha256((ROOT / "requirements.txt").read_bytes()).hexdigest()
        (venv / ".requirements.txt.done").write_text(f"{sys.version_info[:3]} {base}")
    say(f"Ready after {time.monotonic() - began:.0f} seconds.")
    return python


def _make(venv: Path) -> None:
    """An empty environment for this Python, whatever was there before."""
    need_venv()
    say(f"Making an environment in {venv} ...")
    run([sys.executable, "-m", "venv", "--clear", str(venv)])
    (venv / ".python").write_text(str(sys.version_info[:3]))


def run(command: Sequence[str], **more: object) -> None:
    """Run it to its end; stop with what it said where it fails, or takes longer than its ``timeout``."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, cwd=ROOT, **more)  # type: ignore[call-overload]
    except subprocess.TimeoutExpired as late:
        raise Stop(f"This took more than {late.timeout:.0f} seconds: {' '.join(command)}") from None
    if done.returncode:
        raise Stop(f"This failed: {' '.join(command)}")


def need_venv() -> None:
    """Debian ships Python without what makes environments."""
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        install(f"python{sys.version_info[0]}.{sys.version_info[1]}-venv", "Python's venv")


def need_browser() -> None:
    """The tests drive a real browser: one on the PATH, or Playwright's own."""
    own = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    if not any(map(shutil.which, BROWSERS)) and not list(own.glob("chromium*/chrome*/*")):
        install("chromium", "A Chromium browser")


def install(package: str, what: str) -> None:
    line = f"apt-get update && apt-get install -y --no-install-recommends {package}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Stop(f"{what} is missing. On Debian and Ubuntu this installs it:\n\n    sudo sh -c '{line}'\n")
    say(f"{what} is missing: installing Debian's package {package} ...")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], env=quiet, stdout=subprocess.DEVNULL)
    run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package],
        env=quiet,
        stdout=subprocess.DEVNULL,
    )


# ------------------------------------------------------------------------------------------------------- demo


def demo(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="dev.py demo", description="The portal with demo orders.")
    parser.add_argument("--port", type=int, default=8000, help="where it listens (8000)")
    parser.add_argument("--reset", action="store_true", help="forget the demo's data and start over")
    parser.add_argument(
        "--stripe",
        action="store_true",
        help="pay through a Stripe-shaped server that is started on the next port",
    )
    wanted = parser.parse_args(arguments)
    python = environment("requirements.txt")
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.default_int_handler)
    need_free(wanted.port)
    if wanted.stripe:
        need_free(wanted.port + 1)
    with only_one_demo(reset=wanted.reset):
        return serve(python, wanted.port, stripe=wanted.stripe)


@contextmanager
def only_one_demo(*, reset: bool) -> Iterator[None]:
    with (home() / ".demo.lock").open("w") as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Stop("The demo of this checkout is already running. Stop it with Ctrl-C first.") from None
        if reset and DEMO.exists():
            shutil.rmtree(DEMO)
            say("The demo's data are gone; starting over.")
        DEMO.mkdir(exist_ok=True)
        yield


def need_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as fault:
            raise Stop(
                f"Port {port} cannot be used ({getattr(fault, 'strerror', None) or fault}). "
                f"Choose another: python3 dev.py demo --port {port + 1 if port < 65535 else 8001}"
            ) from None


def demo_environment(port: int, *, stripe: bool = False) -> dict[str, str]:
    """The settings of the demo. Its key is made once, so that a second start keeps sessions and links.

    With ``stripe`` it has data of its own: payments that the other gateway never heard of.
    """
    DEMO.mkdir(exist_ok=True)
    key = DEMO / "secret-key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_text(secrets.token_hex(32))
    ours = {
        "APP_ENV": "demo",
        "DATA_DIR": str(DEMO),
        "SECRET_KEY_FILE": str(key),
        "BASE_URL": f"http://127.0.0.1:{port}",
        "MAILER": "sandbox",
        "WAREHOUSE": "sandbox",
        "FLASK_APP": "wsgi",
    }
    if stripe:
        ours |= {
            "DATA_DIR": str(DEMO / "stripe"),
            "GATEWAY": "stripe",
            "STRIPE_API_KEY": "sk_test_of_the_demo_no_real_account",
            "STRIPE_API_BASE": f"http://127.0.0.1:{port + 1}",
            "STRIPE_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(16)}",
        }
    foreign = {"SECRET_KEY", "DATABASE_URL", "DATABASE_URL_FILE", "UPLOAD_DIR", "SMTP_HOST", "GATEWAY"}
    others = ("STRIPE_", "WAREHOUSE", "CHANNEL")
    kept = {k: v for k, v in os.environ.items() if k not in foreign and not k.startswith(others)}
    return {**kept, **ours}


def serve(python: Path, port: int, *, stripe: bool) -> int:
    env = demo_environment(port, stripe=stripe)
    children: dict[str, subprocess.Popen[bytes]] = {}
    try:
        if stripe:
            children["stripe"] = _started("stripe", stripe_command(python, port), env)
            wait_until_listening(port + 1, children)
        flask = [str(python), "-m", "flask"]
        say("Laying out the demo's orders and returns (half a minute the first time) ...")
        _told([*flask, "upgrade"], env)
        addresses = _told([*flask, "demo", "--base-url", env["BASE_URL"]], env).strip()
        server = [str(python), "-m", "gunicorn", "wsgi:app", "--worker-class", "gthread", "--threads", "8"]
        server += ["--bind", f"127.0.0.1:{port}", "--graceful-timeout", "3", "--no-control-socket"]
        for name, command in (("web", server), ("worker", [*flask, "work"])):
            children[name] = _started(name, command, env)
        wait_until_ready(f"{env['BASE_URL']}/readyz", children)
        logs = ", ".join(f"{DEMO.name}/{name}.log" for name in children)
        say(f"\n{addresses}\n\nLogs: {logs}. Ctrl-C stops all.")
        while True:
            need_alive(children)
            time.sleep(0.5)
    except KeyboardInterrupt:
        say("\nStopping ...")
        return 0
    finally:
        stop(children)


def stripe_command(python: Path, port: int) -> list[str]:
    """The Stripe-shaped server of the tests, with what it remembers beside the demo's data."""
    (DEMO / "stripe").mkdir(exist_ok=True)
    command = [str(python), "-m", "tests.stripe_server", "--port", str(port + 1), "--settle-after", "20"]
    command += ["--state", str(DEMO / "stripe" / "stripe-server.jsonl")]
    return [*command, "--webhooks", f"http://127.0.0.1:{port}/inbound/payments/stripe"]


def _started(name: str, command: Sequence[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
    with (DEMO / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, preexec_fn=_die_with_parent,
        )  # fmt: skip


def _told(command: Sequence[str], env: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        raise Stop(f"This failed: {' '.join(command[1:])}\n{done.stdout}{done.stderr}")
    return done.stdout


def _die_with_parent() -> None:
    """Should this very process be killed, the kernel ends its children (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def wait_until_listening(port: int, children: dict[str, subprocess.Popen[bytes]]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        need_alive(children)
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise Stop(f"Nothing listens on port {port}.\n{last_lines('stripe')}")


def wait_until_ready(address: str, children: dict[str, subprocess.Popen[bytes]]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        need_alive(children)
        try:
            with urllib.request.urlopen(address, timeout=2):  # noqa: S310  our own address
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise Stop(f"The web server does not answer.\n{last_lines('web')}")


def need_alive(children: dict[str, subprocess.Popen[bytes]]) -> None:
    for name, child in children.items():
        if child.poll() is not None:
            raise Stop(f"The {name} process ended by itself (code {child.returncode}).\n{last_lines(name)}")


def last_lines(name: str) -> str:
    log = DEMO / f"{name}.log"
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:]) + f"\n(from {log.relative_to(ROOT)})"


def stop(children: dict[str, subprocess.Popen[bytes]]) -> None:
    """Ask each process and its own children to end, wait, and insist after ten seconds."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    for child in children.values():
        _signal(child, signal.SIGTERM)
    until = time.monotonic() + 10
    for child in children.values():
        try:
            child.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        _signal(child, signal.SIGKILL)
        child.wait()


def _signal(child: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        pass


# ------------------------------------------------------------------------------------------------- the others


def test(arguments: Sequence[str]) -> int:
    need_browser()
    python = environment("requirements-test.txt")
    provider = openid_provider()
    # The tests choose their own settings; only the database server to use may be given.
    ours = {
        "PATH",
        "HOME",
        "USER",
        "LANG",
        "TMPDIR",
        "CI",
        "TEST_DATABASE_URL",
        "PLAYWRIGHT_BROWSERS_PATH",
        "TERM",
    }
    env = {
        k: v for k, v in os.environ.items() if k in ours or k.startswith(("PYTEST_", "HYPOTHESIS_", "LC_"))
    }
    env["TEST_OIDC_PYTHON"] = provider
    return become([str(python), "-m", "pytest", "-n", "2", "--dist", "worksteal", *arguments], env)


def openid_provider() -> str:
    """The Python of a real OpenID provider, whose needs are not ours; ``missing`` fails the tests that ask for it."""
    try:
        return str(environment("requirements-oidc.txt", ".venv-oidc"))
    except Stop as reason:
        say(f"{reason}\nThe OpenID provider cannot be set up: its tests will fail, the others go on.")
        return "missing"


def flask(arguments: Sequence[str]) -> int:
    python = environment("requirements.txt")
    given = os.environ.get("DATA_DIR") or os.environ.get("DATABASE_URL") or os.environ.get("APP_ENV")
    env = {**os.environ, "FLASK_APP": "wsgi"} if given else demo_environment(8000)
    return become([str(python), "-m", "flask", *arguments], env)


def become(command: Sequence[str], env: dict[str, str]) -> int:
    """Hand this very process over, so that signals and the exit code are the command's own."""
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execve(command[0], list(command), env)  # noqa: S606  no shell is wanted


def main(arguments: Sequence[str]) -> int:
    if sys.version_info < (3, 11):  # noqa: UP036  an older Python gets this far
        sys.exit("Python 3.11 or newer is needed.")
    commands = {"demo": demo, "test": test, "flask": flask}
    if not arguments or arguments[0] not in commands:
        say(__doc__ or "")
        return 0 if arguments and arguments[0] in ("-h", "--help", "help") else 2
    try:
        return commands[arguments[0]](arguments[1:])
    except Stop as reason:
        print(reason, file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        say("\nStopped.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
