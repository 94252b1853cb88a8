"""What was seen, as a table for people and as JSON with the plans."""

from tests.scale.recorder import Recorder


def write(recorder: Recorder, rows: int) -> None:
    for query in sorted(recorder.found.values(), key=lambda one: -one.milliseconds)[:60]:
        print(f"{query.milliseconds:8.1f} ms {query.read:8} rows {query.times:5} x {query.where}  {query.summary[:150]}")
