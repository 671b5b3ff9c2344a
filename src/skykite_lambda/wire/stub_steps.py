"""What a stub does about one invocation: state and happening to next state and actions. Pure data.

`StubMachine` finds out which of the happenings it is that it met, and has a method for each of the actions.
"""

from __future__ import annotations

from .transitions import Machine, Step

_STATES = {
    "idle": "nothing was invoked yet",
    "inviting": "INVOKE is out; nobody has shown that it runs it",
    "uploading": "a claim was accepted; the request goes to S3 first",
    "running": "one session is to run it, or does",
    "fetching": "there is a result, in S3",
    "answered": "the outcome is what a session said",
    "failed": "the outcome is a failure of the bridge's; a session may still be running it",
}
_HAPPENINGS = {
    "begin": "Lambda invoked the function",
    "begin_too_large": "Lambda invoked the function, with more than it allows",
    "claim": "CLAIM",
    "claim_upload": "CLAIM with a place to upload the request to",
    "claim_early": "CLAIM, while the session that INVOKE granted it to may be running it",
    "started": "CLAIM of the session that INVOKE granted it to: it runs it",
    "declined": "REJECT of that session: it does not serve the stage any more; or LEAVE: it ends and never got it",
    "claim_other": "CLAIM, though a claim was accepted, and not this one",
    "uploaded": "the request is in S3",
    "heartbeat": "HEARTBEAT of the owner",
    "heartbeat_other": "HEARTBEAT of a session that claimed, and is not the owner",
    "result": "RESULT of the owner",
    "result_stored": "RESULT of the owner, in S3",
    "result_other": "RESULT or ERROR of somebody else",
    "error": "ERROR of the owner",
    "error_early": "ERROR before any claim was accepted: that session cannot take the request",
    "downloaded": "the result is here, as announced",
    "downloaded_wrong": "what is here is not what was announced",
    "transfer_failed": "S3 could not be used",
    "bye": "BYE of the owner, or of the session that INVOKE granted it to; or LEAVE, if it may have got it",
    "forgotten": "REHELLO: the owner does not know the invocation",
    "outdated": "REJECT: a session speaks another protocol",
    "outdated_over": "and no other session claimed meanwhile",
    "offline": "the lease says that nobody is there",
    "invite_over": "INVOKE was acknowledged, but is not claimed",
    "vanished": "the lease was not renewed since a session was waited for in vain",
    "window_over": "the claim window is over",
    "last_window_over": "the second claim window is over",
    "silence": "the owner has not been heard of for 12 s",
    "deadline": "Lambda will end the function soon",
}
_ACTIONS = {
    "abandon": "CANCEL the former invocation",
    "invite": "INVOKE, and open the claim window",
    "invite_again": "INVOKE as a new message",
    "own": "remember the session as the owner; no other will be accepted",
    "keep_claim": "remember the claim",
    "release": "nobody has been granted it now; if a claim was remembered, take it",
    "upload": "want the request uploaded",
    "grant": "GRANT to the owner",
    "cancel": "CANCEL, to the owner or to anyone",
    "cancel_other": "CANCEL to that session",
    "refuse": "acknowledge as refused",
    "ask_lease": "want the lease read",
    "extend": "open the second claim window",
    "note_outdated": "wait a moment for sessions that understand",
    "download": "want the result downloaded",
    "receive": "RECEIVED",
    "return": "the outcome is the result",
    "return_download": "the outcome is what was downloaded",
    "raise": "the outcome is the error",
    "fail_offline": "the outcome is LiveDevOffline",
    "fail_lost": "the outcome is LiveDevLost",
    "fail_vanished": "the outcome is LiveDevLost, before the second window is over",
    "fail_outdated": "the outcome is LiveStubOutdated",
    "fail_deadline": "the outcome is LiveDeadline",
    "fail_transfer": "the outcome is LivePayloadLost",
    "fail_too_large": "the outcome is RequestTooLarge",
}

