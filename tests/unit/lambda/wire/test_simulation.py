"""Containers, sessions, bad weather and an attacker with a tape recorder, in any order Hypothesis comes up with."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from kit.network import Dev, Network, Party, Stub, Weather

WEATHERS = st.builds(
    lambda loss, duplication, jitter, partial: Weather(
        loss=loss, duplication=duplication, jitter=jitter, partial_failure=partial
    ),
    st.sampled_from([0.0, 0.1, 0.4]),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from([0.0, 0.5, 3.0]),
    st.sampled_from([0.0, 0.3]),
)
SECONDS = st.sampled_from([0.01, 0.05, 0.1, 0.3, 1.0, 3.0, 13.0])
MOST_RECORDED = 300


class Stage(RuleBasedStateMachine):
    """`Network` asserts with every run and every outcome: run at most once, answered by its own run, in time.

    In the end, all is quiet: every call has an outcome, nothing is kept, and the next call works.
    """

    @initialize(seed=st.integers(0, 2**32), weather=WEATHERS)
    def begin(self, seed: int, weather: Weather) -> None:
        self.network = Network(seed, weather)
        self.recorded: list[tuple[Party, bytes, bytes]] = []
        self.network.tap = self.record
        self.network.dev(work=self.work)
        for number in range(3):
            self.network.stub(freezes=number != 2, clock_stops=number == 1)

    def work(self, call: object) -> float:
        return self.network.chance.choice([0.0, 0.01, 0.2, 2.0, 15.0])

    def record(self, sender: Party, address: bytes, datagram: bytes) -> None:
        if len(self.recorded) < MOST_RECORDED:
            self.recorded.append((sender, address, datagram))

    @property
    def stubs(self) -> list[Stub]:
        return list(self.network.stubs.values())

    @property
    def devs(self) -> list[Dev]:
        return [dev for dev in self.network.devs if dev.alive]

    @rule(stub=st.integers(0, 2), timeout=st.sampled_from([2.0, 20.0, 90.0]), large=st.booleans())
    def lambda_invokes(self, stub: int, timeout: float, large: bool) -> None:
        payload = self.network.chance.randbytes(1_100_000) if large and len(self.network.calls) < 3 else None
        self.network.call(self.stubs[stub], payload, timeout=timeout)

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.network.run(seconds)

    @rule(weather=WEATHERS)
    def weather_changes(self, weather: Weather) -> None:
        self.network.weather = weather

    @rule(seconds=SECONDS, direction=st.sampled_from(["to stubs", "to sessions", "both"]))
    def black_hole(self, seconds: float, direction: str) -> None:
        self.network.black_hole(
            seconds,
            lambda sender, receiver: direction == "both" or isinstance(receiver, Stub) is (direction == "to stubs"),
        )

    @precondition(lambda self: len(self.devs) < 3)
    @rule(takes_over=st.booleans(), knows=st.booleans())
    def session_starts(self, takes_over: bool, knows: bool) -> None:
        dev = self.network.dev(work=self.work, after=self.ended if knows else ())
        if takes_over:
            dev.machine.take_over(dev.clock())
            dev.settle()

    @property
    def ended(self) -> list[Dev]:
        return [dev for dev in self.network.devs if not dev.alive]

    @precondition(lambda self: self.devs)
    @rule(data=st.data(), until=st.sampled_from([-1.0, 5.0, 1e9]))
    def lease_is_renewed_or_not(self, data: st.DataObject, until: float) -> None:
        dev = data.draw(st.sampled_from(self.devs))
        dev.machine.renewed(dev.clock() + until, dev.clock())

    @precondition(lambda self: self.devs)
    @rule(data=st.data(), how=st.sampled_from(["crash", "bye", "step down", "crash and restart"]))
    def session_ends(self, data: st.DataObject, how: str) -> None:
        dev = data.draw(st.sampled_from(self.devs))
        if how == "bye":
            dev.bye()
        elif how == "step down":
            dev.machine.step_down(dev.clock())
        else:
            dev.crash()
        if how == "crash and restart":
            self.network.dev(work=self.work, after=self.ended)

    @precondition(lambda self: any(dev.awake for dev in self.devs))
    @rule(data=st.data(), seconds=SECONDS, mid_publish=st.booleans(), clock_stops=st.booleans())
    def laptop_sleeps(self, data: st.DataObject, seconds: float, mid_publish: bool, clock_stops: bool) -> None:
        """Containers that freeze between two calls are in the network already."""
        dev = data.draw(st.sampled_from([dev for dev in self.devs if dev.awake]))
        dev.holding = mid_publish
        dev.sleep(seconds, clock_stops=clock_stops)

    @precondition(lambda self: self.recorded)
    @rule(data=st.data())
    def attacker_replays(self, data: st.DataObject) -> None:
        sender, _, datagram = data.draw(st.sampled_from(self.recorded))
        for party in [*self.devs, *self.stubs]:
            if isinstance(party, Stub) is not isinstance(sender, Stub):
                party.arrives(datagram)

    @precondition(lambda self: self.recorded)
    @rule(data=st.data(), position=st.integers(0, 10_000), bit=st.integers(0, 7))
    def attacker_damages(self, data: st.DataObject, position: int, bit: int) -> None:
        _, _, datagram = data.draw(st.sampled_from(self.recorded))
        damaged = bytearray(datagram)
        damaged[position % len(damaged)] ^= 1 << bit
        for party in [*self.devs, *self.stubs]:
            party.arrives(bytes(damaged))

    def teardown(self) -> None:
        network = self.network
        network.weather = Weather()
        network.run(600.0)
        assert all(call.outcome is not None for call in network.calls.values())
        for dev in self.devs:
            assert dev.machine.quiet
            retained = dev.machine.retained
            assert not {
                name: retained[name] for name in ("records", "held", "sending", "partial", "events") if retained[name]
            }
        for stub in self.stubs:
            assert stub.machine.outcome is not None or stub.current is None
            assert stub.machine.retained["partial"] == 0
        if not any(dev.machine.serving for dev in self.devs):
            network.dev()
        # One call may be lost of a container whose clock stood still, if its session is gone or has forgotten it.
        network.run_until([network.call(stub) for stub in self.stubs])
        again = [network.call(stub) for stub in self.stubs]
        network.run_until(again)
        assert all(call.returned for call in again)


TestStage = Stage.TestCase
TestStage.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
