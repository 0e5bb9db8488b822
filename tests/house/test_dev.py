"""The command of every desk, where it can be tried without changing the desk."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from portal.settings import Settings
from tests import oidc_server

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


def test_an_environment_is_made_once_and_anew_where_it_is_broken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module: Any = loaded()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "requirements-none.txt").write_text("# nothing, so that nothing is fetched\n")
    venv = tmp_path / ".venv-none"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()  # somebody was stopped in the middle
    python = module._environment(venv, "requirements-none.txt")
    assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0
    ran = module.run
    with monkeypatch.context() as idle:
        idle.setattr(module, "run", pytest.fail)
        assert module._environment(venv, "requirements-none.txt") == python
    (venv / ".requirements-none.txt.done").unlink()
    tried: list[str] = []

    def away_once(command: list[str], **more: object) -> None:
        tried.append(command[2])
        if tried == ["pip"]:
            raise module.Stop("The package index did not answer.")
        ran(command, **more)

    monkeypatch.setattr(module, "run", away_once)
    assert module._environment(venv, "requirements-none.txt") == python
    assert tried == ["pip", "venv", "pip"] and "Once more, from nothing" in capsys.readouterr().out


def test_what_takes_for_ever_is_ended_and_said() -> None:
    module: Any = loaded()
    with pytest.raises(module.Stop, match="took more than 1 seconds"):
        module.run([sys.executable, "-c", "import time; time.sleep(600)"], timeout=1)


def test_a_provider_that_cannot_be_had_fails_its_own_tests_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module: Any = loaded()

    def away(*_: str) -> Path:
        raise module.Stop("This failed: pip install")

    monkeypatch.setattr(module, "environment", away)
    monkeypatch.setenv("TEST_OIDC_PYTHON", module.openid_provider())
    assert "This failed: pip install" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="The OpenID provider is missing"):
        oidc_server.python()
