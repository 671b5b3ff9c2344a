"""What a dev session does about one invocation: state and happening to next state and actions. Pure data.

`DevMachine` finds out which of the happenings it is that it met, and has a method for each of the actions.
"""

from __future__ import annotations

from .transitions import Machine, Step

_STATES = {
    "unknown": "not heard of, or forgotten",
    "preparing": "a place for a large request is being made",
    "claimed": "CLAIM is out",
    "fetching": "granted; the request comes from S3",
    "running": "granted; the function runs",
    "storing": "a large result goes to S3",
    "answered": "RESULT or ERROR is out",
    "collecting": "the stub downloads the result",
    "over": "nothing remains to be done; remembered for a while, so that nothing runs twice",
}
_HAPPENINGS = {
    "invoke": "INVOKE",
    "invoke_large": "INVOKE that says how large its payload is, without it",
    "invoke_granted": "INVOKE that grants it to this session",
    "invoke_stale": "INVOKE that grants it to this session, so late that it may have been here and was forgotten",
    "invoke_declined": "INVOKE that grants it to this session, which does not serve the stage any more",
    "invoke_again": "INVOKE of an invocation that is known",
    "upload_url": "there is a place for the request",
    "grant": "GRANT of this claim",
    "grant_large": "GRANT of this claim; the request has been uploaded",
    "grant_other": "GRANT of another claim, or of an invocation that is not known",
    "fetched": "the request is here, as announced",
    "fetched_wrong": "what is here is not what was announced",
    "returned": "the function returned",
    "returned_large": "the function returned more than fits in messages",
    "returned_too_large": "the function returned more than Lambda allows",
    "raised": "the function failed",
    "download_url": "there is a place to get the result from",
    "failed": "S3 could not be used",
    "taken": "RESULT or ERROR was acknowledged",
    "taken_stored": "RESULT was acknowledged; the result is in S3",
    "refused": "RESULT or ERROR was acknowledged as refused",
    "unheard": "RESULT or ERROR was not acknowledged in time",
    "received": "RECEIVED",
    "cancel": "CANCEL",
    "claim_late": "it has been running for 100 ms since INVOKE granted it",
    "claim_over": "GRANT did not come in time",
    "heartbeat": "2 s since the last heartbeat",
    "deadline": "the time the function may take is over",
    "bye": "this session ends",
    "forget": "it was over for 30 s",
}
_ACTIONS = {
    "need_upload_url": "report NeedUploadUrl",
    "claim": "CLAIM",
    "claim_running": "CLAIM: it runs",
    "decline": "REJECT",
    "fetch": "report Fetch",
    "invoke": "report Invoke",
    "need_download_url": "report NeedDownloadUrl",
    "result": "RESULT",
    "error": "ERROR",
    "error_too_large": "ERROR: Function.ResponseSizeTooLarge",
    "error_transfer": "ERROR: LivePayloadLost",
    "heartbeat": "HEARTBEAT",
    "rehello": "REHELLO",
    "deliver": "report Delivered",
    "refuse": "report Undelivered: the caller had given up",
    "undeliver": "report Undelivered: not acknowledged",
    "cancel": "report Cancelled",
    "end": "send no more of it, and let go of all but its name",
    "forget": "let go of its name",
}
_LIVE_ENDINGS = {
    "cancel": Step("over", ("cancel", "end")),
    "deadline": Step("over", ("cancel", "end")),
    "bye": Step("over", ("end",)),
}

