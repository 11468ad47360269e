"""One file per kind of job, with ``handle(context) -> Effect``; each is imported when its first job comes."""

from collections.abc import Callable
from importlib import import_module

from crowdmask.models import JobKind
from crowdmask_worker.context import Effect, JobContext

Handler = Callable[[JobContext], Effect]


def find_handler(package: str, kind: JobKind) -> Handler:
    """``handle`` of the module of ``package`` that is named like the kind.

    Imported late: a handler may load torch, which must not happen before the worker's child process exists.
    """
    handle: Handler = import_module(f"{package}.{kind.value}").handle
    return handle
