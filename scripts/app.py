#!/usr/bin/env python3
"""An application for drills: counts on a Redis master that it finds through sentinels, and says how it fares.

    SENTINELS=127.0.0.1:26379,127.0.0.1:26380 MASTER=mymaster python3 app.py

Needs redis-py (`pip install redis`). Every line it prints is an event of its life: connected, lost, back.
"""
import os
import sys
import time

try:
    import redis
    from redis.sentinel import MasterNotFoundError, Sentinel
except ImportError:
    sys.exit("app: redis-py is missing: python3 -m pip install redis")


def say(text):
    print(f"app: {text}", flush=True)


def main():
    places = [place.rsplit(":", 1) for place in os.environ["SENTINELS"].split(",")]
    sentinel = Sentinel([(host, int(port)) for host, port in places], socket_timeout=0.5)
    master = sentinel.master_for(os.environ.get("MASTER", "mymaster"), socket_timeout=0.5)
    writes, lost_at = 0, None
    while True:
        try:
            writes = master.incr("app:writes")
            if lost_at is not None:
                say(f"back after {time.monotonic() - lost_at:.3f} s, {writes} writes")
                lost_at = None
            elif writes == 1:
                say("connected")
        except (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError, MasterNotFoundError) as error:
            if lost_at is None:
                lost_at = time.monotonic()
                say(f"lost the master: {error}")
        time.sleep(0.01)


main()
