"""How much and how long: every number of the protocol that is a choice. Sizes in bytes, times in seconds. No I/O."""

from __future__ import annotations

PROTOCOL = 1  # what a frame's payload looks like; the envelope around it never changes

# Sizes.
LARGEST_DATAGRAM = 176_000  # base64 makes 234,668 of it: under AppSync's 240 KB an event, however a KB is counted
LARGEST_REQUEST = 6 * 1024 * 1024  # Lambda's, synchronous
LARGEST_RESULT = 6 * 1024 * 1024 + 100  # Lambda's
LARGEST_MESSAGE = LARGEST_RESULT + 512 * 1024  # with everything around a payload, after decompression
INLINE_PAYLOAD = 1024 * 1024  # larger ones go through S3
LARGEST_GRANTED = 128 * 1024  # one segment: sessions that decline need not put such an INVOKE together
LARGEST_TEXT = 256 * 1024  # of an error's message and of its trace, in characters; longer ones are shortened
MOST_LINES = 500  # of a trace
COMPRESS_FROM = 3_000  # smaller ones fit in the 5 KB that AppSync counts as one operation anyway

# Counts.
REPLAY_WINDOW = 1024  # frames that may overtake each other
MOST_SEGMENTS = 64
MOST_PEERS = 10_000  # remembered; the one that was silent longest goes first
MOST_PARTIALS = 8  # messages of one peer that are partly here
MOST_BUFFERED = 64 * 1024 * 1024  # bytes of messages that are partly here, all peers together
MOST_HELD = 256 * 1024 * 1024  # bytes of requests that wait for their GRANT, all peers together
MOST_RECORDS = 20_000  # invocations a dev session knows of, those that ended lately included
MOST_CANCELLED_EARLY = 1_000  # of them those that were cancelled before they came
MOST_NOTES = 16  # unreliable messages to one peer between two calls of `outgoing`

# The link.
FIRST_RETRY = 0.35  # before a round trip was measured
SHORTEST_RETRY = 0.25
LONGEST_FIRST_RETRY = 1.0
LONGEST_RETRY = 1.5
BACK_OFF = 1.6
RETRY_PER_SEGMENT = 0.05  # large messages take their time on a thin line
ACK_DELAY = 0.1  # an answer mostly comes sooner and takes the acknowledgement along
REMEMBER_DELIVERED = 60.0  # so that a late copy is acknowledged and not delivered again
REMEMBER_PARTIAL = 20.0  # since its latest segment
REMEMBER_PEER = 1800.0
OVERSLEPT = 1.0  # later than this, it was us who were away: frozen container, laptop that slept

# The session.
CLAIM_WINDOW = 3.0  # then the lease is asked, and meanwhile a second window begins
SECOND_WINDOW = 5.0
CLAIM_WINDOW_PER_BYTE = 1.0 / (256 * 1024)
INVITE_AGAIN = 1.0  # INVOKE was acknowledged, yet nobody claims
OWNER_SILENCE = 12.0
HEARTBEAT = 2.0
GRACE = 2.5  # after having overslept, for what waits in the socket to be read
DEADLINE_MARGIN = 0.5  # kept for saying so before Lambda ends the function
HELLO_AGAIN = (0.3, 0.7, 1.5)
CLAIM_HELD = 15.0  # without a GRANT
CLAIM_HELD_LARGE = 120.0  # the stub is uploading meanwhile
RESULT_HELD = 20.0  # longer than a stub waits for a silent owner
REMEMBER_ENDED = 30.0
TAKE_OVER_AGAIN = (0.3, 1.0, 3.0)
BYE_HELD = 2.0
CONTACT_FRESH = 10.0  # a session heard so lately is granted the next invocation with its INVOKE
GRANT_FRESH = 15.0  # on the session's own clock since it spoke: later it asks before it runs what INVOKE granted to it
DOUBT = 0.5  # after a pause, what is read may have come at any time during the pause
CLAIM_DELAY = 0.1  # of what INVOKE granted: an answer that comes sooner says as much
MOST_SESSIONS = 16  # of developers, that one container remembers at a time
MOST_ENDED = 8  # sessions that are known to have ended
REJECT_GRACE = 0.5  # another session may speak this stub's protocol
REJECT_EVERY = 0.2  # to one stub
