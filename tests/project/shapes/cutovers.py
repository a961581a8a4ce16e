from cutover import Cutover, Key, Object, Scalar, Stream, Time, Tuple, register


@register
class DeviceEvents(Cutover):
    source = "shapes.Device.events"
    target = "shapes.Event"
    parent = "device"
    streams = (
        Stream(
            "events",
            Object(
                {"kind": "kind", "count": "count", "at": Time("at", "%Y-%m-%dT%H:%M:%SZ", tz="UTC")},
                rest="extra",
            ),
            path=(),
        ),
    )


@register
class AccountTags(Cutover):
    source = "shapes.Account.profile"
    target = "shapes.Tag"
    parent = "account"
    streams = (Stream("tags", Scalar("value"), path=("tags", Key("kind"))),)


@register
class TicketHistory(Cutover):
    source = "shapes.Ticket.history"
    target = "shapes.Change"
    parent = "ticket"
    rewrites = True
    streams = (Stream("items", Tuple("field", "amount"), path=("changes", "items")),)
