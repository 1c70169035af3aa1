"""The postman: Celery on RabbitMQ, or a thread pool where there is no broker. `celery -A queueing worker`."""

from queueing.celery import app

__all__ = ["app"]
