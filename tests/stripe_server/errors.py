"""Errors as Stripe words them."""

from typing import Any


class Fault(Exception):
    """An answer that is an error; ``executed`` says whether it is kept under the request's key."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str = "",
        param: str = "",
        executed: bool = False,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.code, self.param = status, message, kind, code, param
        self.executed, self.headers = executed, headers or {}

    def body(self) -> dict[str, Any]:
        said = {"message": self.message, "type": self.kind, "code": self.code, "param": self.param}
        return {"error": {name: value for name, value in said.items() if value}}


def unknown(what: str, wanted: str, *, param: str = "id", executed: bool = False) -> Fault:
    """Nothing has that id."""
    return Fault(404, f"No such {what}: '{wanted}'", code="resource_missing", param=param, executed=executed)


def failure(status: int = 500, retry_after: int | None = None) -> Fault:
    """The server's own fault, or too many requests."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    if status == 429:
        message = "Request rate limit exceeded. Requests are allowed again after a while."
        return Fault(429, message, code="rate_limit", headers=headers)
    return Fault(status, "An unknown error occurred", kind="api_error", headers=headers)
