"""What happens to processes, connections and the server from outside, again and again while the backfill goes on."""

import signal
import time

from damage.stage import Outcome, Stage
from damage.workers import APPLICATION, Worker, joined
from damage.writers import writing
from waiting import wait_until

SIDE_BY_SIDE = 2
LONGEST_LIFE = 4.0  # seconds
WRITTEN_TO = 20  # parents


def kills(stage: Stage, times: int) -> Outcome:
    """SIGKILL for one of two workers at a random moment, and earlier where the work is ahead: it lasts for all of them."""
    killed, life, bad = 0, 0.2, list[str]()
    with writing(stage.binding, stage.keys(WRITTEN_TO)) as memory:
        workers = [stage.worker() for _ in range(SIDE_BY_SIDE)]
        for number in range(1, times + 1):
            share = 0.8 * number / times  # of the work that may be done by this kill
            moment = time.monotonic() + stage.chance.uniform(0, life)
            while time.monotonic() < moment and stage.done() < share:
                time.sleep(0.005)
            one = stage.chance.randrange(len(workers))
            killed += workers[one].kill()
            if stage.complete():
                bad.append(f"all was done after {number} of {times} kills")
                break
            workers[one] = stage.worker()
            if number % 20 == 0:  # a comparison takes its time, and the work is to last
                killed += sum(each.kill() for each in workers)
                bad += stage.untrue(-signal.SIGKILL)
                workers = [stage.worker() for _ in workers]
            life = max(0.02, min(LONGEST_LIFE, life * (0.6 if stage.done() > share else 1.3)))
        for each in workers:
            if each.code() is None:
                killed += each.kill()
    found = stage.concluded("SIGKILL", killed, again=killed, memory=memory)
    found.bad += bad + [f"writers were refused: {each}" for each in memory.refused[:1]]
    return found


def terminations(stage: Stage, times: int) -> Outcome:
    """pg_terminate_backend for one of the workers' connections at a random moment; no worker ends by it."""
    ended = 0
    with writing(stage.binding, stage.keys(WRITTEN_TO)) as memory, stage.look() as killer:
        workers = [stage.worker() for _ in range(SIDE_BY_SIDE)]
        while ended < times and not all_over(workers):
            time.sleep(stage.chance.uniform(0, 0.3))
            found = killer.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", [APPLICATION])
            pids = [row[0] for row in found.fetchall()]
            if pids:
                ended += bool(killer.execute("SELECT pg_terminate_backend(%s)", [stage.chance.choice(pids)]).rowcount)
        bad = ended_well(stage, workers)
    told = stage.concluded("pg_terminate_backend", ended, again=ended, memory=memory)
    told.bad += bad
    return told


def restarts(stage: Stage, times: int) -> Outcome:
    """The server restarts in the middle, by turns orderly and as after a crash; no worker ends by it."""
    restarted, seen = 0, 0
    stage.limit("synchronous_commit", "on")  # or a crash takes what was confirmed
    with writing(stage.binding, stage.keys(WRITTEN_TO)) as memory:
        workers = [stage.worker() for _ in range(SIDE_BY_SIDE)]
        while restarted < times:
            wait_until(lambda seen=seen: all_over(workers) or stage.moves() > seen, 60, "the work goes on")  # type: ignore[misc]
            if all_over(workers):
                break
            time.sleep(stage.chance.uniform(0, 0.2))
            stage.server.restart("immediate" if restarted % 2 else "fast")
            restarted, seen = restarted + 1, stage.moves()
        bad = ended_well(stage, workers)
    told = stage.concluded("restart of the server", restarted, again=restarted * SIDE_BY_SIDE, memory=memory)
    told.bad += bad
    return told


def stops(stage: Stage, times: int) -> Outcome:
    """SIGSTOP at a random moment, past the lease; others go on with what it held, and then it awakes."""
    stopped, bad = 0, list[str]()
    with writing(stage.binding, stage.keys(WRITTEN_TO)) as memory:
        sleeper, other = stage.worker(), stage.worker()
        while stopped < times and sleeper.code() is None and other.code() is None:
            time.sleep(stage.chance.uniform(0, 0.2))
            sleeper.send(signal.SIGSTOP)
            stopped += 1
            taken = taken_over(stage, sleeper)
            sleeper.send(signal.SIGCONT)
            if not taken:
                break
            sleeper, other = other, sleeper
        bad += ended_well(stage, [sleeper, other])
    told = stage.concluded("SIGSTOP past the lease", stopped, again=stopped, memory=memory)
    told.bad += bad
    return told


def taken_over(stage: Stage, sleeper: Worker) -> bool:
    """Wait until nothing is held by a worker that sleeps; False where all is done."""
    held = "SELECT count(*) FROM cutover_segment WHERE done_at IS NULL AND worker LIKE %s"

    def free() -> bool:
        return stage.complete() or not stage.ask(held, f"%:{sleeper.pid}")

    wait_until(free, 60, "others take over what the sleeper has held")
    return not stage.complete()


def stop_in_a_chunk(stage: Stage) -> Outcome:
    """SIGSTOP inside a chunk, with its lock on the segment; another one ends the work, and then the sleeper awakes."""
    bad = []
    with stage.look() as holder:
        holder.execute("BEGIN")
        holder.execute(f"LOCK TABLE {stage.binding.child.name} IN SHARE MODE")
        sleeper = stage.worker()
        waits = "SELECT pid FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid)) AND application_name = %s"
        wait_until(lambda: stage.ask(waits, holder.info.backend_pid, APPLICATION), 30, "the chunk waits for the table")
        sleeper.send(signal.SIGSTOP)
        holder.execute("ROLLBACK")
    other = stage.worker()
    bad += [f"the other ended with {code}" for code in joined([other]) if code]
    rows = stage.compared().rows
    sleeper.send(signal.SIGCONT)
    bad += ended_well(stage, [sleeper])
    if stage.compared().rows != rows:
        bad.append("the sleeper has written after it had been replaced")
    told = stage.concluded("SIGSTOP inside a chunk", 1, again=1)
    told.bad += bad
    return told


def all_over(workers: list[Worker]) -> bool:
    return all(each.code() is not None for each in workers)


def ended_well(stage: Stage, workers: list[Worker]) -> list[str]:
    """What is wrong with the ends of workers that should have outlived everything."""
    bad = []
    for code, worker in zip(joined(workers, 300), workers, strict=True):
        bad += stage.untrue(code, worker.words())
        if code != 0:
            bad.append(f"a worker ended with {code}: {worker.words()[-300:]}")
    return bad
