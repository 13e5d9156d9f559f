"""Signals that people send from the engine's UI or command line.

Without the input that its handler needs a signal would fail the workflow's task, again and again, and cannot be taken
back. So it is dropped here. (One with an input that does not fit is dropped by the SDK.)
"""

from temporalio import workflow
from temporalio.worker import HandleSignalInput, Interceptor, WorkflowInboundInterceptor, WorkflowInterceptorClassInput

with workflow.unsafe.imports_passed_through():
    from missions.contracts import Signal
    from missions.mission_files.contracts import ThreadSignal

# They say all that there is to say by their names.
_NEED_NO_INPUT = frozenset({Signal.CANCEL, Signal.HALT, ThreadSignal.TIMED_THREADS_ENDED, ThreadSignal.HALT})


class SignalsByHand(Interceptor):
    """Keeps a signal without its input from a workflow."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """The engine's hook."""
        return _Guarded


class _Guarded(WorkflowInboundInterceptor):
    async def handle_signal(self, input: HandleSignalInput) -> None:
        if input.args or input.signal in _NEED_NO_INPUT:
            await super().handle_signal(input)
        else:
            workflow.logger.info("signal %s came without its input, and is dropped", input.signal)
