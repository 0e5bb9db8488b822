"""What other systems tell us. No session, no form: whoever speaks proves who it is by its signature."""

from flask import Flask


def init(app: Flask) -> None:
    from portal.web.inbound import payments, warehouse

    payments.init(app)
    warehouse.init(app)
