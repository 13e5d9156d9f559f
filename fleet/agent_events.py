"""Events of instruments and platforms (design 7): read here, kept for the mission threads that wait for them."""

from fleet.agent_bodies import EventBody, read_body, refuse_unstorable
from fleet.agent_messages import AgentMessage
from fleet.wire import BadMessage, Reason
from missions.statuses import COMMANDED
from store.agents import AgentIdentity
from store.thread_events import Raised

EVENT = "agent_event"


def raised(message: AgentMessage, agent: AgentIdentity | None) -> Raised:
    """What an agent says to have happened; raises BadMessage."""
    if message.inner.type != EVENT:
        raise BadMessage(Reason.UNKNOWN_TYPE, f"{message.inner.type!r} is not {EVENT}")
    if agent is None:
        raise BadMessage(Reason.UNKNOWN_AGENT, f"agent {message.uuid!r} is not known")
    if agent.agent_class not in COMMANDED:
        raise BadMessage(
            Reason.NOT_SUPPORTED,
            f"agent {message.uuid!r} is a {agent.agent_class}; events are taken from those of class "
            + " and ".join(COMMANDED),
        )
    names = read_body(EventBody, message.inner.body).names
    refuse_unstorable(message.inner, {"names": list(names)})
    return Raised(agent.id, names)
