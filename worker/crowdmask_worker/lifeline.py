"""How a process learns that the one above it is stopping, or is dead: the child of its worker, a worker of its
supervisor.
"""

import os
import select
import signal
import threading
import time

from crowdmask.supervise import LIFELINE_FD


class Lifeline:
    """A pipe whose writing end only the parent keeps. It is cut when the parent says so, or when the parent dies.

    Make it before the fork. No message is ever sent: the end of the pipe is the message, and the kernel delivers it
    whatever way the parent went.
    """

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        self._keeps_writing_end = True

    def keep_as_child(self) -> None:
        """To be called in the child after the fork: lets go of the writing end."""
        self.cut()

    def cut(self) -> None:
        """To be called in the parent: every child sees it. A second time does nothing."""
        if self._keeps_writing_end:
            self._keeps_writing_end = False
            os.close(self._writing)

    def is_cut(self, *, wait_s: float = 0.0) -> bool:
        """Whether it is cut, now or within the next ``wait_s`` seconds."""
        readable, _, _ = select.select([self._reading], [], [], wait_s)
        return bool(readable)


def end_with_supervisor(*, grace_s: float) -> None:
    """Have this process end when its supervisor, if it has one, is gone: by SIGTERM, and after ``grace_s`` by SIGKILL.

    Nobody would be left to stop a worker whose supervisor was killed, and the next start would run beside it.
    """
    given = os.environ.pop(LIFELINE_FD, None)  # not for programs that we start
    if given is not None:
        threading.Thread(target=_end_with, args=(int(given), grace_s), name="lifeline", daemon=True).start()


def _end_with(reading: int, grace_s: float) -> None:
    os.read(reading, 1)  # nobody writes: this returns when the last writing end is closed
    main_thread = threading.main_thread().ident
    if main_thread is not None:
        signal.pthread_kill(main_thread, signal.SIGTERM)
    time.sleep(grace_s)
    os.killpg(os.getpid(), signal.SIGKILL)  # a supervised process leads its group: its children go with it
