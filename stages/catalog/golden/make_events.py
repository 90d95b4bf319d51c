#!/usr/bin/env python3
"""Writes events.out.tfevents: scalars by TensorBoard's own writer, whose clock is the step.

    .oracle/bin/python stages/catalog/golden/make_events.py

Made with tensorboard 2.21.0.
"""

import io
import pathlib

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

STEPS = [(1, {"loss": 0.5}), (300, {"loss": 0.25, "learning_rate": 1e-4})]


def main():
    events = [Event(file_version="brain.Event:2")]
    for step, numbers in STEPS:
        values = [Summary.Value(tag=tag, simple_value=number) for tag, number in numbers.items()]
        events.append(Event(wall_time=step, step=step, summary=Summary(value=values)))
    buffer = io.BytesIO()
    writer = RecordWriter(buffer)
    for event in events:
        writer.write(event.SerializeToString(deterministic=True))
    (pathlib.Path(__file__).parent / "events.out.tfevents").write_bytes(buffer.getvalue())


if __name__ == "__main__":
    main()