STUB = Machine(
    first="idle",
    states=_STATES,
    happenings=_HAPPENINGS,
    actions=_ACTIONS,
    steps={
        ("idle", "begin"): Step("inviting", ("invite",)),
        ("idle", "begin_too_large"): Step("failed", ("fail_too_large",)),
        ("inviting", "begin"): Step("inviting", ("abandon", "invite")),
        ("inviting", "begin_too_large"): Step("failed", ("abandon", "fail_too_large")),
        ("inviting", "claim"): Step("running", ("own", "grant")),
        ("inviting", "claim_upload"): Step("uploading", ("own", "upload")),
        ("inviting", "claim_early"): Step("inviting", ("keep_claim",)),
        ("inviting", "started"): Step("running", ("own",)),
        ("inviting", "heartbeat"): Step("running", ("own",)),
        ("inviting", "declined"): Step("inviting", ("release",)),
        ("inviting", "result"): Step("answered", ("own", "return")),
        ("inviting", "result_stored"): Step("fetching", ("own", "download")),
        ("inviting", "error"): Step("answered", ("own", "raise")),
        ("inviting", "bye"): Step("failed", ("fail_lost",)),
        ("inviting", "result_other"): Step("inviting", ("refuse",)),
        ("inviting", "error_early"): Step("answered", ("cancel", "raise")),
        ("inviting", "outdated"): Step("inviting", ("note_outdated",)),
        ("inviting", "outdated_over"): Step("failed", ("cancel", "fail_outdated")),
        ("inviting", "offline"): Step("failed", ("cancel", "fail_offline")),
        ("inviting", "invite_over"): Step("inviting", ("invite_again",)),
        ("inviting", "window_over"): Step("inviting", ("ask_lease", "extend", "invite_again")),
        ("inviting", "vanished"): Step("failed", ("cancel", "fail_vanished")),
        ("inviting", "last_window_over"): Step("failed", ("cancel", "fail_lost")),
        ("inviting", "deadline"): Step("failed", ("cancel", "fail_deadline")),
        ("uploading", "begin"): Step("inviting", ("abandon", "invite")),
        ("uploading", "begin_too_large"): Step("failed", ("abandon", "fail_too_large")),
        ("uploading", "claim_other"): Step("uploading", ("cancel_other",)),
        ("uploading", "heartbeat_other"): Step("uploading", ("cancel_other",)),
        ("uploading", "result_other"): Step("uploading", ("refuse",)),
        ("uploading", "result"): Step("uploading", ("refuse",)),
        ("uploading", "result_stored"): Step("uploading", ("refuse",)),
        ("uploading", "error"): Step("answered", ("raise",)),
        ("uploading", "uploaded"): Step("running", ("grant",)),
        ("uploading", "transfer_failed"): Step("failed", ("cancel", "fail_transfer")),
        ("uploading", "bye"): Step("failed", ("fail_lost",)),
        ("uploading", "forgotten"): Step("failed", ("fail_lost",)),
        ("uploading", "silence"): Step("failed", ("cancel", "fail_lost")),
        ("uploading", "deadline"): Step("failed", ("cancel", "fail_deadline")),
        ("running", "begin"): Step("inviting", ("abandon", "invite")),
        ("running", "begin_too_large"): Step("failed", ("abandon", "fail_too_large")),
        ("running", "claim_other"): Step("running", ("cancel_other",)),
        ("running", "heartbeat_other"): Step("running", ("cancel_other",)),
        ("running", "result"): Step("answered", ("return",)),
        ("running", "result_stored"): Step("fetching", ("download",)),
        ("running", "result_other"): Step("running", ("refuse",)),
        ("running", "error"): Step("answered", ("raise",)),
        ("running", "bye"): Step("failed", ("fail_lost",)),
        ("running", "forgotten"): Step("failed", ("fail_lost",)),
        ("running", "silence"): Step("failed", ("cancel", "fail_lost")),
        ("running", "deadline"): Step("failed", ("cancel", "fail_deadline")),
        ("fetching", "begin"): Step("inviting", ("abandon", "invite")),
        ("fetching", "begin_too_large"): Step("failed", ("abandon", "fail_too_large")),
        ("fetching", "claim_other"): Step("fetching", ("cancel_other",)),
        ("fetching", "heartbeat_other"): Step("fetching", ("cancel_other",)),
        ("fetching", "result_other"): Step("fetching", ("refuse",)),
        ("fetching", "downloaded"): Step("answered", ("receive", "return_download")),
        ("fetching", "downloaded_wrong"): Step("failed", ("cancel", "fail_transfer")),
        ("fetching", "transfer_failed"): Step("failed", ("cancel", "fail_transfer")),
        ("fetching", "deadline"): Step("failed", ("cancel", "fail_deadline")),
        ("answered", "begin"): Step("inviting", ("invite",)),
        ("answered", "begin_too_large"): Step("failed", ("fail_too_large",)),
        ("answered", "claim"): Step("answered", ("cancel_other",)),
        ("answered", "claim_upload"): Step("answered", ("cancel_other",)),
        ("answered", "claim_early"): Step("answered", ("cancel_other",)),
        ("answered", "claim_other"): Step("answered", ("cancel_other",)),
        ("answered", "heartbeat_other"): Step("answered", ("cancel_other",)),
        ("answered", "result"): Step("answered", ("refuse",)),
        ("answered", "result_stored"): Step("answered", ("refuse",)),
        ("answered", "result_other"): Step("answered", ("refuse",)),
        ("answered", "error"): Step("answered", ("refuse",)),
        ("failed", "begin"): Step("inviting", ("invite",)),
        ("failed", "begin_too_large"): Step("failed", ("fail_too_large",)),
        ("failed", "claim"): Step("failed", ("cancel_other",)),
        ("failed", "claim_upload"): Step("failed", ("cancel_other",)),
        ("failed", "claim_early"): Step("failed", ("cancel_other",)),
        ("failed", "started"): Step("failed", ("cancel_other",)),
        ("failed", "claim_other"): Step("failed", ("cancel_other",)),
        ("failed", "heartbeat"): Step("failed", ("cancel_other",)),
        ("failed", "heartbeat_other"): Step("failed", ("cancel_other",)),
        ("failed", "result"): Step("failed", ("refuse",)),
        ("failed", "result_stored"): Step("failed", ("refuse",)),
        ("failed", "result_other"): Step("failed", ("refuse",)),
        ("failed", "error"): Step("failed", ("refuse",)),
    },
    nothing={
        "idle": (
            "claim claim_upload claim_early started declined claim_other uploaded heartbeat heartbeat_other "
            "result result_stored result_other error error_early downloaded downloaded_wrong transfer_failed bye "
            "forgotten outdated outdated_over offline invite_over vanished window_over last_window_over silence "
            "deadline"
        ),
        "inviting": (
            "claim_other uploaded heartbeat_other downloaded downloaded_wrong transfer_failed forgotten silence"
        ),
        "uploading": (
            "claim claim_upload claim_early started declined heartbeat error_early downloaded downloaded_wrong "
            "outdated outdated_over offline invite_over vanished window_over last_window_over"
        ),
        "running": (
            "claim claim_upload claim_early started declined uploaded heartbeat error_early downloaded "
            "downloaded_wrong transfer_failed outdated outdated_over offline invite_over vanished window_over "
            "last_window_over"
        ),
        "fetching": (
            "claim claim_upload claim_early started declined uploaded heartbeat result result_stored error "
            "error_early bye forgotten outdated outdated_over offline invite_over vanished window_over "
            "last_window_over silence"
        ),
        "answered": (
            "started declined uploaded heartbeat error_early downloaded downloaded_wrong transfer_failed bye "
            "forgotten outdated outdated_over offline invite_over vanished window_over last_window_over silence "
            "deadline"
        ),
        "failed": (
            "declined uploaded error_early downloaded downloaded_wrong transfer_failed bye forgotten outdated "
            "outdated_over offline invite_over vanished window_over last_window_over silence deadline"
        ),
    },
)
