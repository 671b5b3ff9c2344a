"""What a stub does about one invocation: state and happening to next state and actions. Pure data.

`StubMachine` finds out which of the happenings it is that it met, and has a method for each of the actions.
"""

from __future__ import annotations

from .transitions import Machine, Step

_STATES = {
    "idle": "nothing was invoked yet",
    "inviting": "INVOKE is out, nobody was granted it",
    "uploading": "a claim was accepted; the request goes to S3 first",
    "running": "one session was told to run it",
    "fetching": "there is a result, in S3",
    "settled": "the outcome is known",
}
_HAPPENINGS = {
    "begin": "Lambda invoked the function",
    "begin_too_large": "Lambda invoked the function, with more than it allows",
    "claim": "CLAIM",
    "claim_upload": "CLAIM with a place to upload the request to",
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
    "bye": "BYE of the owner",
    "forgotten": "REHELLO: the owner does not know the invocation",
    "outdated": "REJECT: a session speaks another protocol",
    "outdated_over": "and no other session claimed meanwhile",
    "offline": "the lease says that nobody is there",
    "invite_over": "INVOKE was acknowledged, but is not claimed",
    "window_over": "the claim window is over",
    "last_window_over": "the second claim window is over",
    "silence": "the owner has not been heard of for 12 s",
    "deadline": "Lambda will end the function soon",
}
_ACTIONS = {
    "abandon": "CANCEL the former invocation",
    "invite": "INVOKE, and open the claim window",
    "invite_again": "INVOKE as a new message",
    "own": "remember session and claim as the owner; no other will be accepted",
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
        ("idle", "begin_too_large"): Step("settled", ("fail_too_large",)),
        ("inviting", "begin"): Step("inviting", ("abandon", "invite")),
        ("inviting", "begin_too_large"): Step("settled", ("abandon", "fail_too_large")),
        ("inviting", "claim"): Step("running", ("own", "grant")),
        ("inviting", "claim_upload"): Step("uploading", ("own", "upload")),
        ("inviting", "result_other"): Step("inviting", ("refuse",)),
        ("inviting", "error_early"): Step("settled", ("cancel", "raise")),
        ("inviting", "outdated"): Step("inviting", ("note_outdated",)),
        ("inviting", "outdated_over"): Step("settled", ("cancel", "fail_outdated")),
        ("inviting", "offline"): Step("settled", ("cancel", "fail_offline")),
        ("inviting", "invite_over"): Step("inviting", ("invite_again",)),
        ("inviting", "window_over"): Step("inviting", ("ask_lease", "extend", "invite_again")),
        ("inviting", "last_window_over"): Step("settled", ("cancel", "fail_lost")),
        ("inviting", "deadline"): Step("settled", ("cancel", "fail_deadline")),
        ("uploading", "begin"): Step("inviting", ("abandon", "invite")),
        ("uploading", "begin_too_large"): Step("settled", ("abandon", "fail_too_large")),
        ("uploading", "claim_other"): Step("uploading", ("cancel_other",)),
        ("uploading", "heartbeat_other"): Step("uploading", ("cancel_other",)),
        ("uploading", "result_other"): Step("uploading", ("refuse",)),
        ("uploading", "result"): Step("uploading", ("refuse",)),
        ("uploading", "result_stored"): Step("uploading", ("refuse",)),
        ("uploading", "error"): Step("settled", ("raise",)),
        ("uploading", "uploaded"): Step("running", ("grant",)),
        ("uploading", "transfer_failed"): Step("settled", ("cancel", "fail_transfer")),
        ("uploading", "bye"): Step("settled", ("fail_lost",)),
        ("uploading", "forgotten"): Step("settled", ("fail_lost",)),
        ("uploading", "silence"): Step("settled", ("cancel", "fail_lost")),
        ("uploading", "deadline"): Step("settled", ("cancel", "fail_deadline")),
        ("running", "begin"): Step("inviting", ("abandon", "invite")),
        ("running", "begin_too_large"): Step("settled", ("abandon", "fail_too_large")),
        ("running", "claim_other"): Step("running", ("cancel_other",)),
        ("running", "heartbeat_other"): Step("running", ("cancel_other",)),
        ("running", "result"): Step("settled", ("return",)),
        ("running", "result_stored"): Step("fetching", ("download",)),
        ("running", "result_other"): Step("running", ("refuse",)),
        ("running", "error"): Step("settled", ("raise",)),
        ("running", "bye"): Step("settled", ("fail_lost",)),
        ("running", "forgotten"): Step("settled", ("fail_lost",)),
        ("running", "silence"): Step("settled", ("cancel", "fail_lost")),
        ("running", "deadline"): Step("settled", ("cancel", "fail_deadline")),
        ("fetching", "begin"): Step("inviting", ("abandon", "invite")),
        ("fetching", "begin_too_large"): Step("settled", ("abandon", "fail_too_large")),
        ("fetching", "claim_other"): Step("fetching", ("cancel_other",)),
        ("fetching", "heartbeat_other"): Step("fetching", ("cancel_other",)),
        ("fetching", "result_other"): Step("fetching", ("refuse",)),
        ("fetching", "downloaded"): Step("settled", ("receive", "return_download")),
        ("fetching", "downloaded_wrong"): Step("settled", ("cancel", "fail_transfer")),
        ("fetching", "transfer_failed"): Step("settled", ("cancel", "fail_transfer")),
        ("fetching", "deadline"): Step("settled", ("cancel", "fail_deadline")),
        ("settled", "begin"): Step("inviting", ("invite",)),
        ("settled", "begin_too_large"): Step("settled", ("fail_too_large",)),
        ("settled", "claim"): Step("settled", ("cancel_other",)),
        ("settled", "claim_upload"): Step("settled", ("cancel_other",)),
        ("settled", "claim_other"): Step("settled", ("cancel_other",)),
        ("settled", "heartbeat"): Step("settled", ("cancel_other",)),
        ("settled", "heartbeat_other"): Step("settled", ("cancel_other",)),
        ("settled", "result"): Step("settled", ("refuse",)),
        ("settled", "result_stored"): Step("settled", ("refuse",)),
        ("settled", "result_other"): Step("settled", ("refuse",)),
        ("settled", "error"): Step("settled", ("refuse",)),
    },
    nothing={
        "idle": (
            "claim claim_upload claim_other uploaded heartbeat heartbeat_other result result_stored result_other "
            "error error_early downloaded downloaded_wrong transfer_failed bye forgotten outdated outdated_over "
            "offline invite_over window_over last_window_over silence deadline"
        ),
        "inviting": (
            "claim_other uploaded heartbeat heartbeat_other result result_stored error downloaded "
            "downloaded_wrong transfer_failed bye forgotten silence"
        ),
        "uploading": (
            "claim claim_upload heartbeat error_early downloaded downloaded_wrong outdated outdated_over offline "
            "invite_over window_over last_window_over"
        ),
        "running": (
            "claim claim_upload uploaded heartbeat error_early downloaded downloaded_wrong transfer_failed "
            "outdated outdated_over offline invite_over window_over last_window_over"
        ),
        "fetching": (
            "claim claim_upload uploaded heartbeat result result_stored error error_early bye forgotten outdated "
            "outdated_over offline invite_over window_over last_window_over silence"
        ),
        "settled": (
            "uploaded error_early downloaded downloaded_wrong transfer_failed bye forgotten outdated "
            "outdated_over offline invite_over window_over last_window_over silence deadline"
        ),
    },
)
