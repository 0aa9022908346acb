"""A task child for tests: speaks the task protocol and misbehaves on request (parameters.script)."""
import json, os, signal, subprocess, sys, time

out = os.fdopen(3, "wb", buffering=0)
assignment = json.loads(sys.stdin.readline())
parameters = assignment["parameters"]
script = parameters.get("script", "succeed")
if parameters.get("on") not in (None, assignment["jobType"]):
    script = "succeed"
first = assignment["attempt"] == 1


def say(message):
    out.write(json.dumps(message).encode() + b"\n")


def result(**more):
    say({"type": "completed", "result": {"pid": os.getpid(), **more}})


def wait_for_cancel():
    say({"type": "progress", "phase": "wait", "unit": "steps", "done": 1, "total": 2, "message": str(os.getpid())})
    for line in sys.stdin:
        if json.loads(line)["type"] == "cancel":
            say({"type": "failed", "problem": {"reason": "CANCELLED", "message": "asked to stop", "transient": False}})
            sys.exit(0)
    sys.exit(0)


if script == "hang":
    wait_for_cancel()
elif script == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["/bin/sleep", "1000"])
    say({"type": "progress", "phase": "deaf", "unit": "steps", "done": 1, "total": 2, "message": f"{os.getpid()} {child.pid}"})
    time.sleep(1000)
elif script == "crash" and first:
    os.kill(os.getpid(), signal.SIGKILL)
elif script == "exit" and first:
    sys.exit(3)
elif script == "overlong":
    try:
        while True:
            out.write(b"x" * 65536)
    except BrokenPipeError:
        time.sleep(1000)
elif script == "garbage":
    out.write(b"this is no report\n")
    time.sleep(1000)
elif script == "flood":
    for n in range(20000):
        say({"type": "progress", "phase": "p", "unit": "u", "done": n, "total": 20000, "message": "m\x00" * 3})
    result()
elif script == "file":
    with open(os.path.join(assignment["scratchDirectory"], "result.json"), "w") as f:
        json.dump({"big": "y" * 200000}, f)
    say({"type": "completed", "resultFile": "result.json"})
elif script == "link":
    os.symlink("/etc/passwd", os.path.join(assignment["scratchDirectory"], "result.json"))
    say({"type": "completed", "resultFile": "result.json"})
elif script == "environment":
    print("a log line")
    limits = open("/proc/self/status").read()
    result(
        descriptors=sorted(int(d) for d in os.listdir("/proc/self/fd"))[:4],
        oom=open("/proc/self/oom_score_adj").read().strip(),
        group=os.getpgid(0) == os.getpid(),
        privileges="NoNewPrivs:\t1" in limits,
        directory=os.getcwd() == os.path.realpath(assignment["scratchDirectory"]),
        temporary=os.environ["TMPDIR"] == assignment["scratchDirectory"],
        variables=sorted(os.environ),
        schema=assignment.get("stagingSchema"),
        user=(assignment.get("database") or {}).get("user"),
    )
else:
    result()
