"""What other systems tell us. No session, no form: whoever speaks proves who it is by its signature."""

from flask import Flask


def init(app: Flask) -> None:
    from portal.web.inbound import payments

    payments.init(app)
