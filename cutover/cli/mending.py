"""`cutover verify NAME --repair` and `--rehydrate`: say what would be done; with `--yes`, do it."""

from cutover import verify as verification
from cutover.errors import Differs
from cutover.mapping import Binding
from cutover.render import commands as render


def repair(binding: Binding, *, apply: bool, fresh: bool, as_json: bool) -> None:
    found = verification.repair(binding, apply=apply, fresh=fresh, told=render.say)
    counted = render.actions(found, applied=apply, as_json=as_json)
    if apply and counted[False]:
        raise Differs(
            f"{counted[False]} differences were left alone.",
            hint="The end of each line says why; the runbook, what to do.",
        )
    if counted[False]:
        render.say(f"Nothing was changed. `cutover verify {binding.name} --repair --yes` does it.")


def rehydrate(binding: Binding, *, apply: bool, fresh: bool, as_json: bool) -> None:
    steps = verification.rehydrate(binding, apply=apply, fresh=fresh, told=render.say)
    shown = render.progress("rehydrate", steps, lambda step: render.Step(step.parents, 0, step.rows))
    last = render.last(shown) or verification.Rehydrated()
    if as_json:
        render.document({**vars(last), "applied": apply})
    else:
        render.line(render.rehydrated(last, applied=apply))
    if not apply and last.rows:
        render.say(f"Nothing was changed. `cutover verify {binding.name} --rehydrate --yes` does it.")
    if last.left:
        raise Differs(f"JSON cannot hold {last.left} rows; they were left as they are.", hint="See `cutover verify`.")
