"""The command of every desk, where it can be tried without changing the desk."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from portal.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def dev(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "dev.py", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("arguments", [(), ("nonsense",)])
def test_without_a_known_command_it_tells_which_there_are(arguments: tuple[str, ...]) -> None:
    done = dev(*arguments)
    assert done.returncode == 2
    assert all(f"dev.py {command}" in done.stdout for command in ("demo", "test", "flask"))


def test_everything_can_be_imported_by_an_older_python_up_to_the_version_check() -> None:
    text = (ROOT / "dev.py").read_text(encoding="utf-8")
    compile(text, "dev.py", "exec", dont_inherit=True)
    assert "match " not in text.split("def main")[0].split('"""')[-1]


def loaded() -> object:
    sys.path.insert(0, str(ROOT))
    try:
        import dev as module
    finally:
        sys.path.remove(str(ROOT))
    return module


def test_a_busy_port_is_said_with_what_to_do() -> None:
    module = loaded()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(module.Stop, match=rf"Port {port} cannot be used .*--port {port + 1}"):  # type: ignore[attr-defined]
            module.need_free(port)  # type: ignore[attr-defined]


def test_who_is_not_root_is_told_the_one_line_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    module = loaded()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(module.Stop, match="apt-get install -y --no-install-recommends chromium"):  # type: ignore[attr-defined]
        module.install("chromium", "A Chromium browser")  # type: ignore[attr-defined]


def test_the_demo_with_stripe_is_complete_and_takes_nothing_from_the_desk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = loaded()
    monkeypatch.setattr(module, "DEMO", tmp_path / "demo")
    monkeypatch.setenv("STRIPE_API_KEY", "sk_live_of_the_desk")
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET_FILE", "/of/the/desk")
    plain = Settings.from_env(module.demo_environment(8000))  # type: ignore[attr-defined]
    assert (plain.gateway, plain.stripe_api_key) == ("sandbox", "")
    settings = Settings.from_env(module.demo_environment(8000, stripe=True))  # type: ignore[attr-defined]
    assert (settings.gateway, settings.stripe_api_base) == ("stripe", "http://127.0.0.1:8001")
    assert settings.stripe_api_key.startswith("sk_test_") and settings.stripe_webhook_secret
    assert settings.data_dir != plain.data_dir, "payments of one gateway mean nothing to the other"
    command = module.stripe_command(Path(sys.executable), 8000)  # type: ignore[attr-defined]
    assert command[1:3] == ["-m", "tests.stripe_server"] and "8001" in command