DEV = Machine(
    first="unknown",
    states=_STATES,
    happenings=_HAPPENINGS,
    actions=_ACTIONS,
    steps={
        ("unknown", "invoke"): Step("claimed", ("claim",)),
        ("unknown", "invoke_large"): Step("preparing", ("need_upload_url",)),
        ("unknown", "invoke_granted"): Step("running", ("invoke",)),
        ("unknown", "invoke_stale"): Step("over", ("cancel", "end")),
        ("unknown", "invoke_declined"): Step("unknown", ("decline",)),
        ("unknown", "grant_other"): Step("unknown", ("rehello",)),
        ("unknown", "cancel"): Step("over", ("end",)),
        ("preparing", "upload_url"): Step("claimed", ("claim",)),
        ("preparing", "failed"): Step("answered", ("error_transfer",)),
        **{("preparing", happening): step for happening, step in _LIVE_ENDINGS.items()},
        ("claimed", "grant"): Step("running", ("invoke",)),
        ("claimed", "grant_large"): Step("fetching", ("fetch",)),
        ("claimed", "grant_other"): Step("claimed", ("rehello",)),
        ("claimed", "heartbeat"): Step("claimed", ("heartbeat",)),
        ("claimed", "claim_over"): Step("over", ("cancel", "end")),
        **{("claimed", happening): step for happening, step in _LIVE_ENDINGS.items()},
        ("fetching", "fetched"): Step("running", ("invoke",)),
        ("fetching", "fetched_wrong"): Step("answered", ("error_transfer",)),
        ("fetching", "failed"): Step("answered", ("error_transfer",)),
        ("fetching", "heartbeat"): Step("fetching", ("heartbeat",)),
        **{("fetching", happening): step for happening, step in _LIVE_ENDINGS.items()},
        ("running", "returned"): Step("answered", ("result",)),
        ("running", "returned_large"): Step("storing", ("need_download_url",)),
        ("running", "returned_too_large"): Step("answered", ("error_too_large",)),
        ("running", "raised"): Step("answered", ("error",)),
        ("running", "claim_late"): Step("running", ("claim_running",)),
        ("running", "heartbeat"): Step("running", ("heartbeat",)),
        **{("running", happening): step for happening, step in _LIVE_ENDINGS.items()},
        ("storing", "download_url"): Step("answered", ("result",)),
        ("storing", "failed"): Step("answered", ("error_transfer",)),
        ("storing", "claim_late"): Step("storing", ("claim_running",)),
        ("storing", "heartbeat"): Step("storing", ("heartbeat",)),
        **{("storing", happening): step for happening, step in _LIVE_ENDINGS.items()},
        ("answered", "taken"): Step("over", ("deliver", "end")),
        ("answered", "taken_stored"): Step("collecting", ()),
        ("answered", "refused"): Step("over", ("refuse", "end")),
        ("answered", "unheard"): Step("over", ("undeliver", "end")),
        ("answered", "received"): Step("over", ("deliver", "end")),
        ("answered", "cancel"): Step("over", ("refuse", "end")),
        ("collecting", "received"): Step("over", ("deliver", "end")),
        ("collecting", "cancel"): Step("over", ("refuse", "end")),
        ("collecting", "deadline"): Step("over", ("undeliver", "end")),
        ("collecting", "bye"): Step("over", ("undeliver", "end")),
        ("over", "grant"): Step("over", ("rehello",)),
        ("over", "grant_large"): Step("over", ("rehello",)),
        ("over", "grant_other"): Step("over", ("rehello",)),
        ("over", "forget"): Step("unknown", ("forget",)),
    },
    nothing={
        "unknown": (
            "invoke_again upload_url grant grant_large fetched fetched_wrong returned returned_large "
            "returned_too_large raised download_url failed taken taken_stored refused unheard received claim_late "
            "claim_over heartbeat deadline bye forget"
        ),
        "preparing": (
            "invoke invoke_large invoke_granted invoke_stale invoke_declined invoke_again grant grant_large "
            "grant_other fetched fetched_wrong returned returned_large returned_too_large raised download_url "
            "taken taken_stored refused unheard received claim_late claim_over heartbeat forget"
        ),
        "claimed": (
            "invoke invoke_large invoke_granted invoke_stale invoke_declined invoke_again upload_url fetched "
            "fetched_wrong returned returned_large returned_too_large raised download_url failed taken "
            "taken_stored refused unheard received claim_late forget"
        ),
        "fetching": (
            "invoke invoke_large invoke_granted invoke_stale invoke_declined invoke_again upload_url grant "
            "grant_large grant_other returned returned_large returned_too_large raised download_url taken "
            "taken_stored refused unheard received claim_late claim_over forget"
        ),
        "running": (
            "invoke invoke_large invoke_granted invoke_stale invoke_declined invoke_again upload_url grant "
            "grant_large grant_other fetched fetched_wrong download_url failed taken taken_stored refused unheard "
            "received claim_over forget"
        ),
        "storing": (
            "invoke invoke_large invoke_granted invoke_stale invoke_declined invoke_again upload_url grant "
            "grant_large grant_other fetched fetched_wrong returned returned_large returned_too_large raised "
            "taken taken_stored refused unheard received claim_over forget"
        ),
        "answered": (
            "invoke invoke_large invoke_granted invoke_stale invoke_declined invoke_again upload_url grant "
            "grant_large grant_other fetched fetched_wrong returned returned_large returned_too_large raised "
            "download_url failed claim_late claim_over heartbeat deadline bye forget"
        ),
        "collecting": (
            "invoke invoke_large invoke_granted invoke_stale invoke_declined invoke_again upload_url grant "
            "grant_large grant_other fetched fetched_wrong returned returned_large returned_too_large raised "
            "download_url failed taken taken_stored refused unheard claim_late claim_over heartbeat forget"
        ),
        "over": (
            "invoke invoke_large invoke_granted invoke_stale invoke_declined invoke_again upload_url fetched "
            "fetched_wrong returned returned_large returned_too_large raised download_url failed taken "
            "taken_stored refused unheard received cancel claim_late claim_over heartbeat deadline bye"
        ),
    },
)
