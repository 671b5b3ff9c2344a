"""What runs functions because something happened: queues, streams, topics, rules, schedules, buckets, calls.

MiniStack accepts the events and keeps them; here they are handed on as AWS hands them on, in its batches, order and
number, with its retries and destinations. Everything is decided on the event loop, woken by what happened and by
timers, never by polling; functions run on threads of their own.
"""
