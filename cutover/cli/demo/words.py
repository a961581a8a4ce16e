"""An event of the story in words."""

from cutover.demo.events import Audited, Began, Event, Kept, Noted, Ran

NOT_YET = {3: "refused for now", 4: "busy", 5: "timed out", 7: "not yet"}


def words(event: Event) -> list[str]:
    """The lines to say; none for what is shown in another way."""
    match event:
        case Began():
            return [f"== {event.title} =="]
        case Noted():
            return [event.text]
        case Ran():
            return [ran(event)]
        case Audited():
            return [audited(event)]
        case Kept():
            return [f"kept in {event.directory}"]
    return []


def ran(event: Ran) -> str:
    if event.code == 0:
        return f"$ {event.command}  ({event.seconds:.1f} s)"
    return f"$ {event.command}  {NOT_YET.get(event.code, 'ended with')} ({event.code}): {event.last_words[:160]}"


def audited(event: Audited) -> str:
    found = event.finding
    seen = (
        f"all {event.jobs} jobs read: {found.elements:,} elements shown, {found.short} missing, {found.doubled} twice"
    )
    return f"{seen}: {'; '.join(found.examples)}" if found.examples else seen
