"""Idempotency keys: the first answer is kept for a day and given again, also when it was an error."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from tests.stripe_server.errors import Fault
from tests.stripe_server.state import State

DAY = 24 * 60 * 60
Answer = tuple[int, dict[str, Any], dict[str, str]]


def once(
    state: State, key: str, path: str, params: dict[str, Any], execute: Callable[[], Answer]
) -> tuple[Answer, bool]:
    """The answer of ``execute``, or the one that was kept; and whether it was kept.

    Raises ``Fault`` for other parameters under the same key, and while the first request is at work. What is
    refused before anything was executed is not kept, so that the key may be used again.
    """
    if not key:
        return execute(), False
    if len(key) > 255:
        raise Fault(400, "An Idempotency-Key is at most 255 characters", kind="idempotency_error")
    mark = hashlib.sha256(json.dumps([path, params], sort_keys=True).encode()).hexdigest()
    with state.lock:
        entry = state.keys.get(key)
        if entry is not None and state.now() - entry["at"] >= DAY:
            entry = None
        if entry is not None:
            return _again(entry, key, mark)
        state.keys[key] = {"mark": mark, "at": state.now(), "answer": None}
    try:
        answer = execute()
    except Fault as fault:
        if not fault.executed:
            _forget(state, key)
            raise
        answer = (fault.status, fault.body(), fault.headers)
    except BaseException:
        _forget(state, key)
        raise
    with state.lock:
        state.keep_key(key, {"mark": mark, "at": state.keys[key]["at"], "answer": answer})
    return answer, False


def _again(entry: dict[str, Any], key: str, mark: str) -> tuple[Answer, bool]:
    if entry["mark"] != mark:
        raise Fault(
            400,
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{key}' if you meant to execute a different request.",
            kind="idempotency_error",
        )
    if entry["answer"] is None:
        raise Fault(
            409,
            f"There is currently another in-progress request using the Idempotent Key '{key}'.",
            kind="idempotency_error",
            code="idempotency_key_in_use",
        )
    status, body, headers = entry["answer"]
    return (status, body, {**headers, "Idempotent-Replayed": "true", "Original-Request": "req_first"}), True


def _forget(state: State, key: str) -> None:
    with state.lock:
        state.keys.pop(key, None)
