"""`make chaos`: rounds of faults against a release build; 0 lost, 0 doubled, 0 leftovers, or a nonzero exit."""

import argparse
import os
import random
import sys
import time

from .arena import Arena
from .faults import KINDS
from .rounds import Outcome, plan, play


def main() -> int:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None, help="default: drawn, and printed")
    parser.add_argument("--features", type=int, default=60_000, help="rows of a load")
    parser.add_argument("--kind", choices=[kind.name for kind in KINDS], help="this kind alone")
    parser.add_argument("--only", type=int, help="this round of the seed alone, from 1")
    parser.add_argument("--keep-log", help="where the server's log is copied at the end")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 31)
    print(f"seed {seed}, {options.rounds} rounds of {options.features} features", flush=True)
    rounds = list(enumerate(plan(seed, options.rounds), 1))
    if options.kind:
        named = {kind.name: kind.fault for kind in KINDS}
        rounds = [(number, (named[options.kind], of)) for number, (_, of) in rounds]
    if options.only:
        rounds = rounds[options.only - 1 : options.only]
    outcomes: list[Outcome] = []
    began = time.monotonic()
    with Arena(options.features) as arena:
        arena.start()
        for number, (kind, of) in rounds:
            outcome = play(arena, kind, of)
            outcomes.append(outcome)
            mark = "ok  " if outcome.is_clean else "FAIL"
            what = f"{outcome.kind} in a {outcome.way} at {outcome.moment}" + (f" ({outcome.victim})" if outcome.victim else "")
            print(f"{number:4}/{options.rounds} {mark} {outcome.seconds:5.1f} s  {what}: {outcome.ended}", flush=True)
            if not outcome.is_clean:
                print(f"          seed {seed}: {outcome.findings}", flush=True)
        if options.keep_log:
            with open(options.keep_log, "w") as file:
                file.write(arena.server.log)
    return report(outcomes, seed, time.monotonic() - began)


def report(outcomes: list[Outcome], seed: int, seconds: float) -> int:
    print(f"\n{'kind':20} {'rounds':>6} {'ready':>6} {'retried':>7} {'missed':>6} {'unclean':>7} {'mean s':>7} {'max s':>6}")
    for kind in sorted({outcome.kind for outcome in outcomes}):
        of = [outcome for outcome in outcomes if outcome.kind == kind]
        ready, missed = (sum(o.ended == word for o in of) for word in ("READY", "missed"))
        unclean = sum(not o.is_clean for o in of)
        retried = sum("retried" in o.ended for o in of)
        times = [o.seconds for o in of]
        print(f"{kind:20} {len(of):6} {ready:6} {retried:7} {missed:6} {unclean:7} {sum(times) / len(of):7.1f} {max(times):6.1f}")
    lost = sum(o.findings.lost for o in outcomes)
    doubled = sum(o.findings.doubled for o in outcomes)
    leftovers = sum(len(o.findings.leftovers) for o in outcomes)
    other = sum(bool(o.findings.other) for o in outcomes)
    if other:
        print(f"{other} rounds failed otherwise")
    print(f"{seconds:.0f} s on {os.cpu_count()} cores")
    print(f"{len(outcomes)} rounds: {lost} lost, {doubled} doubled, {leftovers} leftovers, seed {seed}")
    return 1 if lost or doubled or leftovers or other else 0


if __name__ == "__main__":
    sys.exit(main())
