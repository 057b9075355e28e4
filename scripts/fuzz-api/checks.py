"""What schemathesis must know of this API beside its document."""

import urllib.parse

import schemathesis
from schemathesis.specs.openapi.checks import negative_data_rejection

# Claims wait for work that does not come: seconds.
LONGEST_WAIT = 1


@schemathesis.check
def only_the_documented_500(ctx, response, case):
    """A 5xx on any input is a bug, but for the outcome of a run that was waited for."""
    if response.status_code < 500:
        return
    is_outcome = case.operation.path.endswith("/execute") and response.status_code == 500
    if not (is_outcome and response.json().get("code") == "execution_failed"):
        raise AssertionError(f"{response.status_code}: {response.text[:500]}")


@schemathesis.check
def bad_input_is_refused(ctx, response, case):
    """But for items of a batch, which stand each alone and are answered inside a 200, and for an
    empty query parameter, which counts as absent whatever its type."""
    sent = urllib.parse.parse_qsl(urllib.parse.urlsplit(response.request.url).query, keep_blank_values=True)
    if all(value for _, value in sent) and not case.operation.path.endswith("/batch"):
        negative_data_rejection(ctx, response, case)


@schemathesis.hook
def map_body(ctx, body):
    """Long polls are cut short; a wait that is out of range stays so."""
    for holder in (body, body.get("claim_next") if isinstance(body, dict) else None):
        wait = holder.get("wait_seconds") if isinstance(holder, dict) else None
        if type(wait) is int and LONGEST_WAIT < wait <= 30:
            holder["wait_seconds"] = LONGEST_WAIT
    return body
