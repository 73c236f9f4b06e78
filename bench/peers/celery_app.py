"""The celery application, imported by the client and by celery's worker alike."""

from __future__ import annotations

import os

from celery import Celery

from bench.functions import TASK_FUNCTIONS
from bench.peers.celery import URL_VARIABLE


def make_app(url: str) -> Celery:
    """Return an application whose broker and result store are the Redis server at ``url``."""
    made = Celery("ganger-bench", broker=url, backend=url)
    # Pickle, because the payloads are bytes and the other peers pickle too; the rest are the defaults
    # but for the start-up warning of a broker that is reached at the first try.
    made.conf.update(
        task_serializer="pickle",
        result_serializer="pickle",
        accept_content=["pickle", "json"],
        broker_connection_retry_on_startup=True,
    )
    for function in TASK_FUNCTIONS:
        made.task(function, name=function.__name__)
    return made


app = make_app(os.environ[URL_VARIABLE])
