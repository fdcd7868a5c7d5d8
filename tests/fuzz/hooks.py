"""What the fuzzer cannot know: which objects there are.

Random text is never the id of anything, so of the requests that are meant to be good most are about
something that is there. Which, depends on what was generated alone, so that a run can be repeated.
"""

import json
import os
import zlib

import schemathesis

# What `run.py` has made, by the kind of object.
OBJECTS = json.loads(os.environ["FUZZ_OBJECTS"])

# One of so many good requests keeps the text that was generated.
KEPT = 4


def pick(choices, generated):
    """One of them, or what was generated."""
    drawn = zlib.crc32(repr(generated).encode("utf-8", "replace"))
    if drawn % KEPT == 0:
        return generated
    return choices[drawn // KEPT % len(choices)]


def named_in(method, path):
    """What the variable of a path may name."""
    if path.endswith("/parts"):
        return [OBJECTS["open_upload"]]
    if path.endswith(("/pause", "/resume")):
        return OBJECTS["open_batches"]
    if path.endswith("/retry"):
        return OBJECTS["retried_batches"]
    if method.upper() == "DELETE" and "/batches/" in path:
        return OBJECTS["deleted_batches"]
    kinds = (kind for kind in OBJECTS if f"/{kind}/" in path)
    return OBJECTS.get(next(kinds, None), [])


@schemathesis.hook
def filter_case(_context, case):
    """Leaves out what looks wrong to the fuzzer, though it is not: an empty parameter counts as
    none, and spaces around the value of a header are no part of it."""
    if is_meant_to_be_good(case):
        return True
    queried = (case.query or {}).values()
    sent = (case.headers or {}).values()
    return "" not in queried and all(str(value) == str(value).strip() for value in sent)


@schemathesis.hook
def before_call(_context, case, _kwargs):
    if not is_meant_to_be_good(case):
        return
    whole = OBJECTS["whole_upload"]
    if case.path.endswith("/complete") and pick([whole], case.body) is whole:
        case.path_parameters = dict.fromkeys(case.path_parameters, whole["id"])
        case.body = {"part_ids": [whole["part"]]}
        return
    if case.path.endswith("/retry") and pick([None], (case.body, case.path_parameters)) is None:
        # A cause that was made up is nobody's, and a key that was is another request's by then.
        retried = OBJECTS["retried_batches"][0]
        case.path_parameters = dict.fromkeys(case.path_parameters, retried)
        case.body = {}
        if case.headers:
            case.headers.pop("Idempotency-Key", None)
        return
    choices = named_in(case.method, case.path)
    for name, value in (case.path_parameters or {}).items():
        case.path_parameters[name] = pick([1] if name == "number" else choices, value)
    if isinstance(case.body, dict) and "input_file_id" in case.body:
        case.body["input_file_id"] = pick(OBJECTS["files"], case.body["input_file_id"])
    after = (case.query or {}).get("after")
    if after is not None:
        listed = case.path.rsplit("/", 1)[-1]
        case.query["after"] = pick(OBJECTS.get(listed, [after]), after)


@schemathesis.hook
def after_call(_context, case, response):
    with open(os.environ["FUZZ_SEEN"], "a", encoding="utf-8") as seen:
        seen.write(f"{case.operation.label} {response.status_code}\n")


def is_meant_to_be_good(case):
    return case.meta is None or case.meta.generation.mode.is_positive
